//! The two syntaxes of a connection string, as libpq reads them.
//!
//! Both become the same list of keywords and values; what they mean is decided in `target`.
//! Invariant: an error here never repeats text of the string, apart from something that looks like
//! a keyword: a stray space or `@` in a password would otherwise put half of it into a log.

use super::error::ConnectError;
use super::keywords;

/// Keyword and value, later ones overriding earlier ones.
pub(super) type Settings = Vec<(&'static str, String)>;

/// Reads either syntax.
pub(super) fn parse(text: &str) -> Result<Settings, ConnectError> {
    let uri = ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match uri {
        Some(rest) => parse_uri(rest),
        None => parse_pairs(text),
    }
}

fn invalid(text: impl Into<String>) -> ConnectError {
    ConnectError::Parameters(text.into())
}

/// `{ keyword [space] "=" [space] ( value | "'" value "'" ) }`; `\` takes the next character as is.
fn parse_pairs(text: &str) -> Result<Settings, ConnectError> {
    let mut settings = Settings::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace());
        let (name, tail) = rest.split_at(end.unwrap_or(rest.len()));
        let Some(tail) = tail.trim_ascii_start().strip_prefix('=') else {
            return Err(invalid(format!(
                "missing \"=\" after {} in connection info string",
                quoted_if_keyword(name)
            )));
        };
        let (value, tail) = parse_value(tail.trim_ascii_start())?;
        let name = keywords::find(name).ok_or_else(|| {
            let name = quoted_if_keyword(name);
            invalid(format!("invalid connection option {name}"))
        })?;
        settings.push((name, value));
        rest = tail.trim_ascii_start();
    }
    Ok(settings)
}

/// The value at the start of `text`, and what comes after it.
fn parse_value(text: &str) -> Result<(String, &str), ConnectError> {
    let quoted = text.strip_prefix('\'');
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Ok((value, &text[at + 1..])),
            space if quoted.is_none() && space.is_ascii_whitespace() => {
                return Ok((value, &text[at..]));
            }
            plain => value.push(plain),
        }
    }
    if quoted.is_some() {
        return Err(invalid(
            "unterminated quoted string in connection info string",
        ));
    }
    Ok((value, ""))
}

/// `[ user [ ":" password ] "@" ] [ host [ ":" port ] { "," … } ] [ "/" dbname ] [ "?" query ]`
fn parse_uri(text: &str) -> Result<Settings, ConnectError> {
    let mut settings = Settings::new();
    let mut rest = text;
    // Like libpq, the first "@" before any "/" ends the credentials; "?" and "#" may be in them.
    if let Some(at) = text
        .find(['@', '/'])
        .filter(|&at| text[at..].starts_with('@'))
    {
        let (user, password) = match text[..at].split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (&text[..at], None),
        };
        push_decoded(&mut settings, "user", user)?;
        push_decoded(&mut settings, "password", password.unwrap_or_default())?;
        rest = &text[at + 1..];
    }
    rest = parse_hosts(&mut settings, rest)?;
    if let Some(path) = rest.strip_prefix('/') {
        let end = path.find('?').unwrap_or(path.len());
        push_decoded(&mut settings, "dbname", &path[..end])?;
        rest = &path[end..];
    }
    match rest.strip_prefix('?') {
        Some(query) => parse_query(&mut settings, query)?,
        None => debug_assert!(rest.is_empty()),
    }
    Ok(settings)
}

/// Reads the list of hosts and ports up to the path or the query, which it returns.
fn parse_hosts<'t>(settings: &mut Settings, text: &'t str) -> Result<&'t str, ConnectError> {
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    let mut rest = text;
    loop {
        let (host, tail) = split_host(rest)?;
        if host.contains('@') {
            return Err(invalid(
                "invalid URI: \"@\" in a host name; write it as %40 if it is part of a password",
            ));
        }
        let (port, tail) = match tail.strip_prefix(':') {
            Some(tail) => tail.split_at(tail.find(['/', '?', ',']).unwrap_or(tail.len())),
            None => ("", tail),
        };
        hosts.push(host);
        ports.push(port);
        match tail.strip_prefix(',') {
            Some(next) => rest = next,
            None => {
                rest = tail;
                break;
            }
        }
    }
    push_decoded(settings, "host", &hosts.join(","))?;
    if ports.iter().any(|port| !port.is_empty()) {
        push_decoded(settings, "port", &ports.join(","))?;
    }
    Ok(rest)
}

