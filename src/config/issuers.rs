//! `jwt-jwks-uri` and `jwt-issuers`: where keys for tokens are fetched from, and whose they are.
//!
//! ```text
//! issuers = url *( "," url ) / "[" object *( "," object ) "]"
//! object  = { "issuer", and perhaps "jwks_uri", "audience", "role_claim_key" }
//! url     = "https://" … / "http://" … / "file:" path        ; no user, no fragment
//! ```
//! An issuer without `jwks_uri` is asked for it (OpenID Connect Discovery 1.0, RFC 8414), so it
//! has to be a URL then; otherwise it may be any text that tokens have as their `iss`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use crate::role_claim::RoleClaimKey;
use crate::uri::{parse_audience, parse_uri};

/// How many sources of keys there may be: each is asked again and again.
const SOURCES_MAX: usize = 64;

/// A URL that something about keys is read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeysUrl {
    text: String,
    scheme: KeysScheme,
    is_loopback: bool,
}

/// How it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeysScheme {
    /// By HTTPS.
    Https,
    /// By HTTP, where whoever is in between could give other keys.
    Http,
    /// From a file of this machine.
    File,
}

impl KeysUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<KeysUrl, String> {
        let refused = |why: &str| Err(format!("{text:?} {why}"));
        let Some(uri) = parse_uri(text) else {
            return refused("is not a URL");
        };
        let scheme = match uri.scheme.to_ascii_lowercase().as_str() {
            "https" => KeysScheme::Https,
            "http" => KeysScheme::Http,
            "file" => KeysScheme::File,
            _ => return refused("begins with neither https:, http: nor file:"),
        };
        if uri.fragment.is_some() {
            return refused("has a fragment");
        }
        let host = uri
            .authority
            .as_ref()
            .map_or("", |authority| authority.host);
        if scheme == KeysScheme::File {
            if !host.is_empty() || uri.query.is_some() || !uri.path.starts_with('/') {
                return refused("is not file: and the absolute path of a file");
            }
        } else if host.is_empty() {
            return refused("has no host");
        }
        if let Some(authority) = &uri.authority {
            if authority.userinfo.is_some() {
                return refused("has a user in it");
            }
            let port = authority.port.map(str::parse::<u16>);
            if matches!(port, Some(Ok(0) | Err(_))) {
                return refused("has a port that is none");
            }
        }
        Ok(KeysUrl {
            text: text.to_owned(),
            scheme,
            is_loopback: is_loopback(host),
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it is read.
    #[must_use]
    pub fn scheme(&self) -> KeysScheme {
        self.scheme
    }

    /// Whether it leads to this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Whether nobody on the way could have written what is read.
    ///
    /// # Errors
    /// What is wrong, if somebody could and that is not allowed (`jwt-jwks-allow-http`).
    pub fn check_way(&self, allows_http: bool) -> Result<(), String> {
        if self.scheme != KeysScheme::Http || self.is_loopback || allows_http {
            return Ok(());
        }
        Err(format!(
            "{:?} is not https, so that anybody on the way could give other keys \
             (jwt-jwks-allow-http)",
            self.text
        ))
    }
}

impl fmt::Display for KeysUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Names that are told apart from addresses by the system would not count: `localhost` is meant to
/// be this machine everywhere (RFC 6761 section 6.3).
fn is_loopback(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|it| it.is_loopback())
        || literal.is_some_and(|it| it.parse::<Ipv6Addr>().is_ok_and(|it| it.is_loopback()))
}

/// Whose tokens are taken, and what they have to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Issuer {
    /// What their tokens have as `iss`.
    pub issuer: String,
    /// Where their keys are; asked for at the issuer if it is not given.
    pub jwks_uri: Option<KeysUrl>,
    /// The audience that their tokens must be meant for, instead of `jwt-aud`.
    pub audience: Option<String>,
    /// Where their tokens have the role, instead of `jwt-role-claim-key`.
    pub role_claim_key: Option<RoleClaimKey>,
}

/// The value of `jwt-issuers`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issuers {
    list: Vec<Issuer>,
    /// The file that they stand in, until it is read.
    file: Option<String>,
}

/// An element of the JSON array.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    issuer: String,
    jwks_uri: Option<String>,
    audience: Option<String>,
    role_claim_key: Option<String>,
}

