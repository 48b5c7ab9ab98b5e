//! Relationships: how rows of one relation lead to rows of another.
//!
//! Parity: they are kept per table and per schema on the other side, because a request names the
//! other side by a table, a constraint or a column (PostgREST's `RelationshipsMap`). Each list is
//! sorted, and that order is seen by clients: the details of `PGRST201` are in it. It is the order
//! of the fields and variants below, which is PostgREST's.

use super::row_type::RowType;
use corerest_sql::{Ident, QualifiedName};
use std::collections::{HashMap, HashSet};

/// A relationship from a table to a foreign table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Relationship {
    /// Found by foreign keys.
    Detected(DetectedRelationship),
    /// Made by a function.
    Computed(ComputedRelationship),
}

/// A relationship that follows from foreign keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DetectedRelationship {
    /// Where it starts, a table or view.
    pub table: QualifiedName,
    /// Where it leads to.
    pub foreign_table: QualifiedName,
    /// Whether it leads back to the table or view itself.
    pub is_self: bool,
    /// How many rows there may be on each side, and which columns join them.
    pub cardinality: Cardinality,
    /// Whether `table` is a view.
    pub table_is_view: bool,
    /// Whether `foreign_table` is a view.
    pub foreign_table_is_view: bool,
}

/// How many rows of the foreign table belong to how many of the table.
///
/// Each pair of columns is one of the table and one of the foreign table, in the key's order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cardinality {
    /// The foreign table holds the key.
    OneToMany {
        /// The foreign key.
        constraint: Ident,
        /// Which columns are equal.
        columns: Vec<(Ident, Ident)>,
    },
    /// The table holds the key.
    ManyToOne {
        /// The foreign key.
        constraint: Ident,
        /// Which columns are equal.
        columns: Vec<(Ident, Ident)>,
    },
    /// One of the two holds the key, and its columns are unique there.
    OneToOne {
        /// The foreign key.
        constraint: Ident,
        /// Which columns are equal.
        columns: Vec<(Ident, Ident)>,
        /// Whether the foreign table holds the key.
        is_parent: bool,
    },
    /// A third relation holds a key to each of the two.
    ManyToMany(Junction),
}

/// The relation between the two of a many-to-many relationship.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Junction {
    /// The table or view that holds the keys.
    pub table: QualifiedName,
    /// Its foreign key to the table.
    pub constraint_source: Ident,
    /// Its foreign key to the foreign table.
    pub constraint_target: Ident,
    /// Columns of the table, and those of the junction that equal them.
    pub source_columns: Vec<(Ident, Ident)>,
    /// Columns of the foreign table, and those of the junction that equal them.
    pub target_columns: Vec<(Ident, Ident)>,
}

/// A relationship whose SQL is in a function of one row of the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ComputedRelationship {
    /// The function; requests name the relationship by its name.
    pub function: QualifiedName,
    /// Whose row it takes.
    pub table: QualifiedName,
    /// Whose rows it returns.
    pub foreign_table: QualifiedName,
    /// Their type.
    pub row_type: Option<RowType>,
    /// Whether it returns at most one row.
    pub to_one: bool,
    /// Whether the two are the same.
    pub is_self: bool,
}

/// All relationships, as requests look for them.
#[derive(Debug, Default)]
pub(super) struct Relationships {
    /// By table, and by the schema of the foreign table (of the function, if computed).
    by_table: HashMap<QualifiedName, HashMap<Ident, Vec<Relationship>>>,
}

impl Relationship {
    /// Where it starts.
    pub(crate) fn table(&self) -> &QualifiedName {
        match self {
            Relationship::Detected(detected) => &detected.table,
            Relationship::Computed(computed) => &computed.table,
        }
    }

    /// Where it leads to.
    pub(crate) fn foreign_table(&self) -> &QualifiedName {
        match self {
            Relationship::Detected(detected) => &detected.foreign_table,
            Relationship::Computed(computed) => &computed.foreign_table,
        }
    }

    /// Whether it leads to one row at most, which is an object in JSON and not an array.
    pub(crate) fn is_to_one(&self) -> bool {
        match self {
            Relationship::Detected(detected) => match detected.cardinality {
                Cardinality::ManyToOne { .. } | Cardinality::OneToOne { .. } => true,
                Cardinality::OneToMany { .. } | Cardinality::ManyToMany(_) => false,
            },
            Relationship::Computed(computed) => computed.to_one,
        }
    }

