//! The catalog, and what is asked of it. What PostgREST calls the schema cache.
//!
//! It holds what the files of this folder make of the sections; hints about names that are not
//! there are in [`near_names`](super::near_names).

use super::detect::TrimmedView;
use super::hint::{RelationshipHints, RoutineHints, TableHints};
use super::media_handler::{MediaHandler, MediaHandlers};
use super::relationship::{Relationship, Relationships};
use super::representation::Representations;
use super::routine::{Routine, Routines};
use super::server::TransactionDefaults;
use super::table::Table;
use super::timings::Timings;
use corerest_sql::{CatalogSql, Ident, QualifiedName};
use std::collections::HashMap;
use std::fmt;

/// Everything that is known of the exposed schemas.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Tables, views, materialized views, foreign and partitioned tables, by name.
    pub(crate) tables: HashMap<QualifiedName, Table>,
    /// How transactions begin there.
    pub(crate) transaction_defaults: TransactionDefaults,
    /// Whether one role alone, superusers apart, can change what reads of the relations run.
    pub(crate) has_one_owner: bool,
    /// How long it took PostgreSQL to tell all this.
    pub timings: Timings,
    /// Which schemas of `db-extra-search-path` do not exist, in quotes.
    pub missing_schemas: Vec<String>,
    /// The views that show a key in too many ways.
    pub trimmed_views: Vec<TrimmedView>,
    /// How tables lead to each other.
    pub(super) relationships: Relationships,
    /// What can be called.
    pub(super) routines: Routines,
    /// How domains are written and read.
    pub(super) representations: Representations,
    /// What makes other documents than PostgREST's own.
    pub(super) media_handlers: MediaHandlers,
    /// Where hints about missing tables come from.
    pub(super) table_hints: TableHints,
    /// Where hints about missing relationships come from.
    pub(super) relationship_hints: RelationshipHints,
    /// Where hints about missing routines come from.
    pub(super) routine_hints: RoutineHints,
}

/// How much a catalog holds, printed as the log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Tables and views.
    pub relations: usize,
    /// Tables and views with relationships, once for each schema that those lead to.
    pub relationships: usize,
    /// Names of functions; overloads count once.
    pub routines: usize,
    /// Casts of domains.
    pub representations: usize,
    /// Media types with a handler, for each relation or function that has its own.
    pub media_handlers: usize,
}

impl Catalog {
    /// A catalog of these tables, and nothing else.
    pub(crate) fn new(tables: impl IntoIterator<Item = Table>) -> Catalog {
        let named = tables.into_iter().map(|table| (table.name.clone(), table));
        let tables: HashMap<QualifiedName, Table> = named.collect();
        Catalog {
            table_hints: TableHints::new(tables.keys()),
            tables,
            ..Catalog::default()
        }
    }

    /// What the log tells of it.
    pub fn summary(&self) -> Summary {
        Summary {
            relations: self.tables.len(),
            relationships: self.relationships.len(),
            routines: self.routines.len(),
            representations: self.representations.len(),
            media_handlers: self.media_handlers.len_with_built_in(),
        }
    }

    /// The table of that name.
    pub(crate) fn table(&self, name: &QualifiedName) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The relationships of a table or view to those of a schema, in the order in which PostgREST
    /// tells them when it cannot choose. A computed one is in the list of its function's schema.
    pub(crate) fn relationships_of(
        &self,
        table: &QualifiedName,
        foreign_schema: &Ident,
    ) -> &[Relationship] {
        let list = self.relationships.list(table, foreign_schema.as_str());
        list.unwrap_or_default()
    }

    /// The routines of that name in their order; none if there is no such name.
    pub(crate) fn routines(&self, name: &QualifiedName) -> &[Routine] {
        match self.routines.overloads.get(name) {
            Some(range) => &self.routines.sorted[range.clone()],
            None => &[],
        }
    }

    /// All routines by schema and name, and in their order.
    pub(crate) fn all_routines(&self) -> &[Routine] {
        &self.routines.sorted
    }

    /// Whether there are any, which most databases have not.
    pub(crate) fn has_representations(&self) -> bool {
        !self.representations.by_source.is_empty()
    }

    /// The function that makes the one type of the other. One of them is a domain, as
    /// [`Column::nominal_type`](super::Column::nominal_type) names it, the other `json` or `text`.
    pub(crate) fn representation(
        &self,
        source_type: &str,
        target_type: &str,
    ) -> Option<&CatalogSql> {
        self.representations
            .by_source
            .get(source_type)?
            .get(target_type)
    }

    /// Whether the database defines any.
    pub(crate) fn has_media_handlers(&self) -> bool {
        !self.media_handlers.of_any.is_empty() || !self.media_handlers.by_target.is_empty()
    }

    /// The handler for a relation's rows or a function's value (`None`: for any row) and exactly
    /// that media type, in lower case; `*/*` finds one for everything.
    pub(crate) fn media_handler(
        &self,
        target: Option<&QualifiedName>,
        media_type: &str,
    ) -> Option<&MediaHandler> {
        let handlers = match target {
            Some(target) => self.media_handlers.by_target.get(target)?,
            None => &self.media_handlers.of_any,
        };
        handlers.get(media_type)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} Relations, {} Relationships, {} RPCs, {} Domain Representations, \
             {} Media Type Handlers",
            self.relations,
            self.relationships,
            self.routines,
            self.representations,
            self.media_handlers
        )
    }
}
