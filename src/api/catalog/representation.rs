//! Domain representations: how a domain is written as JSON, and read from JSON or text.
//!
//! Types are texts here, as PostgreSQL prints them, for that is how a column's type is known.

use corerest_sql::CatalogSql;
use std::collections::HashMap;

/// The functions of the casts, by source and by target.
#[derive(Debug, Default)]
pub(super) struct Representations {
    pub(super) by_source: HashMap<String, HashMap<String, CatalogSql>>,
}

impl Representations {
    /// Adds the function of a cast.
    pub(super) fn insert(&mut self, source: &str, target: &str, function: CatalogSql) {
        let targets = self.by_source.entry(source.to_owned()).or_default();
        targets.insert(target.to_owned(), function);
    }

    /// All of them: source, target, and function.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &CatalogSql)> {
        self.by_source.iter().flat_map(|(source, targets)| {
            let functions = targets.iter();
            functions.map(|(target, function)| (source.as_str(), target.as_str(), function))
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_source.values().map(HashMap::len).sum()
    }
}
