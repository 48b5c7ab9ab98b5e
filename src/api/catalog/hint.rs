//! Where hints about names that are not there come from.
//!
//! Names are searched per schema, in an index that is built for the first wrong name and kept
//! as long as the catalog: most catalogs never need it.

use super::fuzzy::FuzzySet;
use super::relationship::Relationships;
use super::routine::Routines;
use corerest_sql::{Ident, QualifiedName};
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// A schema with as many tables gets no hints.
///
/// Parity: PostgREST's index is too heavy for large schemas (`maxDbTablesForFuzzySearch`); ours
/// would not be, but a client sees the difference.
pub(super) const TABLES_END: usize = 500;

/// For each schema with tables, but not too many, the index of their names.
#[derive(Debug, Default)]
pub(super) struct TableHints {
    pub(super) schemas: HashMap<Ident, OnceLock<FuzzySet>>,
}

impl TableHints {
    /// Finds the schemas that get hints, and builds nothing yet.
    pub(super) fn new<'a>(tables: impl IntoIterator<Item = &'a QualifiedName>) -> TableHints {
        let mut counts: HashMap<&Ident, usize> = HashMap::new();
        for schema in tables.into_iter().filter_map(|name| name.schema.as_ref()) {
            *counts.entry(schema).or_default() += 1;
        }
        let small = counts.into_iter().filter(|&(_, count)| count < TABLES_END);
        TableHints {
            schemas: small
                .map(|(schema, _)| (schema.clone(), OnceLock::new()))
                .collect(),
        }
    }
}

/// For each schema that relationships lead to, the index of the tables where they start.
#[derive(Debug, Default)]
pub(super) struct RelationshipHints {
    pub(super) schemas: HashMap<Ident, OnceLock<FuzzySet>>,
}

impl RelationshipHints {
    /// Finds the schemas, and builds nothing yet.
    pub(super) fn new(relationships: &Relationships) -> RelationshipHints {
        let schemas = relationships.schemas().into_iter();
        RelationshipHints {
            schemas: schemas
                .map(|schema| (schema.clone(), OnceLock::new()))
                .collect(),
        }
    }
}

/// For each schema with routines, the index of their names.
#[derive(Debug, Default)]
pub(super) struct RoutineHints {
    pub(super) schemas: HashMap<Ident, OnceLock<FuzzySet>>,
}

impl RoutineHints {
    /// Finds the schemas, and builds nothing yet.
    pub(super) fn new(routines: &Routines) -> RoutineHints {
        let schemas: HashSet<&Ident> = routines
            .names()
            .filter_map(|name| name.schema.as_ref())
            .collect();
        RoutineHints {
            schemas: schemas
                .into_iter()
                .map(|schema| (schema.clone(), OnceLock::new()))
                .collect(),
        }
    }
}
