//! From the document that [`load`](super::load) asks for to the [`Catalog`].
//!
//! The rows borrow their texts from the document, which is decoded in place; each text is copied
//! once, into the catalog. A document that is not as expected is an error, never a panic.

use super::detect::{Detected, detect};
use super::hint::{RelationshipHints, RoutineHints};
use super::lineage::{ExposedView, Lineage};
use super::media_handler::MediaHandlers;
use super::primary_key::{PrimaryKeys, keys_of_tables, keys_of_views};
use super::relationship::Relationships;
use super::representation::Representations;
use super::routine::Routines;
use super::section::columns::ColumnRow;
use super::section::computed_relationships::ComputedRelationshipRow;
use super::section::foreign_keys::ForeignKeyRow;
use super::section::media_handlers::MediaHandlerRow;
use super::section::primary_keys::PrimaryKeyRow;
use super::section::representations::RepresentationRow;
use super::section::routines::RoutineRow;
use super::section::server::ServerRow;
use super::section::tables::TableRow;
use super::section::views::ViewRow;
use super::section::{Position, RelationOid};
use super::text::{DecodeError, ident, printed, qualified};
use super::timings::{Readings, Timings};
use super::{Catalog, Column, ComputedRelationship, Table, TableKind};
use corerest_sql::Ident;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// The document. Recorded ones may be older than some sections, which are then empty.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default)]
    began: f64,
    #[serde(default)]
    tables_read: f64,
    #[serde(default)]
    keys_read: f64,
    #[serde(default)]
    foreign_keys_read: f64,
    #[serde(default)]
    routines_read: f64,
    #[serde(default)]
    computed_relationships_read: f64,
    #[serde(default)]
    representations_read: f64,
    #[serde(default)]
    media_handlers_read: f64,
    #[serde(borrow)]
    server: ServerRow<'a>,
    #[serde(borrow)]
    tables: Vec<TableRow<'a>>,
    #[serde(borrow)]
    columns: Vec<ColumnRow<'a>>,
    #[serde(default)]
    quiet: HashSet<RelationOid>,
    #[serde(default)]
    has_one_owner: bool,
    #[serde(borrow, default)]
    schemas: Vec<&'a str>,
    #[serde(borrow, default)]
    missing_schemas: Vec<&'a str>,
    #[serde(borrow, default)]
    views: Vec<ViewRow<'a>>,
    #[serde(borrow, default)]
    primary_keys: Vec<PrimaryKeyRow<'a>>,
    #[serde(borrow, default)]
    foreign_keys: Vec<ForeignKeyRow<'a>>,
    #[serde(borrow, default)]
    computed_relationships: Vec<ComputedRelationshipRow<'a>>,
    #[serde(borrow, default)]
    representations: Vec<RepresentationRow<'a>>,
    #[serde(borrow, default)]
    media_handlers: Vec<MediaHandlerRow<'a>>,
    #[serde(borrow, default)]
    routines: Vec<RoutineRow<'a>>,
}

impl Document<'_> {
    /// What PostgreSQL's clock said, in the order in which the document was made.
    fn readings(&self) -> Readings {
        [
            self.began,
            self.tables_read,
            self.keys_read,
            self.foreign_keys_read,
            self.routines_read,
            self.computed_relationships_read,
            self.representations_read,
            self.media_handlers_read,
        ]
    }
}

/// A column with its place in the relation, which is not always its place in the list: dropped
/// columns leave gaps.
struct PlacedColumn {
    position: Position,
    column: Column,
}

/// A table with what other sections call it and its columns.
struct PlacedTable {
    oid: RelationOid,
    table: Table,
    positions: Vec<Position>,
}

