//! The parameters of a statement on their way into a message.
//!
//! A large one is not copied there: the message leaves a gap, and the value is written to the
//! socket from where it is. So an upload needs no memory but its own.

use corerest_sql::{Param, Statement};
use corerest_wire::pg::{self, Parameter, frontend};

/// A parameter of at least this length is not copied: two more system calls cost less.
const SENT_APART_BYTES_MIN: usize = 64 << 10;

/// A value that is not in the output, and where it belongs. There is one in a batch at most.
#[derive(Clone, Copy)]
pub(super) struct Gap<'p> {
    pub(super) at: usize,
    pub(super) value: &'p [u8],
}

/// The parameters of a statement.
pub(super) struct Parameters<'p, 'g> {
    pub(super) of: &'p Statement,
    pub(super) request_body: &'p [u8],
    /// What the batch leaves out so far.
    pub(super) gap: &'g mut Option<Gap<'p>>,
}

impl<'p> Parameters<'p, '_> {
    /// Appends the message that binds them, without the first large one if nothing is left out yet.
    pub(super) fn bind(&mut self, out: &mut Vec<u8>, name: &str) -> Result<(), pg::EncodeError> {
        let mut apart = None;
        let may_leave_out = self.gap.is_none();
        let parameters = self.of.params.iter().map(|param| {
            let value = match param {
                Param::Null => return Parameter::Null,
                Param::Value(value) => value,
                Param::RequestBody => self.request_body,
            };
            if may_leave_out && apart.is_none() && value.len() >= SENT_APART_BYTES_MIN {
                apart = Some(value);
                Parameter::Elsewhere(value.len())
            } else {
                Parameter::Value(value)
            }
        });
        let at = frontend::bind(out, name, parameters)?;
        if let (Some(at), Some(value)) = (at, apart) {
            *self.gap = Some(Gap { at, value });
        }
        Ok(())
    }
}