/// A host up to its port, the next host, the path or the query; `[…]` around an IPv6 address.
fn split_host(text: &str) -> Result<(&str, &str), ConnectError> {
    let Some(address) = text.strip_prefix('[') else {
        return Ok(text.split_at(text.find([':', '/', '?', ',']).unwrap_or(text.len())));
    };
    let (host, tail) = address
        .split_once(']')
        .ok_or_else(|| invalid("end of string reached when looking for matching \"]\" in URI"))?;
    if host.is_empty() {
        return Err(invalid("IPv6 host address may not be empty in URI"));
    }
    if !tail.is_empty() && !tail.starts_with([':', '/', '?', ',']) {
        return Err(invalid(
            "unexpected character after \"]\" in URI (expected \":\" or \"/\")",
        ));
    }
    Ok((host, tail))
}

fn parse_query(settings: &mut Settings, query: &str) -> Result<(), ConnectError> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| invalid("missing key/value separator \"=\" in URI query parameter"))?;
        if value.contains('=') {
            return Err(invalid(
                "extra key/value separator \"=\" in URI query parameter",
            ));
        }
        let name = percent_decode(name)?;
        let value = percent_decode(value)?;
        // libpq takes this one from JDBC's URIs.
        if name == "ssl" && value == "true" {
            settings.push(("sslmode", "require".to_owned()));
            continue;
        }
        let name = keywords::find(&name).ok_or_else(|| {
            let name = quoted_if_keyword(&name);
            invalid(format!("invalid URI query parameter: {name}"))
        })?;
        settings.push((name, value));
    }
    Ok(())
}

/// Adds a part of a URI unless it is empty, which there means "not given".
fn push_decoded(
    settings: &mut Settings,
    name: &'static str,
    text: &str,
) -> Result<(), ConnectError> {
    if !text.is_empty() {
        settings.push((name, percent_decode(text)?));
    }
    Ok(())
}

fn percent_decode(text: &str) -> Result<String, ConnectError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |at: usize| tail.get(at).and_then(|&byte| (byte as char).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(invalid("invalid percent-encoded token in URI"));
        };
        let decoded = (high * 16 + low) as u8; // two hexadecimal digits are at most 255
        if decoded == 0 {
            return Err(invalid("forbidden value %00 in percent-encoded value"));
        }
        bytes.push(decoded);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| invalid("a percent-encoded value is not valid UTF-8"))
}

