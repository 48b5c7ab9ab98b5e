//! The plan of a write: which columns get what, of which rows, and what is read of them after.
//!
//! Source: PostgREST's documentation, `references/api/tables_views` and `preferences`.

use super::condition::{plan_filter, plan_logic};
use super::field::Columns;
use super::find_table;
use super::read_plan::{Condition, ReadPlan};
use crate::catalog::{Cardinality, Catalog, Column, Relationship, Table};
use crate::error::Error;
use crate::request::ast::{Filter, Negation, Operation, QuantifiedOperator};
use crate::request::payload::{Content, Element, Payload};
use crate::request::preferences::{
    MissingPreference, Preferences, RepresentationPreference, ResolutionPreference,
};
use crate::request::{ApiRequest, Mutation};
use corerest_sql::{CatalogSql, Ident, QualifiedName};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A write to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MutatePlan<'a> {
    /// The table.
    pub table: &'a QualifiedName,
    /// What is done to it.
    pub change: Change<'a>,
    /// What is known of the rows after: nothing but their number, or these columns.
    pub returning: BTreeSet<&'a Ident>,
}

/// What is done to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// New rows, or one that may be there already.
    Insert {
        /// What the rows get.
        values: Values<'a>,
        /// What happens to rows that are there already.
        conflict: Option<Conflict<'a>>,
        /// What the new row must fulfil, or nothing is written: the key that a PUT names.
        conditions: Vec<Condition<'a>>,
        /// Whether the answer depends on how many rows were new.
        counts_new: bool,
    },
    /// Other values in rows that are there.
    Update {
        /// What the rows get.
        values: Values<'a>,
        /// Which rows.
        conditions: Vec<Condition<'a>>,
    },
    /// No rows.
    Delete {
        /// Which rows.
        conditions: Vec<Condition<'a>>,
    },
}

/// Values from the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Values<'a> {
    /// The columns, in the order of their names.
    pub columns: Vec<WrittenColumn<'a>>,
    /// The body.
    pub content: &'a Content<'a>,
    /// What a column gets that an object of the body has not.
    pub missing: MissingPreference,
}

/// A column that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenColumn<'a> {
    /// Its name.
    pub name: &'a Ident,
    /// Its type.
    pub data_type: &'a CatalogSql,
    /// The function of its domain that reads JSON.
    pub transform: Option<&'a CatalogSql>,
    /// Its default.
    pub default: Option<&'a CatalogSql>,
}

/// What happens to rows that are there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict<'a> {
    /// The columns that tell whether they are.
    pub columns: Vec<&'a Ident>,
    /// Whether they get the new values.
    pub resolution: ResolutionPreference,
}

/// Plans a write, whose rows are read by `read` after.
///
/// # Errors
/// `PGRST204` for a column that is not there, `PGRST105` for the filters of a PUT that are not
/// its primary key.
pub(crate) fn plan_mutate<'a>(
    catalog: &'a Catalog,
    request: &'a ApiRequest<'_>,
    table: &'a Table,
    mutation: Mutation,
    read: &ReadPlan<'a>,
) -> Result<MutatePlan<'a>, Error> {
    let columns = Columns {
        catalog,
        table: Some(table),
    };
    let change = match mutation {
        Mutation::Create => plan_insert(catalog, request, table)?,
        Mutation::SingleUpsert => plan_single_upsert(columns, catalog, request, table)?,
        Mutation::Update => Change::Update {
            values: plan_values(catalog, request, table)?,
            conditions: plan_conditions(columns, request)?,
        },
        Mutation::Delete => Change::Delete {
            conditions: plan_conditions(columns, request)?,
        },
    };
    let returning = match request.preferences.representation {
        None | Some(RepresentationPreference::Minimal) => BTreeSet::new(),
        Some(RepresentationPreference::HeadersOnly) => columns_needed(read, &table.primary_key),
        Some(RepresentationPreference::Full) => {
            let mut needed = columns_needed(read, &table.primary_key);
            if !is_everything(&needed) {
                needed.extend(columns_ordered(read));
            }
            needed
        }
    };
    Ok(MutatePlan {
        table: &table.name,
        change,
        returning,
    })
}

impl Change<'_> {
    /// Whether it is known after how many rows were new.
    pub(crate) fn counts_new(&self) -> bool {
        matches!(
            self,
            Change::Insert {
                counts_new: true,
                ..
            }
        )
    }
}

