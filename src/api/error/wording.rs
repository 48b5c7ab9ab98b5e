//! The words of each error. Clients parse them, so they are PostgREST's.
//!
//! They stand apart from the variants so that an error can be read without its prose, and its prose
//! compared with PostgREST's in one go.

use super::raise::InvalidRaise;
use super::{
    Code, Details, Error, JwtClaimsFault, JwtFault, TargetAlias, UnnamedParameter, Wording,
    write_candidates,
};

impl Error {
    /// The code of the error, and its words.
    #[expect(
        clippy::too_many_lines,
        reason = "it is one table: a match over a closed enum"
    )]
    pub(super) fn wording(&self) -> (Code, Wording) {
        match self {
            Error::DatabaseConnection { details } => {
                worded(Code::Connection, "Database connection error.").with(details.clone())
            }
            Error::DatabaseClient { details } => worded(
                Code::Client,
                "Database client error. Retrying the connection.",
            )
            .with(details.clone()),
            Error::NoSchemaCache => worded(
                Code::NoSchemaCache,
                "Could not query the database for the schema cache. Retrying.",
            ),
            Error::PoolTimeout => worded(
                Code::PoolTimeout,
                "Timed out acquiring connection from connection pool.",
            ),
            // Unreachable through `response`, which has its own way for these.
            Error::Database(error) => worded(Code::Internal, error.message.clone()),
            Error::QueryParameter { message, details } => {
                worded(Code::QueryParameter, message.clone()).with(details.clone())
            }
            Error::InvalidRpcMethod { method } => worded(
                Code::RpcMethod,
                format!("Cannot use the {method} method on RPC"),
            ),
            Error::InvalidBody { message } => worded(Code::Body, message.clone()),
            Error::InvalidRecord {
                message,
                line,
                byte,
            } => worded(Code::Body, message.clone())
                .with(format!("Line {line} of the body, at byte {byte}")),
            Error::BodyInParts { message, bytes_max } => worded(Code::Body, message.clone())
                .with(format!("The body has more than {bytes_max} bytes"))
                .hinted("Send Prefer: return=minimal or return=headers-only".to_owned()),
            Error::TooManyUploads { at_most } => worded(
                Code::TooManyUploads,
                "As many uploads are under way as may be",
            )
            .with(format!(
                "There may be {at_most}, so that others find connections (db-pool)."
            ))
            .hinted("Try again when others have ended".to_owned()),
            Error::UploadEnded => worded(
                Code::UploadEnded,
                "The server stops, and has rolled the upload back",
            )
            .hinted("Try again".to_owned()),
            Error::RangeNegativeLimit => {
                range("Limit should be greater than or equal to zero.".to_owned())
            }
            Error::RangeLowerAboveUpper => range(
                "The lower boundary must be lower than or equal to the upper boundary in the \
                 Range header."
                    .to_owned(),
            ),
            Error::RangeOutOfBounds { offset, total } => range(format!(
                "An offset of {offset} was requested, but there are only {total} rows."
            )),
            Error::PutFilters => worded(
                Code::PutFilters,
                "Filters must include all and only primary key columns with 'eq' operators",
            ),
            Error::UnacceptableSchema { schema, exposed } => {
                worded(Code::Schema, format!("Invalid schema: {schema}")).hinted(format!(
                    "Only the following schemas are exposed: {}",
                    exposed.join(", ")
                ))
            }
            Error::MediaTypeNotAvailable { accepted } => worded(
                Code::MediaType,
                format!(
                    "None of these media types are available: {}",
                    accepted.join(", ")
                ),
            ),
            Error::NotEmbedded { resource, alias } => not_embedded(resource, alias.as_ref()),
            Error::GucHeaders => worded(
                Code::GucHeaders,
                "response.headers guc must be a JSON array composed of objects with a single \
                 key and a string value",
            ),
            Error::GucStatus => worded(
                Code::GucStatus,
                "response.status guc must be a valid status code",
            ),
            Error::PutLimit => worded(
                Code::PutLimit,
                "limit/offset querystring parameters are not allowed for PUT",
            ),
            Error::PutKeyMismatch => worded(
                Code::PutKey,
                "Payload values do not match URL in primary key column(s)",
            ),
            Error::NotSingular { rows } => worded(
                Code::Singular,
                "Cannot coerce the result to a single JSON object",
            )
            .with(format!("The result contains {rows} rows")),
            Error::UnsupportedMethod { method } => {
                worded(Code::Method, format!("Unsupported HTTP method: {method}"))
            }
            Error::RelatedOrderNotToOne { origin, target } => worded(
                Code::RelatedOrder,
                format!("A related order on '{target}' is not possible"),
            )
            .with(format!(
                "'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship"
            )),
            Error::UnacceptableFilter { target } => worded(
                Code::EmbedFilter,
                format!("Bad operator on the '{target}' embedded resource"),
            )
            .with(
                "Only is null or not is null filters are allowed on embedded resources".to_owned(),
            ),
            Error::InvalidRaise(invalid) => invalid_raise(invalid),
            Error::InvalidPreferences { preferences } => worded(
                Code::Preferences,
                "Invalid preferences given with handling=strict",
            )
            .with(format!("Invalid preferences: {}", preferences.join(", "))),
            Error::AggregatesNotAllowed => worded(
                Code::Aggregates,
                "Use of aggregate functions is not allowed",
            ),
            Error::MaxAffectedExceeded { rows } => worded(
                Code::MaxAffected,
                "Query result exceeds max-affected preference constraint",
            )
            .with(format!("The query affects {rows} rows")),
            Error::InvalidPath => worded(Code::Path, "Invalid path specified in request URL"),
            Error::OpenApiDisabled => worded(Code::OpenApi, "Root endpoint metadata is disabled"),
            Error::NotImplemented { details } => {
                worded(Code::NotImplemented, "Feature not implemented").with(details.clone())
            }
            Error::MaxAffectedRpc => worded(
                Code::MaxAffectedRpc,
                "Function must return SETOF or TABLE when max-affected preference is used with \
                 handling=strict",
            ),
            Error::NoRelationship {
                parent,
                child,
                embed_hint,
                schema,
                hint,
            } => no_relationship(parent, child, embed_hint.as_deref(), schema).hinted(hint.clone()),
            Error::AmbiguousRelationship {
                parent,
                child,
                candidates,
            } => {
                let targets: Vec<String> = candidates
                    .iter()
                    .map(|candidate| format!("'{}'", candidate.target))
                    .collect();
                worded(
                    Code::AmbiguousRelationship,
                    format!(
                        "Could not embed because more than one relationship was found for \
                         '{parent}' and '{child}'"
                    ),
                )
                .with(Details::Json(write_candidates(candidates)))
                .hinted(format!(
                    "Try changing '{child}' to one of the following: {}. Find the desired \
                     relationship in the 'details' key.",
                    targets.join(", ")
                ))
            }
            Error::NoRoutine {
                schema,
                name,
                arguments,
                unnamed,
                hint,
            } => no_routine(schema, name, arguments, *unnamed, hint.clone()),
            Error::NoRoutineOfName { schema, name, hint } => worded(
                Code::NoRoutine,
                format!("Could not find the function {schema}.{name} in the schema cache"),
            )
            .with(format!(
                "Searched for the function {schema}.{name} with any parameters, but no matches \
                 were found in the schema cache."
            ))
            .hinted(hint.clone()),
            Error::AmbiguousRoutine { candidates } => worded(
                Code::AmbiguousRoutine,
                format!(
                    "Could not choose the best candidate function between: {}",
                    candidates.join(", ")
                ),
            )
            .hinted(
                "Try renaming the parameters or the function itself in the database so function \
                 overloading can be resolved"
                    .to_owned(),
            ),
            Error::ColumnNotFound { relation, column } => worded(
                Code::NoColumn,
                format!("Could not find the '{column}' column of '{relation}' in the schema cache"),
            ),
            Error::TableNotFound {
                schema,
                table,
                hint,
            } => worded(
                Code::NoTable,
                format!("Could not find the table '{schema}.{table}' in the schema cache"),
            )
            .hinted(hint.clone()),
            Error::JwtSecretMissing => worded(Code::JwtSecret, "Server lacks JWT secret"),
            Error::JwtInvalid(fault) => jwt_invalid(fault),
            Error::JwtKeysMissing { .. } => worded(
                Code::JwtKeysMissing,
                "The keys that the JWT is to be verified with have not come yet. Retrying.",
            ),
            Error::JwtRequired => worded(Code::JwtRequired, "Anonymous access is disabled"),
            Error::JwtClaims(fault) => worded(Code::JwtClaims, jwt_claims(*fault)),
            Error::AnswerTooLarge {
                bytes,
                is_rolled_back,
            } => worded(
                Code::AnswerTooLarge,
                match is_rolled_back {
                    false => "The request was carried out, but there is no memory for its answer",
                    true => {
                        "The request was carried out and rolled back, but there is no memory for \
                         its answer"
                    }
                },
            )
            .with(format!("The answer has {bytes} bytes."))
            .hinted("Ask for less with select, or with Prefer: return=minimal".to_owned()),
            Error::NoMemoryForAnswer { bytes, may_fit } => {
                let message = match may_fit {
                    true => "Clients hold all the memory that they may",
                    false => "The answer is larger than all that clients may hold",
                };
                let worded = worded(Code::NoMemoryForAnswer, message)
                    .with(format!("The answer has {bytes} bytes (server-max-memory)."));
                match may_fit {
                    true => worded.hinted("Try again".to_owned()),
                    false => worded,
                }
            }
            Error::Channel { message, details } => {
                worded(Code::Channel, message.clone()).with(details.clone())
            }
            Error::TooManyChannels { at_most } => worded(
                Code::TooManyChannels,
                "The server listens to as many channels as it may",
            )
            .with(format!("There may be {at_most} (server-max-channels)."))
            .hinted("Try again when others have left".to_owned()),
            Error::TooManyStreams { at_most } => worded(
                Code::TooManyStreams,
                "As many clients hear events as may",
            )
            .with(format!(
                "There may be {at_most}, three quarters of all clients (server-max-connections)."
            ))
            .hinted("Try again when others have left".to_owned()),
            Error::NotListening => worded(
                Code::NotListening,
                "Notifications of the database are not heard at this time",
            )
            .hinted("Try again".to_owned()),
            Error::Internal { details } => worded(Code::Internal, details.clone()),
        }
    }
}

