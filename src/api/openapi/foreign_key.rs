//! Foreign keys of one column, as the description of that column tells them.

use crate::catalog::{Cardinality, DetectedRelationship, Relationship};
use corerest_sql::Ident;

/// The table and the column that this column alone refers to; a table before a view of it.
pub(super) fn foreign_key<'r>(
    column: &Ident,
    relationships: &'r [Relationship],
) -> Option<(&'r Ident, &'r Ident)> {
    let find = |is_view: bool| {
        relationships.iter().find_map(|relationship| {
            let Relationship::Detected(detected) = relationship else {
                return None;
            };
            let foreign_column = foreign_column(detected, column)?;
            (detected.foreign_table_is_view == is_view)
                .then_some((&detected.foreign_table.name, foreign_column))
        })
    };
    find(false).or_else(|| find(true))
}

/// The column that a relationship joins with this one, if it joins no others and the key is here.
fn foreign_column<'r>(relationship: &'r DetectedRelationship, column: &Ident) -> Option<&'r Ident> {
    let columns = match &relationship.cardinality {
        Cardinality::ManyToOne { columns, .. }
        | Cardinality::OneToOne {
            columns,
            is_parent: false,
            ..
        } => columns,
        Cardinality::OneToMany { .. }
        | Cardinality::OneToOne { .. }
        | Cardinality::ManyToMany(_) => return None,
    };
    match columns.as_slice() {
        [(own, foreign)] if own == column => Some(foreign),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ComputedRelationship;
    use corerest_sql::QualifiedName;

    fn name(name: &str) -> QualifiedName {
        QualifiedName::new(Ident::before_nul("api"), Ident::before_nul(name))
    }

    /// A relationship from `films` to the table, or the view `*name`.
    fn detected(target: &str, cardinality: Cardinality) -> Relationship {
        let view = target.strip_prefix('*');
        Relationship::Detected(DetectedRelationship {
            table: name("films"),
            foreign_table: name(view.unwrap_or(target)),
            is_self: false,
            cardinality,
            table_is_view: false,
            foreign_table_is_view: view.is_some(),
        })
    }

    fn columns(pairs: &[[&str; 2]]) -> Vec<(Ident, Ident)> {
        let pairs = pairs.iter();
        pairs
            .map(|pair| (Ident::before_nul(pair[0]), Ident::before_nul(pair[1])))
            .collect()
    }

    fn many_to_one(pairs: &[[&str; 2]]) -> Cardinality {
        Cardinality::ManyToOne {
            constraint: Ident::before_nul("key"),
            columns: columns(pairs),
        }
    }

    fn one_to_one(pairs: &[[&str; 2]], is_parent: bool) -> Cardinality {
        Cardinality::OneToOne {
            constraint: Ident::before_nul("key"),
            columns: columns(pairs),
            is_parent,
        }
    }

    #[track_caller]
    fn check(relationships: &[Relationship], expected: Option<&str>) {
        let found = foreign_key(&Ident::before_nul("a"), relationships);
        let found = found.map(|(table, column)| format!("{table}.{column}"));
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn a_key_of_one_column_is_told() {
        check(&[], None);
        check(&[detected("t", many_to_one(&[["a", "id"]]))], Some("t.id"));
        check(
            &[detected("t", one_to_one(&[["a", "id"]], false))],
            Some("t.id"),
        );
        check(&[detected("t", many_to_one(&[["b", "id"]]))], None);
        check(
            &[detected("t", many_to_one(&[["a", "x"], ["b", "y"]]))],
            None,
        );
    }

    #[test]
    fn a_key_on_the_other_side_is_not_told() {
        let one_to_many = Cardinality::OneToMany {
            constraint: Ident::before_nul("key"),
            columns: columns(&[["a", "id"]]),
        };
        check(&[detected("t", one_to_many)], None);
        check(&[detected("t", one_to_one(&[["a", "id"]], true))], None);
        let computed = Relationship::Computed(ComputedRelationship {
            function: name("f"),
            table: name("films"),
            foreign_table: name("t"),
            row_type: None,
            to_one: true,
            is_self: false,
        });
        check(&[computed], None);
    }

    #[test]
    fn a_table_is_told_rather_than_its_view() {
        let view = detected("*v", many_to_one(&[["a", "v_id"]]));
        let table = detected("t", many_to_one(&[["a", "id"]]));
        check(std::slice::from_ref(&view), Some("v.v_id"));
        check(&[view, table], Some("t.id"));
    }
}
