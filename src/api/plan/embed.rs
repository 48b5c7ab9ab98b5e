//! Embedded relations: related rows as an object, as an array, or spread into the row itself.
//!
//! An embed is a read of its own, joined laterally to the relation around it under a name of its
//! own. The aggregates of a spread to-one relation belong to the relation around it: its rows are
//! the ones that are grouped, so they are moved outwards until a relation is an object or array.

use super::read_plan::{EmbedShape, ReadPlan, SpreadItem, Visibility};
use super::select::PlannedSelect;
use crate::catalog::Relationship;
use crate::error::Error;
use corerest_sql::Ident;
use std::collections::HashSet;

/// The shape of a relation that was planned with its fields and its own embeds.
pub(super) fn plan_shape<'a>(
    plan: &mut ReadPlan<'a>,
    relationship: &Relationship,
    is_spread: bool,
) -> EmbedShape<'a> {
    let visibility = if selects_nothing(plan) {
        Visibility::Hidden
    } else {
        Visibility::Shown
    };
    match (is_spread, relationship.is_to_one()) {
        (false, true) => EmbedShape::Object(visibility),
        (false, false) => EmbedShape::Array(visibility),
        (true, true) => EmbedShape::SpreadOne(hoisted_items(plan)),
        (true, false) => EmbedShape::SpreadMany(items(plan)),
    }
}

fn selects_nothing(plan: &ReadPlan<'_>) -> bool {
    plan.select.is_empty() && plan.embeds.iter().all(|embed| selects_nothing(&embed.plan))
}

/// The columns of a spread relation, with the aggregates taken from where they were.
fn hoisted_items<'a>(plan: &mut ReadPlan<'a>) -> Vec<SpreadItem<'a>> {
    let own = plan.select.iter_mut().map(hoist_own);
    let mut items: Vec<SpreadItem<'a>> = own.collect();
    for embed in &mut plan.embeds {
        match &mut embed.shape {
            EmbedShape::SpreadOne(inner) => items.extend(inner.iter_mut().map(hoist_inner)),
            shape => items.extend(seen_from_outside(embed.key, shape)),
        }
    }
    items
}

fn hoist_own<'a>(item: &mut PlannedSelect<'a>) -> SpreadItem<'a> {
    let aggregate = item.aggregate.take();
    let alias = item.alias.clone().filter(|_| aggregate.is_some());
    SpreadItem {
        name: item.name(),
        aggregate,
        alias,
    }
}

fn hoist_inner<'a>(item: &mut SpreadItem<'a>) -> SpreadItem<'a> {
    SpreadItem {
        name: item.name.clone(),
        aggregate: item.aggregate.take(),
        alias: item.alias.take(),
    }
}

/// The columns of a spread relation as they are.
fn items<'a>(plan: &ReadPlan<'a>) -> Vec<SpreadItem<'a>> {
    let own = plan.select.iter().map(|item| plain_item(item.name()));
    let of_embeds = plan.embeds.iter();
    own.chain(of_embeds.flat_map(|embed| seen_from_outside(embed.key, &embed.shape)))
        .collect()
}

/// The columns that an embed has for the query around the one that it is in.
fn seen_from_outside<'a>(key: &Ident, shape: &EmbedShape<'a>) -> Vec<SpreadItem<'a>> {
    match shape {
        EmbedShape::Object(Visibility::Hidden) | EmbedShape::Array(Visibility::Hidden) => vec![],
        EmbedShape::Object(_) | EmbedShape::Array(_) => vec![plain_item(key.clone())],
        EmbedShape::SpreadOne(items) | EmbedShape::SpreadMany(items) => {
            let names = items.iter().map(|item| plain_item(item.name.clone()));
            names.collect()
        }
    }
}

fn plain_item<'a>(name: Ident) -> SpreadItem<'a> {
    SpreadItem {
        name,
        aggregate: None,
        alias: None,
    }
}

/// # Errors
/// `PGRST127` for aggregates inside a relation that is spread into arrays.
pub(super) fn check_spread_aggregates(plan: &ReadPlan<'_>) -> Result<(), Error> {
    for embed in &plan.embeds {
        if matches!(embed.shape, EmbedShape::SpreadMany(_)) && embed.plan.is_aggregated() {
            let details = "Aggregates are not implemented for one-to-many or many-to-many spreads.";
            return Err(Error::NotImplemented {
                details: details.to_owned(),
            });
        }
        check_spread_aggregates(&embed.plan)?;
    }
    Ok(())
}

/// Two objects or arrays under one key are one to whoever reads the answer. (To PostgREST it is an
/// error of PostgreSQL, which its SQL makes.)
///
/// # Errors
/// `PGRST100` for the first key that is there twice.
pub(super) fn check_keys(plan: &ReadPlan<'_>) -> Result<(), Error> {
    let mut known = HashSet::new();
    for embed in &plan.embeds {
        let is_shown = matches!(
            embed.shape,
            EmbedShape::Object(Visibility::Shown) | EmbedShape::Array(Visibility::Shown)
        );
        if is_shown && plan.embeds.len() > 1 && !known.insert(embed.key) {
            let key = embed.key;
            return Err(Error::QueryParameter {
                message: format!("'{key}' is embedded more than once"),
                details: format!("Give one of them an alias, as in 'other_{key}:{key}(...)'"),
            });
        }
        check_keys(&embed.plan)?;
    }
    Ok(())
}
