//! The tree of `select=`, with everything else that the request says about each of its nodes.
//!
//! Filters, orders and limits come with the path of the relation they are for, as in
//! `?projects.tasks.order=name`. Here they are brought to their nodes, and what belongs to none
//! is refused; relationships are found after that, as PostgREST does it, so that the same request
//! gets the same one of several errors.

use crate::error::{Error, TargetAlias};
use crate::request::ast::{
    At, Filter, LogicTree, OrderTerm, SelectField, SelectItem, SelectRelation,
};
use crate::request::query_params::QueryParams;
use crate::request::range::Range;
use corerest_sql::Ident;
use std::collections::HashMap;

/// A relation of the request.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) select: &'a [SelectItem],
    pub(super) filters: Vec<&'a Filter>,
    pub(super) logic: Vec<&'a LogicTree>,
    pub(super) order: Option<&'a [OrderTerm]>,
    pub(super) range: Range,
    pub(super) children: Vec<Child<'a>>,
    /// The first child that a name may call, if there are so many that looking for it takes long.
    places: Option<HashMap<&'a Ident, usize>>,
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
        for At { path, item } in query.order.iter().rev() {
            root.descend(path, names)?.order = Some(item);
        }
        if parameters == RootParameters::All {
            root.range = range;
            for At { path, item } in &query.embedded_ranges {
                root.descend(path, names)?.range = *item;
            }
        }
        for At { path, item } in query.logic.iter().rev().filter(|at| counts(&at.path)) {
            root.descend(path, names)?.logic.push(item);
        }
        root.in_order_of_request();
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
            logic: Vec::new(),
            order: None,
            range: Range::ALL,
            children: children.collect(),
            places: None,
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
        let child = &mut self.children[index];
        child.called_by_relation |= child.is_aliased_but_called(name);
        child.node.descend(rest, names)
    }

    fn place_of(&mut self, name: &Ident, names: TargetNames) -> Option<usize> {
        if self.children.len() <= FEW {
            let mut children = self.children.iter();
            return children.position(|child| child.is_called(name, names));
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
        let mut by_relation = self.children.iter().filter(|child| match names {
            TargetNames::Legacy => false,
            TargetNames::AliasFirst => child.is_called(name, TargetNames::Legacy),
        });
        let alias = by_relation.next().map(|child| TargetAlias {
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

    fn in_order_of_request(&mut self) {
        self.filters.reverse();
        self.logic.reverse();
        for child in &mut self.children {
            child.node.in_order_of_request();
        }
    }
}

impl<'a> Child<'a> {
    fn new(relation: &'a SelectRelation, is_spread: bool) -> Child<'a> {
        Child {
            relation,
            is_spread,
            called_by_relation: false,
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
    use super::{Node, RootParameters, TargetNames};
    use crate::request::query_params::{FilterStyle, QueryParams};
    use crate::request::range::Range;

    /// Which of the embedded relations a filter goes to, or that it goes to none.
    #[track_caller]
    fn check(others: usize, names: TargetNames, called: &str, expected: Option<usize>) {
        let others: String = (0..others).map(|index| format!(",o{index}(id)")).collect();
        let query = format!("select=x:a(id),a(id),y:a(id),a:b(id){others}&{called}.id=eq.1");
        let query = QueryParams::parse(FilterStyle::OperatorNeeded, &query).unwrap();
        let root = Node::of_request(&query, Range::ALL, RootParameters::All, names);
        let found = root.ok().and_then(|root| {
            let mut children = root.children.iter();
            children.position(|child| !child.node.filters.is_empty())
        });
        assert_eq!(found, expected, "{called}, {names:?}");
    }

    #[test]
    fn the_first_that_may_be_called_so_is_meant_however_many_there_are() {
        for others in [0, 12, 13, 50] {
            check(others, TargetNames::Legacy, "a", Some(0));
            check(others, TargetNames::Legacy, "y", Some(2));
            check(others, TargetNames::Legacy, "b", Some(3));
            check(others, TargetNames::AliasFirst, "a", Some(1));
            check(others, TargetNames::AliasFirst, "y", Some(2));
            check(others, TargetNames::AliasFirst, "b", None);
            check(others, TargetNames::Legacy, "z", None);
            check(
                others,
                TargetNames::AliasFirst,
                "o11",
                (others > 11).then_some(15),
            );
        }
    }
}
