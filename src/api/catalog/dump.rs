//! The catalog as JSON, in the structure that PostgREST dumps its schema cache in.
//!
//! `--dump-schema` and the admin server's `/schema_cache` show it, to people and to scripts that
//! look for one thing in it. Its structure is what Haskell's aeson makes of PostgREST's types:
//! maps are arrays of pairs, variants have a `tag`, and members are sorted by name. PostgREST's
//! maps are in no order; ours are sorted, so that two dumps can be compared.
//!
//! The types here are that structure and nothing else; members are declared in their order.

mod handlers;
mod name;
mod relationships;
mod routines;
mod tables;

use super::Catalog;
use name::Name;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dump<'a> {
    db_media_handlers: Vec<handlers::Pair<'a>>,
    db_relationships: Vec<relationships::Pair<'a>>,
    db_representations: Vec<handlers::RepresentationPair<'a>>,
    db_routines: Vec<(Name<'a>, Vec<routines::RoutineDump<'a>>)>,
    db_tables: Vec<(Name<'a>, tables::TableDump<'a>)>,
}

impl Catalog {
    /// The catalog as JSON. Of the settings of functions it shows those that are hoisted
    /// (`db-hoisted-tx-settings`), as PostgREST knows no others.
    pub fn dump(&self, hoisted_settings: &[String]) -> String {
        let dump = Dump {
            db_media_handlers: handlers::dump(self),
            db_relationships: relationships::dump(self),
            db_representations: handlers::dump_representations(self),
            db_routines: routines::dump(self, hoisted_settings),
            db_tables: tables::dump(self),
        };
        simd_json::serde::to_string(&dump).expect("all keys are texts, and memory cannot fail")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Column, Table, TableKind};
    use corerest_sql::{Ident, QualifiedName};

    #[test]
    fn an_empty_catalog_has_the_handlers_of_postgrest() {
        let json = Catalog::default().dump(&[]);
        let expected = concat!(
            r#"{"dbMediaHandlers":["#,
            r#"[[{"tag":"RelAnyElement"},{"tag":"MTAny"}],"#,
            r#"[{"tag":"BuiltinOvAggJson"},{"tag":"MTApplicationJSON"}]],"#,
            r#"[[{"tag":"RelAnyElement"},{"tag":"MTGeoJSON"}],"#,
            r#"[{"tag":"BuiltinOvAggGeoJson"},{"tag":"MTGeoJSON"}]],"#,
            r#"[[{"tag":"RelAnyElement"},{"tag":"MTApplicationJSON"}],"#,
            r#"[{"tag":"BuiltinOvAggJson"},{"tag":"MTApplicationJSON"}]],"#,
            r#"[[{"tag":"RelAnyElement"},{"tag":"MTTextCSV"}],"#,
            r#"[{"tag":"BuiltinOvAggCsv"},{"tag":"MTTextCSV"}]]],"#,
            r#""dbRelationships":[],"dbRepresentations":[],"dbRoutines":[],"dbTables":[]}"#
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn tables_are_sorted_and_so_are_their_columns() {
        let table = |name: &str, columns: Vec<Column>| {
            let name = QualifiedName::new(Ident::before_nul("api"), Ident::before_nul(name));
            Table::new(name, TableKind::Table, columns)
        };
        let catalog = Catalog::new([table("b", vec![]), table("a", vec![])]);
        let json = catalog.dump(&[]);
        let expected = concat!(
            r#""dbTables":[[{"qiName":"a","qiSchema":"api"},{"tableColumns":{},"#,
            r#""tableDeletable":false,"tableDescription":null,"tableInsertable":false,"#,
            r#""tableIsView":false,"tableName":"a","tablePKCols":[],"tableSchema":"api","#,
            r#""tableUpdatable":false}],[{"qiName":"b""#
        );
        assert!(json.contains(expected), "{json}");
    }
}
