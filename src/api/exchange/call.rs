//! GET, HEAD and POST of a function: it is found by the names of its arguments, called, and what it
//! returns is read like a table.

use super::asked::{Asked, BodyWanted, Question};
use super::pending::{Expected, Prepared};
use crate::catalog::{HandlerKind, Routine, Volatility};
use crate::error::Error;
use crate::plan::{
    PlannedRead, Root, RootRows, RoutineCall, RowsCheck, argument_names, find_routine, plan_call,
    plan_read,
};
use crate::query::{AccessMode, Count, Overrides, write_call};
use crate::request::Invocation;
use crate::request::media_type::MediaType;
use crate::request::preferences::{CountPreference, HandlingPreference};
use crate::response::{CallPending, ExplainPending, Hears};
use corerest_sql::QualifiedName;

/// The media type of events, as domains have it.
const EVENT_STREAM: &str = "text/event-stream";

impl Asked<'_, '_> {
    pub(super) fn prepare_call(
        &self,
        name: &QualifiedName,
        invocation: Invocation,
    ) -> Result<Prepared, Error> {
        let Asked {
            config,
            catalog,
            request,
            ..
        } = *self;
        let arguments = argument_names(request, invocation);
        let routine = find_routine(
            catalog,
            &RoutineCall {
                name,
                arguments: &arguments,
                content_type: &request.content_type,
                invocation,
            },
        )?;
        let relation = routine.relation();
        let root = Root {
            name: &relation,
            rows: RootRows::Call,
        };
        let PlannedRead {
            plan: read,
            deprecated_names,
        } = plan_read(config, catalog, request, root)?;
        let plan = plan_call(request, routine, &read);
        let headers_only = matches!(invocation, Invocation::Read { headers_only: true });
        let body = if headers_only {
            BodyWanted::No
        } else {
            BodyWanted::Yes
        };
        let mut negotiated = self.negotiate(root.name, &read, body)?;
        self.refuse_unknown_preferences()?;
        self.refuse_max_affected(routine.returns_single())?;
        let is_explained = negotiated.plan.is_some();
        let check = match is_explained {
            true => RowsCheck::default(),
            false => RowsCheck::of_affected(&negotiated.media_type, &request.preferences),
        };
        let end = self.transaction_end();
        let access = access_mode(invocation, routine.volatility);
        // What a write answers is told when it has ended, and a check needs a number.
        if access == AccessMode::ReadOnly && check.is_nothing() {
            negotiated.send_row_by_row(Some(routine), self.wishes_rows(&negotiated));
        }
        let batch = self.batch(Question {
            statement: write_call(&plan, &read, &negotiated, &check, self.call_count(), end),
            estimate: None,
            access,
            routine: Some(routine),
            overrides: Overrides::Possible,
            is_read: routine.volatility != Volatility::Volatile,
            is_explicit: false,
        });
        let media_type = negotiated.media_type;
        let expected = if is_explained {
            Expected::Plan(Box::new(ExplainPending::new(request, media_type)))
        } else {
            let hears = self.hears(invocation, routine, root.name, &media_type);
            let sent = self.rows_sent(negotiated.frame, &read);
            let mut call =
                CallPending::new(config, request, routine, headers_only, media_type, sent);
            call.hears = hears;
            Expected::Call(Box::new(call))
        };
        let pending = self.pending(expected, check, &deprecated_names);
        Ok(Prepared::Ask(batch, pending))
    }

    /// Whether the call asks for events: by GET or HEAD, of a function that returns the domain
    /// itself. What others make of rows is a document like any other.
    fn hears(
        &self,
        invocation: Invocation,
        routine: &Routine,
        relation: &QualifiedName,
        media_type: &MediaType,
    ) -> Option<Hears> {
        let is_read = matches!(invocation, Invocation::Read { .. });
        if !(self.config.server_events_enabled && is_read && routine.returns_scalar()) {
            return None;
        }
        let handler = self.catalog.media_handler(Some(relation), EVENT_STREAM)?;
        let is_its_value = handler.kind == HandlerKind::Cast;
        let is_wanted = *media_type == MediaType::parse(handler.media_type.as_bytes());
        (is_its_value && is_wanted).then(|| Hears {
            until: self.identity.expiry(),
        })
    }

    /// What a function returns is counted in full, or not at all: the planner knows nothing of it.
    fn call_count(&self) -> Count {
        let preference = match self.request.preferences.count {
            Some(CountPreference::Exact | CountPreference::Estimated) => {
                Some(CountPreference::Exact)
            }
            None | Some(CountPreference::Planned) => None,
        };
        Count {
            preference,
            rows_max: self.config.db_max_rows,
        }
    }

    /// A function that returns one value does not tell how many rows it affects.
    fn refuse_max_affected(&self, returns_single: bool) -> Result<(), Error> {
        let preferences = &self.request.preferences;
        let strict = preferences.handling == Some(HandlingPreference::Strict);
        if strict && preferences.max_affected.is_some() && returns_single {
            return Err(Error::MaxAffectedRpc);
        }
        Ok(())
    }
}

/// GET promises to change nothing, whatever the function says; POST believes the function.
fn access_mode(invocation: Invocation, volatility: Volatility) -> AccessMode {
    match (invocation, volatility) {
        (Invocation::Read { .. }, _) | (_, Volatility::Stable | Volatility::Immutable) => {
            AccessMode::ReadOnly
        }
        (Invocation::Post, Volatility::Volatile) => AccessMode::ReadWrite,
    }
}
