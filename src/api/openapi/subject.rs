//! What is described: a schema with its tables and functions, as far as the role may use them.
//!
//! It is the one model of all the documents; what it is written as is the business of
//! [`v2`](super::v2) and [`v31`](super::v31).

use super::answer::Answer;
use super::routine::{self, DescribedRoutine};
use crate::catalog::{Catalog, Table};
use corerest_sql::Ident;

/// The version that every document says the API has.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is described.
pub(super) struct Subject<'a> {
    pub(super) schema: &'a Ident,
    pub(super) comment: Option<&'a str>,
    pub(super) tables: Vec<&'a Table>,
    pub(super) routines: Vec<DescribedRoutine<'a>>,
}

impl<'a> Subject<'a> {
    /// What the catalog knows, and the answer about what the role may use.
    pub(super) fn of(catalog: &'a Catalog, schema: &'a Ident, answer: &Answer<'a>) -> Subject<'a> {
        Subject {
            schema,
            comment: answer.comment,
            tables: tables(catalog, schema, answer),
            routines: routines(catalog, schema, answer),
        }
    }
}

/// The tables of the schema that the role may use, by name.
fn tables<'a>(catalog: &'a Catalog, schema: &Ident, answer: &Answer<'_>) -> Vec<&'a Table> {
    let accessible = answer.tables.as_ref().map(|names| {
        let mut names = names.clone();
        names.sort_unstable();
        names
    });
    let is_accessible = |table: &Table| match &accessible {
        Some(names) => names.binary_search(&table.name.name.as_str()).is_ok(),
        None => true,
    };
    let tables = catalog.tables.values();
    let mut tables: Vec<&Table> = tables
        .filter(|table| table.name.schema.as_ref() == Some(schema) && is_accessible(table))
        .collect();
    tables.sort_unstable_by(|a, b| a.name.name.cmp(&b.name.name));
    tables
}

/// The routines of the schema that the role may use, in order.
///
/// Parity: what the role may use is not looked up in the catalog but comes from PostgreSQL with
/// all that is to be told, so that a new function is described before the catalog is reloaded.
fn routines<'a>(
    catalog: &'a Catalog,
    schema: &Ident,
    answer: &Answer<'a>,
) -> Vec<DescribedRoutine<'a>> {
    let mut routines = answer.routines().unwrap_or_else(|| {
        let all = catalog.all_routines().iter();
        let of_schema = all.filter(|routine| routine.name.schema.as_ref() == Some(schema));
        of_schema.map(DescribedRoutine::from).collect()
    });
    routine::sort(&mut routines);
    routines
}
