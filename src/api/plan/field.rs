//! Finds out what a field of the request needs in SQL, from its column's type.
//!
//! PostgreSQL converts most things by itself. Three it does not: a JSON path into what is not
//! JSON, a full-text search in what is not a `tsvector`, and neither for a field that is not in
//! the catalog. And a domain may have functions that write it as JSON and read it from text, which
//! PostgREST calls its representations.

use crate::catalog::{Catalog, Column, Table};
use crate::request::ast::{Field, Filter, JsonStep, Operation};
use corerest_sql::{CatalogSql, Ident, TypeName};

/// A field of the request, with the conversions that its column's type asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedField<'a> {
    /// The column, or a computed field, which PostgreSQL resolves by itself.
    pub name: &'a Ident,
    /// The way into its value.
    pub json_path: &'a [JsonStep],
    /// Whether `to_jsonb(column)` must come before the path: arrows work on JSON only.
    pub to_json: ToJson,
    /// Whether `to_tsvector(column)` must stand around it, and with which configuration.
    pub to_tsvector: Option<TextSearch<'a>>,
    /// The function of the domain that is put around the value: around the field where it is
    /// selected, around the right side where it is compared.
    pub transform: Option<&'a CatalogSql>,
    /// Whether the whole row is meant, and not the field: `count()` inside a spread relation.
    pub row: RowOrField,
}

/// How a value of a domain is written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Represented<'a> {
    /// The function.
    pub function: &'a CatalogSql,
    /// The domain, which an aggregate over it does not give.
    pub domain: &'a CatalogSql,
}

/// Whether a column is converted before its path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToJson {
    /// The column is of another type, or unknown.
    Convert,
    /// The column is JSON already. Converting it again would keep its indexes from being used.
    AsIs,
    /// The type is unknown, and the column is not converted either.
    Unknown,
}

/// What a selected item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowOrField {
    /// The row itself.
    Row,
    /// A field of it.
    Field,
}

/// A conversion to `tsvector`, with the text search configuration if the request names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextSearch<'a> {
    pub configuration: Option<&'a TypeName>,
    pub owner: TypeOwner,
}

/// Whose a type is, and so its functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeOwner {
    /// It is one of PostgreSQL's own.
    PostgreSql,
    /// It is an extension's, or a user's.
    Unknown,
}

impl TypeOwner {
    /// Of a type whose name PostgreSQL has printed, with the schema if it is not `pg_catalog`.
    fn of(printed_type: &str) -> TypeOwner {
        if printed_type.contains('.') {
            TypeOwner::Unknown
        } else {
            TypeOwner::PostgreSql
        }
    }
}

/// Where fields are looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<'a> {
    pub(super) catalog: &'a Catalog,
    /// The table; a function may return what is none.
    pub(super) table: Option<&'a Table>,
}

impl<'a> Columns<'a> {
    fn column(&self, name: &Ident) -> Option<&'a Column> {
        self.table?.column(name.as_str())
    }

    /// Whether there is such a column.
    pub(super) fn has(&self, name: &Ident) -> bool {
        self.column(name).is_some()
    }

    /// A field as it is, for an order.
    pub(super) fn plain(&self, field: &'a Field) -> PlannedField<'a> {
        let nominal_type = self.column(&field.name).map(|c| c.nominal_type.as_str());
        let to_json = match nominal_type {
            Some("json" | "jsonb") => ToJson::AsIs,
            _ => ToJson::Convert,
        };
        PlannedField {
            name: &field.name,
            json_path: &field.json_path,
            to_json,
            to_tsvector: None,
            transform: None,
            row: RowOrField::Field,
        }
    }

    /// A field that is selected, and so written as JSON.
    pub(super) fn selected(&self, field: &'a Field) -> PlannedField<'a> {
        let transform = self.column(&field.name).and_then(|c| self.json_writer(c));
        PlannedField {
            transform,
            ..self.plain(field)
        }
    }

    /// How the values of a field are written, if by a function of their domain.
    pub(super) fn represented(&self, field: &Field) -> Option<Represented<'a>> {
        let column = self.column(&field.name)?;
        Some(Represented {
            function: self.json_writer(column)?,
            domain: &column.nominal_type,
        })
    }

    /// A column that is selected.
    pub(super) fn selected_column(&self, column: &'a Column) -> PlannedField<'a> {
        PlannedField {
            name: &column.name,
            json_path: &[],
            to_json: ToJson::AsIs,
            to_tsvector: None,
            transform: self.json_writer(column),
            row: RowOrField::Field,
        }
    }

    /// The left side of a filter.
    pub(super) fn filtered(&self, filter: &'a Filter) -> PlannedField<'a> {
        let column = self.column(&filter.field.name);
        let to_tsvector = match &filter.operation {
            // A computed field is not in the catalog, and what it is, PostgreSQL finds out; only
            // a `tsvector` is searched as it is.
            Operation::FullText(_, configuration, _) => column
                .map(|column| column.data_type.as_str())
                .filter(|&data_type| data_type != "tsvector")
                .map(|data_type| TextSearch {
                    configuration: configuration.as_ref(),
                    owner: TypeOwner::of(data_type),
                }),
            _ => None,
        };
        let nominal_type = column.map(|column| column.nominal_type.as_str());
        let transform = nominal_type.and_then(|name| self.catalog.representation("text", name));
        PlannedField {
            to_tsvector,
            transform,
            ..self.plain(&filter.field)
        }
    }

    /// Whether a column of the table is written by a function of its domain.
    pub(super) fn any_is_transformed(&self) -> bool {
        let columns = self.table.map_or(&[][..], |table| &table.columns);
        self.catalog.has_representations() && columns.iter().any(|c| self.json_writer(c).is_some())
    }

    fn json_writer(&self, column: &Column) -> Option<&'a CatalogSql> {
        self.catalog
            .representation(column.nominal_type.as_str(), "json")
    }
}
