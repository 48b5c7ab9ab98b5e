//! What the document is about: the subject, with a name for each thing, and what its types are.

use super::builtin::{Builtin, OF_ARRAYS, builtin};
use super::filter::Filter;
use super::names::{Names, in_query, pascal};
use super::printed::Printed;
use crate::catalog::{Catalog, Column, Table};
use crate::openapi::answer::{Answer, TypeRow};
use crate::openapi::routine::DescribedRoutine;
use crate::openapi::subject::Subject;
use corerest_config::Config;
use corerest_sql::{CatalogSql, Ident};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Everything that the files of this folder share.
pub(super) struct Scope<'a> {
    pub(super) config: &'a Config,
    pub(super) catalog: &'a Catalog,
    pub(super) schema: &'a Ident,
    pub(super) comment: Option<&'a str>,
    pub(super) tables: Vec<ScopedTable<'a>>,
    pub(super) routines: Vec<ScopedRoutine<'a>>,
    /// The types that are used, by their component.
    pub(super) types: BTreeMap<String, &'a TypeRow<'a>>,
    /// What the schema of an error is called.
    pub(super) error: String,
    rows: HashMap<&'a str, &'a TypeRow<'a>>,
    components: HashMap<&'a str, String>,
    filters: Vec<(Filter, String)>,
}

/// A table that is described.
pub(super) struct ScopedTable<'a> {
    pub(super) table: &'a Table,
    /// What the schema of its rows is called.
    pub(super) component: String,
    /// The end of the names of its operations.
    pub(super) operation: String,
    pub(super) can: Rights,
    pub(super) columns: Vec<ScopedColumn<'a>>,
    /// What the parameter that chooses its columns is called.
    pub(super) select: String,
}

/// A column that is described.
pub(super) struct ScopedColumn<'a> {
    pub(super) column: &'a Column,
    /// Whether PostgreSQL makes its values, and takes no others.
    pub(super) is_read_only: bool,
    /// What the parameter that filters by it is called, if it has one.
    pub(super) filter: Option<String>,
}

/// The overloads of a function, which share a path.
pub(super) struct ScopedRoutine<'a> {
    pub(super) name: &'a str,
    /// The end of the names of its operations.
    pub(super) operation: String,
    /// Those with more parameters are later.
    pub(super) overloads: Vec<Overload<'a>>,
}

/// One of the functions of a name.
pub(super) struct Overload<'a> {
    pub(super) routine: DescribedRoutine<'a>,
    /// What the schema of its arguments is called.
    pub(super) arguments: String,
    /// What the schema of its rows is called, if it declares their columns.
    pub(super) row: Option<String>,
}

/// What can be done with a table: by it, and by the role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) select: bool,
    pub(super) insert: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
}

