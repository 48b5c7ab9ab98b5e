//! The section about the server itself: its version, which decides whether we can work with it
//! at all, and which the log tells.

use crate::catalog::{IsolationLevel, PgVersion, TransactionDefaults};
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// The versions as the server tells them.
#[derive(Deserialize)]
pub(in crate::catalog) struct ServerRow<'a> {
    version_number: i32,
    version: &'a str,
    full_version: &'a str,
    #[serde(default)]
    default_isolation: Option<&'a str>,
    #[serde(default)]
    default_read_only: bool,
}

/// Appends the query for the one row.
pub(in crate::catalog) fn write_rows(out: &mut SystemBuf) {
    system_sql!(
        out,
        "
SELECT pg_catalog.row_to_json(server) FROM (
  SELECT pg_catalog.current_setting('server_version_num')::int AS version_number,
         pg_catalog.current_setting('server_version') AS version,
         pg_catalog.version() AS full_version,
         pg_catalog.current_setting('default_transaction_isolation') AS default_isolation,
         pg_catalog.current_setting('default_transaction_read_only')::bool AS default_read_only
) AS server
"
    );
}

impl ServerRow<'_> {
    /// How its transactions begin.
    pub(in crate::catalog) fn transaction_defaults(&self) -> TransactionDefaults {
        let isolation = self.default_isolation.map(IsolationLevel::of_setting);
        TransactionDefaults {
            isolation: isolation.unwrap_or(IsolationLevel::ReadCommitted),
            read_only: self.default_read_only,
        }
    }

    /// The version as a type.
    pub(in crate::catalog) fn pg_version(&self) -> PgVersion {
        PgVersion {
            number: self.version_number,
            text: self.version.to_owned(),
            full_text: self.full_version.to_owned(),
        }
    }
}
