//! Tables and views, and their columns. What they are read from is in
//! [`section`](super::section).

use corerest_sql::{CatalogSql, Ident, QualifiedName};
use std::collections::HashMap;

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Its schema and name.
    pub name: QualifiedName,
    /// Its comment.
    pub description: Option<String>,
    /// Whether it is a view or a materialized view.
    pub kind: TableKind,
    /// What can be written to it (through triggers or rules, too).
    pub writable: Writable,
    /// Whether reading it runs no code but PostgreSQL's own.
    pub is_quiet: bool,
    /// The columns of the primary key; for a view, those that stand for its base tables' keys.
    pub primary_key: Vec<Ident>,
    /// The columns in their order.
    pub columns: Vec<Column>,
    /// Where each column is in `columns`.
    pub column_index: HashMap<Ident, usize>,
}

/// What kind of relation a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableKind {
    /// An ordinary, foreign or partitioned table.
    Table,
    /// A view or materialized view.
    View,
}

/// Which writes PostgreSQL accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writable {
    /// INSERT
    pub insert: bool,
    /// UPDATE
    pub update: bool,
    /// DELETE
    pub delete: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub name: Ident,
    /// Its comment.
    pub description: Option<String>,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Its type as `format_type` prints it, with domains resolved to their base type.
    pub data_type: CatalogSql,
    /// Its type as declared: a domain keeps its name.
    pub nominal_type: CatalogSql,
    /// The greatest number of characters, if the type limits it.
    pub max_length: Option<i32>,
    /// The expression of its default.
    pub default: Option<CatalogSql>,
    /// The labels, if its type is an enum.
    pub enum_labels: Vec<String>,
}

impl Table {
    /// A table of these columns, without a key, to which nothing can be written.
    pub(crate) fn new(name: QualifiedName, kind: TableKind, columns: Vec<Column>) -> Table {
        let names = columns.iter().map(|column| column.name.clone());
        Table {
            name,
            description: None,
            kind,
            writable: Writable::default(),
            is_quiet: false,
            primary_key: Vec::new(),
            column_index: names.zip(0..).collect(),
            columns,
        }
    }

    /// The column of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.column_index
            .get(name)
            .map(|&index| &self.columns[index])
    }
}
