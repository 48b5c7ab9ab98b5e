//! `db-uri` in both syntaxes, with what its environment adds, and the password file.
//!
//! Properties: nothing panics; the same settings mean the same as pairs and as a URI; no password
//! is shown, in a target or an error; and the password file gives the password that a line has
//! for its host, port, database and user, whatever characters they are made of.

use crate::choices::Choices;
use corerest_pg::connect::{Environment, Target};
use corerest_pg::internals::find_password;

/// Connection strings to start from; the first byte says what is done with the rest.
pub(crate) const CONNECTION_SEEDS: &[&[u8]] = &[
    b"\x00postgres://u:p%40@h:1,[::1]:2/d?sslmode=require&connect_timeout=3&ssl=true",
    b"\x00postgresql:///d?host=/tmp&options=-c%20a%3Db&target_session_attrs=read-write",
    b"\x00host=a,b port=1,2 user='o\\'x' dbname = d password=\\\\ keepalives=0",
    b"\x00hostaddr=127.0.0.1,::1 host=x require_auth=!md5 channel_binding=require sslroo\
      tcert=system",
    b"\x00application_name=a tcp_user_timeout=5 load_balance_hosts=random sslcertmode=disable",
    b"\x01\x00\x04a,/b\x02\x031,2\x04\x02me\x05\x03 '\\\x03\x01d",
    b"\x02\x01h\x15\x38\x01d\x01u\x01p\x02a:\x15\x39\x01\\\x00\x03x:y\x01h\x15\x38\x01d\x01u",
];

const KEYWORDS: [&str; 24] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "require_auth",
    "channel_binding",
    "connect_timeout",
    "options",
    "application_name",
    "keepalives",
    "keepalives_idle",
    "tcp_user_timeout",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "target_session_attrs",
    "load_balance_hosts",
    "gssencmode",
    "replication",
];

/// It stands in the environment, and must not be seen anywhere.
const SECRET: &str = "open-sesame-4711";

/// The first byte chooses the syntax.
pub fn connection_string(data: &[u8]) {
    let [choice, rest @ ..] = data else {
        return;
    };
    match choice % 3 {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else {
                return;
            };
            drop(shown(text));
        }
        1 => check_syntaxes(Choices::new(rest)),
        _ => check_password_file(Choices::new(rest)),
    }
}

/// What is read of it, or why not.
fn shown(text: &str) -> String {
    let environment = Environment::new([("PGPASSWORD", SECRET), ("PGUSER", "somebody")]);
    let target = Target::parse(text, &environment);
    let shown = match &target {
        Ok(target) => format!("{target:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains(SECRET), "{shown}");
    shown
}

fn check_syntaxes(mut choices: Choices<'_>) {
    let mut pairs = String::new();
    let mut uri = "postgresql://".to_owned();
    let mut before = '?';
    while !choices.is_over() {
        let name = KEYWORDS[choices.below(KEYWORDS.len())];
        let value = choices.text();
        pairs.push_str(name);
        pairs.push_str("='");
        for character in value.chars() {
            if matches!(character, '\'' | '\\') {
                pairs.push('\\');
            }
            pairs.push(character);
        }
        pairs.push_str("' ");
        uri.push(before);
        uri.push_str(name);
        uri.push('=');
        for byte in value.bytes() {
            uri.push_str(&format!("%{byte:02X}"));
        }
        before = '&';
    }
    assert_eq!(shown(&pairs), shown(&uri), "{pairs} as {uri}");
}

/// What a line is for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place<'a> {
    host: &'a str,
    port: u16,
    database: &'a str,
    user: &'a str,
}

impl<'a> Place<'a> {
    fn choose(choices: &mut Choices<'a>) -> Place<'a> {
        Place {
            host: line_text(choices),
            port: u16::from_be_bytes([choices.byte(), choices.byte()]),
            database: line_text(choices),
            user: line_text(choices),
        }
    }
}

/// A text that fits into a line.
fn line_text<'a>(choices: &mut Choices<'a>) -> &'a str {
    let text = choices.text();
    text.split(['\n', '\r']).next().unwrap_or_default()
}

fn check_password_file(mut choices: Choices<'_>) {
    let mut file = String::new();
    let mut entries = Vec::new();
    for _ in 0..=choices.below(4) {
        let (place, password) = (Place::choose(&mut choices), line_text(&mut choices));
        // A line that begins with this is a comment, and so is one for any host whatever.
        if place.host.starts_with('#') || fields(place).contains(&"*".to_owned()) {
            continue;
        }
        for field in fields(place) {
            write_escaped(&mut file, &field);
            file.push(':');
        }
        write_escaped(&mut file, password);
        file.push('\n');
        entries.push((place, password));
    }
    let asked = Place::choose(&mut choices);
    let places: Vec<Place<'_>> = entries.iter().map(|(place, _)| *place).collect();
    for wanted in places.iter().chain([&asked]) {
        let expected = entries
            .iter()
            .find(|(place, password)| place == wanted && !password.is_empty());
        let at = (wanted.host, wanted.port);
        let found = find_password(&file, at, wanted.database, wanted.user);
        assert_eq!(found.as_deref(), expected.map(|(_, password)| *password));
    }
    // And any text is a file.
    let text = choices.text();
    let _ = find_password(text, (asked.host, asked.port), asked.database, asked.user);
}

fn fields(place: Place<'_>) -> [String; 4] {
    [
        place.host.to_owned(),
        place.port.to_string(),
        place.database.to_owned(),
        place.user.to_owned(),
    ]
}

fn write_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, ':' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::{CONNECTION_SEEDS, connection_string};

    #[test]
    fn both_syntaxes_mean_the_same_and_passwords_are_found_and_not_shown() {
        crate::smoke(connection_string, CONNECTION_SEEDS, 20_000);
    }
}
