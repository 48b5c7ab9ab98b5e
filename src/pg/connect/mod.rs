//! From a connection string to an authenticated session.
//!
//! ```text
//! text, environment ─▶ conninfo ─▶ Target
//!                      keywords      │ open, for each host and address:
//!                                    ▼
//!                      socket ─▶ tls ─▶ authenticate ─▶ handshake ─▶ Session
//!                                certificate, password_file
//! ```
//! What libpq users rely on holds here: the two syntaxes, the `PG*` variables, the password file,
//! the TLS modes, several hosts, and the wording of errors, which ends up in our error bodies.
//! `postgres::Config` is not used: it refuses 25 of libpq's keywords and half of its TLS modes, so
//! the text would have to be parsed before it anyway.
//! Invariant: no password reaches an error, a `Debug` or a `Display`.

mod address;
mod attributes;
mod authenticate;
mod cancel;
mod certificate;
mod conninfo;
mod environment;
mod error;
mod handshake;
mod keywords;
mod lookup;
mod open;
mod password;
mod password_file;
mod session;
mod shared_target;
mod socket;
mod stream;
mod target;
mod tls;

#[cfg(test)]
pub(crate) mod fake_server;

pub use address::Address;
pub(crate) use attributes::SessionFacts;
pub use attributes::TargetSessionAttributes;
pub use cancel::cancel;
pub use environment::Environment;
pub use error::{Attempt, Cause, ConnectError};
pub(crate) use open::FACTS;
pub use open::{OpenOptions, open};
#[cfg(feature = "internals")]
pub use password_file::find_password;
pub use session::{CancelToken, ServerIdentity, ServerParameters, Session};
pub use shared_target::SharedTarget;
pub(crate) use socket::{Closer, Direction, Readiness};
pub use stream::Stream;
pub use target::Target;
