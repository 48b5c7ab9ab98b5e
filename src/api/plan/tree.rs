//! The tree of `select=`, with everything else that the request says about each of its nodes.
//!
//! Filters, orders and limits come with the path of the relation they are for, as in
//! `?projects.tasks.order=name`. Here they are brought to their nodes, and what belongs to none
//! is refused; relationships are found after that, as PostgREST does it, so that the same request
//! gets the same one of several errors.
//!
//! Parity: a relation that a parameter calls moves to the front of its siblings (`updateNode` in
//! PostgREST's Plan.hs). There the next parameter finds it first, if both of two relations may be
//! called so; and there it is in the answer, as clients see it in the columns of CSV. Nothing is
//! moved here while parameters are brought to their nodes: a child remembers when it was called.

use crate::error::{Error, TargetAlias};
use crate::request::ast::{
    At, Filter, LogicTree, OrderTerm, SelectField, SelectItem, SelectRelation,
};
use crate::request::query_params::QueryParams;
use crate::request::range::Range;
use corerest_sql::Ident;
use std::cmp::Reverse;
use std::collections::HashMap;

/// A relation of the request.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) select: &'a [SelectItem],
    pub(super) filters: Vec<&'a Filter>,
    /// Those that are none if the relation has no such column.
    pub(super) filters_if_there: Vec<&'a Filter>,
    pub(super) logic: Vec<&'a LogicTree>,
    pub(super) order: Option<&'a [OrderTerm]>,
    pub(super) range: Range,
    pub(super) children: Vec<Child<'a>>,
    /// The foremost child that a name may call, if there are so many that looking for it takes
    /// long.
    places: Option<HashMap<&'a Ident, usize>>,
    /// How often parameters have called a child.
    calls: usize,
}

/// So many children are looked through in less time than their names are hashed.
const FEW: usize = 16;

/// A relation inside another one.
#[derive(Debug)]
pub(super) struct Child<'a> {
    pub(super) relation: &'a SelectRelation,
    pub(super) is_spread: bool,
    /// Whether a parameter called it by the relation although it has an alias.
    called_by_relation: bool,
    /// Which of its parent's calls was the last one of it; none is 0.
    last_call: usize,
    pub(super) node: Node<'a>,
}

/// Which parameters the root takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RootParameters {
    /// All of them.
    All,
    /// Those that decide what a write changes are the write's own, and limits mean nothing to
    /// it; relations inside have filters and orders, but no limits either.
    OfWrite,
}

/// By which names parameters may call an embedded relation: `url-use-legacy-target-names`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetNames {
    /// By its alias, or by its own name even if it has an alias.
    Legacy,
    /// By its alias if it has one, and else by its own name.
    AliasFirst,
}

