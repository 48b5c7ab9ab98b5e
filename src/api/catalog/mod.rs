//! The database's shape as this server needs it: what PostgREST calls the schema cache.
//!
//! [`statements`] is one query on PostgreSQL's catalogs that answers with JSON,
//! [`decode()`] turns the answer into a [`Catalog`], purely. The catalog is immutable and shared by
//! all cores; a reload makes a new one.

mod decode;
mod detect;
mod dump;
mod fuzzy;
mod hint;
mod lineage;
mod load;
mod media_handler;
mod node_tree;
mod primary_key;
mod relationship;
mod representation;
mod routine;
mod section;
mod timings;
mod version;

pub use decode::{DecodeError, decode};
pub use fuzzy::{FuzzyMatch, FuzzySet};
pub use load::{Scope, ask_catalog};
pub use media_handler::{HandlerKind, MediaHandler};
pub use relationship::{
    Cardinality, ComputedRelationship, DetectedRelationship, Junction, Relationship,
};
pub use routine::{
    IsolationLevel, ReturnType, ReturnedType, Routine, RoutineParameter, Volatility,
};
pub(crate) use section::routines::write_parameters as write_routine_parameters;
pub use timings::Timings;
pub use version::{ask_version, decode_version, pause_statement};

use corerest_sql::{CatalogSql, Ident, QualifiedName};
use hint::{RelationshipHints, RoutineHints, TableHints};
use media_handler::MediaHandlers;
use relationship::Relationships;
use representation::Representations;
use routine::Routines;
use std::collections::HashMap;
use std::fmt;

/// Everything that is known of the exposed schemas.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Tables, views, materialized views, foreign and partitioned tables, by name.
    pub tables: HashMap<QualifiedName, Table>,
    /// The server that answered.
    pub pg_version: PgVersion,
    /// How transactions begin there.
    pub transaction_defaults: TransactionDefaults,
    /// How long it took PostgreSQL to tell all this.
    pub timings: Timings,
    /// How tables lead to each other.
    relationships: Relationships,
    /// What can be called.
    routines: Routines,
    /// How domains are written and read.
    representations: Representations,
    /// What makes other documents than PostgREST's own.
    media_handlers: MediaHandlers,
    /// The comments on schemas that have one.
    schema_descriptions: HashMap<Ident, String>,
    /// Where hints about missing tables come from.
    table_hints: TableHints,
    /// Where hints about missing relationships come from.
    relationship_hints: RelationshipHints,
    /// Where hints about missing routines come from.
    routine_hints: RoutineHints,
}

/// The version of a PostgreSQL server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgVersion {
    /// `server_version_num`, which compares: 150018 is 15.18.
    pub number: i32,
    /// `server_version`, as in `15.18 (Debian 15.18-0+deb12u1)`.
    pub text: String,
    /// `version()`, with platform and compiler, as the log tells it.
    pub full_text: String,
}

/// How transactions begin that do not say otherwise: settings of the server, of the database or of
/// the login role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionDefaults {
    /// `default_transaction_isolation`
    pub isolation: IsolationLevel,
    /// `default_transaction_read_only`
    pub read_only: bool,
}

impl Default for TransactionDefaults {
    /// PostgreSQL's own.
    fn default() -> TransactionDefaults {
        TransactionDefaults {
            isolation: IsolationLevel::ReadCommitted,
            read_only: false,
        }
    }
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

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its schema and name.
    pub name: QualifiedName,
    /// Its comment.
    pub description: Option<String>,
    /// Whether it is a view or a materialized view.
    pub kind: TableKind,
    /// What can be written to it (through triggers or rules, too).
    pub writable: Writable,
    /// The columns of the primary key; for a view, those that stand for its base tables' keys.
    pub primary_key: Vec<Ident>,
    /// The columns in their order.
    pub columns: Vec<Column>,
    /// Where each column is in `columns`.
    pub column_index: HashMap<Ident, usize>,
}

/// What kind of relation a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary, foreign or partitioned table.
    Table,
    /// A view or materialized view.
    View,
}

/// Which writes PostgreSQL accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writable {
    /// INSERT
    pub insert: bool,
    /// UPDATE
    pub update: bool,
    /// DELETE
    pub delete: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
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

impl Catalog {
    /// A catalog of these tables, and nothing else.
    pub fn new(pg_version: PgVersion, tables: impl IntoIterator<Item = Table>) -> Catalog {
        let named = tables.into_iter().map(|table| (table.name.clone(), table));
        let tables: HashMap<QualifiedName, Table> = named.collect();
        Catalog {
            table_hints: TableHints::new(tables.keys()),
            tables,
            pg_version,
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
    pub fn table(&self, name: &QualifiedName) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The comment on an exposed schema.
    pub fn schema_description(&self, schema: &str) -> Option<&str> {
        self.schema_descriptions.get(schema).map(String::as_str)
    }
}

impl Table {
    /// A table of these columns, without a key, to which nothing can be written.
    pub fn new(name: QualifiedName, kind: TableKind, columns: Vec<Column>) -> Table {
        let names = columns.iter().map(|column| column.name.clone());
        Table {
            name,
            description: None,
            kind,
            writable: Writable::default(),
            primary_key: Vec::new(),
            column_index: names.zip(0..).collect(),
            columns,
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.column_index
            .get(name)
            .map(|&index| &self.columns[index])
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

#[cfg(test)]
mod tests;
