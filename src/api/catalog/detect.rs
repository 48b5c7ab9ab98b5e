//! Finds relationships: from the foreign keys, the views that show their columns, and the keys of
//! junctions.
//!
//! Parity: each end of a foreign key may be the table or any view that shows all its columns
//! there, so one key gives the product of the two; each relationship has its inverse. Two keys of
//! the same relation are a many-to-many relationship if the columns of both are part of that
//! relation's primary key; keys that are unique by themselves (one-to-one) do not count for that.

use super::lineage::Lineage;
use super::primary_key::PrimaryKeys;
use super::relationship::{Cardinality, DetectedRelationship, Junction};
use super::section::foreign_keys::ForeignKeyRow;
use super::section::{Position, RelationOid};
use super::text::{DecodeError, ident, qualified};
use corerest_sql::{Ident, QualifiedName};
use std::collections::HashMap;

/// All relationships, in no order.
pub(super) fn detect(
    foreign_keys: &[ForeignKeyRow<'_>],
    lineage: &Lineage<'_>,
    primary_keys: &PrimaryKeys,
) -> Result<Vec<DetectedRelationship>, DecodeError> {
    let mut relationships = Vec::new();
    for row in foreign_keys {
        push_key(&ForeignKey::new(row)?, lineage, &mut relationships);
    }
    let through_junctions = many_to_many(&relationships, primary_keys);
    let inverses: Vec<DetectedRelationship> = relationships.iter().filter_map(inverse).collect();
    relationships.extend(through_junctions);
    relationships.extend(inverses);
    Ok(relationships)
}

/// A foreign key.
struct ForeignKey {
    constraint: Ident,
    is_unique: bool,
    is_self: bool,
    source: KeySide,
    target: KeySide,
}

/// The table on one side of a foreign key, and the key's columns there.
struct KeySide {
    oid: RelationOid,
    table: QualifiedName,
    positions: Vec<Position>,
    columns: Vec<Ident>,
}

/// A relation that can stand for one side of the key: the table, or a view with its columns.
struct End<'a> {
    relation: &'a QualifiedName,
    is_view: bool,
    columns: Vec<&'a Ident>,
}

impl ForeignKey {
    fn new(row: &ForeignKeyRow<'_>) -> Result<ForeignKey, DecodeError> {
        let columns = &row.columns;
        let names = columns.iter().map(|column| ident(column.name));
        let foreign_names = columns.iter().map(|column| ident(column.foreign_name));
        Ok(ForeignKey {
            constraint: ident(row.name)?,
            is_unique: row.is_unique,
            is_self: row.table == row.foreign_table,
            source: KeySide {
                oid: row.table,
                table: qualified(row.table_schema, row.table_name)?,
                positions: columns.iter().map(|column| column.position).collect(),
                columns: names.collect::<Result<_, _>>()?,
            },
            target: KeySide {
                oid: row.foreign_table,
                table: qualified(row.foreign_schema, row.foreign_name)?,
                positions: columns
                    .iter()
                    .map(|column| column.foreign_position)
                    .collect(),
                columns: foreign_names.collect::<Result<_, _>>()?,
            },
        })
    }

    /// Parity: between a table and a view of it, the relationship is not one to itself.
    fn is_self(&self, source: &End<'_>, target: &End<'_>) -> bool {
        match (source.is_view, target.is_view) {
            (false, false) => self.is_self,
            (true, true) => source.relation == target.relation,
            (true, false) | (false, true) => false,
        }
    }

    fn cardinality(&self, columns: Vec<(Ident, Ident)>) -> Cardinality {
        let constraint = self.constraint.clone();
        if self.is_unique {
            Cardinality::OneToOne {
                constraint,
                columns,
                is_parent: false,
            }
        } else {
            Cardinality::ManyToOne {
                constraint,
                columns,
            }
        }
    }
}

impl KeySide {
    fn ends<'a>(&'a self, lineage: &'a Lineage<'_>) -> Vec<End<'a>> {
        let mut ends = vec![End {
            relation: &self.table,
            is_view: false,
            columns: self.columns.iter().collect(),
        }];
        for showing in lineage.views_of(self.oid) {
            let choices = showing.choices(&self.positions).into_iter();
            ends.extend(choices.map(|columns| End {
                relation: showing.view,
                is_view: true,
                columns,
            }));
        }
        ends
    }
}

