//! The select list: which fields, under which keys, and what `*` stands for.
//!
//! `*` is left to PostgreSQL as long as it can be. It is written out as columns where each needs
//! something of its own: a function of its domain, a place in `GROUP BY`, or in an array of a
//! spread relation.

use super::field::{Columns, PlannedField, Represented, RowOrField};
use crate::request::ast::{Aggregate, Field, JsonOperand, SelectField};
use corerest_sql::{Ident, TypeName};
use std::borrow::Cow;

/// One item of the select list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedSelect<'a> {
    /// The field; the name `*` stands for all columns.
    pub field: PlannedField<'a>,
    /// The cast of the field.
    pub cast: Option<&'a TypeName>,
    /// The aggregate function over it.
    pub aggregate: Option<PlannedAggregate<'a>>,
    /// The key in the answer, where PostgreSQL would choose another.
    pub alias: Option<Cow<'a, Ident>>,
}

/// An aggregate function, and what becomes of its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedAggregate<'a> {
    /// The function.
    pub function: Aggregate,
    /// How the result is written, if it is a value of a domain that is written by a function.
    pub represented: Option<Represented<'a>>,
    /// The cast of the result.
    pub cast: Option<&'a TypeName>,
}

/// What is known of the place of a select list.
#[derive(Clone, Copy, Debug)]
pub(super) struct SelectPlace {
    /// Whether its items become items of the relation around it.
    pub(super) is_spread: bool,
    /// Whether aggregates, here or around it, make a column out of everything.
    pub(super) is_grouped: bool,
}

impl PlannedSelect<'_> {
    /// The name by which a query around this one finds the item.
    pub(super) fn name(&self) -> Ident {
        match &self.alias {
            Some(alias) => alias.clone().into_owned(),
            None => self.field.name.clone(),
        }
    }
}

/// Plans the fields of a relation.
pub(super) fn plan_select<'a>(
    columns: Columns<'a>,
    fields: impl Iterator<Item = &'a SelectField>,
    place: SelectPlace,
) -> Vec<PlannedSelect<'a>> {
    let fields: Vec<&SelectField> = fields.collect();
    let counts_rows =
        |item: &SelectField| place.is_spread && item.aggregate == Some(Aggregate::Count);
    let has_star =
        |item: &&SelectField| is_star(item) && (item.aggregate.is_none() || counts_rows(item));
    let is_written_out =
        fields.iter().any(has_star) && (place.is_grouped || columns.any_is_transformed());
    let mut select = Vec::with_capacity(fields.len());
    for item in fields {
        let is_star = is_written_out && is_star(item) && item.field.json_path.is_empty();
        if is_star && item.aggregate.is_none() {
            let all = columns.table.map_or(&[][..], |table| &table.columns);
            let each = all.iter().map(|column| columns.selected_column(column));
            select.extend(each.map(|field| plan_item(field, item, place)));
        } else {
            let row = if is_star && counts_rows(item) {
                RowOrField::Row
            } else {
                RowOrField::Field
            };
            let field = columns.selected(&item.field);
            let mut planned = plan_item(PlannedField { row, ..field }, item, place);
            if let Some(represented) = represented_after(columns, item) {
                represent_after(&mut planned, represented);
            }
            select.push(planned);
        }
    }
    select
}

fn is_star(item: &SelectField) -> bool {
    item.field.name.as_str() == "*"
}

fn plan_item<'a>(
    field: PlannedField<'a>,
    item: &'a SelectField,
    place: SelectPlace,
) -> PlannedSelect<'a> {
    PlannedSelect {
        alias: plan_alias(&field, item, place),
        field,
        cast: item.cast.as_ref(),
        aggregate: item.aggregate.map(|function| PlannedAggregate {
            function,
            represented: None,
            cast: item.aggregate_cast.as_ref(),
        }),
    }
}

/// Of values of a domain that is written by a function the value itself is the greatest, not what
/// it is written as; the result is written so again. What is counted, or cast before, stays as it
/// is written.
fn represented_after<'a>(columns: Columns<'a>, item: &'a SelectField) -> Option<Represented<'a>> {
    match item.aggregate? {
        Aggregate::Count => None,
        Aggregate::Sum | Aggregate::Avg | Aggregate::Max | Aggregate::Min => {
            let is_value = item.cast.is_none() && item.field.json_path.is_empty();
            columns.represented(&item.field).filter(|_| is_value)
        }
    }
}

fn represent_after<'a>(item: &mut PlannedSelect<'a>, represented: Represented<'a>) {
    item.field.transform = None;
    if let Some(aggregate) = &mut item.aggregate {
        aggregate.represented = Some(represented);
        // PostgreSQL would name it by the function around.
        let name = || Cow::Owned(Ident::before_nul(aggregate_name(aggregate.function)));
        item.alias.get_or_insert_with(name);
    }
}

/// The alias that the request gives, or what the answer must say where PostgreSQL would say
/// `?column?` or the name of a function.
fn plan_alias<'a>(
    field: &PlannedField<'a>,
    item: &'a SelectField,
    place: SelectPlace,
) -> Option<Cow<'a, Ident>> {
    match (&item.alias, item.aggregate) {
        (Some(alias), _) => Some(Cow::Borrowed(alias)),
        // The query around a spread relation must know the name.
        (None, Some(aggregate)) if place.is_spread => {
            Some(Cow::Owned(Ident::before_nul(aggregate_name(aggregate))))
        }
        (None, Some(_)) => None,
        (None, None) if !field.json_path.is_empty() => Some(json_path_alias(&item.field)),
        (None, None) => field.transform.map(|_| Cow::Borrowed(field.name)),
    }
}

fn aggregate_name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Sum => "sum",
        Aggregate::Avg => "avg",
        Aggregate::Max => "max",
        Aggregate::Min => "min",
        Aggregate::Count => "count",
    }
}

/// The last key of a JSON path.
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
