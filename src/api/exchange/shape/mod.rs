//! Shapes of requests that were planned before.
//!
//! ```text
//! outline unknown ──first time──▶ noted ──second time──▶ planned twice: once with the values, once
//!                                              │          with others, and compared
//!                                              ├─ it can be seen where each value goes ──▶ known
//!                                              └─ it cannot ──▶ known to have no shape
//! ```
//! Requests of an application differ in the values of their filters, in those of their bodies, and
//! in little else. Of such a request nothing has to be parsed or planned again: its statements are
//! those of its shape, and its values go where those before it went. `perf/instructions.txt` has
//! what that takes: a fifth for a point lookup, a twelfth with embedding.
//!
//! Invariant: what comes of a shape is what planning the request would have given, to the byte. The
//! fuzz target `statements` and the cases of `tests/cases/plan` compare the two.
//!
//! Shapes belong to one snapshot of configuration and catalog, and are dropped with it.

mod known;
mod outline;

pub use known::Shapes;
pub(in crate::exchange) use known::{Found, Shape};
pub(in crate::exchange) use outline::Outline;

use super::asked::Asked;
use super::context::Context;
use super::pending::{ErrorStyle, Expected, Pending, Prepared};
use super::precedent::Precedent;
use crate::auth::Identity;
use crate::query::{Batch, Circumstances, write_guise, write_settings};
use crate::request::HttpRequest;
use crate::request::query_string::escape;
use corerest_sql::{Param, Params, SqlBuf, SqlText, Statement};
use known::{ContentLocation, ValuePlace};

/// A statement with a longer text is planned each time: there are few of those, and they are slow.
const TEXT_BYTES_MAX: usize = 8 << 10;

impl Shape {
    /// What a request has in common with another one that differs in its values only; `None` unless
    /// it can be seen where each value goes, and that nothing else depends on them.
    pub(super) fn learn(
        context: &Context<'_>,
        asked: &Asked<'_, '_>,
        prepared: &Prepared,
        values: &[&str],
        other: &Prepared,
        other_values: &[String],
    ) -> Option<Shape> {
        let (Prepared::Ask(batch, pending), Prepared::Ask(other_batch, other_pending)) =
            (prepared, other)
        else {
            return None;
        };
        // How long a caller may hear depends on his token.
        if pending.hears().is_some() {
            return None;
        }
        let are_told_apart = values.iter().zip(other_values).all(|(a, b)| a != b);
        if !are_told_apart || !is_same_but_for_values(batch, other_batch) {
            return None;
        }
        let location = content_location(other_pending);
        let mut shape = Shape {
            places: find_all_places(batch, other_batch, values, other_values)?,
            batch: without_settings(batch),
            schema: asked.request.schema.clone(),
            timezone: asked.request.preferences.timezone.clone(),
            location: location.map(|location| ContentLocation::parse(location, other_values)),
            pending: without_location(other_pending),
        };
        // A function may have settings of its own.
        let settings = shape.settings(SqlBuf::new(), context, &asked.request.http, asked.identity);
        let is_right = settings == batch.statements[batch.settings]
            && shape.pending(pending.error, values) == *pending;
        if !is_right {
            return None;
        }
        // What a relation is found to run, others must not be able to change in secret. And where
        // writes say that they are, they would not fail in a session that is read-only by default.
        let may_dress =
            asked.catalog.has_one_owner && !asked.catalog.transaction_defaults.read_only;
        if may_dress && batch.can_find_settings() {
            let about = shape.circumstances(context, &asked.request.http, asked.identity);
            let guise = write_guise(&about);
            shape.pending.precedent = Precedent::of_shape(pending.size_before(), Some(guise));
        }
        Some(shape)
    }

    /// What planning a request of this shape would give.
    pub(super) fn prepare(
        &self,
        context: &Context<'_>,
        http: &HttpRequest<'_>,
        identity: &Identity,
        values: &[&str],
    ) -> Prepared {
        let statement = |(index, places): (usize, &Vec<ValuePlace>)| {
            if index == self.batch.settings {
                let known = &self.batch.statements[index].text;
                self.settings(SqlBuf::of_known_text(known), context, http, identity)
            } else {
                with_values(&self.batch.statements[index], places, values)
            }
        };
        let batch = Batch {
            statements: self.places.iter().enumerate().map(statement).collect(),
            ..self.batch
        };
        let error = ErrorStyle::of(context.config, identity);
        Prepared::Ask(batch, self.pending(error, values))
    }

    fn settings(
        &self,
        out: SqlBuf,
        context: &Context<'_>,
        http: &HttpRequest<'_>,
        identity: &Identity,
    ) -> Statement {
        write_settings(out, &self.circumstances(context, http, identity))
    }

    fn circumstances<'a>(
        &'a self,
        context: &Context<'a>,
        http: &'a HttpRequest<'a>,
        identity: &'a Identity,
    ) -> Circumstances<'a> {
        Circumstances {
            config: context.config,
            http,
            schema: &self.schema,
            timezone: self.timezone.as_deref(),
            identity,
            access: self.batch.access,
            of_role: context.role_settings.settings(&identity.role),
            of_routine: &[],
            overrides: self.batch.overrides,
            is_streamed: self.batch.is_streamed,
        }
    }

    fn pending(&self, error: ErrorStyle, values: &[&str]) -> Pending {
        let mut pending = Pending {
            error,
            ..self.pending.clone()
        };
        if let (Some(location), Expected::Read(read)) = (&self.location, &mut pending.expected) {
            read.content_location = location.with(values);
        }
        pending
    }
}

