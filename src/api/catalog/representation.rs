//! Domain representations: how a domain is written as JSON, and read from JSON or text.
//!
//! Types are texts here, as PostgreSQL prints them, for that is how a column's type is known.

use super::Catalog;
use corerest_sql::CatalogSql;
use std::collections::HashMap;

/// The functions of the casts, by source and by target.
#[derive(Debug, Default)]
pub(super) struct Representations {
    by_source: HashMap<String, HashMap<String, CatalogSql>>,
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

impl Catalog {
    /// Whether there are any, which most databases have not.
    pub fn has_representations(&self) -> bool {
        !self.representations.by_source.is_empty()
    }

    /// The function that makes the one type of the other. One of them is a domain, as
    /// [`Column::nominal_type`](super::Column::nominal_type) names it, the other `json` or `text`.
    pub fn representation(&self, source_type: &str, target_type: &str) -> Option<&CatalogSql> {
        self.representations
            .by_source
            .get(source_type)?
            .get(target_type)
    }
}
