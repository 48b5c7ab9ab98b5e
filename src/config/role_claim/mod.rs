//! `jwt-role-claim-key`: where in the claims of a token the role stands.
//!
//! The language is JSONPath ([`JsonPath`]); paths in the older language ([`LegacyPath`]) are
//! still accepted, with a warning. Both are parsed into typed trees here. Following them through
//! the claims of a token is the business of authentication.

mod cursor;
mod json_path;
mod legacy_path;

use std::fmt;

pub use self::json_path::{
    Argument, Comparable, Comparison, Condition, JsonPath, Literal, Reach, Root, Search, Segment,
    Selection, Selector, SingularQuery, SingularSegment,
};
pub use self::legacy_path::{LegacyPath, LegacyStep, StringTest};

/// A parsed `jwt-role-claim-key`.
#[derive(Debug, Clone, PartialEq)]
pub enum RoleClaimKey {
    /// A JSONPath, such as `$.realm_access.roles[0]`.
    JsonPath(JsonPath),
    /// A path in the deprecated language, such as `.realm_access.roles[0]`.
    Legacy(LegacyPath),
}

impl RoleClaimKey {
    /// Parses a path in either language.
    ///
    /// # Errors
    /// The message for the user, when the text is a path in neither.
    pub(crate) fn parse(text: &str) -> Result<RoleClaimKey, String> {
        let refusal = match JsonPath::parse(text) {
            Ok(path) => return Ok(RoleClaimKey::JsonPath(path)),
            Err(refusal) => refusal,
        };
        match LegacyPath::parse(text) {
            Ok(path) => Ok(RoleClaimKey::Legacy(path)),
            Err(_) if text.starts_with('$') => Err(refusal.message(text)),
            Err(refusal) => Err(refusal.message(text)),
        }
    }

    /// The two lines that PostgREST logs when the old language is in use.
    pub(crate) fn deprecation_warning(&self) -> Option<[String; 2]> {
        let RoleClaimKey::Legacy(path) = self else {
            return None;
        };
        Some([
            format!(
                "WARNING: The config `jwt-role-claim-key={path}` is using the deprecated JSPath \
                 syntax."
            ),
            format!(
                "Update `jwt-role-claim-key={path}` to the new JSONPath syntax as support for \
                 JSPath will be removed in a future release. See the migration guide on how to \
                 update: https://github.com/PostgREST/postgrest/blob/main/CHANGELOG.md\
                 #migration-to-v16"
            ),
        ])
    }
}

impl fmt::Display for RoleClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoleClaimKey::JsonPath(path) => path.fmt(f),
            RoleClaimKey::Legacy(path) => path.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, legacy: bool) {
        let path = RoleClaimKey::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path.deprecation_warning().is_some(), legacy, "{text}");
    }

    #[test]
    fn paths_are_json_paths_or_else_legacy_paths() {
        check("$.role", false);
        check("$", false);
        check(".role", true);
        check(".$role", true);
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = RoleClaimKey::parse(text).expect_err(text);
        let expected =
            format!("\"failed to parse role-claim-key value ({text})\" (line 1, column {expected}");
        assert_eq!(error, expected);
    }

    #[test]
    fn a_path_in_neither_language_is_refused_with_its_place() {
        check_error("$.my_role;;domain", "10): expected . or [ or the end");
        check_error("@@.role.other", "1): expected $ or .");
        check_error("role.other", "1): expected $ or .");
        check_error(".role##", "6): expected . or [ or the end");
        check_error(".my_role;;domain", "9): expected . or [ or the end");
        check_error(".#$$%&$%/", "2): expected a key or a double quote");
        check_error("1234", "1): expected $ or .");
        check_error(".role[?(@ =)]", "11): expected ==, !=, ^==, ==^ or *==");
        check_error("", "1): expected $ or .");
    }

    #[test]
    fn the_warning_for_the_old_language_shows_the_path() {
        let path = RoleClaimKey::parse(".a.\"b-c\"[0]").expect("a legacy path");
        let [first, second] = path.deprecation_warning().expect("it is deprecated");
        let shown = "`jwt-role-claim-key=.\"a\".\"b-c\"[0]`";
        assert_eq!(
            first,
            format!("WARNING: The config {shown} is using the deprecated JSPath syntax.")
        );
        assert!(second.starts_with(&format!("Update {shown} to the new JSONPath syntax as ")));
    }
}
