//! Tables and views of the dump. What can be written to them is what PostgreSQL could do, whatever
//! the privileges of roles are.

use super::name::Name;
use crate::catalog::{Catalog, Column, Table, TableKind};
use corerest_sql::CatalogSql;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TableDump<'a> {
    table_columns: BTreeMap<&'a str, ColumnDump<'a>>,
    table_deletable: bool,
    table_description: Option<&'a str>,
    table_insertable: bool,
    table_is_view: bool,
    table_name: &'a str,
    #[serde(rename = "tablePKCols")]
    table_key: Vec<&'a str>,
    table_schema: &'a str,
    table_updatable: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ColumnDump<'a> {
    col_default: Option<&'a str>,
    col_description: Option<&'a str>,
    col_enum: &'a [String],
    col_max_len: Option<i32>,
    col_name: &'a str,
    col_nominal_type: &'a str,
    col_nullable: bool,
    col_type: &'a str,
}

pub(super) fn dump(catalog: &Catalog) -> Vec<(Name<'_>, TableDump<'_>)> {
    let mut tables: Vec<&Table> = catalog.tables.values().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let pairs = tables
        .into_iter()
        .map(|table| (Name::from(&table.name), dump_table(table)));
    pairs.collect()
}

fn dump_table(table: &Table) -> TableDump<'_> {
    let Name {
        qi_name: table_name,
        qi_schema: table_schema,
    } = Name::from(&table.name);
    let columns = table.columns.iter();
    TableDump {
        table_columns: columns
            .map(|column| (column.name.as_str(), dump_column(column)))
            .collect(),
        table_deletable: table.writable.delete,
        table_description: table.description.as_deref(),
        table_insertable: table.writable.insert,
        table_is_view: table.kind == TableKind::View,
        table_name,
        table_key: table.primary_key.iter().map(|name| name.as_str()).collect(),
        table_schema,
        table_updatable: table.writable.update,
    }
}

fn dump_column(column: &Column) -> ColumnDump<'_> {
    ColumnDump {
        col_default: column.default.as_ref().map(CatalogSql::as_str),
        col_description: column.description.as_deref(),
        col_enum: &column.enum_labels,
        col_max_len: column.max_length,
        col_name: column.name.as_str(),
        col_nominal_type: column.nominal_type.as_str(),
        col_nullable: column.nullable,
        col_type: column.data_type.as_str(),
    }
}
