//! Routines: the functions and procedures that `/rpc/…` calls.
//!
//! Parity: overloads are kept in PostgREST's order (fewest parameters first), because the first
//! that fits answers where PostgREST cannot tell them apart, and errors list them in it.

use corerest_sql::{CatalogSql, Ident, QualifiedName};

/// A function or procedure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Routine {
    /// Its schema and name; overloads share it.
    pub name: QualifiedName,
    /// Its comment.
    pub description: Option<String>,
    /// Its input parameters in their order.
    pub parameters: Vec<RoutineParameter>,
    /// What it returns.
    pub returns: ReturnType,
    /// What it promises not to change.
    pub volatility: Volatility,
    /// Whether its last parameter is variadic.
    pub has_variadic: bool,
    /// The isolation level its settings ask for (`SET default_transaction_isolation`).
    pub isolation_level: Option<IsolationLevel>,
    /// Its other settings, which `db-hoisted-tx-settings` chooses from: name and value.
    pub settings: Vec<(String, String)>,
}

/// A parameter of a routine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutineParameter {
    /// Its name; empty for a parameter without one.
    pub name: Ident,
    /// Its type, as `format_type` prints it.
    pub data_type: CatalogSql,
    /// Its type with the length of a `character` or `bit`, which a cast would otherwise cut to 1.
    pub cast_type: CatalogSql,
    /// Whether it has no default.
    pub required: bool,
    /// Whether it is the variadic one.
    pub variadic: bool,
}

/// What a routine returns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReturnType {
    /// One value or row.
    Single(ReturnedType),
    /// A set.
    SetOf(ReturnedType),
}

/// The type of a returned value or row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReturnedType {
    /// A value, or nothing (`void`).
    Scalar(QualifiedName),
    /// A row of a table or composite type, or a record.
    Composite {
        /// The type, or the base type of a domain.
        name: QualifiedName,
        /// Whether it is a domain over the composite type.
        is_alias: bool,
    },
}

/// What a function promises about the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// It may write.
    Volatile,
    /// It reads.
    Stable,
    /// It does not even read.
    Immutable,
}

/// The isolation level of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IsolationLevel {
    /// PostgreSQL's default.
    ReadCommitted,
    /// One snapshot for the whole transaction.
    RepeatableRead,
    /// As if transactions ran one after the other.
    Serializable,
}
