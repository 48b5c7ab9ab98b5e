//! POST, PUT, PATCH and DELETE of a table or view: the rows are written, and what the answer shows
//! of them is read by the same plan as a table's.

use super::asked::{Asked, BodyWanted, Question};
use super::pending::{Expected, Prepared};
use crate::error::Error;
use crate::plan::{PlannedRead, Root, RootRows, RowsCheck, find_table, plan_mutate, plan_read};
use crate::query::{AccessMode, Location, Overrides, write_mutation};
use crate::request::Mutation;
use crate::request::preferences::RepresentationPreference;
use crate::response::{ExplainPending, MutatePending};
use corerest_sql::QualifiedName;

/// How the statements of a write are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flights {
    /// All at once.
    One,
    /// The main statement again and again, before the transaction is ended.
    Several,
}

impl Asked<'_, '_> {
    pub(super) fn prepare_mutate(
        &self,
        name: &QualifiedName,
        mutation: Mutation,
    ) -> Result<Prepared, Error> {
        self.prepare_write(name, mutation, Flights::One)
    }

    pub(super) fn prepare_write(
        &self,
        name: &QualifiedName,
        mutation: Mutation,
        flights: Flights,
    ) -> Result<Prepared, Error> {
        let Asked {
            config,
            catalog,
            request,
            ..
        } = *self;
        let preferences = &request.preferences;
        let table = find_table(catalog, name)?;
        let root = Root {
            name: &table.name,
            rows: RootRows::Write,
        };
        let PlannedRead {
            plan: read,
            deprecated_names,
        } = plan_read(config, catalog, request, root)?;
        let plan = plan_mutate(catalog, request, table, mutation, &read)?;
        self.refuse_unknown_preferences()?;
        let body = match preferences.representation {
            Some(RepresentationPreference::Full) => BodyWanted::Yes,
            _ => BodyWanted::No,
        };
        let negotiated = self.negotiate(root.name, &read, body)?;
        let is_explained = negotiated.plan.is_some();
        let check = match is_explained {
            true => RowsCheck::default(),
            false => RowsCheck::of_write(mutation, &negotiated.media_type, preferences),
        };
        let is_located = mutation == Mutation::Create
            && !table.primary_key.is_empty()
            && preferences.representation == Some(RepresentationPreference::HeadersOnly);
        let location = if is_located {
            Location::By(&table.primary_key)
        } else {
            Location::Unsaid
        };
        // Where there are several, whoever sends them adds the rows up.
        let checked_by_sql = match flights {
            Flights::One => check,
            Flights::Several => RowsCheck::default(),
        };
        let batch = self.batch(Question {
            statement: write_mutation(&plan, &read, &negotiated, &checked_by_sql, location),
            estimate: None,
            access: AccessMode::ReadWrite,
            routine: None,
            overrides: Overrides::Possible,
            is_read: false,
            is_explicit: flights == Flights::Several,
        });
        let media_type = negotiated.media_type;
        let expected = if is_explained {
            Expected::Plan(Box::new(ExplainPending::new(request, media_type)))
        } else {
            let has_conflict_columns =
                !table.primary_key.is_empty() || request.query.on_conflict.is_some();
            let write =
                MutatePending::new(request, &plan, mutation, has_conflict_columns, media_type);
            Expected::Write(Box::new(write))
        };
        let pending = self.pending(expected, check, &deprecated_names);
        Ok(Prepared::Ask(batch, pending))
    }
}
