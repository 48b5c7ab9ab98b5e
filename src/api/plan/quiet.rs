//! Whether a read runs no code but PostgreSQL's own: then it leaves nothing in the session.
//!
//! What is not known for certain is not quiet: fields that are no columns, for they may be
//! functions; casts, for there may be one of the database's own; relations that are not exposed.

use super::field::PlannedField;
use super::negotiate::{Negotiated, Representation};
use super::read_plan::{Condition, ReadPlan, Source};
use super::select::PlannedAggregate;
use crate::catalog::{Catalog, Table};
use crate::request::ast::Aggregate;
use corerest_sql::QualifiedName;

/// Whether a read runs no code but PostgreSQL's own.
pub(crate) fn is_quiet(
    catalog: &Catalog,
    plan: &ReadPlan<'_>,
    negotiated: &Negotiated<'_>,
) -> bool {
    let is_custom = match negotiated.representation {
        Representation::Custom(_) | Representation::GeoJson => true,
        Representation::Json(_)
        | Representation::Object(_)
        | Representation::Csv
        | Representation::JsonLines
        | Representation::Nothing => false,
    };
    !is_custom && is_quiet_read(catalog, plan)
}

fn is_quiet_read(catalog: &Catalog, plan: &ReadPlan<'_>) -> bool {
    let Some(table) = quiet_source(catalog, plan) else {
        return false;
    };
    let is_quiet_junction = plan
        .junction
        .as_ref()
        .is_none_or(|junction| quiet_table(catalog, junction.table).is_some());
    is_quiet_junction
        && plan.select.iter().all(|item| {
            item.cast.is_none()
                && item.aggregate.as_ref().is_none_or(is_quiet_aggregate)
                && (item.field.name.as_str() == "*" || is_quiet_field(table, &item.field))
        })
        && plan
            .conditions
            .iter()
            .all(|condition| is_quiet_condition(table, condition))
        && plan.order.iter().all(|term| {
            let of_embed = term.embed.map(|place| &plan.embeds[place].plan);
            let ordered = of_embed.map_or(Some(table), |embed| quiet_source(catalog, embed));
            ordered.is_some_and(|table| is_quiet_field(table, &term.field))
        })
        && plan
            .embeds
            .iter()
            .all(|embed| is_quiet_read(catalog, &embed.plan))
}

/// All but one are looked up in the search path, for they may be an extension's.
fn is_quiet_aggregate(aggregate: &PlannedAggregate<'_>) -> bool {
    let is_counted = match aggregate.function {
        Aggregate::Count => true,
        Aggregate::Sum | Aggregate::Avg | Aggregate::Max | Aggregate::Min => false,
    };
    is_counted && aggregate.cast.is_none() && aggregate.represented.is_none()
}

fn quiet_source<'c>(catalog: &'c Catalog, plan: &ReadPlan<'_>) -> Option<&'c Table> {
    match plan.from {
        Source::Table(name) => quiet_table(catalog, name),
        Source::Function { .. } | Source::Written => None,
    }
}

fn quiet_table<'c>(catalog: &'c Catalog, name: &QualifiedName) -> Option<&'c Table> {
    catalog.tables.get(name).filter(|table| table.is_quiet)
}

fn is_quiet_condition(table: &Table, condition: &Condition<'_>) -> bool {
    match condition {
        Condition::Group(_, _, inside) => inside
            .iter()
            .all(|condition| is_quiet_condition(table, condition)),
        Condition::Filter(filter) => is_quiet_field(table, &filter.field),
        Condition::Embedded(..) => true,
    }
}

/// A column that is read as it is.
fn is_quiet_field(table: &Table, field: &PlannedField<'_>) -> bool {
    field.transform.is_none() && table.column(field.name.as_str()).is_some()
}