fn worded(code: Code, message: impl Into<String>) -> (Code, Wording) {
    let wording = Wording {
        code: code.row().text.to_owned(),
        message: message.into(),
        details: Details::None,
        hint: None,
    };
    (code, wording)
}

/// Adds to the words of an error.
trait Add {
    fn with(self, details: impl Into<Details>) -> Self;
    fn hinted(self, hint: impl Into<Option<String>>) -> Self;
}

impl Add for (Code, Wording) {
    fn with(self, details: impl Into<Details>) -> Self {
        (
            self.0,
            Wording {
                details: details.into(),
                ..self.1
            },
        )
    }

    fn hinted(self, hint: impl Into<Option<String>>) -> Self {
        (
            self.0,
            Wording {
                hint: hint.into(),
                ..self.1
            },
        )
    }
}

impl From<String> for Details {
    fn from(text: String) -> Details {
        Details::Text(text)
    }
}

fn range(details: String) -> (Code, Wording) {
    worded(Code::Range, "Requested range not satisfiable").with(details)
}

fn not_embedded(resource: &str, alias: Option<&TargetAlias>) -> (Code, Wording) {
    let error = worded(
        Code::NotEmbedded,
        format!("'{resource}' is not an embedded resource in this request"),
    );
    match alias {
        None => error.hinted(format!(
            "Verify that '{resource}' is included in the 'select' query parameter."
        )),
        Some(TargetAlias { name, alias }) => error
            .with("Target names are not allowed in filters if they have an alias".to_owned())
            .hinted(format!(
                "Change '{name}' to '{alias}' in filters, orders or limits."
            )),
    }
}

