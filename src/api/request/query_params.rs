//! The parameters of the query string, sorted into what they are for.
//!
//! ```text
//! select, columns, on_conflict                reserved; the first one counts
//! (path ".")* ("order" | "limit" | "offset" | "and" | "or")
//! anything else                               a filter, or an argument of a function
//! ```
//! A parameter without `=` is as good as absent.
//!
//! Columns may have these names, too: in quotes (`"order"=eq.1`) they are always meant, and without
//! them by a value that is a condition and makes no sense otherwise. PostgREST refuses such a
//! `select`, `order`, `and` and `or`. A `limit` and `offset` that are no numbers it ignores, so
//! these two are filters only if the relation has such a column, which is not known here. So are
//! `columns` and `on_conflict` where they count for nothing: in all requests but those that write
//! or call with a body of JSON, and insert; and all but the first of them.
//!
//! Errors are found in PostgREST's order: order, logic, columns, select, filters, on_conflict.

use super::ast::{At, EmbedPath, Filter, LogicTree, OrderTerm, SelectItem};
use super::filter::{FilterPlace, condition};
use super::parse_error::ParseError;
use super::parse_log::Silent;
use super::parser::{self, Parsed, Parser};
use super::query_string::{Pair, canonical, parse_pairs};
use super::range::{Range, is_number, parse_limit_and_offset};
use super::{field, logic, order, select};
use crate::error::Error;
use corerest_sql::Ident;
use std::collections::BTreeSet;

/// What the query string asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryParams {
    /// The columns and relations of the answer. Without `select=` all columns; `select=` with an
    /// empty value is empty.
    pub select: Vec<SelectItem>,
    /// The filters, with the embedded relation they are on.
    pub filters: Vec<At<Filter>>,
    /// What are filters if the relation has columns called `limit` and `offset`, or `columns` and
    /// `on_conflict`, for what these count for nothing.
    pub filters_if_there: Vec<At<Filter>>,
    /// What is wrong with such filters, by the columns that they would be on.
    pub wrong_if_there: Vec<(Ident, Error)>,
    /// What may be such filters, too, in a request in which `columns` or `on_conflict` count for
    /// nothing.
    unless_counting: Vec<(&'static str, String)>,
    /// The keys of all filters and arguments as they were written, for `PUT`.
    pub filter_keys: Vec<String>,
    /// `and=` and `or=`.
    pub logic: Vec<At<LogicTree>>,
    /// The parameters `order=`, each with its terms.
    pub order: Vec<At<Vec<OrderTerm>>>,
    /// What `limit=` and `offset=` say about the rows of the request itself.
    pub limit: Option<Range>,
    /// The same for embedded relations.
    pub embedded_ranges: Vec<At<Range>>,
    /// The arguments of a function that is read.
    pub arguments: Vec<(Ident, String)>,
    /// `columns=`
    pub columns: Option<BTreeSet<Ident>>,
    /// `on_conflict=`
    pub on_conflict: Option<Vec<Ident>>,
    /// The parameters sorted by key and escaped anew, for `Content-Location`.
    pub canonical: String,
}

/// What a parameter is that has no operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterStyle {
    /// An error.
    OperatorNeeded,
    /// An argument, in a read of a function.
    OrArgument,
}

