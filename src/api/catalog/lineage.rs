//! Which columns of the exposed views show which columns of tables, through chains of views.
//!
//! The keys of a table hold for a view as far as it shows their columns; whoever knows a key, be
//! it primary or foreign, asks here for the views that show it, and under which names.

use super::node_tree::{Shown, shown_columns};
use super::section::views::ViewRow;
use super::section::{Position, RelationOid};
use corerest_sql::{Ident, QualifiedName};
use std::collections::HashMap;

/// An exposed view, with the names of its columns.
pub(super) struct ExposedView<'a> {
    pub(super) oid: RelationOid,
    pub(super) name: &'a QualifiedName,
    /// In their order.
    pub(super) columns: Vec<(Position, &'a Ident)>,
}

/// For each table the views that show columns of it.
#[derive(Default)]
pub(super) struct Lineage<'a> {
    by_table: HashMap<RelationOid, Vec<Showing<'a>>>,
}

/// A view, with the columns that it shows of one table.
pub(super) struct Showing<'a> {
    pub(super) view: &'a QualifiedName,
    /// For each column of the table those of the view, in the view's order: the same may be
    /// shown twice.
    columns: HashMap<Position, Vec<&'a Ident>>,
}

/// A column of a relation.
type ColumnPlace = (RelationOid, Position);

impl<'a> Lineage<'a> {
    /// Follows each column of the views to its table, through the definitions.
    pub(super) fn new(definitions: &[ViewRow<'_>], views: &[ExposedView<'a>]) -> Lineage<'a> {
        let mut origins = Origins::new(definitions);
        let mut lineage = Lineage::default();
        for view in views {
            let mut by_table: HashMap<RelationOid, Showing<'a>> = HashMap::new();
            for &(position, name) in &view.columns {
                let Some((table, column)) = origins.root((view.oid, position)) else {
                    continue;
                };
                let showing = by_table.entry(table).or_insert_with(|| Showing {
                    view: view.name,
                    columns: HashMap::new(),
                });
                showing.columns.entry(column).or_default().push(name);
            }
            for (table, showing) in by_table {
                lineage.by_table.entry(table).or_default().push(showing);
            }
        }
        lineage
    }

    /// The views that show something of the table.
    pub(super) fn views_of(&self, table: RelationOid) -> &[Showing<'a>] {
        self.by_table
            .get(&table)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

impl<'a> Showing<'a> {
    /// The columns of the view that show the key, each by its first; `None` if one is not shown.
    pub(super) fn first(&self, key: &[Position]) -> Option<Vec<&'a Ident>> {
        let names = key.iter().map(|column| {
            let names = self.columns.get(column)?;
            names.first().copied()
        });
        names.collect()
    }

    /// How many choices there are: a number beyond all counts as the greatest one.
    pub(super) fn choice_count(&self, key: &[Position]) -> usize {
        let shown = |column| self.columns.get(column).map_or(0, Vec::len);
        let counts = key.iter().map(shown);
        counts.fold(1, usize::saturating_mul)
    }

    /// Every choice of columns of the view that show the key; none if one is not shown. Their
    /// number is for the caller to look at first: it is a product.
    ///
    /// Parity: a foreign key whose column a view shows twice gives two relationships.
    pub(super) fn choices(&self, key: &[Position]) -> Vec<Vec<&'a Ident>> {
        let mut choices = vec![Vec::with_capacity(key.len())];
        for column in key {
            let Some(names) = self.columns.get(column) else {
                return Vec::new();
            };
            let longer = choices.iter().flat_map(|choice| {
                names.iter().map(move |name| {
                    let mut longer = choice.clone();
                    longer.push(*name);
                    longer
                })
            });
            choices = longer.collect();
        }
        choices
    }
}

/// Where each column of the views comes from.
struct Origins {
    /// One step down.
    below: HashMap<ColumnPlace, ColumnPlace>,
    /// Down to the table, as far as it was asked: a column that many views lead to is followed
    /// once.
    roots: HashMap<ColumnPlace, Option<ColumnPlace>>,
}

impl Origins {
    fn new(definitions: &[ViewRow<'_>]) -> Origins {
        let mut below = HashMap::new();
        for row in definitions {
            for Shown {
                position,
                origin,
                origin_position,
            } in shown_columns(row.definition)
            {
                below.insert((row.view, position), (origin, origin_position));
            }
        }
        Origins {
            below,
            roots: HashMap::new(),
        }
    }

    /// Follows a column down to the relation that is no known view, and `None` if it is computed
    /// on the way, or if the views go in a circle, as `CREATE OR REPLACE VIEW` lets them.
    fn root(&mut self, column: ColumnPlace) -> Option<ColumnPlace> {
        let mut at = *self.below.get(&column)?;
        let mut path = vec![column];
        let root = loop {
            if let Some(known) = self.roots.get(&at) {
                break *known;
            }
            let Some(&next) = self.below.get(&at) else {
                break Some(at);
            };
            // For now: whoever comes here again goes in a circle.
            self.roots.insert(at, None);
            path.push(at);
            at = next;
        };
        self.roots
            .extend(path.into_iter().map(|place| (place, root)));
        root
    }
}
