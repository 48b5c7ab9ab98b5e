//! The two verbs: [`prepare`] before PostgreSQL, [`finish`] after it.
//!
//! This is where the modules meet: everything left of it knows only what is to its own left, and
//! the server knows only these two, and what lies between them ([`Batch`], [`Pending`]). What a
//! kind of request needs is put together in a file of its own.

mod call;
mod info;
mod mutate;
mod read;
mod schema;
mod shape;

pub use shape::Shapes;

use crate::auth::Identity;
use crate::catalog::{Catalog, IsolationLevel, Routine};
use crate::error::{DatabaseError, Error, HeaderValue};
use crate::plan::{Negotiated, ReadPlan, Representation, RowsCheck, Wanted, negotiate};
use crate::query::{
    AccessMode, Batch, Circumstances, MainStatement, Parts, TransactionEnd, write_pre_request,
    write_settings,
};
use crate::request::preferences::{HandlingPreference, TransactionPreference};
use crate::request::{Action, ApiRequest, HttpRequest};
use crate::response::{
    CallPending, ExplainPending, Header, MutatePending, OpenApiPending, ReadPending, Response,
    ResultSet, preflight, schema_info,
};
use crate::role_settings::RoleSettings;
use corerest_config::{Config, ErrorVerbosity};
use corerest_sql::{Ident, QualifiedName, SqlBuf, Statement};
use shape::{Found, Outline, Shape, other_value};

/// What a request is answered from: one snapshot of the configuration and the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The catalog; `None` until it has been loaded for the first time.
    pub catalog: Option<&'a Catalog>,
    /// The settings of the roles that requests run as.
    pub role_settings: &'a RoleSettings,
    /// The shapes of requests that were planned with these before; `None` to plan each anew.
    pub shapes: Option<&'a Shapes>,
}

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
    expected: Expected,
    check: RowsCheck,
    error: ErrorStyle,
    deprecation: Option<Deprecation>,
}

/// What the answer of PostgreSQL is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// The row of a read.
    Read(Box<ReadPending>),
    /// The row of a write.
    Write(Box<MutatePending>),
    /// The row of a call.
    Call(Box<CallPending>),
    /// An execution plan.
    Plan(ExplainPending),
    /// What a schema has to offer.
    Schema(OpenApiPending),
}

/// What the shape of an error depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ErrorStyle {
    verbosity: ErrorVerbosity,
    authenticated: bool,
}

/// The request calls an embedded relation by a name that will not be understood for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deprecation {
    /// What to write instead, as in `` `projects` to `p` ``.
    replacements: String,
}

/// What the files of this folder share: the request, and what it is answered from.
#[derive(Clone, Copy)]
struct Asked<'a, 'r> {
    config: &'a Config,
    catalog: &'a Catalog,
    role_settings: &'a RoleSettings,
    request: &'a ApiRequest<'r>,
    identity: &'a Identity,
}

/// Turns a request into a reply, or into the statements that will answer it. Who asks was found
/// out before; a caller who is nobody gets to know that first.
pub fn prepare(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
) -> Prepared {
    prepare_in_steps(context, http, caller, &|| {})
}

/// The same, and says when the request is parsed and planning begins, to whoever has a clock.
pub fn prepare_in_steps(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
    on_parsed: &dyn Fn(),
) -> Prepared {
    if let Some(response) = preflight(context.config, http) {
        return Prepared::Reply(response);
    }
    try_prepare(context, http, caller, on_parsed).unwrap_or_else(|error| {
        Prepared::Reply(error.response(context.config.client_error_verbosity).into())
    })
}

/// Turns the columns before the body, and the answer of the estimate if one was asked for, into
/// the response.
pub fn finish(pending: &Pending, columns: &[Option<&[u8]>], estimate: Option<&[u8]>) -> Response {
    let result = ResultSet::decode(columns).map_err(|invalid| Error::Internal {
        details: invalid.to_string(),
    });
    let response = result.and_then(|result| match &pending.expected {
        Expected::Read(read) => read.respond(&result, estimate.and_then(plan_rows)),
        Expected::Write(write) => write.respond(&result),
        Expected::Call(call) => call.respond(&result),
        Expected::Plan(_) | Expected::Schema(_) => Err(Error::Internal {
            details: "Lines came as a row.".to_owned(),
        }),
    });
    pending.finished(response)
}

