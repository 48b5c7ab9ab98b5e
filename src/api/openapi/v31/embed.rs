//! Embeds: which relations the rows of a table can bring along, and what to write for them in
//! `select`.
//!
//! A name is enough where it means one relationship; where it means several, a hint is told that
//! is enough. What cannot be told apart by any hint cannot be embedded either.

use super::names::in_query;
use super::scope::{Scope, ScopedTable};
use crate::catalog::{Cardinality, DetectedRelationship, Relationship};
use corerest_sql::Ident;
use std::collections::HashMap;

/// Relationships by each of the names that a request may mean them by: half of the schema may refer
/// to one table, and none of these should be compared with all the others.
type ByName<'r> = HashMap<&'r Ident, Vec<&'r Relationship>>;

/// A relation that can be embedded.
pub(super) struct Embed<'s> {
    /// The member that it becomes.
    pub(super) key: &'s str,
    /// What is written in `select`, without the columns.
    pub(super) select: String,
    /// Whether it is one row, or none, and not an array of them.
    pub(super) is_to_one: bool,
    /// The schema of its rows.
    pub(super) component: &'s str,
}

/// What can be embedded in the rows of a table, of what is described.
pub(super) fn embeds<'s>(scope: &'s Scope<'_>, table: &ScopedTable<'_>) -> Vec<Embed<'s>> {
    let relationships = scope
        .catalog
        .relationships_of(&table.table.name, scope.schema);
    let by_name = by_name(relationships);
    let found = relationships.iter().filter_map(|relationship| {
        let foreign = scope.table(&relationship.foreign_table().name)?;
        let (target, hint) = words(&by_name, relationship)?;
        let mut select = in_query(target.as_str());
        if let Some(hint) = hint {
            select.push('!');
            select.push_str(&in_query(hint.as_str()));
        }
        Some(Embed {
            key: target.as_str(),
            select,
            is_to_one: relationship.is_to_one(),
            component: &foreign.component,
        })
    });
    found.collect()
}

fn by_name(relationships: &[Relationship]) -> ByName<'_> {
    let mut found = ByName::new();
    for relationship in relationships {
        let mut names = match relationship {
            Relationship::Computed(computed) => vec![&computed.function.name],
            Relationship::Detected(detected) => vec![&detected.foreign_table.name],
        };
        names.extend(hints(relationship));
        names.sort_unstable();
        names.dedup();
        for name in names {
            found.entry(name).or_default().push(relationship);
        }
    }
    found
}

/// The target and the hint by which a relationship is meant, and no other one.
fn words<'r>(
    all: &ByName<'r>,
    relationship: &'r Relationship,
) -> Option<(&'r Ident, Option<&'r Ident>)> {
    let target = target(relationship)?;
    let all = all.get(target)?;
    let hints = [None]
        .into_iter()
        .chain(hints(relationship).into_iter().map(Some));
    let mut ways = hints.map(|hint| (target, hint));
    ways.find(|(target, hint)| {
        let mut meant = all.iter().filter(|other| other.is_meant(target, *hint));
        relationship.is_meant(target, *hint) && meant.nth(1).is_none()
    })
}

/// The name of the other side: of two relationships of a table with itself, the one to the parent
/// is named by the column.
fn target(relationship: &Relationship) -> Option<&Ident> {
    match relationship {
        Relationship::Computed(computed) => Some(&computed.function.name),
        Relationship::Detected(DetectedRelationship {
            is_self: true,
            cardinality: Cardinality::ManyToOne { columns, .. },
            ..
        }) => match columns.as_slice() {
            [(ours, _)] => Some(ours),
            _ => None,
        },
        Relationship::Detected(detected) => Some(&detected.foreign_table.name),
    }
}

/// What can stand behind the exclamation mark, the plainest first.
fn hints(relationship: &Relationship) -> Vec<&Ident> {
    let Relationship::Detected(detected) = relationship else {
        return Vec::new();
    };
    match &detected.cardinality {
        Cardinality::OneToMany {
            constraint,
            columns,
        }
        | Cardinality::ManyToOne {
            constraint,
            columns,
        }
        | Cardinality::OneToOne {
            constraint,
            columns,
            ..
        } => {
            let columns = columns.iter().flat_map(|(ours, theirs)| [ours, theirs]);
            [constraint].into_iter().chain(columns).collect()
        }
        Cardinality::ManyToMany(junction) => vec![&junction.table.name],
    }
}
