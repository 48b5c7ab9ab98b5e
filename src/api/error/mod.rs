//! Everything that can go wrong in answering a request, and how it is told to the client.
//!
//! A variant says what is wrong, its fields carry finished data: text and numbers, never the
//! catalog or the request. Its code and status stand in [`codes`], its words in `wording`, what
//! PostgreSQL reports is mapped in [`database`].
//!
//! Invariant: an [`ErrorResponse`] can be written as it is; no text in it can end a header line.

mod beginning;
pub(crate) mod codes;
mod database;
mod header;
mod raise;
mod respond;
mod wording;

pub(crate) use beginning::beginning;
pub(crate) use codes::Code;
pub use database::DatabaseError;
pub(crate) use header::{HeaderValue, is_free_name};
pub(crate) use raise::InvalidRaise;
pub(crate) use respond::ErrorResponse;
pub(crate) use respond::{Details, Wording};

use crate::json::{JsonText, write_json_object};
use corerest_config::ErrorVerbosity;
use raise::Raise;
use respond::respond;

/// What is wrong. See [`codes`] for the codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The database could not be reached.
    DatabaseConnection {
        /// What the driver says.
        details: Option<String>,
    },
    /// The connection broke while it was used.
    DatabaseClient {
        /// What the driver says.
        details: Option<String>,
    },
    /// There is no catalog yet.
    NoSchemaCache,
    /// No connection became free in time.
    PoolTimeout,
    /// PostgreSQL reported an error.
    Database(DatabaseError),
    /// The query string does not parse.
    QueryParameter {
        /// Which parameter, and where.
        message: String,
        /// What was expected there.
        details: String,
    },
    /// A function cannot be called with that method.
    InvalidRpcMethod {
        /// The method.
        method: String,
    },
    /// The body is not what it should be.
    InvalidBody {
        /// Why.
        message: String,
    },
    /// One of the records of the body is not what it should be.
    InvalidRecord {
        /// Why.
        message: String,
        /// On which line it was found out, the first one being 1.
        line: u64,
        /// At which byte, from the beginning of the body.
        byte: u64,
    },
    /// The body is too long for what is to become of it.
    BodyInParts {
        /// What cannot be had.
        message: String,
        /// How long a body can be with which it can be had.
        bytes_max: usize,
    },
    /// As many uploads are under way as may be.
    TooManyUploads {
        /// How many that is.
        at_most: usize,
    },
    /// The server ends, and with it an upload.
    UploadEnded,
    /// The parameters of the range leave no rows.
    RangeNegativeLimit,
    /// The `Range` header ends before it begins.
    RangeLowerAboveUpper,
    /// There are fewer rows than are skipped.
    RangeOutOfBounds {
        /// How many rows are skipped.
        offset: String,
        /// How many there are.
        total: String,
    },
    /// The filters of a PUT are not its primary key.
    PutFilters,
    /// The schema is not exposed.
    UnacceptableSchema {
        /// The schema.
        schema: String,
        /// Those that are.
        exposed: Vec<String>,
    },
    /// None of the media types can be produced.
    MediaTypeNotAvailable {
        /// The media types, as the client gave them.
        accepted: Vec<String>,
    },
    /// A filter, order or limit is on something that is not embedded.
    NotEmbedded {
        /// What it is on.
        resource: String,
        /// If it is embedded after all, but must be called by another name.
        alias: Option<TargetAlias>,
    },
    /// `response.headers` is not an array of objects with one string each.
    GucHeaders,
    /// `response.status` is not a status.
    GucStatus,
    /// A PUT has a limit or an offset.
    PutLimit,
    /// The body of a PUT has another key than its filters.
    PutKeyMismatch,
    /// There is not exactly one row.
    NotSingular {
        /// How many there are.
        rows: i64,
    },
    /// The method has no meaning here.
    UnsupportedMethod {
        /// The method.
        method: String,
    },
    /// An order by a relation that has many rows for one.
    RelatedOrderNotToOne {
        /// The relation that is ordered.
        origin: String,
        /// The relation it is ordered by.
        target: String,
    },
    /// A filter on an embedded relation that is not about null.
    UnacceptableFilter {
        /// The relation.
        target: String,
    },
    /// SQL raised `PGRST`, and its JSON does not parse.
    InvalidRaise(InvalidRaise),
    /// Preferences that are not known, with `handling=strict`.
    InvalidPreferences {
        /// The preferences.
        preferences: Vec<String>,
    },
    /// Aggregate functions are switched off.
    AggregatesNotAllowed,
    /// More rows would be affected than preferred.
    MaxAffectedExceeded {
        /// How many.
        rows: i64,
    },
    /// The path names nothing.
    InvalidPath,
    /// The description of the API is switched off.
    OpenApiDisabled,
    /// Not built.
    NotImplemented {
        /// What.
        details: String,
    },
    /// `max-affected` on a function that returns no set.
    MaxAffectedRpc,
    /// No relationship between two relations.
    NoRelationship {
        /// The relation that embeds.
        parent: String,
        /// The relation to be embedded.
        child: String,
        /// The hint the client gave after `!`.
        embed_hint: Option<String>,
        /// The schema searched.
        schema: String,
        /// What the client may have meant.
        hint: Option<String>,
    },
    /// More than one relationship between two relations.
    AmbiguousRelationship {
        /// The relation that embeds.
        parent: String,
        /// The relation to be embedded.
        child: String,
        /// The relationships found.
        candidates: Vec<RelationshipCandidate>,
    },
    /// No function with that name and those arguments.
    NoRoutine {
        /// The schema searched.
        schema: String,
        /// The name.
        name: String,
        /// The names of the arguments, in the order to be shown.
        arguments: Vec<String>,
        /// Whether a function with a single parameter without a name was looked for.
        unnamed: UnnamedParameter,
        /// What the client may have meant.
        hint: Option<String>,
    },
    /// No function with that name, whatever the arguments are.
    NoRoutineOfName {
        /// The schema searched.
        schema: String,
        /// The name.
        name: String,
        /// What the client may have meant.
        hint: Option<String>,
    },
    /// More than one function with that name and those arguments.
    AmbiguousRoutine {
        /// The functions, as `schema.name(argument => type, …)`.
        candidates: Vec<String>,
    },
    /// No column of that name.
    ColumnNotFound {
        /// The table.
        relation: String,
        /// The name.
        column: String,
    },
    /// No table of that name.
    TableNotFound {
        /// The schema searched.
        schema: String,
        /// The name.
        table: String,
        /// What the client may have meant.
        hint: Option<String>,
    },
    /// There is no secret to check a token with.
    JwtSecretMissing,
    /// The token is not valid.
    JwtInvalid(JwtFault),
    /// The keys that could verify the token have not come yet.
    JwtKeysMissing {
        /// When somebody asks for them again.
        retry_seconds: u64,
    },
    /// A token is needed.
    JwtRequired,
    /// The claims of the token are not valid.
    JwtClaims(JwtClaimsFault),
    /// The request was carried out, but there is no memory for its answer, nor room in the spool.
    AnswerTooLarge {
        /// How large it is.
        bytes: usize,
        /// Whether it was rolled back, as it was to be.
        is_rolled_back: bool,
    },
    /// What was read is large, and clients hold all the memory that there is for them.
    NoMemoryForAnswer {
        /// How large it is.
        bytes: usize,
        /// Whether there will be enough when others need less.
        may_fit: bool,
    },
    /// A function that says what is to be heard names no channel that can be listened to.
    Channel {
        /// Why it cannot.
        message: String,
        /// The channel, or how many there are.
        details: String,
    },
    /// The server listens to as many channels as it may.
    TooManyChannels {
        /// How many that is.
        at_most: usize,
    },
    /// As many clients hear events as may.
    TooManyStreams {
        /// How many that is.
        at_most: usize,
    },
    /// Notifications are not heard at this time.
    NotListening,
    /// An error of this server.
    Internal {
        /// What is wrong.
        details: String,
    },
}

