//! Statements that were prepared once and no longer fit.
//!
//! PostgreSQL looks at a prepared statement again when it is bound: tables may have changed since
//! it was parsed, and the types of its parameters, which were inferred then, do not change with
//! them. A pooler may have given the session another server, or a function may have discarded it.
//! That server may also have one of the name already, prepared for another session: Parse fails.
//! Nothing of the statement has run when Parse or Bind fails, and the transaction is rolled back,
//! so the batch may be sent again with the statement parsed anew, whether it reads or writes.
//!
//! Invariant: a batch is not sent again for what its second attempt would fail with as well; that
//! one parses the statement itself, and its errors are the answer.

use super::{Advance, Connection};
use crate::error::Error;
use corerest_wire::pg::{self, Expected, ServerError, StatementIndex, frontend};

/// The server has no statement of that name.
const UNKNOWN_STATEMENT: &str = "26000";

/// The server has one of that name already.
const DUPLICATE_STATEMENT: &str = "42P05";

/// Whether a statement that was fine when it was parsed can fail with this because of what has
/// changed since.
///
/// Class 42 is what parsing finds, but 42501: privileges are looked at each time. `0A000` is a
/// cached plan that must not change its result type, `22P02` a value that does not fit the type
/// that its parameter had, and `XX000` a plan that names an object which is gone.
fn may_be_outdated(code: &str) -> bool {
    match code {
        UNKNOWN_STATEMENT | "0A000" | "22P02" | "XX000" => true,
        "42501" => false,
        _ => code.starts_with("42"),
    }
}

impl Connection {
    /// What an error means, given the reply that was due instead.
    pub(super) fn judge(
        &mut self,
        error: ServerError,
        due: Option<(Expected, StatementIndex)>,
    ) -> Advance {
        let is_outdated = !error.ends_session()
            && match due {
                Some((Expected::ParseComplete, _)) => self.is_taken(&error.code),
                Some((Expected::BindComplete, index)) => self.no_longer_fits(&error.code, index),
                _ => false,
            };
        match is_outdated {
            true => Advance::Outdated(error),
            false => Advance::Failed(error),
        }
    }

    /// A Parse has failed. Whether because the server, which is not ours alone, knows its name.
    fn is_taken(&mut self, code: &str) -> bool {
        let is_taken = code == DUPLICATE_STATEMENT;
        if is_taken {
            self.prepared.distrust();
        }
        is_taken
    }

    /// A Bind has failed. Whether because its statement was prepared earlier.
    fn no_longer_fits(&mut self, code: &str, index: StatementIndex) -> bool {
        let reused = self.reused.iter().find(|(reused, _)| *reused == index);
        let Some((_, name)) = reused else {
            return false;
        };
        match code {
            UNKNOWN_STATEMENT => self.prepared.distrust(),
            _ if may_be_outdated(code) => self.prepared.forget(name),
            _ => return false,
        }
        true
    }

    /// Reads to the end of the batch, so that it can be sent again.
    pub(super) fn on_outdated(&mut self, error: ServerError) -> Error {
        loop {
            match self.advance() {
                Ok(Advance::Done) => return Error::Outdated(Box::new(error)),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    /// Closes what was forgotten. PostgreSQL does not mind names that it does not know.
    pub(super) fn encode_closing(&mut self) -> Result<(), pg::EncodeError> {
        for name in self.prepared.take_closing() {
            frontend::close_statement(&mut self.output, name.as_str())?;
            let index = StatementIndex(0);
            self.expected.push(index, Expected::CloseComplete);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::may_be_outdated;

    #[test]
    fn what_parsing_finds_may_be_outdated_and_privileges_are_not() {
        for code in ["42P01", "42703", "42883", "0A000", "26000", "22P02"] {
            assert!(may_be_outdated(code), "{code}");
        }
        for code in ["42501", "23505", "22003", "P0001", "57014", ""] {
            assert!(!may_be_outdated(code), "{code}");
        }
    }
}
