//! "Perhaps you meant": what is told with `PGRST205` about a table that does not exist, with
//! `PGRST200` about a relationship, and with `PGRST202` about a function.

use super::fuzzy::FuzzySet;
use super::relationship::Relationship;
use super::routine::Routine;
use super::schema_cache::Catalog;
use corerest_sql::{Ident, QualifiedName};

/// How much the name of a table or function must resemble the wrong one, that no names be told
/// to those who guess.
const NAME_SCORE_MIN: f64 = 0.75;

/// How much the name of a table must resemble the wrong one in a relationship.
const RELATIONSHIP_SCORE_MIN: f64 = 0.33;

/// How much a list of parameters must resemble the wrong one. It tells less than a name does.
const PARAMETERS_SCORE_MIN: f64 = 0.33;

impl Catalog {
    /// The hint for a relationship that does not exist, `Perhaps you meant 'films' instead of
    /// 'film'.`: about the parent if no relationship starts there, else about the child. There is
    /// none if both names are right, for then the request is wrong about how they are related.
    pub(crate) fn relationship_hint(
        &self,
        parent: &str,
        child: &str,
        schema: &str,
    ) -> Option<String> {
        let parent_name = QualifiedName::new(Ident::before_nul(schema), Ident::before_nul(parent));
        let (found, wrong) = match self.relationships.list(&parent_name, schema) {
            Some(relationships) => (nearest_child(relationships, child)?, child),
            None => (self.nearest_parent(parent, schema)?.to_owned(), parent),
        };
        Some(format!("Perhaps you meant '{found}' instead of '{wrong}'."))
    }

    fn nearest_parent(&self, parent: &str, schema: &str) -> Option<&str> {
        let index = self.relationship_hints.schemas.get(schema)?;
        let parents = index.get_or_init(|| {
            let tables = self.relationships.tables(schema);
            FuzzySet::new(tables.map(|table| table.name.as_str()))
        });
        parents.get_one(parent, RELATIONSHIP_SCORE_MIN)
    }

    /// The hint for a table that is not in the schema: `Perhaps you meant the table 'api.films'`.
    pub(crate) fn table_hint(&self, schema: &str, name: &str) -> Option<String> {
        let index = self.table_hints.schemas.get(schema)?;
        let names = index.get_or_init(|| FuzzySet::new(self.table_names(schema)));
        let found = names.get_one(name, NAME_SCORE_MIN)?;
        Some(format!("Perhaps you meant the table '{schema}.{found}'"))
    }

    fn table_names(&self, schema: &str) -> impl Iterator<Item = &str> {
        let in_schema = self.tables.keys().filter(move |name| {
            let its_schema = name.schema.as_ref().map(Ident::as_str);
            its_schema == Some(schema)
        });
        in_schema.map(|name| name.name.as_str())
    }
}

impl Catalog {
    /// The hint for a call that fits no routine, `Perhaps you meant to call the function
    /// api.add(a, b)`: about the arguments if there are routines of that name, else about the
    /// name.
    pub(crate) fn routine_hint(&self, name: &QualifiedName, arguments: &[&str]) -> Option<String> {
        let schema = name.schema.as_ref()?;
        let meant = match self.routines(name) {
            [] => self.nearest_routine(schema, name.name.as_str())?.to_owned(),
            overloads => {
                let parameters = nearest_parameters(overloads, arguments)?;
                format!("{}{parameters}", name.name)
            }
        };
        Some(format!(
            "Perhaps you meant to call the function {schema}.{meant}"
        ))
    }

    fn nearest_routine(&self, schema: &Ident, name: &str) -> Option<&str> {
        let index = self.routine_hints.schemas.get(schema)?;
        let names = index.get_or_init(|| {
            let names = self.routines.names();
            let in_schema = names.filter(|name| name.schema.as_ref() == Some(schema));
            FuzzySet::new(in_schema.map(|name| name.name.as_str()))
        });
        names.get_one(name, NAME_SCORE_MIN)
    }
}

/// The parameters of the routine that takes the most similar ones, as in `(a, b)`.
fn nearest_parameters(overloads: &[Routine], arguments: &[&str]) -> Option<String> {
    let lists: Vec<String> = overloads
        .iter()
        .map(|routine| {
            let names = routine.parameters.iter().map(|p| p.name.as_str());
            parameter_list(names.collect())
        })
        .collect();
    let index = FuzzySet::new(lists.iter().map(String::as_str));
    let found = index.get_one(&parameter_list(arguments.to_vec()), PARAMETERS_SCORE_MIN)?;
    Some(found.to_owned())
}

/// The names sorted, for their order in a call means nothing.
fn parameter_list(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    format!("({})", names.join(", "))
}

/// The foreign table whose name is near, but not the same.
fn nearest_child(relationships: &[Relationship], child: &str) -> Option<String> {
    let tables = relationships.iter().map(Relationship::foreign_table);
    let children = FuzzySet::new(tables.map(|table| table.name.as_str()));
    let matches = children.get(child, RELATIONSHIP_SCORE_MIN);
    let near = matches.iter().find(|found| found.score < 1.0)?;
    Some(near.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::hint::TABLES_END;
    use super::*;
    use crate::catalog::{Table, TableKind};

    fn catalog<'a>(names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Catalog {
        let tables = names.into_iter().map(|(schema, name)| {
            let name = QualifiedName::new(Ident::before_nul(schema), Ident::before_nul(name));
            Table::new(name, TableKind::Table, Vec::new())
        });
        Catalog::new(tables)
    }

    #[track_caller]
    fn check(catalog: &Catalog, schema: &str, name: &str, expected: Option<&str>) {
        assert_eq!(catalog.table_hint(schema, name).as_deref(), expected);
    }

    #[test]
    fn a_near_name_in_the_schema_is_hinted() {
        let catalog = catalog([
            ("test", "projects"),
            ("test", "project_invoices"),
            ("test", "clients"),
            ("v2", "parents"),
        ]);
        let projects = Some("Perhaps you meant the table 'test.projects'");
        check(&catalog, "test", "projectx", projects);
        check(&catalog, "test", "projecxx", projects);
        check(&catalog, "test", "projxxxx", None);
        check(&catalog, "test", "parent", None);
        check(&catalog, "v2", "projectx", None);
        check(&catalog, "missing", "projectx", None);
        let parents = Some("Perhaps you meant the table 'v2.parents'");
        check(&catalog, "v2", "parent", parents);
    }

    #[test]
    fn large_schemas_get_no_hints() {
        let names: Vec<String> = (0..TABLES_END).map(|n| format!("table_{n:03}")).collect();
        let tables = |count: usize| names[..count].iter().map(|name| ("api", name.as_str()));
        let hint = Some("Perhaps you meant the table 'api.table_007'");
        check(&catalog(tables(499)), "api", "table_007x", hint);
        check(&catalog(tables(500)), "api", "table_007x", None);
    }
}