/// The name that an embedded relation must be called by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetAlias {
    /// The name that was used.
    pub name: String,
    /// The alias that it has.
    pub alias: String,
}

/// A relationship that could have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationshipCandidate {
    /// `many-to-one`, `one-to-many`, `one-to-one` or `many-to-many`.
    pub cardinality: &'static str,
    /// `films with directors`
    pub embedding: String,
    /// `films_director_fkey using films(director_id) and directors(id)`
    pub relationship: String,
    /// `directors!films_director_fkey`
    pub target: String,
}

/// The single unnamed parameter that the body of a call could have been for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnnamedParameter {
    /// None was looked for.
    None,
    /// A parameter of type json or jsonb was looked for, too.
    Json,
    /// Only a parameter of type text was looked for.
    Text,
    /// Only a parameter of type xml was looked for.
    Xml,
    /// Only a parameter of type bytea was looked for.
    Bytea,
}

/// Why a token is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtFault {
    /// There is none after `Bearer`.
    Empty,
    /// It has another number of parts than three.
    Parts(usize),
    /// No key fits; with details.
    Key(String),
    /// Its algorithm is not known; with details.
    Algorithm(String),
    /// Its signature is wrong.
    Crypto,
    /// It is of a kind that is not known.
    TokenType,
    /// It does not decode.
    Undecodable,
}