impl Issuers {
    /// Reads the value of the key.
    pub(crate) fn parse(text: &str) -> Result<Issuers, String> {
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Issuers {
                list: Vec::new(),
                file: Some(path.to_owned()),
            });
        }
        let list = if text.trim_start().starts_with('[') {
            parse_array(text)?
        } else {
            let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
            urls.map(Issuer::of_url).collect()
        };
        list.iter().try_for_each(Issuer::check)?;
        check_number(list.len())?;
        for (index, issuer) in list.iter().enumerate() {
            let name = &issuer.issuer;
            if list[..index].iter().any(|other| other.issuer == *name) {
                return Err(format!("the issuer {name:?} stands there twice"));
            }
        }
        Ok(Issuers { list, file: None })
    }

    /// The file that has to be read first.
    pub(crate) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The issuers.
    #[must_use]
    pub fn list(&self) -> &[Issuer] {
        &self.list
    }
}

/// Refuses more sources than there may be.
pub(crate) fn check_number(count: usize) -> Result<(), String> {
    match count {
        0..=SOURCES_MAX => Ok(()),
        _ => Err(format!("there may be {SOURCES_MAX}, and there are {count}")),
    }
}

fn parse_array(text: &str) -> Result<Vec<Issuer>, String> {
    let mut bytes = text.trim().as_bytes().to_vec();
    let written: Vec<Written> = simd_json::serde::from_slice(&mut bytes).map_err(|error| {
        format!(
            "it is not a JSON array of objects with \"issuer\" and perhaps \"jwks_uri\", \
             \"audience\" and \"role_claim_key\": {error}"
        )
    })?;
    written.into_iter().map(Issuer::of_json).collect()
}

impl Issuer {
    fn of_url(url: &str) -> Issuer {
        Issuer {
            issuer: url.to_owned(),
            jwks_uri: None,
            audience: None,
            role_claim_key: None,
        }
    }

    fn of_json(written: Written) -> Result<Issuer, String> {
        let jwks_uri = written.jwks_uri.as_deref().map(KeysUrl::parse);
        let audience = written.audience.map(parse_audience).transpose()?.flatten();
        let role = written.role_claim_key.as_deref().map(RoleClaimKey::parse);
        Ok(Issuer {
            issuer: written.issuer,
            jwks_uri: jwks_uri.transpose()?,
            audience,
            role_claim_key: role.transpose()?,
        })
    }

    fn check(&self) -> Result<(), String> {
        let Issuer {
            issuer, jwks_uri, ..
        } = self;
        if issuer.is_empty() || issuer.contains('\0') {
            return Err("an issuer has no name".to_owned());
        }
        if jwks_uri.is_some() {
            return Ok(());
        }
        let url = KeysUrl::parse(issuer)?;
        // RFC 8414 section 2: no query and no fragment.
        if url.scheme == KeysScheme::File || issuer.contains('?') {
            return Err(format!(
                "{issuer:?} is not a URL of https without a query; give it a \"jwks_uri\""
            ));
        }
        Ok(())
    }

    /// What is asked first: the issuer itself, or the URL of its keys.
    pub(crate) fn url_asked(&self) -> Result<KeysUrl, String> {
        match &self.jwks_uri {
            Some(url) => Ok(url.clone()),
            None => KeysUrl::parse(&self.issuer),
        }
    }

    fn has_defaults(&self) -> bool {
        self.jwks_uri.is_none() && self.audience.is_none() && self.role_claim_key.is_none()
    }
}

impl fmt::Display for Issuers {
    /// A list if that says it all, or else JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_list = |issuer: &Issuer| issuer.has_defaults() && !issuer.issuer.contains(',');
        if self.list.iter().all(is_list) {
            let names: Vec<&str> = self.list.iter().map(|it| it.issuer.as_str()).collect();
            return f.write_str(&names.join(","));
        }
        f.write_str("[")?;
        for (index, issuer) in self.list.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            write!(f, "{separator}{issuer}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"issuer\":{}", json_text(&self.issuer))?;
        let members = [
            ("jwks_uri", self.jwks_uri.as_ref().map(KeysUrl::to_string)),
            ("audience", self.audience.clone()),
            (
                "role_claim_key",
                self.role_claim_key.as_ref().map(RoleClaimKey::to_string),
            ),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                write!(f, ",\"{name}\":{}", json_text(&value))?;
            }
        }
        f.write_str("}")
    }
}

