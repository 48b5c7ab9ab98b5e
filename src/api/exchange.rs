//! The two verbs: [`prepare`] before PostgreSQL, [`finish`] after it.
//!
//! This is where the modules meet: everything left of it knows only what is to its own left, and
//! the server knows only these two, and what lies between them ([`Batch`], [`Pending`]).

use crate::auth::Identity;
use crate::catalog::Catalog;
use crate::error::{DatabaseError, Error};
use crate::plan::{Representation, negotiate, plan_read};
use crate::query::{
    AccessMode, Batch, Parts, TransactionEnd, write_count_estimate, write_pre_request, write_read,
    write_settings,
};
use crate::request::preferences::{CountPreference, HandlingPreference, TransactionPreference};
use crate::request::{Action, ApiRequest, HttpRequest};
use crate::response::{ReadPending, Response, ResultSet};
use corerest_config::Config;
use corerest_sql::QualifiedName;

/// What a request is answered from: one snapshot of the configuration and the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The catalog; `None` until it has been loaded for the first time.
    pub catalog: Option<&'a Catalog>,
}

/// What is to be done for a request.
#[derive(Debug)]
pub enum Prepared {
    /// The answer needs no database.
    Reply(Response),
    /// PostgreSQL has to be asked.
    Ask(Batch, Pending),
}

/// What is remembered of a request while PostgreSQL works on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    read: ReadPending,
    error: ErrorStyle,
}

/// What the shape of an error depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ErrorStyle {
    verbosity: corerest_config::ErrorVerbosity,
    authenticated: bool,
}

/// Turns a request into a reply, or into the statements that will answer it. Who asks was found
/// out before; a caller who is nobody gets to know that first.
pub fn prepare(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
) -> Prepared {
    match try_prepare(context, http, caller) {
        Ok((batch, pending)) => Prepared::Ask(batch, pending),
        Err(error) => Prepared::Reply(error.response(context.config.client_error_verbosity).into()),
    }
}

/// Turns the columns before the body, and the answer of the estimate if one was asked for, into
/// the response.
pub fn finish(pending: &Pending, columns: &[Option<&[u8]>], estimate: Option<&[u8]>) -> Response {
    let response = ResultSet::decode(columns)
        .map_err(|invalid| Error::Internal {
            details: invalid.to_string(),
        })
        .and_then(|result| pending.read.respond(&result, estimate.and_then(plan_rows)));
    response.unwrap_or_else(|error| error.response(pending.error.verbosity).into())
}

impl Pending {
    /// The response to an error that PostgreSQL reported.
    pub fn database_error(&self, error: DatabaseError) -> Response {
        let error = DatabaseError {
            authenticated: self.error.authenticated,
            ..error
        };
        Error::Database(error).response(self.error.verbosity).into()
    }

    /// The response to any other error on the way to PostgreSQL.
    pub fn error(&self, error: &Error) -> Response {
        error.response(self.error.verbosity).into()
    }
}

fn try_prepare(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
) -> Result<(Batch, Pending), Error> {
    let identity = caller?;
    let catalog = context.catalog.ok_or(Error::NoSchemaCache)?;
    let request = ApiRequest::parse(context.config, http)?;
    match &request.action {
        Action::ReadRelation { name, headers_only } => prepare_read(
            context.config,
            catalog,
            &request,
            identity,
            name,
            *headers_only,
        ),
        action => Err(Error::NotImplemented {
            details: not_built(action).into(),
        }),
    }
}

fn not_built(action: &Action) -> &'static str {
    match action {
        Action::ReadRelation { .. } => "",
        Action::MutateRelation { .. } => "Writing to tables is not part of this version.",
        Action::CallRoutine { .. } => "Calling functions is not part of this version.",
        Action::ReadSchema { .. } => "The OpenAPI description is not part of this version.",
        Action::RelationInfo { .. } | Action::RoutineInfo { .. } | Action::SchemaInfo => {
            "Answering OPTIONS is not part of this version."
        }
    }
}

fn prepare_read(
    config: &Config,
    catalog: &Catalog,
    request: &ApiRequest<'_>,
    identity: Identity,
    name: &QualifiedName,
    headers_only: bool,
) -> Result<(Batch, Pending), Error> {
    let plan = plan_read(config, catalog, request, name)?;
    let (representation, media_type) = negotiate(&request.accept)?;
    let representation = if headers_only {
        Representation::Nothing
    } else {
        representation
    };
    refuse_unknown_preferences(request)?;
    let count = request.preferences.count;
    let estimated = matches!(
        count,
        Some(CountPreference::Planned | CountPreference::Estimated)
    );
    let batch = Batch::assemble(Parts {
        settings: write_settings(config, request, &identity, AccessMode::ReadOnly),
        pre_request: config.db_pre_request.as_ref().map(write_pre_request),
        estimate: estimated.then(|| write_count_estimate(&plan)),
        main: write_read(&plan, representation, count, config.db_max_rows),
        access: AccessMode::ReadOnly,
        end: transaction_end(config, request),
    });
    let pending = Pending {
        read: ReadPending::new(config, request, name, headers_only, media_type),
        error: ErrorStyle {
            verbosity: config.client_error_verbosity,
            authenticated: config.db_anon_role.as_deref() != Some(&*identity.role),
        },
    };
    Ok((batch, pending))
}

fn refuse_unknown_preferences(request: &ApiRequest<'_>) -> Result<(), Error> {
    let preferences = &request.preferences;
    let strict = preferences.handling == Some(HandlingPreference::Strict);
    if strict && !preferences.invalid.is_empty() {
        return Err(Error::InvalidPreferences {
            preferences: preferences.invalid.clone(),
        });
    }
    Ok(())
}

/// `Prefer: tx=…` where `db-tx-end` lets it decide, else what `db-tx-end` says.
fn transaction_end(config: &Config, request: &ApiRequest<'_>) -> TransactionEnd {
    match request.preferences.transaction {
        Some(TransactionPreference::Commit) => TransactionEnd::Commit,
        Some(TransactionPreference::Rollback) => TransactionEnd::Rollback,
        None if config.db_tx_end.rollback_by_default() => TransactionEnd::Rollback,
        None => TransactionEnd::Commit,
    }
}

/// The number of rows in the answer to `EXPLAIN (FORMAT JSON)`.
fn plan_rows(answer: &[u8]) -> Option<i64> {
    use simd_json::prelude::{ValueAsScalar, ValueObjectAccess};
    let value = simd_json::to_owned_value(&mut answer.to_vec()).ok()?;
    let plan = simd_json::prelude::ValueArrayAccess::get_idx(&value, 0)?.get("Plan")?;
    plan.get("Plan Rows")?.as_i64()
}
