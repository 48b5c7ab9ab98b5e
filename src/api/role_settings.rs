//! The settings of the roles that requests run as.
//!
//! `ALTER ROLE … SET` takes effect when a role logs in, which the roles of requests never do. So
//! the settings of all roles that the login role is a member of are read beforehand, and made for
//! the transaction of each request, as PostgREST does. Only those are kept that the login role may
//! set; the isolation level is apart from them, for it is said when the transaction begins.
//!
//! Source: PostgREST's documentation, `references/transactions` ("Impersonated Role Settings").

use crate::catalog::{DecodeError, IsolationLevel};
use crate::document::OneDocument;
use corerest_sql::{SystemBuf, system_sql};
use std::collections::HashMap;

/// The setting that is not one of the others.
const ISOLATION: &str = "default_transaction_isolation";

/// The first version in which rights to set parameters can be granted.
const PARAMETER_PRIVILEGES_SINCE: i32 = 150_000;

/// The settings of all roles that requests may run as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSettings {
    by_role: HashMap<String, OfOneRole>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfOneRole {
    settings: Vec<(String, String)>,
    isolation_level: Option<IsolationLevel>,
}

impl RoleSettings {
    /// Whether there is anything to be set for a role.
    pub(crate) fn has(&self, role: &str) -> bool {
        self.by_role.contains_key(role)
    }

    /// The names and values to be set for a role, in the order in which the role has them. The
    /// isolation level is not among them.
    pub fn settings(&self, role: &str) -> &[(String, String)] {
        let known = self.by_role.get(role);
        known.map_or(&[], |known| known.settings.as_slice())
    }

    /// The isolation level of a role's transactions, if it has its own.
    pub fn isolation_level(&self, role: &str) -> Option<IsolationLevel> {
        self.by_role.get(role)?.isolation_level
    }
}

/// Asks a server of this version (as [`PgVersion::number`](crate::catalog::PgVersion::number) has
/// it) for them: the document for [`decode_role_settings`].
///
/// Parity: a setting that the login role may not make is left out, and so is one of an extension
/// that this session has not loaded (`queryRoleSettings` in Config/Database.hs).
pub fn ask_role_settings(server_version_number: i32) -> OneDocument {
    OneDocument::of(Vec::new(), |out| write_rows(out, server_version_number))
}

fn write_rows(out: &mut SystemBuf, server_version_number: i32) {
    system_sql!(
        out,
        "
SELECT coalesce(
  json_agg(json_build_array(role.rolname, entry.name, entry.value)
           ORDER BY role.rolname, line.position),
  '[]')
FROM pg_catalog.pg_roles AS role
CROSS JOIN LATERAL unnest(role.rolconfig) WITH ORDINALITY AS line (text, position)
CROSS JOIN LATERAL (
  SELECT split_part(line.text, '=', 1) AS name,
         substr(line.text, strpos(line.text, '=') + 1) AS value
) AS entry
JOIN pg_catalog.pg_settings AS known ON known.name = entry.name
WHERE role.oid IN (
  SELECT membership.roleid
  FROM pg_catalog.pg_auth_members AS membership
  JOIN pg_catalog.pg_roles AS login ON login.oid = membership.member
  WHERE login.rolname = current_user
)
AND (known.context = 'user'"
    );
    if server_version_number >= PARAMETER_PRIVILEGES_SINCE {
        system_sql!(out, " OR has_parameter_privilege(known.name, 'SET')");
    }
    system_sql!(out, ")");
}

/// Decodes the answer.
///
/// # Errors
/// If it is not what the statement answers with.
pub fn decode_role_settings(document: &mut [u8]) -> Result<RoleSettings, DecodeError> {
    let rows: Result<Vec<(String, String, String)>, _> = simd_json::serde::from_slice(document);
    let rows = rows.map_err(|error| DecodeError::Malformed(error.to_string()))?;
    let mut all = RoleSettings::default();
    for (role, name, value) in rows {
        let own = all.by_role.entry(role).or_default();
        if name == ISOLATION {
            own.isolation_level = Some(isolation_level(&value));
        } else {
            own.settings.push((name, value));
        }
    }
    Ok(all)
}

/// Parity: what is none of the other two is "read committed" (`toIsolationLevel`); PostgreSQL
/// treats "read uncommitted" the same.
fn isolation_level(value: &str) -> IsolationLevel {
    match value.to_ascii_lowercase().as_str() {
        "repeatable read" => IsolationLevel::RepeatableRead,
        "serializable" => IsolationLevel::Serializable,
        _ => IsolationLevel::ReadCommitted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_its_settings_and_its_isolation_level() {
        let mut document = br#"[["a","statement_timeout","5s"],
            ["a","default_transaction_isolation","REPEATABLE READ"],["a","work_mem","3MB"],
            ["b","default_transaction_isolation","read uncommitted"]]"#
            .to_vec();
        let all = decode_role_settings(&mut document).unwrap();
        let expected = [("statement_timeout", "5s"), ("work_mem", "3MB")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(all.settings("a"), expected);
        assert_eq!(
            all.isolation_level("a"),
            Some(IsolationLevel::RepeatableRead)
        );
        assert_eq!(all.settings("b"), []);
        assert_eq!(
            all.isolation_level("b"),
            Some(IsolationLevel::ReadCommitted)
        );
        assert_eq!(all.settings("nobody"), []);
        assert_eq!(all.isolation_level("nobody"), None);
    }

    #[test]
    fn other_documents_are_errors() {
        assert_eq!(
            decode_role_settings(&mut b"[]".to_vec()),
            Ok(RoleSettings::default())
        );
        for other in ["", "null", "{}", r#"[["a","b"]]"#] {
            assert!(
                decode_role_settings(&mut other.as_bytes().to_vec()).is_err(),
                "{other}"
            );
        }
    }

    #[test]
    fn older_servers_are_not_asked_for_what_they_do_not_know() {
        let privilege = "has_parameter_privilege";
        let text = |version| {
            let asked = ask_role_settings(version);
            asked.statements()[asked.asks()].text.as_str().to_owned()
        };
        assert!(!text(140_000).contains(privilege));
        assert!(text(150_000).contains(privilege));
    }
}
