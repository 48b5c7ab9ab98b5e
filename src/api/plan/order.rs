//! The order of rows: by fields of their own, or of a relation that has one row for each. The order
//! of several terms is the request's.

use super::field::{Columns, PlannedField, RowOrField, ToJson};
use super::read_plan::{Embed, PlannedOrder};
use crate::error::Error;
use crate::request::ast::OrderTerm;
use corerest_sql::Ident;

/// Plans a term of the relation `origin` with these embeds.
///
/// # Errors
/// `PGRST108` for a relation that is not embedded, `PGRST118` for one with many rows.
pub(super) fn plan_order<'a>(
    columns: Columns<'a>,
    origin: &Ident,
    embeds: &[Embed<'a>],
    term: &'a OrderTerm,
) -> Result<PlannedOrder<'a>, Error> {
    let Some(relation) = &term.relation else {
        return Ok(planned(term, None, columns.plain(&term.field)));
    };
    let Some(index) = embeds.iter().position(|embed| embed.key == relation) else {
        return Err(Error::NotEmbedded {
            resource: relation.to_string(),
            alias: None,
        });
    };
    if !embeds[index].relationship.is_to_one() {
        return Err(Error::RelatedOrderNotToOne {
            origin: origin.to_string(),
            target: relation.to_string(),
        });
    }
    let field = PlannedField {
        name: &term.field.name,
        json_path: &term.field.json_path,
        to_json: ToJson::Unknown,
        to_tsvector: None,
        transform: None,
        row: RowOrField::Field,
    };
    Ok(planned(term, Some(index), field))
}

fn planned<'a>(
    term: &OrderTerm,
    embed: Option<usize>,
    field: PlannedField<'a>,
) -> PlannedOrder<'a> {
    PlannedOrder {
        embed,
        field,
        direction: term.direction,
        nulls: term.nulls,
    }
}
