//! Finds the relationship that an embedded relation means.
//!
//! A request names the other side by a table or view, a foreign key, a column, or the function of
//! a computed relationship, and can add a hint when that is not enough.
//!
//! Source: PostgREST's documentation, `references/api/resource_embedding`.

use crate::catalog::{Cardinality, Catalog, DetectedRelationship, Relationship};
use crate::error::{Error, RelationshipCandidate};
use corerest_sql::{Ident, QualifiedName};

/// The one relationship from `origin` that `target`, with its hint, can mean.
///
/// # Errors
/// `PGRST200` if there is none, `PGRST201` if there are several.
pub(super) fn find_relationship<'a>(
    catalog: &'a Catalog,
    schema: &Ident,
    origin: &Ident,
    target: &Ident,
    hint: Option<&Ident>,
) -> Result<&'a Relationship, Error> {
    let table = QualifiedName::new(schema.clone(), origin.clone());
    let relationships = catalog.relationships_of(&table, schema);
    let mut meant = relationships.iter().filter(|r| is_meant(r, target, hint));
    match (meant.next(), meant.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::NoRelationship {
            parent: origin.to_string(),
            child: target.to_string(),
            embed_hint: hint.map(Ident::to_string),
            schema: schema.to_string(),
            hint: catalog.relationship_hint(origin.as_str(), target.as_str(), schema.as_str()),
        }),
        (Some(first), Some(second)) => Err(Error::AmbiguousRelationship {
            parent: origin.to_string(),
            child: target.to_string(),
            candidates: [first, second]
                .into_iter()
                .chain(meant)
                .filter_map(candidate)
                .collect(),
        }),
    }
}

fn is_meant(relationship: &Relationship, target: &Ident, hint: Option<&Ident>) -> bool {
    match relationship {
        Relationship::Computed(computed) => computed.function.name == *target,
        Relationship::Detected(detected) if detected.is_self => {
            is_meant_to_itself(detected, target, hint)
        }
        Relationship::Detected(detected) => is_meant_to_another(detected, target, hint),
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

/// How a relationship is told to the client. Computed ones are never among several: a function's
/// name and its table make one.
fn candidate(relationship: &Relationship) -> Option<RelationshipCandidate> {
    let Relationship::Detected(detected) = relationship else {
        return None;
    };
    let (table, foreign_table) = (&detected.table.name, &detected.foreign_table.name);
    let by_key = |name, constraint: &Ident, columns: &[(Ident, Ident)]| {
        let ours = list(columns.iter().map(|(ours, _)| ours));
        let theirs = list(columns.iter().map(|(_, theirs)| theirs));
        let text = format!("{constraint} using {table}{ours} and {foreign_table}{theirs}");
        (name, text, constraint.to_string())
    };
    let (cardinality, text, hint) = match &detected.cardinality {
        Cardinality::OneToMany {
            constraint,
            columns,
        } => by_key("one-to-many", constraint, columns),
        Cardinality::ManyToOne {
            constraint,
            columns,
        } => by_key("many-to-one", constraint, columns),
        Cardinality::OneToOne {
            constraint,
            columns,
            ..
        } => by_key("one-to-one", constraint, columns),
        Cardinality::ManyToMany(junction) => {
            let source = list(junction.source_columns.iter().map(|(_, theirs)| theirs));
            let target = list(junction.target_columns.iter().map(|(_, theirs)| theirs));
            let text = format!(
                "{} using {}{source} and {}{target}",
                junction.table.name, junction.constraint_source, junction.constraint_target
            );
            ("many-to-many", text, junction.table.name.to_string())
        }
    };
    Some(RelationshipCandidate {
        cardinality,
        embedding: format!("{table} with {foreign_table}"),
        relationship: text,
        target: format!("{foreign_table}!{hint}"),
    })
}

fn list<'a>(columns: impl Iterator<Item = &'a Ident>) -> String {
    let columns: Vec<&str> = columns.map(Ident::as_str).collect();
    format!("({})", columns.join(", "))
}