fn invalid_raise(invalid: &InvalidRaise) -> (Code, Wording) {
    const DETAIL: &str = "DETAIL must be a JSON object with obligatory keys: 'status', \
                          'headers' and optional key: 'status_text'.";
    const MESSAGE: &str = "MESSAGE must be a JSON object with obligatory keys: 'code', \
                           'message' and optional keys: 'details', 'hint'.";
    let (details, hint) = match invalid {
        InvalidRaise::Message(text) => {
            (format!("Invalid JSON value for MESSAGE: '{text}'"), MESSAGE)
        }
        InvalidRaise::Detail(text) => (format!("Invalid JSON value for DETAIL: '{text}'"), DETAIL),
        InvalidRaise::NoDetail => (
            "DETAIL is missing in the RAISE statement".to_owned(),
            DETAIL,
        ),
    };
    worded(
        Code::Raise,
        "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
    )
    .with(details)
    .hinted(hint.to_owned())
}

fn no_relationship(
    parent: &str,
    child: &str,
    embed_hint: Option<&str>,
    schema: &str,
) -> (Code, Wording) {
    let using = embed_hint.map_or(String::new(), |hint| format!("' using the hint '{hint}"));
    worded(
        Code::NoRelationship,
        format!(
            "Could not find a relationship between '{parent}' and '{child}' in the schema cache"
        ),
    )
    .with(format!(
        "Searched for a foreign key relationship between '{parent}' and '{child}{using}' in the \
         schema '{schema}', but no matches were found."
    ))
}