/// Decodes the document, and leaves its bytes in disorder.
pub fn decode_catalog(document: &mut [u8]) -> Result<Catalog, DecodeError> {
    let document: Document = simd_json::serde::from_slice(document)
        .map_err(|error| DecodeError::Malformed(error.to_string()))?;
    let mut tables = decode_tables(&document)?;
    let (detected, keys_of_views) = decode_keys(&document, &tables)?;
    add_keys_of_views(&mut tables, keys_of_views);
    let schemas = document.schemas.iter().map(|schema| ident(schema));
    let schemas: HashSet<Ident> = schemas.collect::<Result<_, _>>()?;
    let computed = document.computed_relationships.iter();
    let computed: Vec<ComputedRelationship> = computed
        .map(|row| row.relationship())
        .collect::<Result<_, _>>()?;
    let relationships = Relationships::new(detected.relationships, computed, &schemas);
    let routines = document.routines.iter().map(RoutineRow::routine);
    let routines = Routines::new(routines.collect::<Result<_, _>>()?);
    let tables = tables.into_iter().map(|placed| placed.table);
    Ok(Catalog {
        routine_hints: RoutineHints::new(&routines),
        routines,
        relationship_hints: RelationshipHints::new(&relationships),
        relationships,
        representations: decode_representations(&document.representations),
        media_handlers: decode_media_handlers(&document.media_handlers)?,
        transaction_defaults: document.server.transaction_defaults(),
        has_one_owner: document.has_one_owner,
        trimmed_views: detected.trimmed_views,
        timings: Timings::between(&document.readings()),
        missing_schemas: document
            .missing_schemas
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        ..Catalog::new(tables)
    })
}

fn decode_tables(document: &Document<'_>) -> Result<Vec<PlacedTable>, DecodeError> {
    let mut columns = group_columns(&document.columns)?;
    let tables = document.tables.iter().map(|row| {
        let columns = columns.remove(&row.oid).unwrap_or_default();
        let mut placed = decode_table(row, columns)?;
        placed.table.is_quiet = document.quiet.contains(&row.oid);
        Ok(placed)
    });
    tables.collect()
}

/// What follows from keys: relationships, and the primary keys of the views.
fn decode_keys(
    document: &Document<'_>,
    tables: &[PlacedTable],
) -> Result<(Detected, PrimaryKeys), DecodeError> {
    let views: Vec<ExposedView> = tables
        .iter()
        .filter_map(PlacedTable::exposed_view)
        .collect();
    let lineage = Lineage::new(&document.views, &views);
    let keys_of_views = keys_of_views(&document.primary_keys, &lineage);
    let mut keys = keys_of_tables(&document.primary_keys, &document.foreign_keys)?;
    keys.extend(keys_of_views.clone());
    let detected = detect(&document.foreign_keys, &lineage, &keys)?;
    Ok((detected, keys_of_views))
}

fn add_keys_of_views(tables: &mut [PlacedTable], mut keys: PrimaryKeys) {
    for PlacedTable { table, .. } in tables {
        if let Some(key) = keys.remove(&table.name) {
            table.primary_key = key;
        }
    }
}

impl PlacedTable {
    fn exposed_view(&self) -> Option<ExposedView<'_>> {
        let names = self.table.columns.iter().map(|column| &column.name);
        (self.table.kind == TableKind::View).then(|| ExposedView {
            oid: self.oid,
            name: &self.table.name,
            columns: self.positions.iter().copied().zip(names).collect(),
        })
    }
}