/// The relationships that hold the key or show its columns, to all that are referenced.
fn push_key(key: &ForeignKey, lineage: &Lineage<'_>, out: &mut Vec<DetectedRelationship>) {
    let targets = key.target.ends(lineage);
    for source in key.source.ends(lineage) {
        for target in &targets {
            let pairs = source.columns.iter().zip(&target.columns);
            let columns = pairs.map(|(&own, &foreign)| (own.clone(), foreign.clone()));
            out.push(DetectedRelationship {
                table: source.relation.clone(),
                foreign_table: target.relation.clone(),
                is_self: key.is_self(&source, target),
                cardinality: key.cardinality(columns.collect()),
                table_is_view: source.is_view,
                foreign_table_is_view: target.is_view,
            });
        }
    }
}

/// The same, seen from the other side; a many-to-many relationship is found from both.
fn inverse(relationship: &DetectedRelationship) -> Option<DetectedRelationship> {
    let cardinality = match &relationship.cardinality {
        Cardinality::ManyToOne {
            constraint,
            columns,
        } => Cardinality::OneToMany {
            constraint: constraint.clone(),
            columns: swapped(columns),
        },
        Cardinality::OneToOne {
            constraint,
            columns,
            is_parent,
        } => Cardinality::OneToOne {
            constraint: constraint.clone(),
            columns: swapped(columns),
            is_parent: !is_parent,
        },
        Cardinality::OneToMany { .. } | Cardinality::ManyToMany(_) => return None,
    };
    Some(DetectedRelationship {
        table: relationship.foreign_table.clone(),
        foreign_table: relationship.table.clone(),
        is_self: relationship.is_self,
        cardinality,
        table_is_view: relationship.foreign_table_is_view,
        foreign_table_is_view: relationship.table_is_view,
    })
}

fn swapped(columns: &[(Ident, Ident)]) -> Vec<(Ident, Ident)> {
    let pairs = columns.iter();
    pairs.map(|(a, b)| (b.clone(), a.clone())).collect()
}

/// A foreign key of a junction to one of the two relations.
struct JunctionKey<'a> {
    constraint: &'a Ident,
    columns: &'a [(Ident, Ident)],
    relationship: &'a DetectedRelationship,
}

fn many_to_many(
    relationships: &[DetectedRelationship],
    primary_keys: &PrimaryKeys,
) -> Vec<DetectedRelationship> {
    let mut junctions: HashMap<&QualifiedName, Vec<JunctionKey<'_>>> = HashMap::new();
    for relationship in relationships {
        if let Some(key) = junction_key(relationship, primary_keys) {
            junctions.entry(&relationship.table).or_default().push(key);
        }
    }
    let mut found = Vec::new();
    for (table, keys) in junctions {
        for source in &keys {
            let others = keys.iter();
            let targets = others.filter(|target| target.constraint != source.constraint);
            found.extend(targets.map(|target| through(table, source, target)));
        }
    }
    found
}

/// The key of a many-to-one relationship, if it is part of the primary key.
fn junction_key<'a>(
    relationship: &'a DetectedRelationship,
    primary_keys: &PrimaryKeys,
) -> Option<JunctionKey<'a>> {
    let Cardinality::ManyToOne {
        constraint,
        columns,
    } = &relationship.cardinality
    else {
        return None;
    };
    let primary_key = primary_keys.get(&relationship.table)?;
    let is_part = columns.iter().all(|(own, _)| primary_key.contains(own));
    is_part.then_some(JunctionKey {
        constraint,
        columns,
        relationship,
    })
}

fn through(
    junction: &QualifiedName,
    source: &JunctionKey<'_>,
    target: &JunctionKey<'_>,
) -> DetectedRelationship {
    let table = &source.relationship.foreign_table;
    let foreign_table = &target.relationship.foreign_table;
    DetectedRelationship {
        table: table.clone(),
        foreign_table: foreign_table.clone(),
        is_self: table == foreign_table,
        cardinality: Cardinality::ManyToMany(Junction {
            table: junction.clone(),
            constraint_source: source.constraint.clone(),
            constraint_target: target.constraint.clone(),
            source_columns: swapped(source.columns),
            target_columns: swapped(target.columns),
        }),
        table_is_view: source.relationship.foreign_table_is_view,
        foreign_table_is_view: target.relationship.foreign_table_is_view,
    }
}