fn no_routine(
    schema: &str,
    name: &str,
    arguments: &[String],
    unnamed: UnnamedParameter,
    hint: Option<String>,
) -> (Code, Wording) {
    let listed = arguments.join(", ");
    let plural = if arguments.len() > 1 { "s" } else { "" };
    let (in_message, in_details) = if arguments.is_empty() {
        (
            " without parameters".to_owned(),
            " without parameters".to_owned(),
        )
    } else {
        (
            format!("({listed})"),
            format!(" with parameter{plural} {listed}"),
        )
    };
    let single = match unnamed {
        UnnamedParameter::None | UnnamedParameter::Json => None,
        UnnamedParameter::Text => Some("text"),
        UnnamedParameter::Xml => Some("xml"),
        UnnamedParameter::Bytea => Some("bytea"),
    };
    let (in_message, searched, hint) = match single {
        Some(kind) => (
            String::new(),
            format!(" with a single unnamed {kind} parameter"),
            None,
        ),
        None if unnamed == UnnamedParameter::Json => {
            let or = " or with a single unnamed json/jsonb parameter";
            (in_message, format!("{in_details}{or}"), hint)
        }
        None => (in_message, in_details, hint),
    };
    worded(
        Code::NoRoutine,
        format!("Could not find the function {schema}.{name}{in_message} in the schema cache"),
    )
    .with(format!(
        "Searched for the function {schema}.{name}{searched}, but no matches were found in the \
         schema cache."
    ))
    .hinted(hint)
}

fn jwt_invalid(fault: &JwtFault) -> (Code, Wording) {
    let (message, details) = match fault {
        JwtFault::Empty => ("Empty JWT is sent in Authorization header".to_owned(), None),
        JwtFault::Parts(parts) => (format!("Expected 3 parts in JWT; got {parts}"), None),
        JwtFault::Key(details) => (
            "No suitable key or wrong key type".to_owned(),
            Some(details.clone()),
        ),
        JwtFault::Algorithm(details) => (
            "Wrong or unsupported encoding algorithm".to_owned(),
            Some(details.clone()),
        ),
        JwtFault::Crypto => ("JWT cryptographic operation failed".to_owned(), None),
        JwtFault::TokenType => ("Unsupported token type".to_owned(), None),
        JwtFault::Undecodable => ("JWT couldn't be decoded".to_owned(), None),
    };
    worded(Code::JwtInvalid, message).with(details)
}

fn jwt_claims(fault: JwtClaimsFault) -> &'static str {
    match fault {
        JwtClaimsFault::Expired => "JWT expired",
        JwtClaimsFault::NotYetValid => "JWT not yet valid",
        JwtClaimsFault::IssuedInFuture => "JWT issued at future",
        JwtClaimsFault::NotInAudience => "JWT not in audience",
        JwtClaimsFault::Unparsable => "Parsing claims failed",
        JwtClaimsFault::ExpNotNumber => "The JWT 'exp' claim must be a number",
        JwtClaimsFault::NbfNotNumber => "The JWT 'nbf' claim must be a number",
        JwtClaimsFault::IatNotNumber => "The JWT 'iat' claim must be a number",
        JwtClaimsFault::AudNotStrings => {
            "The JWT 'aud' claim must be a string or an array of strings"
        }
    }
}