/// A misspelled keyword is shown; anything else may be a piece of a password.
fn quoted_if_keyword(name: &str) -> String {
    let looks_like_one = (1..=40).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if looks_like_one {
        format!("\"{name}\"")
    } else {
        "(not shown)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let settings = parse(text).expect("the connection string is valid");
        let settings: Vec<(&str, &str)> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(settings, expected, "{text}");
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        match parse(text) {
            Err(ConnectError::Parameters(message)) => assert_eq!(message, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn uris_without_anything_are_empty() {
        for text in [
            "postgresql://",
            "postgres://",
            "postgresql://?",
            "postgres:///",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn uris_have_credentials_hosts_path_and_query() {
        check(
            "postgres://me:secret@db:5433/app?sslmode=require&connect_timeout=5",
            &[
                ("user", "me"),
                ("password", "secret"),
                ("host", "db"),
                ("port", "5433"),
                ("dbname", "app"),
                ("sslmode", "require"),
                ("connect_timeout", "5"),
            ],
        );
        check("postgres://me@/app", &[("user", "me"), ("dbname", "app")]);
        check("postgres://db", &[("host", "db")]);
        check("postgres://db?user=me", &[("host", "db"), ("user", "me")]);
        check(
            "postgresql:///?dbname=a&host=/tmp",
            &[("dbname", "a"), ("host", "/tmp")],
        );
        check("postgresql://?ssl=true", &[("sslmode", "require")]);
    }

    #[test]
    fn uris_may_name_several_hosts() {
        check(
            "postgres://one:1,two,three:3/app",
            &[
                ("host", "one,two,three"),
                ("port", "1,,3"),
                ("dbname", "app"),
            ],
        );
        check(
            "postgres://[::1]:5433,[fe80::1%25eth0]/",
            &[("host", "::1,fe80::1%eth0"), ("port", "5433,")],
        );
    }

    #[test]
    fn uris_percent_decode_each_part() {
        check(
            "postgres://m%40e:p%2Fw%3F@%2Fvar%2Frun/d%20b?options=-c%20a%3Db",
            &[
                ("user", "m@e"),
                ("password", "p/w?"),
                ("host", "/var/run"),
                ("dbname", "d b"),
                ("options", "-c a=b"),
            ],
        );
    }

    #[test]
    fn passwords_in_uris_may_contain_question_marks_and_hashes() {
        check(
            "postgres://admin2:?pass?special?@localhost:5432/postgres",
            &[
                ("user", "admin2"),
                ("password", "?pass?special?"),
                ("host", "localhost"),
                ("port", "5432"),
                ("dbname", "postgres"),
            ],
        );
        check(
            "postgres://user:odd[]#@host",
            &[("user", "user"), ("password", "odd[]#"), ("host", "host")],
        );
    }

    #[test]
    fn pairs_are_separated_by_space_and_may_be_quoted() {
        check("", &[]);
        check(
            "  host=db   port = 5433 ",
            &[("host", "db"), ("port", "5433")],
        );
        check(
            r"user='a b\'c\\' password=x\ y dbname=''",
            &[("user", r"a b'c\"), ("password", "x y"), ("dbname", "")],
        );
        check("password=a=b", &[("password", "a=b")]);
        check("password=\u{a0}a", &[("password", "\u{a0}a")]);
        check("user=a user=b", &[("user", "a"), ("user", "b")]);
        check(r"user=a\", &[("user", "a")]);
    }

    #[test]
    fn broken_uris_are_refused() {
        check_refused(
            "postgres://[::1/db",
            "end of string reached when looking for matching \"]\" in URI",
        );
        check_refused(
            "postgres://[]/",
            "IPv6 host address may not be empty in URI",
        );
        check_refused(
            "postgres://[::1]x",
            "unexpected character after \"]\" in URI (expected \":\" or \"/\")",
        );
        check_refused(
            "postgres://?user",
            "missing key/value separator \"=\" in URI query parameter",
        );
        check_refused(
            "postgres://?user=a=b",
            "extra key/value separator \"=\" in URI query parameter",
        );
        check_refused("postgres://?usr=a", "invalid URI query parameter: \"usr\"");
        check_refused("postgres://a%2", "invalid percent-encoded token in URI");
        check_refused("postgres://a%zz", "invalid percent-encoded token in URI");
        check_refused(
            "postgres://a%00",
            "forbidden value %00 in percent-encoded value",
        );
        check_refused(
            "postgres://a%ff",
            "a percent-encoded value is not valid UTF-8",
        );
    }

    #[test]
    fn broken_pairs_are_refused() {
        check_refused("usr=a", "invalid connection option \"usr\"");
        check_refused(
            "user",
            "missing \"=\" after \"user\" in connection info string",
        );
        check_refused(
            "host db",
            "missing \"=\" after \"host\" in connection info string",
        );
        check_refused(
            "user='a",
            "unterminated quoted string in connection info string",
        );
    }

    #[test]
    fn errors_do_not_repeat_pieces_of_a_password() {
        for text in [
            "postgres://me:s3cret@X7@host/db",
            "password=s3cret X7",
            "password=s3cret X7=1",
            "password='s3cret X7",
            "postgres://me:s3cret%X7@host/db",
            "postgres://?password=s3cret&X7",
            "postgres://?password=s3cret&X7=1",
        ] {
            let message = parse(text).expect_err(text).message();
            assert!(
                !message.contains("s3cret") && !message.contains("X7"),
                "{message}"
            );
        }
    }

    #[test]
    fn no_cut_of_a_string_panics() {
        let texts = [
            "postgres://m%40e:p%2F@[::1]:54,h/d%20b?options=-c%20a&host=x",
            r"user='a b\'c\\' password=x\ y dbname='' host = é",
        ];
        for text in texts {
            for (at, _) in text.char_indices() {
                let _ = parse(&text[..at]);
                let _ = parse(&text[at..]);
            }
        }
    }
}