impl<'a> Node<'a> {
    /// The tree of a request.
    ///
    /// # Errors
    /// `PGRST108` for a parameter of a relation that is not embedded.
    pub(super) fn of_request(
        query: &'a QueryParams,
        range: Range,
        parameters: RootParameters,
        names: TargetNames,
    ) -> Result<Node<'a>, Error> {
        let mut root = Node::new(&query.select);
        let counts = |path: &[Ident]| parameters == RootParameters::All || !path.is_empty();
        // Parity: PostgREST goes from the last parameter to the first, so the last that fits
        // nowhere is the one that is told.
        for At { path, item } in query.filters.iter().rev().filter(|at| counts(&at.path)) {
            root.descend(path, names)?.filters.push(item);
        }
        let if_there = query.filters_if_there.iter().rev();
        for At { path, item } in if_there.filter(|at| counts(&at.path)) {
            // PostgREST ignores them in writes, which are of all rows then.
            root.descend(path, names)?.filters_if_there.push(item);
        }
        for At { path, item } in query.order.iter().rev() {
            root.descend(path, names)?.order = Some(item);
        }
        if parameters == RootParameters::All {
            root.range = range;
            // PostgREST takes them in the order of a hash map. Taken like the others, they leave
            // relations that are limited and nothing else in the order of the request.
            for At { path, item } in query.embedded_ranges.iter().rev() {
                root.descend(path, names)?.range = *item;
            }
        }
        for At { path, item } in query.logic.iter().rev().filter(|at| counts(&at.path)) {
            root.descend(path, names)?.logic.push(item);
        }
        root.finish();
        Ok(root)
    }

    fn new(select: &'a [SelectItem]) -> Node<'a> {
        let children = select.iter().filter_map(|item| match item {
            SelectItem::Field(_) => None,
            SelectItem::Relation(relation) => Some(Child::new(relation, false)),
            SelectItem::Spread(relation) => Some(Child::new(relation, true)),
        });
        Node {
            select,
            filters: Vec::new(),
            filters_if_there: Vec::new(),
            logic: Vec::new(),
            order: None,
            range: Range::ALL,
            children: children.collect(),
            places: None,
            calls: 0,
        }
    }

    /// The fields among the selected items.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'a SelectField> {
        self.select.iter().filter_map(|item| match item {
            SelectItem::Field(field) => Some(field),
            SelectItem::Relation(_) | SelectItem::Spread(_) => None,
        })
    }

    /// The relations that were called by a deprecated name: that name, and the alias.
    pub(super) fn deprecated_names(&self) -> Vec<(&'a Ident, &'a Ident)> {
        let mut found = Vec::new();
        for child in &self.children {
            if let (true, Some(alias)) = (child.called_by_relation, &child.relation.alias) {
                found.push((&child.relation.relation, alias));
            }
            found.extend(child.node.deprecated_names());
        }
        found
    }

    fn descend(&mut self, path: &[Ident], names: TargetNames) -> Result<&mut Node<'a>, Error> {
        let Some((name, rest)) = path.split_first() else {
            return Ok(self);
        };
        let Some(index) = self.place_of(name, names) else {
            return Err(self.not_embedded(name, names));
        };
        self.calls += 1;
        let child = &mut self.children[index];
        child.last_call = self.calls;
        if let Some(places) = &mut self.places {
            places.extend(child.names(names).map(|name| (name, index)));
        }
        child.called_by_relation |= child.is_aliased_but_called(name);
        child.node.descend(rest, names)
    }

    fn place_of(&mut self, name: &Ident, names: TargetNames) -> Option<usize> {
        if self.children.len() <= FEW {
            let children = self.children.iter().enumerate();
            let called = children.filter(|(_, child)| child.is_called(name, names));
            let foremost = called.min_by_key(|(_, child)| Reverse(child.last_call));
            return foremost.map(|(place, _)| place);
        }
        let children = &self.children;
        let places = self.places.get_or_insert_with(|| {
            let mut places = HashMap::new();
            for (place, child) in children.iter().enumerate() {
                for name in child.names(names) {
                    places.entry(name).or_insert(place);
                }
            }
            places
        });
        places.get(name).copied()
    }

    fn not_embedded(&self, name: &Ident, names: TargetNames) -> Error {
        let by_relation = self.children.iter().filter(|child| match names {
            TargetNames::Legacy => false,
            TargetNames::AliasFirst => child.is_called(name, TargetNames::Legacy),
        });
        let foremost = by_relation.min_by_key(|child| Reverse(child.last_call));
        let alias = foremost.map(|child| TargetAlias {
            name: child.relation.relation.to_string(),
            alias: child
                .relation
                .alias
                .as_ref()
                .map_or("", Ident::as_str)
                .to_owned(),
        });
        Error::NotEmbedded {
            resource: name.to_string(),
            alias,
        }
    }

    /// Filters are as the request has them, and relations in the order of their last calls.
    fn finish(&mut self) {
        self.filters.reverse();
        self.filters_if_there.reverse();
        self.logic.reverse();
        if self.calls > 0 {
            self.children.sort_by_key(|child| Reverse(child.last_call));
        }
        for child in &mut self.children {
            child.node.finish();
        }
    }
}

impl<'a> Child<'a> {
    fn new(relation: &'a SelectRelation, is_spread: bool) -> Child<'a> {
        Child {
            relation,
            is_spread,
            called_by_relation: false,
            last_call: 0,
            node: Node::new(&relation.select),
        }
    }

    /// Its key in the answer.
    pub(super) fn key(&self) -> &'a Ident {
        self.relation
            .alias
            .as_ref()
            .unwrap_or(&self.relation.relation)
    }

    fn is_called(&self, name: &Ident, names: TargetNames) -> bool {
        self.names(names).any(|own| own == name)
    }

