//! What a client asks for: an HTTP request, parsed.
//!
//! [`ApiRequest::parse`] looks at method, path, query string and headers and says what is meant,
//! in the order in which PostgREST looks: resource, schema, action, query string, ranges. It
//! knows the configuration and nothing of the database; whether the request makes sense is for
//! the planner to find out.
//!
//! Source: PostgREST's documentation, `references/api`.

pub(crate) mod accept;
mod action;
pub(crate) mod ast;
mod field;
mod filter;
mod http;
mod logic;
pub(crate) mod media_type;
mod order;
mod parse_error;
mod parse_log;
mod parser;
pub(crate) mod payload;
pub(crate) mod preferences;
pub(crate) mod query_params;
pub(crate) mod query_string;
pub(crate) mod range;
mod select;

pub use action::{Action, Invocation, Mutation};
pub use http::HttpRequest;
pub use payload::intake::{PartEnd, Records};
pub use payload::{BodyForm, Intake, bytes_made_of};

use crate::error::Error;
use corerest_config::{Config, OpenApiMode};
use corerest_sql::{Ident, QualifiedName};
use media_type::MediaType;
use payload::Payload;
use preferences::{Preferences, Servers, TransactionChoice};
use query_params::QueryParams;
use range::{InvalidRange, Range};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A request that makes sense as far as it can be told without the database.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest<'a> {
    /// What is to be done, and with what.
    pub action: Action,
    /// The body, where one is expected.
    pub payload: Option<Payload<'a>>,
    /// The schema, which the profile headers choose.
    pub schema: Ident,
    /// Whether the answer must say which schema it is from.
    pub negotiated_by_profile: bool,
    /// The parameters of the query string.
    pub query: QueryParams,
    /// The rows of the request itself: what `limit`, `offset` and the `Range` header leave.
    pub range: Range,
    /// The `Prefer` headers.
    pub preferences: Preferences,
    /// The media types of `Accept`, best first; without the header, any.
    pub accept: Vec<MediaType>,
    /// The media type of the body; without the header, JSON.
    pub content_type: MediaType,
    /// The request as it came.
    pub http: HttpRequest<'a>,
}

impl<'a> ApiRequest<'a> {
    /// Parses a request.
    ///
    /// # Errors
    /// In this order: `PGRST125`, `PGRST126` for the path, `PGRST106` for the schema, `PGRST101`,
    /// `PGRST117` for the method, `PGRST100` for the query string, `PGRST103`, `PGRST114` for
    /// the ranges, `PGRST102` for the body. Before them, `PGRST100` for a path that is no UTF-8.
    pub(crate) fn parse(config: &Config, http: &HttpRequest<'a>) -> Result<ApiRequest<'a>, Error> {
        ApiRequest::parse_with(config, http, Payload::parse)
    }

    /// Parses a request whose body has not come: it has the payload that its head lets expect.
    ///
    /// # Errors
    /// The same, but for those that only the body can cause.
    pub(crate) fn parse_head(
        config: &Config,
        http: &HttpRequest<'a>,
    ) -> Result<ApiRequest<'a>, Error> {
        ApiRequest::parse_with(config, http, Payload::expected)
    }

    /// Parses a request whose payload this makes of an action, a media type, `columns=` and a body.
    ///
    /// # Errors
    /// As [`ApiRequest::parse`].
    pub(crate) fn parse_with(
        config: &Config,
        http: &HttpRequest<'a>,
        payload: impl FnOnce(
            &Action,
            &MediaType,
            Option<&BTreeSet<Ident>>,
            &'a [u8],
        ) -> Result<Option<Payload<'a>>, Error>,
    ) -> Result<ApiRequest<'a>, Error> {
        let resource = parse_resource(config, http)?;
        let (schema, negotiated_by_profile) = negotiate_schema(config, http)?;
        let action = parse_action(&resource, &schema, http.method)?;
        let mut query = QueryParams::parse(action.filter_style(), http.query)?;
        let range = parse_range(http, &query)?;
        let content_type = http
            .header("content-type")
            .map_or(MediaType::ApplicationJson, MediaType::parse);
        query.free(|name| action.counts(name, &content_type));
        let payload = payload(&action, &content_type, query.columns.as_ref(), http.body)?;
        let choice = if config.db_tx_end.allow_override() {
            TransactionChoice::Client
        } else {
            TransactionChoice::Server
        };
        let servers = if config.db_uri_read_replicas.is_empty() {
            Servers::One
        } else {
            Servers::Several
        };
        Ok(ApiRequest {
            action,
            schema,
            negotiated_by_profile,
            query,
            range,
            preferences: Preferences::parse(choice, servers, http),
            accept: http
                .header("accept")
                .map_or(vec![MediaType::Any], accept::parse_accept),
            content_type,
            payload,
            http: *http,
        })
    }

    /// The schema, if the answer must say it.
    pub(crate) fn content_profile(&self) -> Option<String> {
        self.negotiated_by_profile.then(|| self.schema.to_string())
    }
}

