//! How the dump writes the name of a table or function. All parts of the dump have names, so it
//! stands below them.

use corerest_sql::QualifiedName;
use serde::Serialize;

/// A name with its schema.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Name<'a> {
    pub(super) qi_name: &'a str,
    pub(super) qi_schema: &'a str,
}

impl<'a> From<&'a QualifiedName> for Name<'a> {
    fn from(name: &'a QualifiedName) -> Name<'a> {
        Name {
            qi_name: name.name.as_str(),
            qi_schema: name.schema.as_ref().map_or("", |schema| schema.as_str()),
        }
    }
}
