//! The plan of a read: which columns of which relation, which rows, in which order, and which
//! related rows with them.
//!
//! Names are looked up, what belongs to no node of `select=` is refused, and the limits of the
//! configuration are applied; the SQL in `query/read.rs` then follows the plan line by line.

use super::condition::{plan_filter, plan_logic};
use super::embed::{check_keys, check_spread_aggregates, plan_shape};
use super::field::Columns;
use super::order::plan_order;
use super::read_plan::{Embed, JoinedColumns, JoinedTable, ReadPlan, Source};
use super::relationship::find_relationship;
use super::select::{SelectPlace, plan_select};
use super::short_name::short_name;
use super::tree::{Child, Node, RootParameters, TargetNames};
use crate::catalog::{Cardinality, Catalog, Junction, Relationship, Table};
use crate::error::Error;
use crate::request::ApiRequest;
use crate::request::ast::{JoinType, SelectField, SelectItem};
use corerest_config::Config;
use corerest_sql::{Ident, QualifiedName};
use std::borrow::Cow;
use std::collections::HashSet;

/// Which relation a read begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root<'a> {
    /// Its name, which relationships start from; what a function returns may be no table.
    pub(crate) name: &'a QualifiedName,
    /// Who gives its rows.
    pub(crate) rows: RootRows,
}

/// Who gives the rows of the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootRows {
    /// The table itself.
    Table,
    /// A write.
    Write,
    /// A function.
    Call,
}

/// A read, and what is to be said about the request.
#[derive(Clone, Debug)]
pub(crate) struct PlannedRead<'a> {
    pub(crate) plan: ReadPlan<'a>,
    /// Relations that were called by a deprecated name: that name, and the alias.
    pub(crate) deprecated_names: Vec<(&'a Ident, &'a Ident)>,
}

/// What all nodes of a read are planned with.
struct Planner<'a, 'c> {
    catalog: &'a Catalog,
    schema: &'c Ident,
    rows_max: Option<i64>,
}

/// A relation inside another one, whose relationship is found.
struct Related<'t, 'a> {
    child: &'t Child<'a>,
    relationship: &'a Relationship,
    inside: Vec<Related<'t, 'a>>,
}

/// Where a node is.
struct NodePlace<'a> {
    from: Source<'a>,
    name: Cow<'a, Ident>,
    /// What errors call it.
    origin: &'a Ident,
    table: Option<&'a Table>,
    select: SelectPlace,
    depth: usize,
}

/// The table of a request.
///
/// # Errors
/// `PGRST205` if it is not there.
pub(crate) fn find_table<'a>(
    catalog: &'a Catalog,
    name: &QualifiedName,
) -> Result<&'a Table, Error> {
    let schema = name.schema.as_ref().map_or("", Ident::as_str);
    catalog.table(name).ok_or_else(|| Error::TableNotFound {
        schema: schema.to_owned(),
        table: name.name.to_string(),
        hint: catalog.table_hint(schema, name.name.as_str()),
    })
}

/// Plans a read.
///
/// # Errors
/// In this order: `PGRST108` for a parameter of a relation that is not embedded; `PGRST200`,
/// `PGRST201` for relationships; `PGRST108`, `PGRST118` for related orders; `PGRST123` for
/// aggregates that are not allowed; `PGRST127` for aggregates where they have no meaning;
/// `PGRST100` for two relations under one key.
pub(crate) fn plan_read<'a>(
    config: &Config,
    catalog: &'a Catalog,
    request: &'a ApiRequest<'_>,
    root: Root<'a>,
) -> Result<PlannedRead<'a>, Error> {
    let (parameters, rows_max) = match root.rows {
        RootRows::Write => (RootParameters::OfWrite, None),
        RootRows::Table | RootRows::Call => (RootParameters::All, config.db_max_rows),
    };
    let names = if config.url_use_legacy_target_names {
        TargetNames::Legacy
    } else {
        TargetNames::AliasFirst
    };
    let tree = Node::of_request(&request.query, request.range, parameters, names)?;
    let planner = Planner {
        catalog,
        schema: &request.schema,
        rows_max,
    };
    let related = planner.relate(&tree, &root.name.name)?;
    let from = match root.rows {
        RootRows::Table => Source::Table(root.name),
        RootRows::Write | RootRows::Call => Source::Written,
    };
    let place = NodePlace {
        from,
        name: Cow::Borrowed(&root.name.name),
        origin: &root.name.name,
        table: catalog.table(root.name),
        select: SelectPlace {
            is_spread: false,
            is_grouped: has_aggregates(tree.fields()),
        },
        depth: 0,
    };
    let plan = planner.plan_node(&tree, &related, place)?;
    if !config.db_aggregates_enabled && any_has_aggregates(&request.query.select) {
        return Err(Error::AggregatesNotAllowed);
    }
    check_spread_aggregates(&plan)?;
    check_keys(&plan)?;
    Ok(PlannedRead {
        plan,
        deprecated_names: tree.deprecated_names(),
    })
}