impl QueryParams {
    /// Parses a query string, without its `?`.
    ///
    /// # Errors
    /// `PGRST100` with the words of PostgREST's parser, or that there are bytes that are no UTF-8.
    pub(crate) fn parse(style: FilterStyle, query: &str) -> Result<QueryParams, Error> {
        let pairs = parse_pairs(query).map_err(|text| text.refused("query string"))?;
        let mut filters = Vec::new();
        let order = unless_filters(of_kind(&pairs, Kind::Order), &mut filters, parse_order)?;
        let logic = unless_filters(of_kind(&pairs, Kind::Logic), &mut filters, parse_logic)?;
        let columns = reserved(&pairs, "columns").map(parse_columns).transpose()?;
        // The first one counts. What is no selection in the others is a filter all the same.
        let others = pairs.iter().filter(|pair| pair.key == "select").skip(1);
        let others = others.filter_map(|pair| Some(("select", pair.value.as_deref()?)));
        let no_selections = others.filter(|(_, value)| parse_select(value).is_err());
        filters.extend(no_selections.filter_map(filter_for_name));
        let select = reserved(&pairs, "select").map(|value| ("select", value));
        let parse_selected = |(_, value): (&str, &str)| parse_select(value);
        let select = unless_filters(select.into_iter(), &mut filters, parse_selected)?.pop();
        let select = select.map_or_else(|| parse_select("*"), Ok)?;
        let mut arguments = Vec::new();
        let mut filter_keys = Vec::new();
        for (key, value) in of_kind(&pairs, Kind::Filter) {
            match parse_filter(style, key, value)? {
                FilterOrArgument::Filter(filter) => filters.push(filter),
                FilterOrArgument::Argument(name) => arguments.push((name, value.to_owned())),
            }
            filter_keys.push(key.to_owned());
        }
        let on_conflict = reserved(&pairs, "on_conflict")
            .map(parse_on_conflict)
            .transpose()?;
        let (limit, embedded_ranges) = parse_ranges(&pairs)?;
        let ranges = of_kind(&pairs, Kind::Limit).chain(of_kind(&pairs, Kind::Offset));
        let no_numbers = ranges.filter(|(_, value)| !is_number(value));
        let mut if_there: Vec<_> = no_numbers.map(perhaps).collect();
        let mut unless_counting = Vec::new();
        for name in ["columns", "on_conflict"] {
            let mut values = pairs.iter().filter(|pair| pair.key == name);
            let first = values.next().and_then(|pair| pair.value.as_deref());
            unless_counting.extend(first.map(|value| (name, value.to_owned())));
            let others = values.filter_map(|pair| pair.value.as_deref());
            if_there.extend(others.map(|value| perhaps((name, value))));
        }
        let canonical = canonical(query);
        let mut query = QueryParams {
            select,
            filters,
            filters_if_there: Vec::new(),
            wrong_if_there: Vec::new(),
            unless_counting,
            filter_keys,
            logic,
            order,
            limit,
            embedded_ranges,
            arguments,
            columns,
            on_conflict,
            canonical,
        };
        query.add_if_there(if_there);
        Ok(query)
    }

    /// Of `columns` and `on_conflict`, those that this does not say to count are filters if there
    /// are such columns.
    pub(super) fn free(&mut self, counts: impl Fn(&str) -> bool) {
        let found = std::mem::take(&mut self.unless_counting);
        let free = found.iter().filter(|(name, _)| !counts(name));
        self.add_if_there(free.map(|(name, value)| perhaps((name, value))));
    }

    fn add_if_there(
        &mut self,
        found: impl IntoIterator<Item = (Ident, Result<At<Filter>, Error>)>,
    ) {
        for (name, filter) in found {
            match filter {
                Ok(filter) => self.filters_if_there.push(filter),
                Err(error) => self.wrong_if_there.push((name, error)),
            }
        }
    }
}

/// What the last word of a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reserved,
    Order,
    Limit,
    Offset,
    Logic,
    Filter,
}

fn kind(key: &str) -> Kind {
    match key {
        "select" | "columns" | "on_conflict" => Kind::Reserved,
        _ => match last_word(key) {
            "order" => Kind::Order,
            "limit" => Kind::Limit,
            "offset" => Kind::Offset,
            "and" | "or" => Kind::Logic,
            _ => Kind::Filter,
        },
    }
}

