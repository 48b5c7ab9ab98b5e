//! Primary keys where PostgreSQL knows of none: those that views have from the tables below them;
//! and those of tables, as far as many-to-many relationships ask for them.

use super::lineage::Lineage;
use super::section::foreign_keys::ForeignKeyRow;
use super::section::primary_keys::PrimaryKeyRow;
use super::section::{Position, RelationOid};
use super::text::{DecodeError, ident, qualified};
use corerest_sql::{Ident, QualifiedName};
use std::cmp::Reverse;
use std::collections::HashMap;

/// The columns of primary keys, of tables and views.
pub(super) type PrimaryKeys = HashMap<QualifiedName, Vec<Ident>>;

/// The keys of the exposed views: of each table below whose whole key a view shows, the first
/// columns that show it.
///
/// Parity: the columns of one key are in the order of that key (a table's own are sorted by
/// name), the keys of several tables in reverse order of their names.
pub(super) fn keys_of_views(rows: &[PrimaryKeyRow<'_>], lineage: &Lineage<'_>) -> PrimaryKeys {
    let mut rows: Vec<&PrimaryKeyRow> = rows.iter().collect();
    rows.sort_by_key(|row| Reverse((row.table_schema, row.table_name)));
    let mut keys = PrimaryKeys::new();
    for row in rows {
        for showing in lineage.views_of(row.table) {
            if let Some(columns) = showing.first(&row.columns) {
                let key = keys.entry(showing.view.clone()).or_default();
                key.extend(columns.into_iter().cloned());
            }
        }
    }
    keys
}

/// The keys of the tables of all schemas, without columns that are in no foreign key: those are
/// part of no relationship, and their names are not known here.
pub(super) fn keys_of_tables(
    rows: &[PrimaryKeyRow<'_>],
    foreign_keys: &[ForeignKeyRow<'_>],
) -> Result<PrimaryKeys, DecodeError> {
    let mut names: HashMap<(RelationOid, Position), &str> = HashMap::new();
    for row in foreign_keys {
        let columns = row.columns.iter();
        names.extend(columns.map(|column| ((row.table, column.position), column.name)));
    }
    let mut keys = PrimaryKeys::new();
    for row in rows.iter().filter(|row| !row.is_partition) {
        let columns = row.columns.iter();
        let columns = columns.filter_map(|&position| names.get(&(row.table, position)));
        let columns: Vec<Ident> = columns.map(|name| ident(name)).collect::<Result<_, _>>()?;
        if !columns.is_empty() {
            keys.insert(qualified(row.table_schema, row.table_name)?, columns);
        }
    }
    Ok(keys)
}