fn plan_insert<'a>(
    catalog: &'a Catalog,
    request: &'a ApiRequest<'_>,
    table: &'a Table,
) -> Result<Change<'a>, Error> {
    let resolution = request.preferences.resolution;
    let columns: Vec<&Ident> = match &request.query.on_conflict {
        Some(columns) => columns.iter().collect(),
        None => table.primary_key.iter().collect(),
    };
    let conflict = resolution
        .filter(|_| !columns.is_empty())
        .map(|resolution| Conflict {
            columns,
            resolution,
        });
    Ok(Change::Insert {
        values: plan_values(catalog, request, table)?,
        conflict,
        conditions: Vec::new(),
        counts_new: resolution == Some(ResolutionPreference::MergeDuplicates),
    })
}

fn plan_single_upsert<'a>(
    columns: Columns<'a>,
    catalog: &'a Catalog,
    request: &'a ApiRequest<'_>,
    table: &'a Table,
) -> Result<Change<'a>, Error> {
    let key: BTreeSet<&str> = table.primary_key.iter().map(Ident::as_str).collect();
    let query = &request.query;
    let filtered: BTreeSet<&str> = query.filter_keys.iter().map(String::as_str).collect();
    let of_root = query.filters.iter().filter(|at| at.path.is_empty());
    let mut filters = of_root.clone().map(|at| &at.item);
    if !query.logic.is_empty() || key.is_empty() || filtered != key || !filters.all(is_equality) {
        return Err(Error::PutFilters);
    }
    let values = Values {
        missing: MissingPreference::Null,
        ..plan_values(catalog, request, table)?
    };
    Ok(Change::Insert {
        values,
        conflict: Some(Conflict {
            columns: table.primary_key.iter().collect(),
            resolution: ResolutionPreference::MergeDuplicates,
        }),
        conditions: of_root
            .map(|at| plan_filter(columns, &[], &at.item))
            .collect(),
        counts_new: true,
    })
}

fn is_equality(filter: &Filter) -> bool {
    filter.negation == Negation::Plain
        && matches!(
            filter.operation,
            Operation::Quantified(QuantifiedOperator::Equal, None, _)
        )
}

fn plan_values<'a>(
    catalog: &'a Catalog,
    request: &'a ApiRequest<'_>,
    table: &'a Table,
) -> Result<Values<'a>, Error> {
    let Payload { content, columns } = request
        .payload
        .as_ref()
        .expect("inserts and updates have a payload, or were refused");
    let columns = columns.iter().map(|name| plan_column(catalog, table, name));
    Ok(Values {
        columns: columns.collect::<Result<_, _>>()?,
        content,
        missing: request
            .preferences
            .missing
            .unwrap_or(MissingPreference::Null),
    })
}

fn plan_column<'a>(
    catalog: &'a Catalog,
    table: &'a Table,
    name: &Ident,
) -> Result<WrittenColumn<'a>, Error> {
    let column: &Column = table
        .column(name.as_str())
        .ok_or_else(|| Error::ColumnNotFound {
            relation: table.name.name.to_string(),
            column: name.to_string(),
        })?;
    Ok(WrittenColumn {
        name: &column.name,
        data_type: &column.nominal_type,
        transform: catalog.representation("json", column.nominal_type.as_str()),
        default: column.default.as_ref(),
    })
}

/// What the elements of an array for each column say. `None` if a column cannot be read from one:
/// its type has arrays or rows as values, or commas in them, or is not known to have none; or
/// something else than the type says what the value is.
pub(crate) fn plan_arrays(
    catalog: &Catalog,
    name: &QualifiedName,
    columns: &BTreeSet<Ident>,
    preferences: &Preferences,
) -> Option<Vec<(Ident, Element)>> {
    if preferences.missing == Some(MissingPreference::Default) {
        return None;
    }
    let table = find_table(catalog, name).ok()?;
    let elements = columns.iter().map(|name| {
        let column = table.column(name.as_str())?;
        let declared = column.nominal_type.as_str();
        let is_plain = column.data_type.as_str() == declared
            && catalog.representation("json", declared).is_none();
        let element = match column.enum_labels.is_empty() {
            true => element_of(declared)?,
            false => Element::Text,
        };
        is_plain.then(|| (name.clone(), element))
    });
    elements.collect()
}