fn json_text(text: &str) -> String {
    simd_json::serde::to_string(text).expect("a text can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let said = Issuers::parse(text).map(|issuers| issuers.to_string());
        match (said, expected) {
            (Ok(said), Ok(expected)) => assert_eq!(said, expected, "{text}"),
            (Err(said), Err(part)) => assert!(said.contains(part), "{text}: {said}"),
            (said, _) => panic!("{text}: {said:?}"),
        }
    }

    #[test]
    fn issuers_are_a_list_or_json() {
        check("", Ok(""));
        check(
            "https://a.example/, https://b.example,",
            Ok("https://a.example/,https://b.example"),
        );
        check(
            r#"[{"issuer":"https://a.example"}]"#,
            Ok("https://a.example"),
        );
        let all = concat!(
            r#"[{"issuer":"a \"b\"","jwks_uri":"https://a.example/k","audience":"c","#,
            r#""role_claim_key":"$.r"}]"#
        );
        check(all, Ok(all));
        check(&format!(" {}\n", all.replace(",\"", ", \"")), Ok(all));
        let comma = r#"[{"issuer":"https://a.example/,b"}]"#;
        check(comma, Ok(comma));
    }

    #[test]
    fn what_is_no_issuer_is_told() {
        check("a.example", Err("is not a URL"));
        check("ftp://a.example", Err("neither https:, http: nor file:"));
        check("https://a.example?b", Err("without a query"));
        check("https://a.example#b", Err("has a fragment"));
        check("https://user@a.example", Err("has a user in it"));
        check("file:///a", Err("give it a \"jwks_uri\""));
        check("https://a.example,https://a.example", Err("twice"));
        check("[", Err("JSON array of objects"));
        check(
            r#"[{"issuer":"https://a.example","jwks":"b"}]"#,
            Err("jwks"),
        );
        check(r#"[{"jwks_uri":"https://a.example"}]"#, Err("issuer"));
        check(r#"[{"issuer":""}]"#, Err("no name"));
        check(
            r#"[{"issuer":"a","jwks_uri":"b"}]"#,
            Err("\"b\" is not a URL"),
        );
        check(
            r#"[{"issuer":"https://a.example","role_claim_key":"$["}]"#,
            Err("$["),
        );
        check(
            r#"[{"issuer":"https://a.example","audience":"a:"}]"#,
            Ok(r#"[{"issuer":"https://a.example","audience":"a:"}]"#),
        );
        check(
            r#"[{"issuer":"https://a.example","audience":" a:"}]"#,
            Err("valid URI"),
        );
        let many: Vec<String> = (0..65).map(|it| format!("https://{it}.example")).collect();
        check(&many.join(","), Err("there may be 64"));
    }

    #[track_caller]
    fn check_url(text: &str, is_url: bool, is_safe: bool) {
        let parsed = KeysUrl::parse(text);
        assert_eq!(parsed.is_ok(), is_url, "{text}: {parsed:?}");
        if let Ok(url) = parsed {
            assert_eq!(url.check_way(false).is_ok(), is_safe, "{text}");
            assert_eq!(url.check_way(true), Ok(()), "{text}");
        }
    }

    #[test]
    fn urls_of_keys() {
        check_url("https://a.example/keys?v=1", true, true);
        check_url("HTTPS://a.example:8443", true, true);
        check_url("http://a.example", true, false);
        for here in [
            "localhost",
            "LocalHost:1",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]",
            "[::1]:80",
        ] {
            check_url(&format!("http://{here}/keys"), true, true);
        }
        for elsewhere in [
            "127.0.0.1.a.example",
            "localhost.a.example",
            "[::2]",
            "127.1",
            "0.0.0.0",
        ] {
            check_url(&format!("http://{elsewhere}/keys"), true, false);
        }
        check_url("http://127.0.0.1@a.example/", false, false);
        check_url("http://127.0.0.1\\@a.example/", false, false);
        check_url("http:///keys", false, false);
        check_url("https:a.example", false, false);
        check_url("https://a.example:0", false, false);
        check_url("https://a.example:65536", false, false);
        check_url("file:///etc/keys.json", true, true);
        check_url("file:/etc/keys.json", true, true);
        check_url("file:keys.json", false, false);
        check_url("file://a.example/keys.json", false, false);
        check_url("file:///keys?a", false, false);
        check_url("https://a.example/\r\nHost: b", false, false);
    }
}
