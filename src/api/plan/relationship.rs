//! Finds the relationship that an embedded relation means.
//!
//! A request names the other side by a table or view, a foreign key, a column, or the function of
//! a computed relationship, and can add a hint when that is not enough.
//!
//! Source: PostgREST's documentation, `references/api/resource_embedding`.

use crate::catalog::{Cardinality, Catalog, Relationship};
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
    let mut meant = relationships.iter().filter(|r| r.is_meant(target, hint));
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
