//! URIs by RFC 3986, as far as keys need them: is this text a URI, is it one that can stand for
//! the server in its own documentation, and what are its parts. Nothing is normalised, nothing
//! resolved.
//!
//! ```text
//! URI       = scheme ":" hier-part [ "?" query ] [ "#" fragment ]
//! hier-part = "//" authority path-abempty / path-absolute / path-rootless / path-empty
//! authority = [ userinfo "@" ] host [ ":" port ]
//! ```

use std::net::Ipv6Addr;

/// The parts of a URI, as they were written.
pub(crate) struct Uri<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: Option<Authority<'a>>,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) fragment: Option<&'a str>,
}

/// Whose it is, and where.
pub(crate) struct Authority<'a> {
    pub(crate) userinfo: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<&'a str>,
}

/// Whether the text is a URI with a scheme.
pub(crate) fn is_uri(text: &str) -> bool {
    parse_uri(text).is_some()
}

/// An audience is a string or a URI, and only a URI has a colon (RFC 7519, StringOrURI).
pub(crate) fn parse_audience(text: String) -> Result<Option<String>, String> {
    if text.contains(':') && !is_uri(&text) {
        return Err("jwt-aud should be a string or a valid URI".to_owned());
    }
    Ok(Some(text))
}

/// Whether the text can be `openapi-server-proxy-uri`: http or https, a host, perhaps a port,
/// but no user, query or fragment.
pub(crate) fn is_proxy_uri(text: &str) -> bool {
    let Some(uri) = parse_uri(text) else {
        return false;
    };
    let Some(authority) = uri.authority else {
        return false;
    };
    let scheme_fits = ["http", "https"]
        .iter()
        .any(|name| uri.scheme.eq_ignore_ascii_case(name));
    let port_fits = match authority.port {
        None => true,
        Some(port) => port.parse::<u16>().is_ok_and(|port| port > 0),
    };
    scheme_fits
        && port_fits
        && authority.userinfo.is_none()
        && !authority.host.is_empty()
        && uri.query.is_none()
        && uri.fragment.is_none()
}

/// The parts of a URI; `None` if the text is none.
pub(crate) fn parse_uri(text: &str) -> Option<Uri<'_>> {
    let (rest, fragment) = split_off(text, '#');
    let (rest, query) = split_off(rest, '?');
    let (scheme, rest) = rest.split_once(':')?;
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(parse_authority(authority)?), path)
        }
        None => (None, rest),
    };
    let extras_fit = [query, fragment]
        .into_iter()
        .flatten()
        .all(|part| consists_of(part, ":@/?"));
    let fits = is_scheme(scheme) && consists_of(path, ":@/") && extras_fit;
    fits.then_some(Uri {
        scheme,
        authority,
        path,
        query,
        fragment,
    })
}

fn parse_authority(text: &str) -> Option<Authority<'_>> {
    let (userinfo, rest) = match text.rsplit_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, text),
    };
    let (host, port) = match rest.rfind(']') {
        Some(end) => rest.split_at(end + 1),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let port = if port.is_empty() {
        None
    } else {
        Some(port.strip_prefix(':')?)
    };
    let host_fits = match host.strip_prefix('[') {
        Some(literal) => is_ip_literal(literal.strip_suffix(']')?),
        None => consists_of(host, ""),
    };
    let fits = host_fits
        && userinfo.is_none_or(|userinfo| consists_of(userinfo, ":"))
        && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()));
    fits.then_some(Authority {
        userinfo,
        host,
        port,
    })
}

fn split_off(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// An IPv6 address, or `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`.
fn is_ip_literal(text: &str) -> bool {
    match text
        .strip_prefix(['v', 'V'])
        .and_then(|future| future.split_once('.'))
    {
        Some((version, address)) => {
            let is_version = version.bytes().all(|b| b.is_ascii_hexdigit());
            !version.is_empty() && is_version && !address.is_empty() && consists_of(address, ":")
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Whether the text is made of unreserved characters, sub-delims, percent-encoded bytes and the
/// characters named.
fn consists_of(text: &str, also: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(|b| b.is_ascii_hexdigit())),
            _ => {
                byte.is_ascii_alphanumeric()
                    || b"-._~!$&'()*+,;=".contains(&byte)
                    || also.as_bytes().contains(&byte)
            }
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, uri: bool, proxy_uri: bool) {
        assert_eq!(
            (is_uri(text), is_proxy_uri(text)),
            (uri, proxy_uri),
            "{text:?}"
        );
    }

    #[test]
    fn uris_that_can_stand_for_the_server() {
        check("https://postgrest.org", true, true);
        check("https://example.com:8443/basePath", true, true);
        check("HTTP://example.com/a%20b/", true, true);
        check("http://[::1]:3000/", true, true);
        check("http://[v1.x:y]/", true, true);
    }

    #[test]
    fn uris_that_cannot() {
        check("urn:example:a", true, false);
        check("htp:/@@localhorst.invalid", true, false);
        check("ftp://example.com", true, false);
        check("http:example.com", true, false);
        check("http:///path", true, false);
        check("http://user@example.com", true, false);
        check("http://@example.com", true, false);
        check("http://example.com?", true, false);
        check("http://example.com#", true, false);
        check("http://example.com:/", true, false);
        check("http://example.com:0", true, false);
        check("http://example.com:65536", true, false);
        check("http://example.com:99999999999999999999", true, false);
    }

    #[test]
    fn text_that_is_no_uri() {
        for text in [
            "",
            ":",
            "a",
            "1a:b",
            "foo://%%$$^^.com",
            "http://%%localhorst.invalid",
            "http://a b/",
            "http://exämple.com",
            "http://[::1",
            "http://[nothing]/",
            "http://[v.x]/",
            "http://a:b/",
            "http://[::1]x/",
            "http://a/%4",
            "a:b#c#d",
            "http://a@b@c/",
        ] {
            check(text, false, false);
        }
    }
}
