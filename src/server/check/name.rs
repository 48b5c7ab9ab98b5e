//! Names in the SQL that a finding says to run.

/// A name as SQL is to be given it.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    match is_plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_sql_wants_them() {
        assert_eq!(quoted("web_anon"), "web_anon");
        assert_eq!(quoted("Web \"x\""), "\"Web \"\"x\"\"\"");
        assert_eq!(quoted("1a"), "\"1a\"");
    }
}