impl<'a> Planner<'a, '_> {
    fn relate<'t>(
        &self,
        node: &'t Node<'a>,
        origin: &Ident,
    ) -> Result<Vec<Related<'t, 'a>>, Error> {
        let related = node.children.iter().map(|child| {
            let relation = child.relation;
            let hint = relation.hint.as_ref();
            let target = &relation.relation;
            let relationship = find_relationship(self.catalog, self.schema, origin, target, hint)?;
            let inside = self.relate(&child.node, &relationship.foreign_table().name)?;
            Ok(Related {
                child,
                relationship,
                inside,
            })
        });
        related.collect()
    }

    fn plan_node(
        &self,
        node: &Node<'a>,
        related: &[Related<'_, 'a>],
        place: NodePlace<'a>,
    ) -> Result<ReadPlan<'a>, Error> {
        let columns = Columns {
            catalog: self.catalog,
            table: place.table,
        };
        let embeds = related.iter().enumerate();
        let mut embeds = embeds
            .map(|(index, related)| self.plan_embed(related, &place, index))
            .collect::<Result<Vec<_>, _>>()?;
        set_names_apart(&mut embeds, place.depth + 1);
        let if_there = node.filters_if_there.iter();
        let if_there = if_there.filter(|filter| columns.has(&filter.field.name));
        let filters = node
            .filters
            .iter()
            .chain(if_there)
            .map(|filter| plan_filter(columns, &embeds, filter));
        let logic = node
            .logic
            .iter()
            .map(|tree| plan_logic(columns, &embeds, tree));
        let order = node.order.unwrap_or_default().iter();
        let order = order.map(|term| plan_order(columns, place.origin, &embeds, term));
        Ok(ReadPlan {
            select: plan_select(columns, node.fields(), place.select),
            conditions: filters.chain(logic).collect(),
            order: order.collect::<Result<_, _>>()?,
            range: node.range.restricted_to(self.rows_max),
            from: place.from,
            name: place.name,
            junction: None,
            joined: Vec::new(),
            embeds,
        })
    }

    fn plan_embed(
        &self,
        related: &Related<'_, 'a>,
        around: &NodePlace<'a>,
        index: usize,
    ) -> Result<Embed<'a>, Error> {
        let Related {
            child,
            relationship,
            inside,
        } = related;
        let depth = around.depth + 1;
        let is_to_many_spread = child.is_spread && !relationship.is_to_one();
        let place = NodePlace {
            from: source(relationship, &around.name),
            name: node_name(relationship, depth),
            origin: &relationship.foreign_table().name,
            table: self.catalog.table(relationship.foreign_table()),
            select: SelectPlace {
                is_spread: child.is_spread,
                is_grouped: around.select.is_grouped
                    || is_to_many_spread
                    || has_aggregates(child.node.fields()),
            },
            depth,
        };
        let mut plan = self.plan_node(&child.node, inside, place)?;
        plan.junction = junction(relationship).map(|junction| JoinedTable {
            table: &junction.table,
            name: Cow::Borrowed(&junction.table.name),
        });
        plan.joined = joined_columns(relationship, &plan.name, &around.name);
        if is_at_most_one_row(relationship) && self.rows_max.is_none_or(|rows| rows > 0) {
            // A limit would keep PostgreSQL from joining the table as it likes best.
            plan.range = child.node.range;
        }
        Ok(Embed {
            shape: plan_shape(&mut plan, relationship, child.is_spread),
            plan,
            key: child.key(),
            relationship,
            name: join_name(relationship, child.key(), depth, index),
            join: child.relation.join.unwrap_or(JoinType::Left),
        })
    }
}

