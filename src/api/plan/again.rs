//! The rows of a read a second time in one statement, under other names.
//!
//! PostgreSQL tells two relations of one name apart by numbers in execution plans, and gives them
//! in an order of its own: a relation that PostgREST's plans call `pests_1` would be `pests_1_1`
//! beside a condition on it that has this name, too.

use super::read_plan::{Embed, JoinedColumns, JoinedTable, ReadPlan, Source};
use super::short_name::short_name;
use corerest_sql::Ident;
use std::borrow::Cow;

/// Names of the read, each with the one that it has in the copy.
type Renamed = Vec<(Ident, Ident)>;

/// The plan of the same rows of an embedded relation, of which nothing is selected, without a name
/// of the original. The relation around both keeps its own.
pub(crate) fn again<'a>(plan: &ReadPlan<'a>) -> ReadPlan<'a> {
    renamed(plan, &mut Renamed::new())
}

/// `around` are the names that a relation inside may refer to, the innermost last.
fn renamed<'a>(plan: &ReadPlan<'a>, around: &mut Renamed) -> ReadPlan<'a> {
    let mut from = plan.from.clone();
    if let Source::Function { argument, .. } = &mut from {
        *argument = name_in_copy(argument, around);
    }
    let depth = around.len();
    let name = Cow::Owned(add(&plan.name, around));
    let junction = plan.junction.as_ref().map(|junction| JoinedTable {
        table: junction.table,
        name: Cow::Owned(add(&junction.name, around)),
    });
    let joined = plan.joined.iter().map(|joined| JoinedColumns {
        column: (name_in_copy(&joined.column.0, around), joined.column.1),
        equals: (name_in_copy(&joined.equals.0, around), joined.equals.1),
    });
    let joined = joined.collect();
    let embeds = plan.embeds.iter().map(|embed| Embed {
        plan: renamed(&embed.plan, around),
        ..embed.clone()
    });
    let embeds = embeds.collect();
    around.truncate(depth);
    ReadPlan {
        from,
        name,
        junction,
        joined,
        select: Vec::new(),
        conditions: plan.conditions.clone(),
        order: Vec::new(),
        range: plan.range,
        embeds,
    }
}

fn add(name: &Ident, around: &mut Renamed) -> Ident {
    let index = around.len();
    let other = short_name(format!("{name}_exists"), || format!("exists_{index}"));
    around.push((name.clone(), other.clone()));
    other
}

fn name_in_copy(name: &Ident, around: &Renamed) -> Ident {
    let mut inside_out = around.iter().rev();
    let renamed = inside_out.find(|(original, _)| original == name);
    renamed.map_or_else(|| name.clone(), |(_, other)| other.clone())
}
