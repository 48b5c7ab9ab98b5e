//! Finds relationships: from the foreign keys, the views that show their columns, and the keys of
//! junctions.
//!
//! Parity: each end of a foreign key may be the table or any view that shows all its columns
//! there, so one key gives the product of the two; each relationship has its inverse. Two keys of
//! the same relation are a many-to-many relationship if the columns of both are part of that
//! relation's primary key; keys that are unique by themselves (one-to-one) do not count for that.
//!
//! These are products, and a view may show a column of a key more than a thousand times. Where one
//! would be of more than [`WAYS_MAX`], a view stands for its table by the first columns only.

use super::lineage::Lineage;
use super::primary_key::PrimaryKeys;
use super::relationship::{Cardinality, DetectedRelationship, Junction};
use super::section::foreign_keys::ForeignKeyRow;
use super::section::{Position, RelationOid};
use super::text::{DecodeError, ident, qualified};
use corerest_sql::{Ident, QualifiedName};
use std::collections::{HashMap, HashSet};

/// In how many ways a foreign key may lead from tables and views to others, or a junction.
/// PostgREST has no limit; what is beyond this one, no request could name.
const WAYS_MAX: usize = 10_000;

/// What foreign keys give rise to.
#[derive(Debug, Default)]
pub(super) struct Detected {
    /// All relationships, in no order.
    pub(super) relationships: Vec<DetectedRelationship>,
    /// The views that show the columns of a key in too many ways.
    pub(super) trimmed_views: Vec<TrimmedView>,
}

/// A view that shows the columns of a foreign key, or those that it refers to, in so many ways
/// that only the first of each counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrimmedView {
    /// The view.
    pub view: QualifiedName,
    /// The foreign key.
    pub foreign_key: Ident,
}

/// Finds them.
pub(super) fn detect(
    foreign_keys: &[ForeignKeyRow<'_>],
    lineage: &Lineage<'_>,
    primary_keys: &PrimaryKeys,
) -> Result<Detected, DecodeError> {
    let mut found = Detected::default();
    for row in foreign_keys {
        push_key(&ForeignKey::new(row)?, lineage, &mut found);
    }
    let through_junctions = many_to_many(&found.relationships, primary_keys);
    let inverses: Vec<_> = found.relationships.iter().filter_map(inverse).collect();
    found.relationships.extend(through_junctions.relationships);
    found.relationships.extend(inverses);
    found.trimmed_views.extend(through_junctions.trimmed_views);
    Ok(found)
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

/// By which columns of a view it stands for its table, where it shows some of them twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choices {
    All,
    First,
}

impl KeySide {
    /// How many ends there are with all choices.
    fn end_count(&self, lineage: &Lineage<'_>) -> usize {
        let views = lineage.views_of(self.oid).iter();
        let counts = views.map(|showing| showing.choice_count(&self.positions));
        counts.fold(1, usize::saturating_add)
    }

    /// The views that show the key in more than one way.
    fn ambiguous_views<'a>(
        &self,
        lineage: &'a Lineage<'_>,
    ) -> impl Iterator<Item = &'a QualifiedName> {
        let views = lineage.views_of(self.oid).iter();
        views
            .filter(|showing| showing.choice_count(&self.positions) > 1)
            .map(|showing| showing.view)
    }

    fn ends<'a>(&'a self, lineage: &'a Lineage<'_>, choices: Choices) -> Vec<End<'a>> {
        let mut ends = vec![End {
            relation: &self.table,
            is_view: false,
            columns: self.columns.iter().collect(),
        }];
        for showing in lineage.views_of(self.oid) {
            let choices = match choices {
                Choices::All => showing.choices(&self.positions),
                Choices::First => showing.first(&self.positions).into_iter().collect(),
            };
            ends.extend(choices.into_iter().map(|columns| End {
                relation: showing.view,
                is_view: true,
                columns,
            }));
        }
        ends
    }
}

/// The relationships that hold the key or show its columns, to all that are referenced.
fn push_key(key: &ForeignKey, lineage: &Lineage<'_>, out: &mut Detected) {
    let sides = [&key.source, &key.target];
    let [sources, targets] = sides.map(|side| side.end_count(lineage));
    let choices = if sources.saturating_mul(targets) <= WAYS_MAX {
        Choices::All
    } else {
        Choices::First
    };
    if choices == Choices::First {
        let views = sides.iter().flat_map(|side| side.ambiguous_views(lineage));
        out.trimmed_views.extend(views.map(|view| TrimmedView {
            view: view.clone(),
            foreign_key: key.constraint.clone(),
        }));
    }
    let targets = key.target.ends(lineage, choices);
    for source in key.source.ends(lineage, choices) {
        for target in &targets {
            let pairs = source.columns.iter().zip(&target.columns);
            let columns = pairs.map(|(&own, &foreign)| (own.clone(), foreign.clone()));
            out.relationships.push(DetectedRelationship {
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

fn many_to_many(relationships: &[DetectedRelationship], primary_keys: &PrimaryKeys) -> Detected {
    let mut junctions: HashMap<&QualifiedName, Vec<JunctionKey<'_>>> = HashMap::new();
    for relationship in relationships {
        if let Some(key) = junction_key(relationship, primary_keys) {
            junctions.entry(&relationship.table).or_default().push(key);
        }
    }
    let mut found = Detected::default();
    for (table, mut keys) in junctions {
        if keys.len().saturating_mul(keys.len()) > WAYS_MAX {
            found.trimmed_views.extend(keep_first_ways(&mut keys));
        }
        for source in &keys {
            let others = keys.iter();
            let targets = others.filter(|target| target.constraint != source.constraint);
            let ways = targets.map(|target| through(table, source, target));
            found.relationships.extend(ways);
        }
    }
    found
}

/// Leaves one of the ways in which a key leads to the same view, and tells the views that had
/// more. The columns that the view shows first come first.
fn keep_first_ways(keys: &mut Vec<JunctionKey<'_>>) -> HashSet<TrimmedView> {
    let mut seen = HashSet::new();
    let mut trimmed = HashSet::new();
    keys.retain(|key| {
        let way = TrimmedView {
            view: key.relationship.foreign_table.clone(),
            foreign_key: key.constraint.clone(),
        };
        let is_first = seen.insert(way.clone());
        if !is_first {
            trimmed.insert(way);
        }
        is_first
    });
    trimmed
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
