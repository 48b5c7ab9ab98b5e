//! By which names a request can mean a relationship.
//!
//! It names the other side by a table or view, a foreign key, a column, or the function of a
//! computed relationship, and can add a hint when that is not enough.
//!
//! Source: PostgREST's documentation, `references/api/resource_embedding`.

use super::relationship::{Cardinality, DetectedRelationship, Relationship};
use corerest_sql::Ident;

impl Relationship {
    /// Whether a request means it by this target and this hint.
    pub(crate) fn is_meant(&self, target: &Ident, hint: Option<&Ident>) -> bool {
        match self {
            Relationship::Computed(computed) => computed.function.name == *target,
            Relationship::Detected(detected) if detected.is_self => {
                is_meant_to_itself(detected, target, hint)
            }
            Relationship::Detected(detected) => is_meant_to_another(detected, target, hint),
        }
    }
}

/// A foreign key to the same table gives two relationships. The table's name means the many, the
/// column's name the one.
fn is_meant_to_itself(
    relationship: &DetectedRelationship,
    target: &Ident,
    hint: Option<&Ident>,
) -> bool {
    let cardinality = &relationship.cardinality;
    let is_table = relationship.foreign_table.name == *target
        && matches!(cardinality, Cardinality::OneToMany { .. });
    match hint {
        None => {
            let is_column = matches!(cardinality, Cardinality::ManyToOne { .. })
                && single_columns(cardinality).is_some_and(|(ours, _)| ours == target);
            is_table || is_column
        }
        Some(hint) => {
            is_table && single_columns(cardinality).is_some_and(|(_, theirs)| theirs == hint)
        }
    }
}

fn is_meant_to_another(
    relationship: &DetectedRelationship,
    target: &Ident,
    hint: Option<&Ident>,
) -> bool {
    let cardinality = &relationship.cardinality;
    let is_table = relationship.foreign_table.name == *target;
    let columns = single_columns(cardinality);
    match hint {
        None => {
            // Foreign keys and columns lead to tables only: a view shows several of them.
            let is_key = constraint(cardinality) == Some(target)
                || columns.is_some_and(|(ours, _)| ours == target);
            is_table || (is_key && !relationship.foreign_table_is_view)
        }
        Some(hint) => {
            let is_junction = matches!(cardinality,
                Cardinality::ManyToMany(junction) if junction.table.name == *hint);
            let is_hinted = constraint(cardinality) == Some(hint)
                || columns.is_some_and(|(ours, theirs)| ours == hint || theirs == hint)
                || is_junction;
            is_table && is_hinted
        }
    }
}

fn constraint(cardinality: &Cardinality) -> Option<&Ident> {
    match cardinality {
        Cardinality::OneToMany { constraint, .. }
        | Cardinality::ManyToOne { constraint, .. }
        | Cardinality::OneToOne { constraint, .. } => Some(constraint),
        Cardinality::ManyToMany(_) => None,
    }
}

/// The columns of both sides, if there is one of each.
fn single_columns(cardinality: &Cardinality) -> Option<(&Ident, &Ident)> {
    match cardinality {
        Cardinality::OneToMany { columns, .. }
        | Cardinality::ManyToOne { columns, .. }
        | Cardinality::OneToOne { columns, .. } => match columns.as_slice() {
            [(ours, theirs)] => Some((ours, theirs)),
            _ => None,
        },
        Cardinality::ManyToMany(_) => None,
    }
}