    /// The name by which requests name it, if a computed one: the function's.
    /// A detected one is overridden by the function that has the foreign table's name.
    fn target(&self) -> &QualifiedName {
        match self {
            Relationship::Detected(detected) => &detected.foreign_table,
            Relationship::Computed(computed) => &computed.function,
        }
    }

    /// Whether all that it touches is exposed; a junction counts, a function does not.
    fn is_exposed(&self, exposed: &HashSet<Ident>) -> bool {
        let junction = match self {
            Relationship::Detected(detected) => match &detected.cardinality {
                Cardinality::ManyToMany(junction) => Some(&junction.table),
                Cardinality::OneToMany { .. }
                | Cardinality::ManyToOne { .. }
                | Cardinality::OneToOne { .. } => None,
            },
            Relationship::Computed(_) => None,
        };
        let mut relations = [Some(self.foreign_table()), junction].into_iter().flatten();
        relations.all(|name| is_in(name, exposed))
    }
}

impl Relationships {
    /// Sorts them into their lists.
    ///
    /// Parity: a computed relationship replaces all that lead to the table of its function's
    /// name. Lists stay when everything in them is hidden: the log counts them, and hints name
    /// their tables.
    pub(super) fn new(
        detected: Vec<DetectedRelationship>,
        computed: Vec<ComputedRelationship>,
        exposed: &HashSet<Ident>,
    ) -> Relationships {
        let overrides: HashSet<(QualifiedName, QualifiedName)> = computed
            .iter()
            .map(|computed| (computed.table.clone(), computed.function.clone()))
            .collect();
        let is_kept = |detected: &DetectedRelationship| {
            let is_overridden = !overrides.is_empty() && {
                let key = (detected.table.clone(), detected.foreign_table.clone());
                overrides.contains(&key)
            };
            !is_overridden
        };
        let detected = detected.into_iter().filter(is_kept);
        let mut relationships = Relationships::default();
        for relationship in detected
            .map(Relationship::Detected)
            .chain(computed.into_iter().map(Relationship::Computed))
        {
            relationships.insert(relationship, exposed);
        }
        for list in relationships
            .by_table
            .values_mut()
            .flat_map(HashMap::values_mut)
        {
            list.sort();
        }
        relationships
    }

    fn insert(&mut self, relationship: Relationship, exposed: &HashSet<Ident>) {
        let Some(schema) = relationship.target().schema.clone() else {
            return;
        };
        if !is_in(relationship.table(), exposed) {
            return;
        }
        let by_schema = self.by_table.entry(relationship.table().clone());
        let list = by_schema.or_default().entry(schema).or_default();
        if relationship.is_exposed(exposed) {
            list.push(relationship);
        }
    }

    /// All lists: the table, the schema of the foreign tables, and the list.
    pub(super) fn lists(&self) -> impl Iterator<Item = (&QualifiedName, &Ident, &[Relationship])> {
        self.by_table.iter().flat_map(|(table, by_schema)| {
            let lists = by_schema.iter();
            lists.map(move |(schema, list)| (table, schema, list.as_slice()))
        })
    }

    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.by_table.values().map(HashMap::len).sum()
    }

    /// The list for a table and the schema of its foreign tables, if there is one.
    pub(super) fn list(&self, table: &QualifiedName, schema: &str) -> Option<&[Relationship]> {
        let list = self.by_table.get(table)?.get(schema)?;
        Some(list)
    }

    /// The tables and views that have a list for the schema.
    pub(super) fn tables<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a QualifiedName> {
        let lists = self.by_table.iter();
        lists.filter_map(move |(table, lists)| lists.contains_key(schema).then_some(table))
    }

    /// The schemas that lists are for, each once.
    pub(super) fn schemas(&self) -> HashSet<&Ident> {
        self.by_table.values().flat_map(HashMap::keys).collect()
    }
}

fn is_in(name: &QualifiedName, schemas: &HashSet<Ident>) -> bool {
    let schema = name.schema.as_ref();
    schema.is_some_and(|schema| schemas.contains(schema))
}