    /// The names by which it may be called.
    fn names(&self, names: TargetNames) -> impl Iterator<Item = &'a Ident> + use<'a> {
        let relation = Some(&self.relation.relation);
        let (first, second) = match names {
            TargetNames::Legacy => (relation, self.relation.alias.as_ref()),
            TargetNames::AliasFirst => (Some(self.key()), None),
        };
        first.into_iter().chain(second)
    }

    fn is_aliased_but_called(&self, name: &Ident) -> bool {
        let alias = self.relation.alias.as_ref();
        self.relation.relation == *name && alias.is_some_and(|alias| alias != name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Child, Node, RootParameters, TargetNames};
    use crate::request::ast::Operation;
    use crate::request::query_params::{FilterStyle, QueryParams};
    use crate::request::range::Range;

    /// The tree of `x:a,a,y:a,a:b` and others, with these parameters: the first four children in
    /// their order, each with the values of its filters, and those of the others that have some.
    #[track_caller]
    fn check(others: usize, names: TargetNames, parameters: &str, expected: Option<&str>) {
        let others: String = (0..others).map(|index| format!(",o{index}(id)")).collect();
        let query = format!("select=x:a(id),a(id),y:a(id),a:b(id){others}&{parameters}");
        let query = QueryParams::parse(FilterStyle::OperatorNeeded, &query).unwrap();
        let root = Node::of_request(&query, Range::ALL, RootParameters::All, names);
        let found = root.ok().map(|root| {
            let shown = root.children.iter().filter_map(shown);
            shown.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(found.as_deref(), expected, "{parameters}, {names:?}");
    }

    fn shown(child: &Child<'_>) -> Option<String> {
        let mut shown = match &child.relation.alias {
            Some(alias) => format!("{alias}:{}", child.relation.relation),
            None => child.relation.relation.to_string(),
        };
        for filter in &child.node.filters {
            let Operation::Quantified(_, _, value) = &filter.operation else {
                panic!("the filters here are eq");
            };
            shown.push_str(value);
        }
        let is_called = child.last_call > 0;
        (is_called || !shown.starts_with('o')).then_some(shown)
    }

    #[test]
    fn the_foremost_that_may_be_called_so_is_meant_however_many_there_are() {
        use TargetNames::{AliasFirst, Legacy};
        for others in [0, 12, 13, 50] {
            check(others, Legacy, "a.id=eq.1", Some("x:a1 a y:a a:b"));
            check(others, Legacy, "y.id=eq.1", Some("y:a1 x:a a a:b"));
            check(others, Legacy, "b.id=eq.1", Some("a:b1 x:a a y:a"));
            check(others, Legacy, "z.id=eq.1", None);
            check(others, AliasFirst, "a.id=eq.1", Some("a1 x:a y:a a:b"));
            check(others, AliasFirst, "y.id=eq.1", Some("y:a1 x:a a a:b"));
            check(others, AliasFirst, "b.id=eq.1", None);
            let last = (others > 11).then_some("o111 x:a a y:a a:b");
            check(others, AliasFirst, "o11.id=eq.1", last);
        }
    }

    #[test]
    fn whoever_was_called_is_foremost_for_the_next() {
        use TargetNames::{AliasFirst, Legacy};
        for others in [0, 12, 13, 50] {
            // The last parameter is the first that looks for its relation.
            let two = "a.id=eq.1&y.id=eq.2";
            check(others, Legacy, two, Some("y:a12 x:a a a:b"));
            check(others, AliasFirst, two, Some("a1 y:a2 x:a a:b"));
            let two = "y.id=eq.2&a.id=eq.1";
            check(others, Legacy, two, Some("y:a2 x:a1 a a:b"));
            check(others, AliasFirst, two, Some("y:a2 a1 x:a a:b"));
            // Filters come before orders, these before limits, and these before logic.
            let kinds = "a.order=id&a.id=eq.1&b.and=(id.eq.3)&y.limit=1";
            check(others, Legacy, kinds, Some("a:b y:a x:a1 a"));
            let kinds = "y.order=id&a.id=eq.1&a.or=(id.eq.3)";
            check(others, AliasFirst, kinds, Some("a1 y:a x:a a:b"));
            let limits = "y.limit=1&x.limit=1";
            check(others, Legacy, limits, Some("y:a x:a a a:b"));
        }
    }
}
