//! Where the API is: scheme, host and base path.
//!
//! That is `openapi-server-proxy-uri`, if it is set, else what the server listens on.

use corerest_config::Config;
use std::borrow::Cow;

/// The address of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// The host with its port.
    pub(super) host: String,
    /// The path before all paths.
    pub(super) base_path: Cow<'a, str>,
}

impl<'a> Address<'a> {
    /// The address that the configuration says.
    pub(super) fn of(config: &'a Config) -> Address<'a> {
        match &config.openapi_server_proxy_uri {
            Some(uri) => Address::of_proxy(uri),
            None => Address {
                scheme: "http",
                host: format!("{}:{}", host_name(&config.server_host), config.server_port),
                base_path: "/".into(),
            },
        }
    }

    /// As one text, to which paths are added that begin with a slash.
    pub(super) fn url(&self) -> String {
        let usual_port = if self.scheme == "https" {
            ":443"
        } else {
            ":80"
        };
        let host = self.host.strip_suffix(usual_port).unwrap_or(&self.host);
        format!(
            "{}://{host}{}",
            self.scheme,
            self.base_path.trim_end_matches('/')
        )
    }

    /// The configuration has checked that it is a URI of http or https with a host, without a
    /// user or a query.
    fn of_proxy(uri: &'a str) -> Address<'a> {
        let (scheme, rest) = uri.split_once("://").unwrap_or(("http", uri));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_https = scheme.eq_ignore_ascii_case("https");
        let after_host = authority.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match authority[after_host..].find(':') {
            Some(at) => authority.split_at(after_host + at),
            None => (authority, ""),
        };
        let usual_port = if is_https { 443 } else { 80 };
        let port = port.trim_start_matches(':').parse().unwrap_or(usual_port);
        Address {
            scheme: if is_https { "https" } else { "http" },
            host: format!("{}:{port}", host_name(host)),
            base_path: if path.is_empty() { "/" } else { path }.into(),
        }
    }
}

/// Parity: the words for all interfaces become the address of all interfaces, of IPv4 in any case
/// (`escapeHostName` in Network.hs).
fn host_name(host: &str) -> &str {
    match host {
        "*" | "*4" | "!4" | "*6" | "!6" => "0.0.0.0",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &Config, scheme: &str, host: &str, base_path: &str) {
        let address = Address::of(config);
        let parts = (address.scheme, &*address.host, &*address.base_path);
        assert_eq!(parts, (scheme, host, base_path));
    }

    #[track_caller]
    fn check_proxy(uri: &str, scheme: &str, host: &str, base_path: &str) {
        let config = Config {
            openapi_server_proxy_uri: Some(uri.to_owned()),
            ..Config::default()
        };
        check(&config, scheme, host, base_path);
    }

    #[test]
    fn the_server_is_where_it_listens() {
        check(&Config::default(), "http", "0.0.0.0:3000", "/");
        for (server_host, host) in [("localhost", "localhost:3000"), ("!6", "0.0.0.0:3000")] {
            let server_host = server_host.to_owned();
            let config = Config {
                server_host,
                ..Config::default()
            };
            check(&config, "http", host, "/");
        }
    }

    #[test]
    fn a_proxy_stands_for_the_server() {
        check_proxy(
            "https://postgrest.com/openapi.json",
            "https",
            "postgrest.com:443",
            "/openapi.json",
        );
        check_proxy(
            "https://example.com:8443/basePath",
            "https",
            "example.com:8443",
            "/basePath",
        );
        check_proxy("HTTP://example.com", "http", "example.com:80", "/");
        check_proxy(
            "http://example.com:08080/a/b/",
            "http",
            "example.com:8080",
            "/a/b/",
        );
        check_proxy("https://[::1]:3000/", "https", "[::1]:3000", "/");
        check_proxy("https://[::1]", "https", "[::1]:443", "/");
    }
}