fn content_location(pending: &Pending) -> Option<&str> {
    match &pending.expected {
        Expected::Read(read) => Some(&read.content_location),
        Expected::Write(_)
        | Expected::Call(_)
        | Expected::Plan(_)
        | Expected::Schema(_)
        | Expected::Privileges => None,
    }
}

/// What all requests of the shape are to remember.
fn without_location(pending: &Pending) -> Pending {
    let mut pending = Pending {
        precedent: Precedent::of_shape(pending.size_before(), None),
        ..pending.clone()
    };
    if let Expected::Read(read) = &mut pending.expected {
        read.content_location = String::new();
    }
    pending
}

fn without_settings(batch: &Batch) -> Batch {
    let mut batch = batch.clone();
    batch.statements[batch.settings].params = Params::default();
    batch
}

/// Whether two batches have the same statements, of reasonable length.
fn is_same_but_for_values(a: &Batch, b: &Batch) -> bool {
    let texts = |batch: &Batch| batch.texts().cloned().collect::<Vec<_>>();
    let is_short = |text: &SqlText| text.as_str().len() <= TEXT_BYTES_MAX;
    texts(a) == texts(b)
        && a.texts().all(is_short)
        && (a.main, a.settings, a.estimate) == (b.main, b.settings, b.estimate)
        && (a.access, a.resets_session, a.overrides) == (b.access, b.resets_session, b.overrides)
        && (a.reach, a.tells_position) == (b.reach, b.tells_position)
        && a.is_repeatable == b.is_repeatable
}

/// The places of all values. Each value must have one.
fn find_all_places(
    batch: &Batch,
    other: &Batch,
    values: &[&str],
    other_values: &[String],
) -> Option<Vec<Vec<ValuePlace>>> {
    let pairs = batch.statements.iter().zip(&other.statements).enumerate();
    let of_statement = |(index, (statement, other)): (usize, (&Statement, &Statement))| {
        if index == batch.settings {
            return Some(Vec::new());
        }
        find_places(&statement.params, &other.params, values, other_values)
    };
    let places: Vec<Vec<ValuePlace>> = pairs.map(of_statement).collect::<Option<_>>()?;
    let is_used = |value| places.iter().flatten().any(|place| place.value == value);
    (0..values.len()).all(is_used).then_some(places)
}

/// The parameters that differ, each of which must be one value of its request, whole.
fn find_places(
    params: &Params,
    others: &Params,
    values: &[&str],
    other_values: &[String],
) -> Option<Vec<ValuePlace>> {
    let mut places = Vec::new();
    for (parameter, (param, other)) in params.iter().zip(others.iter()).enumerate() {
        if param == other {
            continue;
        }
        let (Param::Value(param), Param::Value(other)) = (param, other) else {
            return None;
        };
        let is_other = |value: &String| value.as_bytes() == other;
        let value = other_values.iter().position(is_other)?;
        if values[value].as_bytes() != param {
            return None;
        }
        places.push(ValuePlace { parameter, value });
    }
    Some(places)
}

fn with_values(statement: &Statement, places: &[ValuePlace], values: &[&str]) -> Statement {
    if places.is_empty() {
        return statement.clone();
    }
    let mut params = Params::new();
    let mut places = places.iter().peekable();
    for (index, param) in statement.params.iter().enumerate() {
        match places.next_if(|place| place.parameter == index) {
            Some(place) => params.push(Some(values[place.value].as_bytes())),
            None => params.push_param(param),
        };
    }
    Statement {
        text: statement.text.clone(),
        params,
    }
}

impl ContentLocation {
    fn parse(text: &str, values: &[String]) -> ContentLocation {
        let escaped = |value: &String| {
            let mut out = String::new();
            escape(&mut out, value.as_bytes());
            out
        };
        let values: Vec<String> = values.iter().map(escaped).collect();
        let mut pieces = Vec::new();
        let mut rest = text;
        let next = |rest: &str| {
            let found = values.iter().enumerate();
            found
                .filter_map(|(number, value)| Some((rest.find(value.as_str())?, number)))
                .min()
        };
        while let Some((at, number)) = next(rest) {
            pieces.push((rest[..at].to_owned(), number));
            rest = &rest[at + values[number].len()..];
        }
        ContentLocation {
            pieces,
            end: rest.to_owned(),
        }
    }

    fn with(&self, values: &[&str]) -> String {
        let mut out = String::with_capacity(128);
        for (text, number) in &self.pieces {
            out.push_str(text);
            escape(&mut out, values[*number].as_bytes());
        }
        out.push_str(&self.end);
        out
    }
}

/// Values that no client has reason to send. None is part of another one, and they have all kinds
/// of characters that values have.
pub(super) fn other_value(number: usize) -> String {
    format!("0CoreRest-~_:.{number:04}Value")
}

#[cfg(test)]
mod tests;
