//! The server that the catalog is from: its version, and how its transactions begin. What it asks
//! for that is in [`section::server`](super::section::server).

use super::routine::IsolationLevel;

/// The version of a PostgreSQL server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgVersion {
    /// `server_version_num`, which compares: 150018 is 15.18.
    pub number: i32,
    /// `server_version`, as in `15.18 (Debian 15.18-0+deb12u1)`.
    pub text: String,
    /// `version()`, with platform and compiler, as the log tells it.
    pub full_text: String,
}

/// How transactions begin that do not say otherwise: settings of the server, of the database or of
/// the login role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransactionDefaults {
    /// `default_transaction_isolation`
    pub isolation: IsolationLevel,
    /// `default_transaction_read_only`
    pub read_only: bool,
}

impl Default for TransactionDefaults {
    /// PostgreSQL's own.
    fn default() -> TransactionDefaults {
        TransactionDefaults {
            isolation: IsolationLevel::ReadCommitted,
            read_only: false,
        }
    }
}
