//! Relationships of the dump. Each table has a list for each schema that its relationships lead to,
//! which may be empty.

use super::name::Name;
use crate::catalog::{Cardinality, Catalog, Junction, Relationship};
use corerest_sql::Ident;
use serde::Serialize;

/// What the relationships are between: a table, and a schema.
pub(super) type Pair<'a> = ((Name<'a>, &'a str), Vec<RelationshipDump<'a>>);

type Columns<'a> = Vec<(&'a str, &'a str)>;

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum RelationshipDump<'a> {
    #[serde(rename_all = "camelCase")]
    Detected {
        rel_cardinality: CardinalityDump<'a>,
        #[serde(rename = "relFTableIsView")]
        foreign_table_is_view: bool,
        rel_foreign_table: Name<'a>,
        rel_is_self: bool,
        rel_table: Name<'a>,
        rel_table_is_view: bool,
        tag: &'static str,
    },
    #[serde(rename_all = "camelCase")]
    Computed {
        rel_foreign_table: Name<'a>,
        rel_function: Name<'a>,
        rel_is_self: bool,
        rel_table: Name<'a>,
        rel_table_alias: Name<'a>,
        rel_to_one: bool,
        tag: &'static str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum CardinalityDump<'a> {
    #[serde(rename_all = "camelCase")]
    ByKey {
        #[serde(skip_serializing_if = "Option::is_none")]
        is_parent: Option<bool>,
        rel_columns: Columns<'a>,
        rel_cons: &'a str,
        tag: &'static str,
    },
    ByJunction {
        contents: JunctionDump<'a>,
        tag: &'static str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JunctionDump<'a> {
    jun_cols_source: Columns<'a>,
    jun_cols_target: Columns<'a>,
    jun_constraint1: &'a str,
    jun_constraint2: &'a str,
    jun_table: Name<'a>,
}

pub(super) fn dump(catalog: &Catalog) -> Vec<Pair<'_>> {
    let mut lists: Vec<_> = catalog.relationships.lists().collect();
    lists.sort_by_key(|(table, schema, _)| (*table, *schema));
    let pairs = lists.into_iter().map(|(table, schema, list)| {
        let key = (Name::from(table), schema.as_str());
        (key, list.iter().map(dump_relationship).collect())
    });
    pairs.collect()
}

fn dump_relationship(relationship: &Relationship) -> RelationshipDump<'_> {
    match relationship {
        Relationship::Detected(detected) => RelationshipDump::Detected {
            rel_cardinality: dump_cardinality(&detected.cardinality),
            foreign_table_is_view: detected.foreign_table_is_view,
            rel_foreign_table: (&detected.foreign_table).into(),
            rel_is_self: detected.is_self,
            rel_table: (&detected.table).into(),
            rel_table_is_view: detected.table_is_view,
            tag: "Relationship",
        },
        Relationship::Computed(computed) => RelationshipDump::Computed {
            rel_foreign_table: (&computed.foreign_table).into(),
            rel_function: (&computed.function).into(),
            rel_is_self: computed.is_self,
            rel_table: (&computed.table).into(),
            // PostgREST fills it in only while it plans a request.
            rel_table_alias: Name {
                qi_name: "",
                qi_schema: "",
            },
            rel_to_one: computed.to_one,
            tag: "ComputedRelationship",
        },
    }
}

fn dump_cardinality(cardinality: &Cardinality) -> CardinalityDump<'_> {
    let (tag, constraint, columns, is_parent) = match cardinality {
        Cardinality::OneToMany {
            constraint,
            columns,
        } => ("O2M", constraint, columns, None),
        Cardinality::ManyToOne {
            constraint,
            columns,
        } => ("M2O", constraint, columns, None),
        Cardinality::OneToOne {
            constraint,
            columns,
            is_parent,
        } => ("O2O", constraint, columns, Some(*is_parent)),
        Cardinality::ManyToMany(junction) => {
            return CardinalityDump::ByJunction {
                contents: dump_junction(junction),
                tag: "M2M",
            };
        }
    };
    CardinalityDump::ByKey {
        is_parent,
        rel_columns: dump_columns(columns),
        rel_cons: constraint.as_str(),
        tag,
    }
}

fn dump_junction(junction: &Junction) -> JunctionDump<'_> {
    JunctionDump {
        jun_cols_source: dump_columns(&junction.source_columns),
        jun_cols_target: dump_columns(&junction.target_columns),
        jun_constraint1: junction.constraint_source.as_str(),
        jun_constraint2: junction.constraint_target.as_str(),
        jun_table: (&junction.table).into(),
    }
}

fn dump_columns(columns: &[(Ident, Ident)]) -> Columns<'_> {
    let pairs = columns.iter();
    pairs
        .map(|(own, other)| (own.as_str(), other.as_str()))
        .collect()
}