/// What a printed type is.
pub(super) enum Kind<'s> {
    /// An array of elements, whose type has this name.
    Array(&'s str),
    Enum(&'s TypeRow<'s>),
    Domain(&'s TypeRow<'s>),
    Composite(&'s TypeRow<'s>),
    /// The rows of the table with this component.
    Row(Option<&'s str>),
    /// A type with a cast to JSON, which is whatever that makes of it.
    AnyJson,
    /// One of PostgreSQL's own, or of an extension.
    Builtin(Builtin, Printed<'s>),
}

/// How many domains are followed that are made of each other. PostgreSQL has no limit, and a chain
/// is followed for each column.
const DOMAINS_MAX: usize = 32;

/// Names in the query string that mean something else than a column.
const RESERVED: [&str; 8] = [
    "select",
    "order",
    "limit",
    "offset",
    "columns",
    "on_conflict",
    "and",
    "or",
];

impl<'a> Scope<'a> {
    /// Gives everything its name. Tables come first, so that they get the name that they have.
    pub(super) fn new(
        config: &'a Config,
        catalog: &'a Catalog,
        subject: Subject<'a>,
        answer: &'a Answer<'a>,
    ) -> Scope<'a> {
        let mut names = Names::default();
        let tables = scoped_tables(&mut names, subject.tables, answer);
        let routines = scoped_routines(&mut names, subject.routines);
        let rows = answer.types.iter().map(|row| (row.printed, row));
        let mut scope = Scope {
            config,
            catalog,
            schema: subject.schema,
            comment: subject.comment,
            tables,
            routines,
            types: BTreeMap::new(),
            error: String::new(),
            rows: rows.collect(),
            components: HashMap::new(),
            filters: Vec::new(),
        };
        scope.name_types(&mut names);
        scope.filters = Filter::ALL
            .iter()
            .map(|filter| {
                (
                    *filter,
                    names.claim(&format!("filter.{}", filter.word()), &[""]),
                )
            })
            .collect();
        scope.error = names.claim("apiError", &[""]);
        scope
    }

    /// The table of that name, if it is described.
    pub(super) fn table(&self, name: &Ident) -> Option<&ScopedTable<'a>> {
        let place = self
            .tables
            .binary_search_by(|scoped| scoped.table.name.name.cmp(name));
        place.ok().map(|place| &self.tables[place])
    }

    /// What a printed type is.
    pub(super) fn kind<'s>(&'s self, data_type: &'s str) -> Kind<'s> {
        let printed = Printed::parse(data_type);
        if printed.is_array {
            return Kind::Array(data_type.trim_end_matches("[]"));
        }
        let Some(row) = self.rows.get(&*printed.name) else {
            return Kind::Builtin(builtin(&printed.name), printed);
        };
        match row.kind {
            "e" => Kind::Enum(row),
            "d" => Kind::Domain(row),
            "c" => Kind::Composite(row),
            "r" => {
                let table = self.table(&Ident::before_nul(row.name));
                Kind::Row(table.map(|table| table.component.as_str()))
            }
            _ => Kind::AnyJson,
        }
    }

    /// The same for what a domain is made of, be that a domain itself; of a domain that is JSON of
    /// its own making, or made of more others than are followed, it is only known to be one.
    pub(super) fn kind_below_domains<'s>(&'s self, data_type: &'s str) -> Kind<'s> {
        let mut kind = self.kind(data_type);
        for _ in 0..DOMAINS_MAX {
            let Kind::Domain(row) = kind else {
                return kind;
            };
            match row.base.filter(|_| !self.is_represented(row.printed)) {
                Some(base) => kind = self.kind(base),
                None => return kind,
            }
        }
        kind
    }

    /// What the schema of a type is called, if it has one of its own.
    pub(super) fn component(&self, printed: &str) -> Option<&str> {
        self.components.get(printed).map(String::as_str)
    }

    /// Whether it is a domain that is JSON of its own making to clients.
    pub(super) fn is_represented(&self, data_type: &str) -> bool {
        self.catalog.representation(data_type, "json").is_some()
    }

    /// How values of a type are filtered.
    pub(super) fn filter(&self, data_type: &str) -> Filter {
        match self.kind_below_domains(data_type) {
            Kind::Array(_) => OF_ARRAYS,
            Kind::Enum(_) => Filter::Enum,
            Kind::Domain(_) | Kind::Composite(_) | Kind::Row(_) | Kind::AnyJson => Filter::Unknown,
            Kind::Builtin(builtin, _) => builtin.filter,
        }
    }

    /// The filters that are used, and what their schemas are called.
    pub(super) fn filters(&self) -> impl Iterator<Item = (Filter, &str)> {
        let columns = self.tables.iter().flat_map(|table| &table.columns);
        let types: HashSet<&str> = columns.map(|column| column.data_type()).collect();
        let words: HashSet<&str> = types
            .into_iter()
            .map(|data_type| self.filter(data_type).word())
            .collect();
        let filters = self.filters.iter();
        filters
            .filter(move |(filter, _)| words.contains(filter.word()))
            .map(|(filter, component)| (*filter, component.as_str()))
    }

    /// What the schema of conditions on such a type is called.
    pub(super) fn filter_component(&self, data_type: &str) -> &str {
        let wanted = self.filter(data_type);
        let found = self.filters.iter().find(|(filter, _)| *filter == wanted);
        &found.expect("all filters have a name").1
    }

    /// Names the types that are used, those that others are made of, too.
    fn name_types(&mut self, names: &mut Names) {
        let mut used: HashSet<&'a str> = HashSet::new();
        let mut pending: Vec<&'a str> = Vec::new();
        for table in &self.tables {
            pending.extend(table.table.columns.iter().map(|c| c.nominal_type.as_str()));
        }
        for overload in self.routines.iter().flat_map(|routine| &routine.overloads) {
            let routine = &overload.routine;
            pending.extend(
                routine
                    .parameters
                    .iter()
                    .map(|parameter| parameter.data_type),
            );
            if let Some(returned) = &routine.returned {
                pending.push(returned.data_type);
                pending.extend(returned.columns.iter().map(|(_, data_type)| *data_type));
            }
        }
        while let Some(data_type) = pending.pop() {
            let printed = Printed::parse(data_type);
            let Some(row) = self.rows.get(&*printed.name) else {
                continue;
            };
            if matches!(row.kind, "e" | "d" | "c") && used.insert(row.printed) {
                pending.extend(row.base);
                pending.extend(row.attributes.iter().flatten().map(|a| a.data_type));
            }
        }
        let mut used: Vec<&'a str> = used.into_iter().collect();
        used.sort_unstable();
        for printed in used {
            let row = self.rows[printed];
            let component = if row.schema == self.schema.as_str() {
                names.claim(row.name, &[""])
            } else {
                names.claim(&format!("{}.{}", row.schema, row.name), &[""])
            };
            self.components.insert(printed, component.clone());
            self.types.insert(component, row);
        }
    }
}