fn has_aggregates<'a>(mut fields: impl Iterator<Item = &'a SelectField>) -> bool {
    fields.any(|field| field.aggregate.is_some())
}

fn any_has_aggregates(items: &[SelectItem]) -> bool {
    items.iter().any(|item| match item {
        SelectItem::Field(field) => field.aggregate.is_some(),
        SelectItem::Relation(relation) | SelectItem::Spread(relation) => {
            any_has_aggregates(&relation.select)
        }
    })
}

fn source<'a>(relationship: &'a Relationship, around: &Ident) -> Source<'a> {
    match relationship {
        Relationship::Detected(detected) => Source::Table(&detected.foreign_table),
        Relationship::Computed(computed) => Source::Function {
            function: &computed.function,
            argument: around.clone(),
            argument_type: &computed.table,
            row_type: computed.row_type,
        },
    }
}

/// Parity: the name is in PostgreSQL's messages, as in `column tasks_1.nope does not exist`.
fn node_name<'a>(relationship: &'a Relationship, depth: usize) -> Cow<'a, Ident> {
    let table = &relationship.foreign_table().name;
    match junction(relationship) {
        Some(_) => Cow::Borrowed(table),
        None => Cow::Owned(short_name(format!("{table}_{depth}"), || {
            format!("relation_{depth}")
        })),
    }
}

fn junction(relationship: &Relationship) -> Option<&Junction> {
    match relationship {
        Relationship::Detected(detected) => match &detected.cardinality {
            Cardinality::ManyToMany(junction) => Some(junction),
            Cardinality::OneToMany { .. }
            | Cardinality::ManyToOne { .. }
            | Cardinality::OneToOne { .. } => None,
        },
        Relationship::Computed(_) => None,
    }
}

/// Which columns of the relation `name` equal which of the relation `around` it.
fn joined_columns<'a>(
    relationship: &'a Relationship,
    name: &Ident,
    around: &Ident,
) -> Vec<JoinedColumns<'a>> {
    let Relationship::Detected(detected) = relationship else {
        return Vec::new();
    };
    let equal =
        |table: &Ident, column: &'a Ident, other: &Ident, other_column: &'a Ident| JoinedColumns {
            column: (table.clone(), column),
            equals: (other.clone(), other_column),
        };
    match &detected.cardinality {
        Cardinality::OneToMany { columns, .. }
        | Cardinality::ManyToOne { columns, .. }
        | Cardinality::OneToOne { columns, .. } => columns
            .iter()
            .map(|(ours, theirs)| equal(name, theirs, around, ours))
            .collect(),
        Cardinality::ManyToMany(junction) => {
            let between = &junction.table.name;
            let target = junction.target_columns.iter();
            let target = target.map(|(theirs, key)| equal(between, key, name, theirs));
            let source = junction.source_columns.iter();
            let source = source.map(|(ours, key)| equal(between, key, around, ours));
            target.chain(source).collect()
        }
    }
}

/// Unlike a foreign key, a function that says `ROWS 1` may return more.
fn is_at_most_one_row(relationship: &Relationship) -> bool {
    matches!(relationship, Relationship::Detected(_)) && relationship.is_to_one()
}

fn join_name(relationship: &Relationship, key: &Ident, depth: usize, index: usize) -> Ident {
    let table = &relationship.table().name;
    let name = format!("{table}_{key}_{depth}");
    short_name(name, || name_by_place(depth, index))
}

fn name_by_place(depth: usize, index: usize) -> String {
    format!("embed_{depth}_{index}")
}

/// A relation that is embedded twice under one key, spread at least once, has one name.
fn set_names_apart(embeds: &mut [Embed<'_>], depth: usize) {
    if embeds.len() < 2 {
        return;
    }
    let mut known = HashSet::with_capacity(embeds.len());
    for (index, embed) in embeds.iter_mut().enumerate() {
        if !known.insert(embed.name.clone()) {
            embed.name = Ident::before_nul(&name_by_place(depth, index));
        }
    }
}
