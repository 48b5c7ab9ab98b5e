//! The password file, `~/.pgpass`.
//!
//! A line is `host:port:database:user:password`; `*` matches anything, `\` escapes `:` and `\`, and
//! the first line that matches wins. Like libpq we ignore a file that others can read.
//! Invariant: its content appears in no message.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::password::Password;

/// What a session wants a password for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) password: Option<Password>,
    /// Something the operator should read, in libpq's words.
    pub(super) warning: Option<String>,
}

/// Looks into the file; that it does not exist is normal.
pub(super) fn load(path: &Path, wanted: Wanted<'_>) -> Found {
    let warn = |text: String| Found {
        password: None,
        warning: Some(text),
    };
    let Ok(metadata) = std::fs::metadata(path) else {
        return Found::default();
    };
    let path_text = path.display();
    if !metadata.is_file() {
        return warn(format!(
            "WARNING: password file \"{path_text}\" is not a plain file"
        ));
    }
    if metadata.mode() & 0o077 != 0 {
        return warn(format!(
            "WARNING: password file \"{path_text}\" has group or world access; \
             permissions should be u=rw (0600) or less"
        ));
    }
    match std::fs::read_to_string(path) {
        Ok(content) => Found {
            password: find(&content, wanted).map(Password::new),
            warning: None,
        },
        Err(error) => warn(format!(
            "WARNING: password file \"{path_text}\" cannot be read: {}",
            error.kind()
        )),
    }
}

/// [`find`] for the fuzz targets.
#[cfg(feature = "internals")]
pub fn find_password(
    content: &str,
    (host, port): (&str, u16),
    database: &str,
    user: &str,
) -> Option<String> {
    let wanted = Wanted {
        host,
        port,
        database,
        user,
    };
    find(content, wanted)
}

fn find(content: &str, wanted: Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let wanted = [wanted.host, &port, wanted.database, wanted.user];
    content
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut rest = line;
            for value in wanted {
                rest = match_field(rest, value)?;
            }
            let password = unescape(rest);
            (!password.is_empty()).then_some(password)
        })
}

/// What follows the first field and its colon, if the field is `value` or `*`.
fn match_field<'l>(line: &'l str, value: &str) -> Option<&'l str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut expected = value.chars();
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            ':' => return expected.next().is_none().then(|| &line[at + 1..]),
            '\\' => {
                let (_, escaped) = characters.next()?;
                if expected.next() != Some(escaped) {
                    return None;
                }
            }
            plain => {
                if expected.next() != Some(plain) {
                    return None;
                }
            }
        }
    }
    None
}

/// The password is the rest of the line; an unescaped colon in it ends it in libpq, but since
/// nothing can follow, taking it literally serves those who forgot to escape.
fn unescape(text: &str) -> String {
    let mut password = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => password.extend(characters.next()),
            plain => password.push(plain),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[track_caller]
    fn check(content: &str, expected: Option<&str>) {
        let wanted = Wanted {
            host: "db:1",
            port: 5432,
            database: "app",
            user: "me",
        };
        assert_eq!(find(content, wanted).as_deref(), expected, "{content}");
    }

    #[test]
    fn lines_match_by_all_four_fields() {
        check(r"db\:1:5432:app:me:secret", Some("secret"));
        check(r"db\:1:5432:app:you:secret", None);
        check(r"db\:1:5433:app:me:secret", None);
        check(r"db\:1:5432:ap:me:secret", None);
        check(r"db\:1:5432:apps:me:secret", None);
        check("db:1:5432:app:me:secret", None);
    }

    #[test]
    fn stars_match_anything_and_the_first_line_wins() {
        check("*:*:*:*:first\n*:*:*:me:second", Some("first"));
        check("*:*:*:you:first\r\n*:*:*:me:second\r\n", Some("second"));
        check("#*:*:*:*:comment\n*:*:*:*:real", Some("real"));
    }

    #[test]
    fn escapes_and_colons_in_the_password() {
        check(r"*:*:*:*:a\:b\\c", Some(r"a:b\c"));
        check("*:*:*:*:a:b", Some("a:b"));
        check("*:*:*:*:trailing\\", Some("trailing"));
    }

    #[test]
    fn broken_and_empty_lines_match_nothing() {
        for content in ["", ":", "*", "*:*:*:*", "*:*:*:*:", "\\", "db\\", "\n\n"] {
            check(content, None);
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_ignored_with_a_warning() {
        let path = std::env::temp_dir().join(format!("corerest-pgpass-{}", std::process::id()));
        std::fs::write(&path, "*:*:*:*:s3cret").expect("the temporary directory is writable");
        let wanted = Wanted {
            host: "h",
            port: 1,
            database: "d",
            user: "u",
        };
        let load_with = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).expect("the file is ours");
            load(&path, wanted)
        };
        let open = load_with(0o644);
        let closed = load_with(0o600);
        std::fs::remove_file(&path).expect("the file is ours");
        assert_eq!(open.password, None);
        let warning = open.warning.expect("there is a warning");
        assert!(warning.contains("0600") && !warning.contains("s3cret"));
        assert_eq!(closed.password, Some(Password::new("s3cret".into())));
        assert_eq!(load(&path, wanted), Found::default());
    }
}
