//! The two verbs: [`prepare_in_steps`] before PostgreSQL, [`finish`] after it.
//!
//! This is where the modules meet: everything left of it knows only what is to its own left, and
//! the server knows only these two, and what lies between them
//! ([`Batch`](crate::query::Batch), [`Pending`]). What a kind of request needs is put together in a
//! file of its own.

mod asked;
mod call;
mod context;
mod head;
mod info;
mod mutate;
mod pending;
mod precedent;
mod privileges;
mod read;
mod schema;
mod shape;
mod upload;

pub use context::Context;
pub use head::refuse_by_head;
pub use pending::{Pending, Prepared};
pub use precedent::{AnswerSize, Company, Pace};
pub use shape::Shapes;
pub use upload::{PART_BYTES, PartAnswers, PreparedUpload, RECORD_BYTES_MAX};
pub use upload::{comes_in_parts, prepare_upload};

use crate::auth::Identity;
use crate::catalog::Catalog;
use crate::console::{as_document, asks_for_privileges, console};
use crate::error::Error;
use crate::position::{CONSISTENCY_TOKEN, Position};
use crate::query::Reach;
use crate::request::{Action, ApiRequest, HttpRequest};
use crate::response::{FirstRow, Response, ResultSet, preflight, schema_info};
use asked::Asked;
use pending::Expected;
use shape::{Found, Outline, Shape, other_value};

/// Turns a request into a reply, or into the statements that will answer it. Who asks was found
/// out before; a caller who is nobody gets to know that first. Whoever has a clock is told when
/// the request is parsed and planning begins.
pub fn prepare_in_steps(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
    on_parsed: &dyn Fn(),
) -> Prepared {
    if let Some(response) = preflight(context.config, http) {
        return Prepared::Reply(response);
    }
    // Asked here, so that those who have no console do not pay for the question.
    if context.config.server_console_enabled
        && let Some(response) = console(context.config, http)
    {
        return Prepared::Reply(response);
    }
    let refused = |error: Error| {
        Prepared::Reply(error.response(context.config.client_error_verbosity).into())
    };
    let mut prepared = try_prepare(context, http, caller, on_parsed).unwrap_or_else(refused);
    if !context.config.db_uri_read_replicas.is_empty()
        && let Err(error) = see_what_was_seen(http, &mut prepared)
    {
        return refused(error);
    }
    prepared
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
        Expected::Plan(_) | Expected::Schema(_) | Expected::Privileges => Err(Error::Internal {
            details: "Lines came as a row.".to_owned(),
        }),
    });
    pending.finished(response)
}

/// The same for what was written in parts.
pub fn finish_upload(pending: &Pending, answers: PartAnswers) -> Response {
    let row = answers.row();
    let columns: Vec<Option<&[u8]>> = row.iter().map(Option::as_deref).collect();
    finish(pending, &columns, None)
}

/// The same for rows that are sent one by one, as
/// [`Answer::Rows`](crate::query::Answer) says, from the columns of the first.
pub fn finish_first_row(
    pending: &Pending,
    columns: &[Option<&[u8]>],
    first: FirstRow,
    estimate: Option<&[u8]>,
) -> Response {
    let result = ResultSet::decode_first(columns).map_err(|invalid| Error::Internal {
        details: invalid.to_string(),
    });
    let response = result.and_then(|result| match &pending.expected {
        Expected::Read(read) => read.respond_to_first(&result, first, estimate.and_then(plan_rows)),
        Expected::Call(call) => call.respond_to_first(&result, first),
        Expected::Write(_) | Expected::Plan(_) | Expected::Schema(_) | Expected::Privileges => {
            Err(Error::Internal {
                details: "Rows came one by one.".to_owned(),
            })
        }
    });
    pending.finished(response)
}

/// Turns an answer that is lines of text, as [`Answer::Lines`](crate::query::Answer) says, into
/// the response. The context is that of [`prepare_in_steps`].
pub fn finish_lines(context: &Context<'_>, pending: &Pending, mut lines: Vec<u8>) -> Response {
    let response = match &pending.expected {
        Expected::Plan(plan) => Ok(plan.respond(lines)),
        Expected::Schema(schema) => context
            .catalog
            .ok_or(Error::NoSchemaCache)
            .and_then(|catalog| schema.respond(context.config, catalog, &mut lines)),
        Expected::Privileges => Ok(as_document(lines)),
        Expected::Read(_) | Expected::Write(_) | Expected::Call(_) => Err(Error::Internal {
            details: "A row came as lines.".to_owned(),
        }),
    };
    pending.finished(response)
}

impl Asked<'_, '_> {
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
}

/// A read that names what it must see. What it names is not a part of its shape.
fn see_what_was_seen(http: &HttpRequest<'_>, prepared: &mut Prepared) -> Result<(), Error> {
    let Prepared::Ask(batch, _) = prepared else {
        return Ok(());
    };
    let Some(token) = http.header(CONSISTENCY_TOKEN) else {
        return Ok(());
    };
    let position = str::from_utf8(token).ok().and_then(Position::parse);
    let position = position.ok_or_else(|| Error::QueryParameter {
        message: format!("The header {CONSISTENCY_TOKEN} is malformed"),
        details: "It is to be sent as a response to a write has given it.".to_owned(),
    })?;
    match batch.reach {
        Reach::Primary => {}
        Reach::Replica => batch.after = Some(position),
        Reach::ReplicaAsItIs => batch.reach = Reach::Primary,
    }
    Ok(())
}

fn try_prepare(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
    on_parsed: &dyn Fn(),
) -> Result<Prepared, Error> {
    let identity = caller?;
    let catalog = context.catalog.ok_or(Error::NoSchemaCache)?;
    if context.config.server_console_enabled && asks_for_privileges(http) {
        // The profile chooses the schema as it does for the description.
        let root = HttpRequest { path: "/", ..*http };
        let request = ApiRequest::parse(context.config, &root)?;
        return Ok(Asked::new(context, catalog, &request, &identity).prepare_privileges());
    }
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
///
/// A plan is nested as deeply as views upon views are, which is no reason to refuse it: a tape is
/// flat, and neither making it nor looking into it recurses.
fn plan_rows(answer: &[u8]) -> Option<i64> {
    use simd_json::prelude::ValueAsScalar;
    let mut answer = answer.to_vec();
    let tape = simd_json::to_tape(&mut answer).ok()?;
    let plan = tape.as_value().get_idx(0)?.get("Plan")?;
    plan.get("Plan Rows")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::plan_rows;

    #[test]
    fn the_rows_of_a_plan_are_found_however_deep_it_is() {
        for depth in [0, 10, 63, 64, 65, 10_000, 1_000_000] {
            let below = r#"{"Plans": ["#.repeat(depth);
            let ends = "]}".repeat(depth);
            let plan = format!(r#"[{{"Plan": {{"Plans": [{below}{ends}], "Plan Rows": 42}}}}]"#);
            assert_eq!(plan_rows(plan.as_bytes()), Some(42), "{depth}");
        }
    }

    #[test]
    fn what_is_no_plan_has_no_rows() {
        for text in [
            "",
            "1",
            "[]",
            "[1]",
            "{}",
            r#"{"Plan": {"Plan Rows": 1}}"#,
            r#"[{"Plan": 1}]"#,
            r#"[{"Plan": []}]"#,
            r#"[{"Plan": {}}]"#,
            r#"[{"Plan": {"Plan Rows": "1"}}]"#,
            "[[",
        ] {
            assert_eq!(plan_rows(text.as_bytes()), None, "{text}");
        }
        assert_eq!(plan_rows("[".repeat(1 << 20).as_bytes()), None);
    }
}
