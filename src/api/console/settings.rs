//! What the console cannot find out from the API's description: a small document about the
//! configuration, as far as requests show it anyway, or the page would offer what is refused.

use crate::json::write_json_string;
use corerest_config::Config;

/// The document.
pub(super) fn settings(config: &Config) -> Vec<u8> {
    let mut out = b"{\"version\":".to_vec();
    write_json_string(&mut out, env!("CARGO_PKG_VERSION"));
    out.extend_from_slice(b",\"schemas\":[");
    for (number, schema) in config.db_schemas.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_json_string(&mut out, schema);
    }
    out.extend_from_slice(b"],\"anonymousRole\":");
    match &config.db_anon_role {
        Some(role) => write_json_string(&mut out, role),
        None => out.extend_from_slice(b"null"),
    }
    for (name, is_on) in [
        ("plans", config.db_plan_enabled),
        ("aggregates", config.db_aggregates_enabled),
        ("transactionEnd", config.db_tx_end.allow_override()),
    ] {
        out.extend_from_slice(format!(",\"{name}\":{is_on}").as_bytes());
    }
    let rows_max = config.db_max_rows.map(|rows| rows.to_string());
    let port = config
        .admin_server_port
        .as_ref()
        .and_then(|port| port.number());
    let port = port.map(|port| port.to_string());
    for (name, number) in [("rowsMax", rows_max), ("adminPort", port)] {
        let number = number.as_deref().unwrap_or("null");
        out.extend_from_slice(format!(",\"{name}\":{number}").as_bytes());
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_json_that_tells_what_can_be_asked_for() {
        let config = Config {
            db_schemas: vec!["api".to_owned(), "a \"b\"".to_owned()],
            db_anon_role: Some("web_anon".to_owned()),
            db_plan_enabled: true,
            db_max_rows: Some(1000),
            ..Config::default()
        };
        let text = String::from_utf8(settings(&config)).unwrap();
        let expected = format!(
            "{{\"version\":\"{}\",\"schemas\":[\"api\",\"a \\\"b\\\"\"],\
             \"anonymousRole\":\"web_anon\",\"plans\":true,\"aggregates\":false,\
             \"transactionEnd\":false,\"rowsMax\":1000,\"adminPort\":null}}",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(text, expected);
    }
}