fn last_word(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn of_kind<'p>(pairs: &'p [Pair<'_>], wanted: Kind) -> impl Iterator<Item = (&'p str, &'p str)> {
    pairs
        .iter()
        .filter_map(|pair| pair.value.as_deref().map(|value| (&*pair.key, value)))
        .filter(move |(key, _)| kind(key) == wanted)
}

/// The value of the first parameter of that name; none if that one has no value.
fn reserved<'p>(pairs: &'p [Pair<'_>], name: &str) -> Option<&'p str> {
    pairs.iter().find(|pair| pair.key == name)?.value.as_deref()
}

/// Parses `text` and reports an error as one of `shown`.
fn parse<'a, T>(
    what: &str,
    shown: &str,
    text: &'a str,
    fast: impl FnOnce(&mut Parser<'a, Silent>) -> Parsed<T>,
    faithful: impl FnOnce(&mut Parser<'a, ParseError>) -> Parsed<T>,
) -> Result<T, Error> {
    parser::run(text, fast, faithful).map_err(|error| {
        let (line, column) = error.position(text);
        Error::QueryParameter {
            message: format!("\"failed to parse {what} ({shown})\" (line {line}, column {column})"),
            details: error.details(),
        }
    })
}

fn parse_path(key: &str) -> Result<(EmbedPath, super::ast::Field), Error> {
    parse("tree path", key, key, field::tree_path, field::tree_path)
}

fn parse_order((key, value): (&str, &str)) -> Result<At<Vec<OrderTerm>>, Error> {
    let (path, _) = parse_path(key)?;
    let item = parse("order", value, value, order::order, order::order)?;
    Ok(At { path, item })
}

/// The operator of the key is put before the value, so that both are one text for the grammar;
/// the positions in its errors count from there.
fn parse_logic((key, value): (&str, &str)) -> Result<At<LogicTree>, Error> {
    let (path, operator) = parse("logic path", key, key, logic::path, logic::path)?;
    let text = format!("{operator}{value}");
    let item = parse("logic tree", value, &text, logic::tree, logic::tree)?;
    Ok(At { path, item })
}

fn parse_columns(value: &str) -> Result<BTreeSet<Ident>, Error> {
    let names = parse(
        "columns parameter",
        value,
        value,
        order::names,
        order::names,
    )?;
    Ok(names.into_iter().collect())
}

fn parse_on_conflict(value: &str) -> Result<Vec<Ident>, Error> {
    parse(
        "on_conflict parameter",
        value,
        value,
        order::names,
        order::names,
    )
}

fn parse_select(value: &str) -> Result<Vec<SelectItem>, Error> {
    parse(
        "select parameter",
        value,
        value,
        select::forest,
        select::forest,
    )
}

enum FilterOrArgument {
    Filter(At<Filter>),
    Argument(Ident),
}

fn parse_filter(style: FilterStyle, key: &str, value: &str) -> Result<FilterOrArgument, Error> {
    let (path, field) = parse_path(key)?;
    let condition = match style {
        FilterStyle::OperatorNeeded => Some(parse(
            "filter",
            value,
            value,
            |p| condition(p, FilterPlace::Parameter),
            |p| condition(p, FilterPlace::Parameter),
        )?),
        FilterStyle::OrArgument => parse(
            "filter",
            value,
            value,
            |p| p.option(|p| condition(p, FilterPlace::Parameter)),
            |p| p.option(|p| condition(p, FilterPlace::Parameter)),
        )?,
    };
    Ok(match condition {
        Some((negation, operation)) => FilterOrArgument::Filter(At {
            path,
            item: Filter {
                field,
                negation,
                operation,
            },
        }),
        None => FilterOrArgument::Argument(field.name),
    })
}

/// What the parameters are, or else the filters that they are instead.
fn unless_filters<'p, T>(
    parameters: impl Iterator<Item = (&'p str, &'p str)>,
    filters: &mut Vec<At<Filter>>,
    parse: impl Fn((&'p str, &'p str)) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut parsed = Vec::new();
    for parameter in parameters {
        match parse(parameter) {
            Ok(item) => parsed.push(item),
            Err(error) => filters.push(filter_for_name(parameter).ok_or(error)?),
        }
    }
    Ok(parsed)
}

/// A filter on a column that is called like a parameter.
fn filter_for_name(parameter: (&str, &str)) -> Option<At<Filter>> {
    perhaps(parameter).1.ok()
}

/// A filter, or why it is none, and the name of the column that it would be on.
fn perhaps((key, value): (&str, &str)) -> (Ident, Result<At<Filter>, Error>) {
    let filter = parse_filter(FilterStyle::OperatorNeeded, key, value);
    let filter = filter.map(|filter| match filter {
        FilterOrArgument::Filter(filter) => filter,
        FilterOrArgument::Argument(_) => unreachable!("an operator was needed"),
    });
    (Ident::before_nul(key), filter)
}

/// The ranges of all levels. A limit and an offset belong together if the rest of their keys is
/// the same text; of several, the last one counts.
fn parse_ranges(pairs: &[Pair<'_>]) -> Result<(Option<Range>, Vec<At<Range>>), Error> {
    let mut levels: Vec<(&str, Option<&str>, Option<&str>)> = Vec::new();
    for (wanted, pick) in [(Kind::Limit, 0), (Kind::Offset, 1)] {
        for (key, value) in of_kind(pairs, wanted) {
            let level = &key[..key.len() - last_word(key).len()];
            let at = levels.iter().position(|(known, ..)| *known == level);
            let at = at.unwrap_or_else(|| {
                levels.push((level, None, None));
                levels.len() - 1
            });
            match pick {
                0 => levels[at].1 = Some(value),
                _ => levels[at].2 = Some(value),
            }
        }
    }
    let mut own = None;
    let mut embedded = Vec::new();
    for (level, limit, offset) in levels {
        let Some(item) = parse_limit_and_offset(limit, offset) else {
            continue;
        };
        if level.is_empty() {
            own = Some(item);
        } else {
            let (path, _) = parse_path(&format!("{level}limit"))?;
            embedded.push(At { path, item });
        }
    }
    Ok((own, embedded))
}

#[cfg(test)]
mod tests;