impl<'a> ScopedColumn<'a> {
    /// Its type as it is declared.
    pub(super) fn data_type(&self) -> &'a str {
        self.column.nominal_type.as_str()
    }

    /// The expression of its default.
    pub(super) fn default(&self) -> Option<&'a str> {
        self.column.default.as_ref().map(CatalogSql::as_str)
    }
}

impl ScopedTable<'_> {
    /// Whether it can be written to in any way.
    pub(super) fn is_written(&self) -> bool {
        self.can.insert || self.can.update || self.can.delete
    }

    /// The columns of its key.
    pub(super) fn key(&self) -> impl Iterator<Item = &ScopedColumn<'_>> {
        let columns = self.columns.iter();
        columns.filter(|scoped| self.table.primary_key.contains(&scoped.column.name))
    }
}

fn scoped_tables<'a>(
    names: &mut Names,
    tables: Vec<&'a Table>,
    answer: &Answer<'a>,
) -> Vec<ScopedTable<'a>> {
    let rights = answer.rights.as_ref().map(|rows| {
        let rights = rows.iter().map(|row| {
            let rights = Rights {
                select: row.select,
                insert: row.insert,
                update: row.update,
                delete: row.delete,
            };
            (row.name, rights)
        });
        rights.collect::<HashMap<&str, Rights>>()
    });
    let read_only: HashSet<(&str, &str)> = answer.read_only.iter().copied().collect();
    let mut parameters = Names::default();
    let scoped = tables.into_iter().map(|table| {
        let name = table.name.name.as_str();
        let component = names.claim(name, &["", ".insert", ".update"]);
        let columns = table.columns.iter().map(|column| {
            let column_name = column.name.as_str();
            // A name in quotes is none for Go's generator, which writes no escapes. Such a column
            // is filtered by `and` and `or`.
            let is_plain = in_query(column_name) == column_name;
            let is_filtered = is_plain && !RESERVED.contains(&column_name);
            ScopedColumn {
                column,
                is_read_only: read_only.contains(&(name, column_name)),
                filter: is_filtered
                    .then(|| parameters.claim(&format!("{component}.{column_name}"), &[""])),
            }
        });
        let allowed = match &rights {
            Some(rights) => rights.get(name).copied().unwrap_or_default(),
            None => Rights {
                select: true,
                insert: true,
                update: true,
                delete: true,
            },
        };
        ScopedTable {
            columns: columns.collect(),
            select: parameters.claim(&format!("{component}.select"), &[""]),
            can: Rights {
                select: allowed.select,
                insert: allowed.insert && table.writable.insert,
                update: allowed.update && table.writable.update,
                delete: allowed.delete && table.writable.delete,
            },
            table,
            operation: pascal(&component),
            component,
        }
    });
    scoped.collect()
}

/// The routines are in order, so overloads are beside each other.
fn scoped_routines<'a>(
    names: &mut Names,
    routines: Vec<DescribedRoutine<'a>>,
) -> Vec<ScopedRoutine<'a>> {
    let groups = routines.chunk_by(|a, b| a.name == b.name);
    let mut functions = Names::default();
    groups
        .map(|overloads| {
            let name = overloads[0].name;
            let base = functions.claim(name, &[""]);
            let overloads = overloads.iter().map(|routine| {
                let mut claim = |ending| names.claim(&format!("{base}.{ending}"), &[""]);
                let mut returned = routine.returned.iter();
                Overload {
                    arguments: claim("args"),
                    row: returned
                        .any(|returned| !returned.columns.is_empty())
                        .then(|| claim("row")),
                    routine: routine.clone(),
                }
            });
            ScopedRoutine {
                name,
                operation: pascal(&base),
                overloads: overloads.collect(),
            }
        })
        .collect()
}
