//! The parameters of a statement on their way into a message.
//!
//! A large one is not copied there: the message leaves a gap, and the value is written to the
//! socket from where it is. So an upload needs no memory but its own.

use corerest_sql::{Param, Statement};
use corerest_wire::pg::{self, Parameter, frontend};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::ops::ControlFlow;

/// A parameter of at least this length is not copied: two more system calls cost less.
const SENT_APART_BYTES_MIN: usize = 64 << 10;

/// Takes a value piece by piece, until it has had enough.
pub type Sink<'a> = dyn FnMut(&[u8]) -> ControlFlow<()> + 'a;

/// The body of a request, which statements may have as a parameter.
#[derive(Clone, Copy)]
pub enum RequestBody<'a> {
    /// As it came.
    Plain(&'a [u8]),
    /// In another form, which is made on its way to the server.
    Converted {
        /// How long it is in that form.
        bytes: usize,
        /// Writes it, piece by piece, until the function that it is given has had enough. Called
        /// again when the batch is sent again.
        write: &'a dyn Fn(&mut Sink<'_>),
    },
}

impl fmt::Debug for RequestBody<'_> {
    /// Shows no bytes: debug output goes to logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestBody of {} bytes", self.bytes())
    }
}

impl RequestBody<'_> {
    /// A request without one.
    pub const NONE: RequestBody<'static> = RequestBody::Plain(&[]);

    pub(super) fn bytes(&self) -> usize {
        match self {
            RequestBody::Plain(bytes) => bytes.len(),
            RequestBody::Converted { bytes, .. } => *bytes,
        }
    }

    /// The body, unless it is large and none of the statements has it: then nothing is left out
    /// in its favour.
    pub(super) fn wanted_by(self, statements: &[Statement]) -> Self {
        let mut params = statements.iter().flat_map(|it| it.params.iter());
        match is_large(self.bytes()) && !params.any(|it| it == Param::RequestBody) {
            true => RequestBody::NONE,
            false => self,
        }
    }

    /// All of it, in memory: one that is small.
    fn collected(&self) -> Cow<'_, [u8]> {
        match self {
            RequestBody::Plain(bytes) => Cow::Borrowed(bytes),
            RequestBody::Converted { bytes, write } => {
                let mut out = Vec::with_capacity(*bytes);
                write(&mut |piece| {
                    out.extend_from_slice(piece);
                    ControlFlow::Continue(())
                });
                Cow::Owned(out)
            }
        }
    }
}

/// A value that is not in the output, and where it belongs. There is one in a batch at most.
#[derive(Clone, Copy)]
pub(super) struct Gap<'p> {
    pub(super) at: usize,
    pub(super) value: RequestBody<'p>,
}

fn is_large(bytes: usize) -> bool {
    bytes >= SENT_APART_BYTES_MIN
}

/// The parameters of a statement.
pub(super) struct Parameters<'p, 'g> {
    pub(super) of: &'p Statement,
    pub(super) request_body: RequestBody<'p>,
    /// What the batch leaves out so far, if it may leave out something.
    pub(super) gap: Option<&'g mut Option<Gap<'p>>>,
}

impl<'p> Parameters<'p, '_> {
    /// Appends the message that binds them, without the body of the request if it is large, or
    /// without the first large one if it is not.
    pub(super) fn bind(&mut self, out: &mut Vec<u8>, name: &str) -> Result<(), pg::EncodeError> {
        let mut apart = None;
        let has_body = || {
            self.of
                .params
                .iter()
                .any(|param| param == Param::RequestBody)
        };
        let may_leave_out = self.gap.as_ref().is_some_and(|gap| gap.is_none());
        // It can be the largest of all, and need not be in memory as a whole.
        let body = self.request_body;
        let leaves_body = may_leave_out && is_large(body.bytes()) && has_body();
        let whole_body = OnceCell::new();
        let parameters = self.of.params.iter().map(|param| match param {
            Param::Null => Parameter::Null,
            Param::RequestBody if leaves_body && apart.is_none() => {
                apart = Some(body);
                Parameter::Elsewhere(body.bytes())
            }
            Param::RequestBody => Parameter::Value(whole_body.get_or_init(|| body.collected())),
            Param::Value(value)
                if may_leave_out
                    && apart.is_none()
                    && !is_large(body.bytes())
                    && is_large(value.len()) =>
            {
                apart = Some(RequestBody::Plain(value));
                Parameter::Elsewhere(value.len())
            }
            Param::Value(value) => Parameter::Value(value),
        });
        let at = frontend::bind(out, name, parameters)?;
        if let (Some(at), Some(value), Some(gap)) = (at, apart, &mut self.gap) {
            **gap = Some(Gap { at, value });
        }
        Ok(())
    }
}