fn decode_representations(rows: &[RepresentationRow<'_>]) -> Representations {
    let mut representations = Representations::default();
    for row in rows {
        representations.insert(row.source, row.target, printed(row.function));
    }
    representations
}

fn decode_media_handlers(rows: &[MediaHandlerRow<'_>]) -> Result<MediaHandlers, DecodeError> {
    let mut handlers = MediaHandlers::default();
    for row in rows {
        handlers.insert(row.media_type, row.handler()?);
    }
    Ok(handlers)
}

/// The columns of each relation, in their order.
fn group_columns(
    rows: &[ColumnRow<'_>],
) -> Result<HashMap<RelationOid, Vec<PlacedColumn>>, DecodeError> {
    let mut groups: HashMap<RelationOid, Vec<PlacedColumn>> = HashMap::new();
    for row in rows {
        groups.entry(row.relation).or_default().push(PlacedColumn {
            position: row.position,
            column: row.column()?,
        });
    }
    for group in groups.values_mut() {
        group.sort_by_key(|placed| placed.position);
    }
    Ok(groups)
}

fn decode_table(
    row: &TableRow<'_>,
    columns: Vec<PlacedColumn>,
) -> Result<PlacedTable, DecodeError> {
    let name = qualified(row.schema, row.name)?;
    let primary_key = primary_key(row.primary_key.as_deref().unwrap_or_default(), &columns);
    let positions = columns.iter().map(|placed| placed.position).collect();
    let columns = columns.into_iter().map(|placed| placed.column).collect();
    let table = Table {
        description: row.description.map(str::to_owned),
        writable: row.writable(),
        primary_key,
        ..Table::new(name, row.kind(), columns)
    };
    Ok(PlacedTable {
        oid: row.oid,
        table,
        positions,
    })
}

/// The names at these positions.
///
/// Parity: PostgREST sorts the columns of a table's key by name, which shows in the order of
/// `Location`'s filters.
fn primary_key(positions: &[Position], columns: &[PlacedColumn]) -> Vec<Ident> {
    let in_key = columns
        .iter()
        .filter(|placed| positions.contains(&placed.position));
    let mut names: Vec<Ident> = in_key.map(|placed| placed.column.name.clone()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{TableKind, Writable};
    use corerest_sql::QualifiedName;

    const SERVER: &str =
        r#"{"version_number": 150018, "version": "15.18", "full_version": "PostgreSQL 15.18"}"#;
    const FILMS: &str = r#"{"oid": 7, "schema": "api", "name": "films",
        "description": "all \"films\"", "is_view": false,
        "writable_commands": 28, "primary_key": [4, 1]}"#;
    const RECENT: &str = r#"{"oid": 8, "schema": "api", "name": "recent", "description": null,
        "is_view": true, "writable_commands": 12, "primary_key": null}"#;
    const YEAR: &str = r#"{"relation": 7, "position": 4, "name": "year", "description": null,
        "nullable": false, "data_type": "integer", "nominal_type": "api.year",
        "max_length": null, "default": "1999", "enum_labels": null}"#;
    const TITLE: &str = r#"{"relation": 7, "position": 1, "name": "title",
        "description": "the \u00fcber title", "nullable": false, "data_type": "character varying",
        "nominal_type": "character varying(40)", "max_length": 40, "default": null,
        "enum_labels": null}"#;
    const KIND: &str = r#"{"relation": 7, "position": 2, "name": "kind", "description": null,
        "nullable": true, "data_type": "api.kind", "nominal_type": "api.kind",
        "max_length": null, "default": null, "enum_labels": ["short", "long"]}"#;

    fn document(tables: &[&str], columns: &[&str]) -> String {
        let (tables, columns) = (tables.join(","), columns.join(","));
        format!(r#"{{"server": {SERVER}, "tables": [{tables}], "columns": [{columns}]}}"#)
    }

    fn decode_text(document: &str) -> Result<Catalog, DecodeError> {
        decode_catalog(&mut document.as_bytes().to_vec())
    }

    fn name(schema: &str, name: &str) -> QualifiedName {
        QualifiedName::new(Ident::before_nul(schema), Ident::before_nul(name))
    }

    #[test]
    fn tables_get_their_columns_in_order() {
        let document = document(&[FILMS, RECENT], &[YEAR, TITLE, KIND]);
        let catalog = decode_text(&document).unwrap();
        let films = catalog.table(&name("api", "films")).unwrap();
        let names: Vec<&str> = films.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["title", "kind", "year"]);
        assert_eq!(films.description.as_deref(), Some("all \"films\""));
        assert_eq!(films.kind, TableKind::Table);
        assert_eq!(films.column("year"), Some(&films.columns[2]));
        assert_eq!(films.column("missing"), None);
        let recent = catalog.table(&name("api", "recent")).unwrap();
        assert_eq!(recent.kind, TableKind::View);
        assert_eq!(recent.columns, []);
        assert_eq!(recent.description, None);
    }

    #[test]
    fn columns_keep_what_postgresql_printed() {
        let document = document(&[FILMS], &[YEAR, TITLE, KIND]);
        let catalog = decode_text(&document).unwrap();
        let films = catalog.table(&name("api", "films")).unwrap();
        let expected = Column {
            name: Ident::before_nul("title"),
            description: Some("the über title".to_owned()),
            nullable: false,
            data_type: printed("character varying"),
            nominal_type: printed("character varying(40)"),
            max_length: Some(40),
            default: None,
            enum_labels: vec![],
        };
        assert_eq!(films.column("title"), Some(&expected));
        let year = films.column("year").unwrap();
        assert_eq!(year.default, Some(printed("1999")));
        assert_eq!(year.nominal_type, printed("api.year"));
        let kind = films.column("kind").unwrap();
        assert!(kind.nullable);
        assert_eq!(kind.enum_labels, ["short", "long"]);
    }

    #[test]
    fn a_key_is_sorted_by_name() {
        let document = document(&[FILMS, RECENT], &[YEAR, TITLE, KIND]);
        let catalog = decode_text(&document).unwrap();
        let key = |table| &catalog.table(&name("api", table)).unwrap().primary_key;
        let expected = ["title", "year"].map(Ident::before_nul);
        assert_eq!(key("films")[..], expected);
        assert!(key("recent").is_empty());
    }

    #[test]
    fn each_command_has_its_bit() {
        for (commands, insert, update, delete) in [
            (0, false, false, false),
            (4, false, true, false),
            (8, true, false, false),
            (16, false, false, true),
            (28, true, true, true),
        ] {
            let films = FILMS.replace("28", &commands.to_string());
            let catalog = decode_text(&document(&[&films], &[])).unwrap();
            let expected = Writable {
                insert,
                update,
                delete,
            };
            let films = catalog.table(&name("api", "films")).unwrap();
            assert_eq!(films.writable, expected, "{commands}");
        }
    }

    #[test]
    fn the_catalog_knows_its_size() {
        let catalog = decode_text(&document(&[FILMS, RECENT], &[YEAR])).unwrap();
        assert_eq!(catalog.summary().relations, 2);
        let empty = decode_text(&document(&[], &[])).unwrap();
        let expected = "0 Relations, 0 Relationships, 0 RPCs, 0 Domain Representations, \
                        4 Media Type Handlers";
        assert_eq!(empty.summary().to_string(), expected);
    }

    #[track_caller]
    fn check_malformed(document: &str) {
        let error = decode_text(document).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed(_)), "{document}");
    }

    #[test]
    fn other_documents_are_errors() {
        for document in ["", "null", "[]", "{}", "1", "\"text\"", "{\"server\": 1}"] {
            check_malformed(document);
        }
        let films = FILMS.replace("28", "\"28\"");
        check_malformed(&document(&[&films], &[]));
        let films = FILMS.replace("\"oid\": 7,", "");
        check_malformed(&document(&[&films], &[]));
        check_malformed(&document(&["null"], &[]));
        check_malformed(&document(&[], &["[]"]));
        let films = FILMS.replace("films", "fi\\u0000lms");
        let error = decode_text(&document(&[&films], &[])).unwrap_err();
        assert_eq!(error, DecodeError::InvalidName);
    }

    #[test]
    fn a_document_cut_off_anywhere_is_an_error() {
        let whole = document(&[FILMS, RECENT], &[YEAR, TITLE, KIND]);
        assert!(decode_text(&whole).is_ok());
        for end in 0..whole.len() {
            let cut = decode_catalog(&mut whole.as_bytes()[..end].to_vec());
            assert!(cut.is_err(), "cut at {end}");
        }
    }
}
