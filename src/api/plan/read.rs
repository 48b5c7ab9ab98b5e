//! The plan of a read: which columns of which table, which rows, in which order.
//!
//! Names are looked up, what belongs to no node of `select=` is refused, and the limits of the
//! configuration are applied; the SQL in `query/read.rs` then follows the plan line by line.

use super::field::PlannedField;
use crate::catalog::{Catalog, Table};
use crate::error::Error;
use crate::request::ApiRequest;
use crate::request::ast::{
    Aggregate, At, Field, Filter, JsonOperand, LogicOperator, LogicTree, Negation, Operation,
    OrderDirection, OrderNulls, OrderTerm, SelectField, SelectItem,
};
use crate::request::range::Range;
use corerest_config::Config;
use corerest_sql::{Ident, QualifiedName, TypeName};
use std::borrow::Cow;

/// A read of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPlan<'a> {
    /// The table.
    pub from: &'a QualifiedName,
    /// What is selected; empty selects all columns.
    pub select: Vec<PlannedSelect<'a>>,
    /// What every row must fulfil.
    pub conditions: Vec<Condition<'a>>,
    /// The order of the rows.
    pub order: Vec<PlannedOrder<'a>>,
    /// Which of the rows, with `db-max-rows` applied.
    pub range: Range,
}

/// One item of the select list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSelect<'a> {
    /// The field; the name `*` stands for all columns.
    pub field: PlannedField<'a>,
    /// The cast of the field.
    pub cast: Option<&'a TypeName>,
    /// The aggregate function over it.
    pub aggregate: Option<Aggregate>,
    /// The cast of the aggregate's result.
    pub aggregate_cast: Option<&'a TypeName>,
    /// The key in the answer, where PostgreSQL would choose another.
    pub alias: Option<Cow<'a, Ident>>,
}

/// A condition on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Several, joined.
    Group(Negation, LogicOperator, Vec<Condition<'a>>),
    /// One.
    Filter(PlannedFilter<'a>),
}

/// A comparison of a field with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFilter<'a> {
    /// The left side.
    pub field: PlannedField<'a>,
    /// Whether `NOT` stands before it.
    pub negation: Negation,
    /// The operator and the right side.
    pub operation: &'a Operation,
}

/// One term of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOrder<'a> {
    /// What is ordered by.
    pub field: PlannedField<'a>,
    /// The direction, if said.
    pub direction: Option<OrderDirection>,
    /// Where NULLs go, if said.
    pub nulls: Option<OrderNulls>,
}

/// Plans a read of the table `name`.
///
/// # Errors
/// `PGRST205` for a table that is not there, `PGRST108` for a filter, order or limit on something
/// that is not embedded, `PGRST123` for aggregates that are not allowed, `PGRST127` for what this
/// version cannot do.
pub fn plan_read<'a>(
    config: &Config,
    catalog: &'a Catalog,
    request: &'a ApiRequest<'_>,
    name: &QualifiedName,
) -> Result<ReadPlan<'a>, Error> {
    let table = catalog
        .table(name)
        .ok_or_else(|| table_not_found(catalog, name))?;
    let query = &request.query;
    let select = plan_select(config, table, &query.select)?;
    let mut conditions = Vec::with_capacity(query.filters.len() + query.logic.len());
    for filter in at_root(&query.filters)? {
        conditions.push(Condition::Filter(plan_filter(table, filter)));
    }
    for tree in at_root(&query.logic)? {
        conditions.push(plan_logic(table, tree));
    }
    // Parity: of several `order` parameters, the first decides (`addOrders` in Plan.hs).
    let order_terms = at_root(&query.order)?.next().map_or(&[][..], Vec::as_slice);
    let order = order_terms
        .iter()
        .map(|term| plan_order(table, term))
        .collect::<Result<_, _>>()?;
    check_ranges_are_embedded(request)?;
    Ok(ReadPlan {
        from: &table.name,
        select,
        conditions,
        order,
        range: request.range.restricted_to(config.db_max_rows),
    })
}

fn table_not_found(catalog: &Catalog, name: &QualifiedName) -> Error {
    let schema = name.schema.as_ref().map_or("", Ident::as_str);
    Error::TableNotFound {
        schema: schema.to_owned(),
        table: name.name.to_string(),
        hint: catalog.table_hint(schema, name.name.as_str()),
    }
}

