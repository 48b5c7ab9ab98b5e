//! The catalog of the benchmark's database, read with the server's own statements.
//!
//! The document is kept in `ceiling/catalog.json`, so that a test can make the ceiling's scripts
//! without a database.

use std::error::Error;
use std::io;

use corerest_api::ask_catalog;
use corerest_sql::{Ident, Param, Statement};
use postgres::types::private::BytesMut;
use postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, NoTls};

use crate::contestant::Database;
use crate::scenario::SCHEMA;

/// The document that describes the schema of the benchmarks.
pub fn load_document(database: &Database) -> io::Result<Vec<u8>> {
    query_document(database).map_err(|error| io::Error::other(format!("the catalog: {error}")))
}

fn query_document(database: &Database) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut client = Client::connect(&database.connection_string(), NoTls)?;
    let mut transaction = client.transaction()?;
    let mut document = String::new();
    let schemas = [Ident::before_nul(SCHEMA)];
    for statement in ask_catalog(schemas.as_slice()).statements() {
        let values = texts(statement);
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        document = transaction
            .query_one(statement.text.as_str(), &values)?
            .try_get(0)?;
    }
    Ok(document.into_bytes())
}

fn texts(statement: &Statement) -> Vec<InTextFormat<'_>> {
    let values = statement.params.iter().map(|value| match value {
        Param::Value(bytes) => InTextFormat(Some(bytes)),
        Param::Null | Param::RequestBody => InTextFormat(None),
    });
    values.collect()
}

/// A value of any type as PostgreSQL reads it from text, as our statements have it.
#[derive(Debug)]
struct InTextFormat<'a>(Option<&'a [u8]>);

impl ToSql for InTextFormat<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(bytes) = self.0 else {
            return Ok(IsNull::Yes);
        };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