/// Why the claims of a token are not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtClaimsFault {
    /// `exp` is over.
    Expired,
    /// `nbf` is to come.
    NotYetValid,
    /// `iat` is to come.
    IssuedInFuture,
    /// `aud` is somebody else.
    NotInAudience,
    /// They are no JSON object.
    Unparsable,
    /// `exp` is no number.
    ExpNotNumber,
    /// `nbf` is no number.
    NbfNotNumber,
    /// `iat` is no number.
    IatNotNumber,
    /// `aud` is neither a string nor an array of strings.
    AudNotStrings,
}

impl Error {
    /// The path or the query string has bytes, not percent-encoded, that are no UTF-8. Such a
    /// target is no text at all, so it becomes no request.
    pub fn target_not_utf8() -> Error {
        Error::QueryParameter {
            message: "The request target is not UTF-8".to_owned(),
            details: "It has bytes that are no text".to_owned(),
        }
    }

    /// The response that tells the client.
    pub fn response(&self, verbosity: ErrorVerbosity) -> ErrorResponse {
        match self {
            Error::Database(error) if error.code == Raise::SQLSTATE => match Raise::parse(error) {
                Ok(raise) => raise.response(verbosity),
                Err(invalid) => Error::InvalidRaise(invalid).response(verbosity),
            },
            Error::Database(error) => error.response(verbosity),
            _ => {
                let (code, wording) = self.wording();
                let status = code.row().status;
                let challenge = self.challenge(&wording.message);
                let challenge = challenge.map(|value| ("WWW-Authenticate".into(), value));
                let retry = self
                    .retry_after()
                    .map(|value| ("Retry-After".into(), value));
                let headers = challenge.into_iter().chain(retry);
                respond(status, None, &wording, headers, verbosity)
            }
        }
    }

    /// When the client may come again, where that has nothing to do with the database.
    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Error::JwtKeysMissing { retry_seconds } => {
                Some(HeaderValue::sanitized(retry_seconds.to_string().as_bytes()))
            }
            _ => None,
        }
    }

    /// RFC 6750, section 3: what the client is told about the token it should have sent.
    fn challenge(&self, message: &str) -> Option<HeaderValue> {
        match self {
            Error::JwtRequired => Some(HeaderValue::of_constant("Bearer")),
            Error::JwtInvalid(_) | Error::JwtClaims(_) => Some(HeaderValue::sanitized(
                format!("Bearer error=\"invalid_token\", error_description=\"{message}\"")
                    .as_bytes(),
            )),
            _ => None,
        }
    }
}

fn write_candidates(candidates: &[RelationshipCandidate]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, candidate) in candidates.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let members = [
            ("cardinality", JsonText::String(candidate.cardinality)),
            ("embedding", JsonText::String(&candidate.embedding)),
            ("relationship", JsonText::String(&candidate.relationship)),
        ];
        write_json_object(&mut out, members);
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests;