/// What a path names.
enum Resource<'a> {
    Relation(Cow<'a, str>),
    Routine(Cow<'a, str>),
    Schema,
}

fn parse_resource<'r>(config: &'r Config, http: &HttpRequest<'r>) -> Result<Resource<'r>, Error> {
    let segments = http.path_segments();
    let mut segments = segments.map_err(|text| text.refused("path"))?.into_iter();
    match (segments.next(), segments.next(), segments.next()) {
        (None, ..) => root(config),
        (Some(table), None, _) => Ok(Resource::Relation(table)),
        (Some(prefix), Some(routine), None) if prefix == "rpc" => Ok(Resource::Routine(routine)),
        _ => Err(Error::InvalidPath),
    }
}

/// Parity: with `openapi-mode=disabled`, `db-root-spec` is not called either.
fn root(config: &Config) -> Result<Resource<'_>, Error> {
    match (config.openapi_mode, &config.db_root_spec) {
        (OpenApiMode::Disabled, _) => Err(Error::OpenApiDisabled),
        (OpenApiMode::FollowPrivileges | OpenApiMode::IgnorePrivileges, Some(function)) => {
            Ok(Resource::Routine(Cow::Borrowed(&function.name)))
        }
        (OpenApiMode::FollowPrivileges | OpenApiMode::IgnorePrivileges, None) => {
            Ok(Resource::Schema)
        }
    }
}

/// The schema, and whether the answer must name it: if the client chose, or could have chosen.
fn negotiate_schema(config: &Config, http: &HttpRequest<'_>) -> Result<(Ident, bool), Error> {
    let header = match http.method {
        "DELETE" | "PATCH" | "POST" | "PUT" => "Content-Profile",
        _ => "Accept-Profile",
    };
    let exposed = &config.db_schemas;
    match http.header(header) {
        Some(profile) => {
            let chosen = exposed.iter().find(|schema| schema.as_bytes() == profile);
            let unacceptable = || Error::UnacceptableSchema {
                schema: String::from_utf8_lossy(profile).into_owned(),
                exposed: exposed.clone(),
            };
            let schema = chosen.ok_or_else(unacceptable)?;
            Ok((Ident::before_nul(schema), true))
        }
        None => {
            let default = exposed
                .first()
                .expect("a configuration has at least one schema");
            Ok((Ident::before_nul(default), exposed.len() != 1))
        }
    }
}

fn parse_action(resource: &Resource<'_>, schema: &Ident, method: &str) -> Result<Action, Error> {
    // A name with a NUL is nobody's. Cutting it there would let one table have many paths.
    let named = |name: &str| Ident::new(name).map(|name| QualifiedName::new(schema.clone(), name));
    match resource {
        Resource::Routine(name) => {
            let name = named(name).map_err(|_| Error::InvalidPath)?;
            routine_action(name, method)
        }
        Resource::Relation(name) => {
            let name = named(name).map_err(|_| Error::TableNotFound {
                schema: schema.to_string(),
                table: name.to_string(),
                hint: None,
            })?;
            relation_action(name, method)
        }
        Resource::Schema => schema_action(schema.clone(), method),
    }
}

fn routine_action(name: QualifiedName, method: &str) -> Result<Action, Error> {
    let invocation = match method {
        "GET" => Invocation::Read {
            headers_only: false,
        },
        "HEAD" => Invocation::Read { headers_only: true },
        "POST" => Invocation::Post,
        "OPTIONS" => return Ok(Action::RoutineInfo { name }),
        _ => {
            return Err(Error::InvalidRpcMethod {
                method: method.to_owned(),
            });
        }
    };
    Ok(Action::CallRoutine { name, invocation })
}

fn relation_action(name: QualifiedName, method: &str) -> Result<Action, Error> {
    let mutation = match method {
        "GET" => {
            return Ok(Action::ReadRelation {
                name,
                headers_only: false,
            });
        }
        "HEAD" => {
            return Ok(Action::ReadRelation {
                name,
                headers_only: true,
            });
        }
        "OPTIONS" => return Ok(Action::RelationInfo { name }),
        "POST" => Mutation::Create,
        "PUT" => Mutation::SingleUpsert,
        "PATCH" => Mutation::Update,
        "DELETE" => Mutation::Delete,
        _ => {
            return Err(Error::UnsupportedMethod {
                method: method.to_owned(),
            });
        }
    };
    Ok(Action::MutateRelation { name, mutation })
}

fn schema_action(schema: Ident, method: &str) -> Result<Action, Error> {
    match method {
        "GET" => Ok(Action::ReadSchema {
            schema,
            headers_only: false,
        }),
        "HEAD" => Ok(Action::ReadSchema {
            schema,
            headers_only: true,
        }),
        "OPTIONS" => Ok(Action::SchemaInfo),
        _ => Err(Error::UnsupportedMethod {
            method: method.to_owned(),
        }),
    }
}

/// RFC 9110, section 14.2: the `Range` header means nothing on methods other than GET.
fn parse_range(http: &HttpRequest<'_>, query: &QueryParams) -> Result<Range, Error> {
    let header = if http.method == "GET" {
        http.header("range")
    } else {
        None
    };
    let range = range::top_level_range(header, query.limit).map_err(|invalid| match invalid {
        InvalidRange::Header => Error::RangeLowerAboveUpper,
        InvalidRange::Parameters => Error::RangeNegativeLimit,
    })?;
    if http.method == "PUT" && !range.is_all() {
        return Err(Error::PutLimit);
    }
    Ok(range)
}

#[cfg(test)]
mod tests;