/// Turns an answer that is lines of text, as [`Answer::Lines`](crate::query::Answer) says,
/// into the response.
/// The context is that of [`prepare`].
pub fn finish_lines(context: &Context<'_>, pending: &Pending, mut lines: Vec<u8>) -> Response {
    let response = match &pending.expected {
        Expected::Plan(plan) => Ok(plan.respond(lines)),
        Expected::Schema(schema) => context
            .catalog
            .ok_or(Error::NoSchemaCache)
            .and_then(|catalog| schema.respond(context.config, catalog, &mut lines)),
        Expected::Read(_) | Expected::Write(_) | Expected::Call(_) => Err(Error::Internal {
            details: "A row came as lines.".to_owned(),
        }),
    };
    pending.finished(response)
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

    /// The response to any other error on the way to PostgreSQL.
    pub fn error(&self, error: &Error) -> Response {
        error.response(self.error.verbosity).into()
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

    fn finished(&self, response: Result<Response, Error>) -> Response {
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

    fn new(names: &[(&Ident, &Ident)]) -> Option<Deprecation> {
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
    fn of(config: &Config, identity: &Identity) -> ErrorStyle {
        ErrorStyle {
            verbosity: config.client_error_verbosity,
            authenticated: config.db_anon_role.as_deref() != Some(&*identity.role),
        }
    }
}

/// Whether the response will have a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyWanted {
    Yes,
    No,
}

/// The main statement of a request, and how it is to be run.
struct Question<'a> {
    statement: MainStatement,
    estimate: Option<Statement>,
    access: AccessMode,
    /// The function that is called.
    routine: Option<&'a Routine>,
}

impl<'a, 'r> Asked<'a, 'r> {
    fn new(
        context: &Context<'a>,
        catalog: &'a Catalog,
        request: &'a ApiRequest<'r>,
        identity: &'a Identity,
    ) -> Asked<'a, 'r> {
        Asked {
            config: context.config,
            catalog,
            role_settings: context.role_settings,
            request,
            identity,
        }
    }

    fn prepare(&self) -> Result<Prepared, Error> {
        let prepared = match &self.request.action {
            Action::ReadRelation { name, headers_only } => self.prepare_read(name, *headers_only),
            Action::MutateRelation { name, mutation } => self.prepare_mutate(name, *mutation),
            Action::CallRoutine { name, invocation } => self.prepare_call(name, *invocation),
            Action::ReadSchema {
                schema,
                headers_only,
            } => self.prepare_schema(schema, *headers_only),
            Action::RelationInfo { name } => self.prepare_relation_info(name),
            Action::RoutineInfo { name } => self.prepare_routine_info(name),
            Action::SchemaInfo => Ok(Prepared::Reply(schema_info())),
        }?;
        refuse_too_many_parameters(&prepared)?;
        Ok(prepared)
    }

    fn batch(&self, main: Question<'_>) -> Batch {
        let role = &self.identity.role;
        let hoisted = |routine: &Routine| {
            let settings = routine.hoisted_settings(&self.config.db_hoisted_tx_settings);
            settings
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        let of_routine: Vec<_> = main.routine.map(hoisted).unwrap_or_default();
        let circumstances = Circumstances {
            config: self.config,
            http: &self.request.http,
            schema: &self.request.schema,
            timezone: self.request.preferences.timezone.as_deref(),
            identity: self.identity,
            access: main.access,
            of_role: self.role_settings.settings(role),
            of_routine: &of_routine,
        };
        // What a function asks for counts more than what its caller does.
        let isolation = main.routine.and_then(|routine| routine.isolation_level);
        let isolation = isolation.or_else(|| self.role_settings.isolation_level(role));
        Batch::assemble(Parts {
            settings: write_settings(SqlBuf::new(), &circumstances),
            pre_request: self.config.db_pre_request.as_ref().map(write_pre_request),
            estimate: main.estimate,
            main: main.statement,
            access: main.access,
            end: self.transaction_end(),
            isolation: isolation.unwrap_or(IsolationLevel::ReadCommitted),
            defaults: self.catalog.transaction_defaults,
        })
    }

    /// How the rows that a read gives are represented.
    fn negotiate(
        &self,
        target: &QualifiedName,
        read: &ReadPlan<'_>,
        body: BodyWanted,
    ) -> Result<Negotiated<'_>, Error> {
        let wanted = Wanted {
            accept: &self.request.accept,
            target,
            whole_rows: read.selects_whole_rows(),
            plan_enabled: self.config.db_plan_enabled,
        };
        let mut negotiated = negotiate(self.catalog, &wanted)?;
        if body == BodyWanted::No {
            negotiated.representation = Representation::Nothing;
        }
        Ok(negotiated)
    }

    fn pending(
        &self,
        expected: Expected,
        check: RowsCheck,
        deprecated_names: &[(&Ident, &Ident)],
    ) -> Pending {
        Pending {
            expected,
            check,
            error: ErrorStyle::of(self.config, self.identity),
            deprecation: Deprecation::new(deprecated_names),
        }
    }

    fn refuse_unknown_preferences(&self) -> Result<(), Error> {
        let preferences = &self.request.preferences;
        let strict = preferences.handling == Some(HandlingPreference::Strict);
        if strict && !preferences.invalid.is_empty() {
            return Err(Error::InvalidPreferences {
                preferences: preferences.invalid.clone(),
            });
        }
        Ok(())
    }

    /// `Prefer: tx=…` where `db-tx-end` lets it decide, else what `db-tx-end` says.
    fn transaction_end(&self) -> TransactionEnd {
        match self.request.preferences.transaction {
            Some(TransactionPreference::Commit) => TransactionEnd::Commit,
            Some(TransactionPreference::Rollback) => TransactionEnd::Rollback,
            None if self.config.db_tx_end.rollback_by_default() => TransactionEnd::Rollback,
            None => TransactionEnd::Commit,
        }
    }
}

fn try_prepare(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
    on_parsed: &dyn Fn(),
) -> Result<Prepared, Error> {
    let identity = caller?;
    let catalog = context.catalog.ok_or(Error::NoSchemaCache)?;
    let outlined = context.shapes.and_then(|shapes| {
        let outline = Outline::of(http, context.role_settings, &identity.role)?;
        Some((shapes, outline))
    });
    let Some((shapes, outline)) = outlined else {
        return plan(context, catalog, http, &identity, on_parsed);
    };
    match shapes.find(&outline) {
        Found::Known(shape) => {
            on_parsed();
            Ok(shape.prepare(context, http, &identity, &outline.values))
        }
        Found::New => plan_and_learn(context, catalog, http, &identity, shapes, outline),
        Found::Unknown => plan(context, catalog, http, &identity, on_parsed),
    }
}

fn plan(
    context: &Context<'_>,
    catalog: &Catalog,
    http: &HttpRequest<'_>,
    identity: &Identity,
    on_parsed: &dyn Fn(),
) -> Result<Prepared, Error> {
    let request = ApiRequest::parse(context.config, http)?;
    on_parsed();
    Asked::new(context, catalog, &request, identity).prepare()
}

/// Plans the request a second time, with other values, to see what its shape is.
fn plan_and_learn(
    context: &Context<'_>,
    catalog: &Catalog,
    http: &HttpRequest<'_>,
    identity: &Identity,
    shapes: &Shapes,
    outline: Outline<'_>,
) -> Result<Prepared, Error> {
    let request = ApiRequest::parse(context.config, http)?;
    let asked = Asked::new(context, catalog, &request, identity);
    let prepared = asked.prepare()?;
    let query = Outline::query_with(http, other_value);
    // The same JSON in other bytes: should they be anywhere but in the body, they are noticed.
    let body = [http.body, b" "].concat();
    let other = HttpRequest {
        query: &query,
        body: &body,
        ..*http
    };
    let other = plan(context, catalog, &other, identity, &|| {});
    let shape = other.ok().and_then(|other| {
        let values: Vec<String> = (0..outline.values.len()).map(other_value).collect();
        Shape::learn(context, &asked, &prepared, &outline.values, &other, &values)
    });
    shapes.keep(outline, shape);
    Ok(prepared)
}

/// Each value in a query string is a parameter, and PostgreSQL's protocol counts them in 16 bits.
///
/// Parity: libpq refuses to send such a statement, so PostgREST answers with 503 `PGRST001`, as if
/// the database were at fault. Trying again does not help, so here it is the request's mistake.
fn refuse_too_many_parameters(prepared: &Prepared) -> Result<(), Error> {
    const PARAMETERS_MAX: usize = u16::MAX as usize;
    let Prepared::Ask(batch, _) = prepared else {
        return Ok(());
    };
    let counts = batch
        .statements
        .iter()
        .map(|statement| statement.params.len());
    match counts.max() {
        Some(count) if count > PARAMETERS_MAX => Err(Error::QueryParameter {
            message: "Too many values in the query string".to_owned(),
            details: format!(
                "There are {count}, and PostgreSQL takes {PARAMETERS_MAX} in a statement."
            ),
        }),
        _ => Ok(()),
    }
}

/// The number of rows in the answer to `EXPLAIN (FORMAT JSON)`.
fn plan_rows(answer: &[u8]) -> Option<i64> {
    use simd_json::prelude::{ValueAsScalar, ValueObjectAccess};
    let value = simd_json::to_owned_value(&mut answer.to_vec()).ok()?;
    let plan = simd_json::prelude::ValueArrayAccess::get_idx(&value, 0)?.get("Plan")?;
    plan.get("Plan Rows")?.as_i64()
}
