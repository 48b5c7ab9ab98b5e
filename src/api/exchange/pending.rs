//! What a request has become before PostgreSQL answers, and what is remembered of it until then.
//! It knows nothing of how that came about: planning and shapes give the same.

use super::precedent::{AnswerSize, Company, Pace, Precedent};
use crate::auth::{Expiry, Identity};
use crate::error::{DatabaseError, Error, HeaderValue};
use crate::plan::RowsCheck;
use crate::position::CONSISTENCY_TOKEN;
use crate::query::Batch;
use crate::response::{
    CallPending, ExplainPending, Header, Hears, MutatePending, OpenApiPending, ReadPending,
    Response, is_vary,
};
use corerest_config::{Config, ErrorVerbosity};
use corerest_sql::{Guise, Ident};

/// What is to be done for a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Prepared {
    /// The answer needs no database.
    Reply(Response),
    /// PostgreSQL has to be asked.
    Ask(Batch, Pending),
}

/// What is remembered of a request while PostgreSQL works on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub(super) expected: Expected,
    pub(super) check: RowsCheck,
    pub(super) error: ErrorStyle,
    pub(super) deprecation: Option<Deprecation>,
    pub(super) precedent: Precedent,
    /// Whether the answer depends on the token that the request may have.
    pub(super) varies_by_token: bool,
}

/// What the answer of PostgreSQL is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The row of a read.
    Read(Box<ReadPending>),
    /// The row of a write.
    Write(Box<MutatePending>),
    /// The row of a call.
    Call(Box<CallPending>),
    /// An execution plan.
    Plan(Box<ExplainPending>),
    /// What a schema has to offer.
    Schema(Box<OpenApiPending>),
    /// What the role may do with the relations of a schema.
    Privileges,
}

/// What the shape of an error depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ErrorStyle {
    pub(super) verbosity: ErrorVerbosity,
    pub(super) authenticated: bool,
}

/// The request calls an embedded relation by a name that will not be understood for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deprecation {
    /// What to write instead, as in `` `projects` to `p` ``.
    pub(super) replacements: String,
}

impl Pending {
    /// The response to an error that PostgreSQL reported.
    pub fn database_error(&self, error: DatabaseError) -> Response {
        let error = DatabaseError {
            authenticated: self.error.authenticated,
            ..error
        };
        match self.check.explain(&error) {
            Some(explained) => self.error(&explained),
            None => self.error(&Error::Database(error)),
        }
    }

    /// When the token expires of the caller who is going to hear what is notified.
    pub fn expiry(&self) -> Option<Expiry> {
        self.hears()?.until
    }

    /// Whether the answer is what is notified from now on, and for how long.
    pub(super) fn hears(&self) -> Option<Hears> {
        match &self.expected {
            Expected::Call(call) => call.hears,
            Expected::Read(_)
            | Expected::Write(_)
            | Expected::Plan(_)
            | Expected::Schema(_)
            | Expected::Privileges => None,
        }
    }

    /// The response to any other error on the way to PostgreSQL.
    pub fn error(&self, error: &Error) -> Response {
        error.response(self.error.verbosity).into()
    }

    /// How large the answer will be, by that to the last request of the same shape.
    pub fn size_before(&self) -> AnswerSize {
        self.precedent.size()
    }

    /// How large the answer is, for later requests of the same shape.
    pub fn note_size(&self, size: AnswerSize) {
        self.precedent.note(size);
    }

    /// How many answers to requests of the same shape have been quick of late.
    pub fn quick_answers(&self) -> u32 {
        self.precedent.quick_answers()
    }

    /// Whether this request should be asked with others, to see how long its query takes.
    pub fn is_on_trial(&self) -> bool {
        self.precedent.is_on_trial()
    }

    /// It is asked with others: those of the same shape that come now are on trial no more.
    pub fn note_trial(&self) {
        self.precedent.note_trial();
    }

    /// How soon the answer came, for later requests of the same shape.
    pub fn note_pace(&self, pace: Pace, company: Company) {
        self.precedent.note_pace(pace, company);
    }

    /// How the settings of the request can be made for a session; `None` where they are to be made
    /// for its transaction.
    pub fn guise(&self) -> Option<&Guise> {
        self.precedent.guise()
    }

    /// The lines that the log gets if a request for this target has a deprecated name in it.
    pub fn deprecation(&self, method: &str, target: &str) -> Option<[String; 2]> {
        let deprecation = self.deprecation.as_ref()?;
        Some([
            Deprecation::MESSAGE.to_owned(),
            format!(
                "Update filters, orders or limits that use {} in `{method} {target}`",
                deprecation.replacements
            ),
        ])
    }

    pub(super) fn finished(&self, mut response: Result<Response, Error>) -> Response {
        if self.varies_by_token
            && let Ok(response) = &mut response
        {
            let mut headers = response.headers.iter_mut();
            if let Some(vary) = headers.find(|header| is_vary(&header.name)) {
                let names = [vary.value.as_bytes(), CONSISTENCY_TOKEN.as_bytes()];
                vary.value = HeaderValue::sanitized(names.join(&b", "[..]));
            }
        }
        match (response, &self.deprecation) {
            (Ok(mut response), Some(deprecation)) => {
                response.headers.push(deprecation.header());
                response
            }
            (Ok(response), None) => response,
            (Err(error), _) => self.error(&error),
        }
    }
}

impl Deprecation {
    const MESSAGE: &'static str = "Embedded resource was referenced by relation name even though \
                                   it has an alias. This is deprecated and will stop working in a \
                                   future release.";

    pub(super) fn new(names: &[(&Ident, &Ident)]) -> Option<Deprecation> {
        let replacements: Vec<String> = names
            .iter()
            .map(|(name, alias)| format!("`{name}` to `{alias}`"))
            .collect();
        (!names.is_empty()).then(|| Deprecation {
            replacements: replacements.join(", "),
        })
    }

    /// Source: RFC 7234, section 5.5.
    fn header(&self) -> Header {
        let value = format!(
            "299 CoreRESTv{} \"{} Update {} in query string filters, orders or limits.\"",
            env!("CARGO_PKG_VERSION"),
            Deprecation::MESSAGE,
            self.replacements
        );
        Header {
            name: "Warning".into(),
            value: HeaderValue::sanitized(value),
        }
    }
}

impl ErrorStyle {
    pub(super) fn of(config: &Config, identity: &Identity) -> ErrorStyle {
        ErrorStyle {
            verbosity: config.client_error_verbosity,
            authenticated: config.db_anon_role.as_deref() != Some(&*identity.role),
        }
    }
}