/// What an element says of a value of this type, as `format_type` prints it.
fn element_of(declared: &str) -> Option<Element> {
    // As in `timestamp(3) with time zone`.
    let without_limits = match (declared.split_once('('), declared.split_once(')')) {
        (Some((name, _)), Some((_, rest))) => Cow::Owned([name, rest].concat()),
        _ => Cow::Borrowed(declared),
    };
    match &*without_limits {
        "json" | "jsonb" => Some(Element::Json),
        "bigint"
        | "boolean"
        | "bytea"
        | "character"
        | "character varying"
        | "cidr"
        | "date"
        | "double precision"
        | "inet"
        | "integer"
        | "interval"
        | "macaddr"
        | "numeric"
        | "real"
        | "smallint"
        | "text"
        | "time with time zone"
        | "time without time zone"
        | "timestamp with time zone"
        | "timestamp without time zone"
        | "uuid" => Some(Element::Text),
        _ => None,
    }
}

/// The filters of the table itself. Those of embedded relations choose what is shown after. Whoever
/// wants to change some rows, and says it wrongly, must not change all of them.
fn plan_conditions<'a>(
    columns: Columns<'a>,
    request: &'a ApiRequest<'_>,
) -> Result<Vec<Condition<'a>>, Error> {
    let query = &request.query;
    let mut wrong = query.wrong_if_there.iter();
    if let Some((_, error)) = wrong.find(|(name, _)| columns.has(name)) {
        return Err(error.clone());
    }
    let if_there = query.filters_if_there.iter();
    let if_there = if_there.filter(|at| columns.has(&at.item.field.name));
    let filters = query.filters.iter().chain(if_there);
    let filters = filters.filter(|at| at.path.is_empty());
    let filters = filters.map(|at| plan_filter(columns, &[], &at.item));
    // Parity: a tree that names an embedded relation decides here, too (`mutatePlan`).
    let logic = query.logic.iter();
    let logic = logic.map(|at| plan_logic(columns, &[], &at.item));
    Ok(filters.chain(logic).collect())
}

/// The columns without which the answer could not be read from what was written: those selected,
/// those that embedded relations are joined by, and the primary key.
///
/// A column must not stand there twice, or its name would be ambiguous after; with `*` everything
/// is there already, and what a computed relationship needs is known to its function only.
pub(super) fn columns_needed<'a>(
    read: &ReadPlan<'a>,
    primary_key: &'a [Ident],
) -> BTreeSet<&'a Ident> {
    let selected = read.select.iter().map(|item| item.field.name);
    let joined = read
        .embeds
        .iter()
        .flat_map(|embed| joined_by(embed.relationship));
    let mut needed: BTreeSet<&Ident> = selected.chain(joined).chain(primary_key).collect();
    let is_computed =
        |relationship: &Relationship| matches!(relationship, Relationship::Computed(_));
    if is_everything(&needed)
        || read
            .embeds
            .iter()
            .any(|embed| is_computed(embed.relationship))
    {
        needed.retain(|name| name.as_str() == "*");
        needed.insert(&ALL_COLUMNS);
    }
    needed
}

/// Whether all columns are there.
pub(super) fn is_everything(columns: &BTreeSet<&Ident>) -> bool {
    columns.iter().any(|name| name.as_str() == "*")
}

/// The columns by which the rows themselves are ordered. `*` is all that are there.
pub(super) fn columns_ordered<'a>(read: &ReadPlan<'a>) -> impl Iterator<Item = &'a Ident> {
    let own = read.order.iter().filter(|term| term.embed.is_none());
    let names = own.map(|term| term.field.name);
    names.filter(|name| name.as_str() != "*")
}

static ALL_COLUMNS: std::sync::LazyLock<Ident> =
    std::sync::LazyLock::new(|| Ident::before_nul("*"));

fn joined_by(relationship: &Relationship) -> Vec<&Ident> {
    let Relationship::Detected(detected) = relationship else {
        return Vec::new();
    };
    let columns = match &detected.cardinality {
        Cardinality::OneToMany { columns, .. }
        | Cardinality::ManyToOne { columns, .. }
        | Cardinality::OneToOne { columns, .. } => columns,
        Cardinality::ManyToMany(junction) => &junction.source_columns,
    };
    columns.iter().map(|(ours, _)| ours).collect()
}
