//! Routines: the functions that `/rpc/…` calls.
//!
//! Which of the overloads of a name answers a call is decided where calls are planned; here they
//! are only found by their name.
//!
//! Parity: overloads are kept in PostgREST's order (fewest parameters first), in which errors
//! list them.

use super::row_type::RowType;
use corerest_sql::{CatalogSql, Ident, QualifiedName};
use regex_lite::Regex;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routine {
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
    /// All its settings, which `db-hoisted-tx-settings` chooses from: name and value.
    pub settings: Vec<(String, String)>,
}

/// A parameter of a routine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoutineParameter {
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
pub(crate) enum ReturnType {
    /// One value or row.
    Single(ReturnedType),
    /// A set.
    SetOf(ReturnedType),
}

/// The type of a returned value or row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ReturnedType {
    /// A value, or nothing (`void`); the base type of a domain. So is a `record` whose columns
    /// the function does not declare.
    Scalar(QualifiedName),
    /// A row of a table or composite type, or the columns that the function declares by `TABLE`,
    /// `OUT` or `INOUT`.
    Composite {
        /// The type, or the base type of a domain; for declared columns `pg_catalog.record`, or
        /// the type of the only one.
        name: QualifiedName,
        /// Whether it is a domain over the composite type.
        is_alias: bool,
        /// The type, as what a statement depends on; none for declared columns.
        row_type: Option<RowType>,
    },
}

/// What a function promises about the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Volatility {
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

/// The routines, as they are looked for.
#[derive(Debug, Default)]
pub(super) struct Routines {
    /// In order, so overloads are beside each other.
    pub(super) sorted: Vec<Routine>,
    /// Where the overloads of a name stand in `sorted`.
    pub(super) overloads: HashMap<QualifiedName, Range<usize>>,
}

impl Routines {
    /// Sorts them.
    pub(super) fn new(mut routines: Vec<Routine>) -> Routines {
        routines.sort();
        let mut overloads = HashMap::new();
        let mut start = 0;
        for group in routines.chunk_by(|a, b| a.name == b.name) {
            let end = start + group.len();
            overloads.insert(group[0].name.clone(), start..end);
            start = end;
        }
        Routines {
            sorted: routines,
            overloads,
        }
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.overloads.len()
    }

    /// The names, each once.
    pub(super) fn names(&self) -> impl Iterator<Item = &QualifiedName> {
        self.overloads.keys()
    }
}

impl Routine {
    /// The type of what it returns, one or many.
    pub(crate) fn returned_type(&self) -> &ReturnedType {
        match &self.returns {
            ReturnType::Single(returned) | ReturnType::SetOf(returned) => returned,
        }
    }

    /// Whether its only parameter gets the body, as bytes.
    pub(crate) fn takes_bytes(&self) -> bool {
        match self.parameters.as_slice() {
            [only] => only.name.as_str().is_empty() && only.data_type.as_str() == "bytea",
            _ => false,
        }
    }

    /// Whether it returns one value or row, even if that is null.
    pub(crate) fn returns_single(&self) -> bool {
        matches!(self.returns, ReturnType::Single(_))
    }

    /// Whether it returns one value, or nothing.
    pub(crate) fn returns_scalar(&self) -> bool {
        matches!(self.returns, ReturnType::Single(ReturnedType::Scalar(_)))
    }

    /// Whether it returns a set of values.
    pub(crate) fn returns_set_of_scalar(&self) -> bool {
        matches!(self.returns, ReturnType::SetOf(ReturnedType::Scalar(_)))
    }

    /// Whether it returns nothing.
    pub(crate) fn returns_void(&self) -> bool {
        let ReturnType::Single(ReturnedType::Scalar(returned)) = &self.returns else {
            return false;
        };
        let schema = returned.schema.as_ref().map(Ident::as_str);
        schema == Some("pg_catalog") && returned.name.as_str() == "void"
    }

    /// The table or composite type whose rows it returns.
    pub(crate) fn returned_table(&self) -> Option<&QualifiedName> {
        match self.returned_type() {
            ReturnedType::Composite { name, .. } => Some(name),
            ReturnedType::Scalar(_) => None,
        }
    }

    /// The type of its rows, if that is one of a relation.
    pub(crate) fn row_type(&self) -> Option<RowType> {
        match self.returned_type() {
            ReturnedType::Composite { row_type, .. } => *row_type,
            ReturnedType::Scalar(_) => None,
        }
    }

    /// The relation that its rows are read as, so that they can be filtered by its columns and
    /// embed what is related to it; it need not exist.
    ///
    /// Parity: the returned table is looked for in the routine's schema, whatever its own is. A
    /// routine without one reads as a relation of its own name.
    pub(crate) fn relation(&self) -> QualifiedName {
        let table = self.returned_table().unwrap_or(&self.name);
        QualifiedName {
            schema: self.name.schema.clone(),
            name: table.name.clone(),
        }
    }

    /// The parameter of that name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&RoutineParameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.name.as_str() == name)
    }

    /// The settings that `db-hoisted-tx-settings` allows to count for the whole transaction: name
    /// and value.
    ///
    /// Parity: PostgREST takes the allowed names for regular expressions and looks for them
    /// anywhere in the setting, so `work_mem` allows `maintenance_work_mem`, too.
    pub(crate) fn hoisted_settings(
        &self,
        allowed: &[String],
    ) -> impl Iterator<Item = (&str, &str)> {
        let settings = self.settings.iter();
        settings
            .filter(move |(name, value)| {
                allowed.iter().any(|part| is_in_setting(part, name, value))
            })
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What is no expression, as usual, is looked for in the name alone, and costs nothing.
fn is_in_setting(part: &str, name: &str, value: &str) -> bool {
    let is_name = |text: &str| {
        let mut chars = text.chars();
        chars.all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.'))
    };
    if is_name(part) {
        return name.contains(part);
    }
    Regex::new(part).is_ok_and(|regex| regex.is_match(&format!("{name}={value}")))
}

impl Ord for Routine {
    /// By name, then the number of parameters, then whatever else differs.
    fn cmp(&self, other: &Routine) -> Ordering {
        fn key(routine: &Routine) -> impl Ord + '_ {
            (
                (&routine.name, routine.parameters.len()),
                (&routine.description, &routine.parameters),
                (&routine.returns, routine.volatility),
                (routine.has_variadic, routine.isolation_level),
                &routine.settings,
            )
        }
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Routine {
    fn partial_cmp(&self, other: &Routine) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl IsolationLevel {
    /// The level that `default_transaction_isolation` asks for.
    ///
    /// Parity: all that is not one of the two higher levels is the default, even `read
    /// uncommitted`, which PostgreSQL treats alike.
    pub(super) fn of_setting(value: &str) -> IsolationLevel {
        match value.to_ascii_lowercase().as_str() {
            "repeatable read" => IsolationLevel::RepeatableRead,
            "serializable" => IsolationLevel::Serializable,
            _ => IsolationLevel::ReadCommitted,
        }
    }
}