/// The items that belong to the table itself.
fn at_root<T>(items: &[At<T>]) -> Result<impl Iterator<Item = &T>, Error> {
    match items.iter().find_map(|at| at.path.first()) {
        Some(relation) => Err(not_embedded(relation)),
        None => Ok(items.iter().map(|at| &at.item)),
    }
}

fn check_ranges_are_embedded(request: &ApiRequest<'_>) -> Result<(), Error> {
    match request
        .query
        .embedded_ranges
        .iter()
        .find_map(|at| at.path.first())
    {
        Some(relation) => Err(not_embedded(relation)),
        None => Ok(()),
    }
}

fn not_embedded(relation: &Ident) -> Error {
    Error::NotEmbedded {
        resource: relation.to_string(),
        alias: None,
    }
}

fn plan_select<'a>(
    config: &Config,
    table: &'a Table,
    items: &'a [SelectItem],
) -> Result<Vec<PlannedSelect<'a>>, Error> {
    let mut select = Vec::with_capacity(items.len());
    for item in items {
        match item {
            SelectItem::Field(field) => select.push(plan_select_field(config, table, field)?),
            SelectItem::Relation(_) | SelectItem::Spread(_) => {
                return Err(Error::NotImplemented {
                    details: "Embedding of related tables is not part of this version.".into(),
                });
            }
        }
    }
    Ok(select)
}

fn plan_select_field<'a>(
    config: &Config,
    table: &'a Table,
    item: &'a SelectField,
) -> Result<PlannedSelect<'a>, Error> {
    if item.aggregate.is_some() && !config.db_aggregates_enabled {
        return Err(Error::AggregatesNotAllowed);
    }
    Ok(PlannedSelect {
        field: PlannedField::plan(table, &item.field),
        cast: item.cast.as_ref(),
        aggregate: item.aggregate,
        aggregate_cast: item.aggregate_cast.as_ref(),
        alias: select_alias(item),
    })
}

/// The alias that the request gives, or the last key of a JSON path, for which PostgreSQL would
/// say `?column?`.
fn select_alias(item: &SelectField) -> Option<Cow<'_, Ident>> {
    if let Some(alias) = &item.alias {
        return Some(Cow::Borrowed(alias));
    }
    if item.aggregate.is_some() || item.field.json_path.is_empty() {
        return None;
    }
    Some(json_path_alias(&item.field))
}

fn json_path_alias(field: &Field) -> Cow<'_, Ident> {
    let last_key = field
        .json_path
        .iter()
        .rev()
        .find_map(|step| match &step.operand {
            JsonOperand::Key(key) => Some(Ident::before_nul(key)),
            JsonOperand::Index(_) => None,
        });
    last_key.map_or(Cow::Borrowed(&field.name), Cow::Owned)
}

fn plan_filter<'a>(table: &'a Table, filter: &'a Filter) -> PlannedFilter<'a> {
    let field = match &filter.operation {
        Operation::FullText(_, configuration, _) => {
            PlannedField::plan_text_search(table, &filter.field, configuration.as_ref())
        }
        _ => PlannedField::plan(table, &filter.field),
    };
    PlannedFilter {
        field,
        negation: filter.negation,
        operation: &filter.operation,
    }
}

fn plan_logic<'a>(table: &'a Table, tree: &'a LogicTree) -> Condition<'a> {
    match tree {
        LogicTree::Filter(filter) => Condition::Filter(plan_filter(table, filter)),
        LogicTree::Group(negation, operator, members) => {
            let members = members
                .iter()
                .map(|member| plan_logic(table, member))
                .collect();
            Condition::Group(*negation, *operator, members)
        }
    }
}

fn plan_order<'a>(table: &'a Table, term: &'a OrderTerm) -> Result<PlannedOrder<'a>, Error> {
    match &term.relation {
        Some(relation) => Err(not_embedded(relation)),
        None => Ok(PlannedOrder {
            field: PlannedField::plan(table, &term.field),
            direction: term.direction,
            nulls: term.nulls,
        }),
    }
}
