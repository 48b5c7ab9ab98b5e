//! The configuration that is kept in the database.
//!
//! It comes from three places. The login role has settings that begin with `pgrst.`, in this
//! database (`ALTER ROLE … IN DATABASE … SET`) or in all of them (`ALTER ROLE … SET`), and the
//! function `db-pre-config` may set more for the transaction that reads them. The first of these
//! that knows a name gives its value.
//!
//! Source: PostgREST's documentation, `references/configuration` ("In-Database Configuration").

use crate::catalog::DecodeError;
use crate::document::OneDocument;
use corerest_config::{FunctionName, in_database_names};
use corerest_sql::{Ident, QualifiedName, SqlBuf, Statement, SystemBuf, sql, system_sql};

/// Asks for it: the document for [`decode_database_config`]. Nothing in the batch may write,
/// not even `db-pre-config`, which runs with the search path of the login role, as its owner
/// expects.
pub fn ask_database_config(pre_config: Option<&FunctionName>) -> OneDocument {
    let mut before = vec![read_only()];
    before.extend(pre_config.map(call));
    OneDocument::of(before, |out| write_settings(out, pre_config.is_some()))
}

/// Names such as `pgrst.db_schemas` with their values.
///
/// # Errors
/// If the document is not what was asked for.
pub fn decode_database_config(document: &mut [u8]) -> Result<Vec<(String, String)>, DecodeError> {
    simd_json::serde::from_slice(document)
        .map_err(|error| DecodeError::Malformed(error.to_string()))
}

fn read_only() -> Statement {
    let mut out = SqlBuf::new();
    sql!(
        out,
        "SELECT pg_catalog.set_config('transaction_read_only', 'on', true)"
    );
    out.finish()
}

fn call(function: &FunctionName) -> Statement {
    let name = Ident::before_nul(&function.name);
    let schema = function.schema.as_deref().map(Ident::before_nul);
    let mut out = SqlBuf::new();
    sql!(out, "SELECT ");
    out.name(&QualifiedName { schema, name });
    sql!(out, "()");
    out.finish()
}

/// Parity: with `db-pre-config`, whatever the session has under the names counts, wherever it is
/// from; without it, only what the role has. So `ALTER DATABASE … SET` alone has no effect.
fn write_settings(out: &mut SystemBuf, with_session: bool) {
    let names: Vec<String> = in_database_names().collect();
    // They are made of letters, dots and underscores, so the array needs no quotes.
    let names = format!("{{{}}}", names.join(","));
    system_sql!(
        out,
        "
SELECT coalesce(json_agg(json_build_array(name, value) ORDER BY name), '[]')
FROM (
  SELECT DISTINCT ON (name) name, value
  FROM (
    SELECT split_part(entry, '=', 1) AS name,
           substr(entry, strpos(entry, '=') + 1) AS value,
           CASE kept.setdatabase WHEN 0 THEN 2 ELSE 1 END AS place
    FROM pg_catalog.pg_db_role_setting AS kept
    JOIN pg_catalog.pg_roles AS role ON role.oid = kept.setrole
    CROSS JOIN LATERAL unnest(kept.setconfig) AS entry
    WHERE role.rolname = current_user
      AND kept.setdatabase IN (
        0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      )"
    );
    if with_session {
        system_sql!(
            out,
            "
    UNION ALL
    SELECT name, current_setting(name, true), 3 FROM unnest("
        );
        out.param(Some(names.as_bytes()));
        system_sql!(out, "::text[]) AS name");
    }
    system_sql!(
        out,
        "
  ) AS found
  WHERE value IS NOT NULL AND name = ANY("
    );
    out.param(Some(names.as_bytes()));
    system_sql!(
        out,
        "::text[])
  ORDER BY name, place
) AS first"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_in_their_order() {
        let mut document = br#"[["pgrst.db_max_rows","5"],["pgrst.jwt_aud","\u00e9"]]"#.to_vec();
        let expected = [("pgrst.db_max_rows", "5"), ("pgrst.jwt_aud", "é")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(decode_database_config(&mut document).unwrap(), expected);
        assert_eq!(decode_database_config(&mut b"[]".to_vec()).unwrap(), []);
        for other in ["", "{}", "[[1,2]]", r#"[["a"]]"#] {
            assert!(
                decode_database_config(&mut other.as_bytes().to_vec()).is_err(),
                "{other}"
            );
        }
    }

    #[test]
    fn the_function_is_called_before_the_settings_are_read() {
        let function = FunctionName {
            schema: Some("a\"b".to_owned()),
            name: "c".to_owned(),
        };
        let texts = |function: Option<&FunctionName>| -> Vec<String> {
            let asked = ask_database_config(function);
            let statements = asked.statements().iter();
            statements
                .map(|statement| statement.text.as_str().to_owned())
                .collect()
        };
        let with = texts(Some(&function));
        assert_eq!(with.len(), 6);
        assert_eq!(with[2], r#"SELECT "a""b"."c"()"#);
        assert!(with[3].contains("datestyle"));
        assert!(with[4].contains("search_path"));
        assert!(with[5].contains("current_setting"));
        let without = texts(None);
        assert_eq!(without.len(), 5);
        assert!(!without[4].contains("current_setting"));
    }
}
