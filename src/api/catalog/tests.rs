//! Tests of what a catalog knows beyond tables and columns, from documents as PostgreSQL answers.
//!
//! A relation is known by a letter in most of them: `a` and `b` are tables, `v` and `w` views.

use super::*;
use corerest_sql::{CatalogSql, Ident, QualifiedName};

/// The parts of a document, each a list of rows.
#[derive(Default)]
struct Document {
    tables: Vec<String>,
    columns: Vec<String>,
    views: Vec<String>,
    primary_keys: Vec<String>,
    foreign_keys: Vec<String>,
    computed: Vec<String>,
    representations: Vec<String>,
    media_handlers: Vec<String>,
    routines: Vec<String>,
}

impl Document {
    /// A table with these columns, whose positions are counted from 1.
    fn table(self, oid: u32, name: &str, columns: &[&str]) -> Document {
        self.relation(oid, name, false, columns)
    }

    /// A view; a column `shown=7.2` shows column 2 of relation 7.
    fn view(mut self, oid: u32, name: &str, columns: &[&str]) -> Document {
        let mut targets = String::new();
        let mut names = Vec::new();
        for (column, number) in columns.iter().zip(1..) {
            let (name, origin) = column.split_once('=').unwrap_or((column, "0.0"));
            let (table, position) = origin.split_once('.').unwrap();
            names.push(name);
            targets += &format!(
                "{{TARGETENTRY :expr {{VAR :varno 1}} :resno {number} :resname x \
                 :ressortgroupref 0 :resorigtbl {table} :resorigcol {position} :resjunk false}}"
            );
        }
        let tree = format!("({{QUERY :commandType 1 :targetList ({targets}) :override 0}})");
        self.views
            .push(format!(r#"{{"view": {oid}, "definition": "{tree}"}}"#));
        self.relation(oid, name, true, &names)
    }

    fn relation(mut self, oid: u32, name: &str, is_view: bool, columns: &[&str]) -> Document {
        let (schema, name) = split(name);
        self.tables.push(format!(
            r#"{{"oid": {oid}, "schema": "{schema}", "name": "{name}", "description": null,
                "is_view": {is_view}, "writable_commands": 0, "primary_key": null}}"#
        ));
        for (column, position) in columns.iter().zip(1..) {
            self.columns.push(format!(
                r#"{{"relation": {oid}, "position": {position}, "name": "{column}",
                    "description": null, "nullable": true, "data_type": "integer",
                    "nominal_type": "integer", "max_length": null, "default": null,
                    "enum_labels": null}}"#
            ));
        }
        self
    }

    fn primary_key(mut self, oid: u32, name: &str, positions: &[i32]) -> Document {
        let (schema, name) = split(name);
        self.primary_keys.push(format!(
            r#"{{"table": {oid}, "table_schema": "{schema}", "table_name": "{name}",
                "is_partition": false, "columns": {positions:?}}}"#
        ));
        self
    }

    /// A foreign key from `(oid, name)` to another; its columns as `x.2=y.1`.
    fn foreign_key(self, name: &str, ends: [(u32, &str); 2], columns: &[&str]) -> Document {
        self.constraint(name, ends, columns, false)
    }

    fn unique_foreign_key(self, name: &str, ends: [(u32, &str); 2], columns: &[&str]) -> Document {
        self.constraint(name, ends, columns, true)
    }

    fn constraint(
        mut self,
        name: &str,
        [(table, table_name), (foreign, foreign_name)]: [(u32, &str); 2],
        columns: &[&str],
        is_unique: bool,
    ) -> Document {
        let (table_schema, table_name) = split(table_name);
        let (foreign_schema, foreign_name) = split(foreign_name);
        let columns: Vec<String> = columns.iter().map(|pair| key_column(pair)).collect();
        let columns = columns.join(", ");
        self.foreign_keys.push(format!(
            r#"{{"name": "{name}", "table": {table}, "table_schema": "{table_schema}",
                "table_name": "{table_name}", "foreign_table": {foreign},
                "foreign_schema": "{foreign_schema}", "foreign_name": "{foreign_name}",
                "is_unique": {is_unique}, "columns": [{columns}]}}"#
        ));
        self
    }

    fn computed(mut self, function: &str, table: &str, foreign_table: &str) -> Document {
        let (function_schema, function_name) = split(function);
        let (table_schema, table_name) = split(table);
        let (foreign_schema, foreign_name) = split(foreign_table);
        self.computed.push(format!(
            r#"{{"function_schema": "{function_schema}", "function_name": "{function_name}",
                "table_schema": "{table_schema}", "table_name": "{table_name}",
                "foreign_schema": "{foreign_schema}", "foreign_name": "{foreign_name}",
                "to_one": true}}"#
        ));
        self
    }

    fn representation(mut self, source: &str, target: &str, function: &str) -> Document {
        self.representations.push(format!(
            r#"{{"source": "{source}", "target": "{target}", "function": "{function}"}}"#
        ));
        self
    }

    fn media_handler(mut self, handler: &str, target: &str, media_type: &str) -> Document {
        let (handler_schema, handler_name) = split(handler);
        let (target_schema, target_name) = split(target);
        self.media_handlers.push(format!(
            r#"{{"handler_schema": "{handler_schema}", "handler_name": "{handler_name}",
                "target_schema": "{target_schema}", "target_name": "{target_name}",
                "media_type": "{media_type}", "is_cast": false}}"#
        ));
        self
    }

    /// A function of parameters such as `a integer` or, with a default, `a integer=`, which
    /// returns `scalar pg_catalog.int4`, `composite a`, `alias a` or `setof composite a`.
    fn routine(mut self, name: &str, parameters: &[&str], returns: &str) -> Document {
        let (schema, name) = split(name);
        let (of, returned) = returns.rsplit_once(' ').unwrap();
        let (returned_schema, returned_name) = split(returned);
        let parameters: Vec<String> = parameters.iter().map(|text| parameter(text)).collect();
        let (parameters, is_set) = (parameters.join(", "), of.starts_with("setof"));
        let (is_composite, is_alias) = (!of.ends_with("scalar"), of.ends_with("alias"));
        self.routines.push(format!(
            r#"{{"schema": "{schema}", "name": "{name}", "description": null,
                "parameters": [{parameters}], "returned_schema": "{returned_schema}",
                "returned_name": "{returned_name}", "returns_set": {is_set},
                "is_composite": {is_composite}, "is_alias": {is_alias}, "volatility": "v",
                "has_variadic": false, "settings": null}}"#
        ));
        self
    }

    /// Changes a member of the last function.
    fn with(mut self, member: &str, value: &str) -> Document {
        let row = self.routines.last_mut().unwrap();
        let before = ["null", "false", "\"v\""].map(|it| format!("\"{member}\": {it}"));
        let before = before.iter().find(|it| row.contains(it.as_str())).unwrap();
        *row = row.replace(before, &format!("\"{member}\": {value}"));
        self
    }

    fn text(&self) -> String {
        let sections = [
            ("tables", &self.tables),
            ("columns", &self.columns),
            ("views", &self.views),
            ("primary_keys", &self.primary_keys),
            ("foreign_keys", &self.foreign_keys),
            ("computed_relationships", &self.computed),
            ("representations", &self.representations),
            ("media_handlers", &self.media_handlers),
            ("routines", &self.routines),
        ];
        let sections = sections.map(|(name, rows)| format!(r#""{name}": [{}]"#, rows.join(", ")));
        let server = r#""server": {"version_number": 150018, "version": "", "full_version": ""}"#;
        let sections = sections.join(", ");
        format!(r#"{{{server}, "schemas": ["api"], {sections}}}"#)
    }

    #[track_caller]
    fn catalog(&self) -> Catalog {
        decode_catalog(&mut self.text().into_bytes()).unwrap()
    }
}

/// The schema is `api` if none is given.
fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or(("api", name))
}

fn qualified(name: &str) -> QualifiedName {
    let (schema, name) = split(name);
    QualifiedName::new(Ident::before_nul(schema), Ident::before_nul(name))
}

fn key_column(pair: &str) -> String {
    let (own, foreign) = pair.split_once('=').unwrap();
    let (name, position) = own.split_once('.').unwrap();
    let (foreign_name, foreign_position) = foreign.split_once('.').unwrap();
    format!(
        r#"{{"position": {position}, "name": "{name}",
            "foreign_position": {foreign_position}, "foreign_name": "{foreign_name}"}}"#
    )
}

fn parameter(text: &str) -> String {
    let (name, data_type) = text.split_once(' ').unwrap();
    let required = !data_type.ends_with('=');
    let data_type = data_type.trim_end_matches('=');
    format!(
        r#"{{"name": "{name}", "data_type": "{data_type}", "cast_type": null,
            "required": {required}, "variadic": false}}"#
    )
}

/// `b many-to-one k(x=id)`, and so on.
fn shown(relationship: &Relationship) -> String {
    let target = relationship.foreign_table();
    let is_self = match relationship {
        Relationship::Detected(detected) => detected.is_self,
        Relationship::Computed(computed) => computed.is_self,
    };
    let own = if is_self { " self" } else { "" };
    let detected = match relationship {
        Relationship::Detected(detected) => detected,
        Relationship::Computed(computed) => {
            return format!("{}() {}{own}", computed.function, target.name);
        }
    };
    let cardinality = match &detected.cardinality {
        Cardinality::OneToMany {
            constraint,
            columns,
        } => format!("one-to-many {constraint}({})", pairs(columns)),
        Cardinality::ManyToOne {
            constraint,
            columns,
        } => format!("many-to-one {constraint}({})", pairs(columns)),
        Cardinality::OneToOne {
            constraint,
            columns,
            is_parent,
        } => {
            let parent = if *is_parent { " parent" } else { "" };
            format!("one-to-one{parent} {constraint}({})", pairs(columns))
        }
        Cardinality::ManyToMany(junction) => format!(
            "many-to-many {} {}({}) {}({})",
            junction.table.name,
            junction.constraint_source,
            pairs(&junction.source_columns),
            junction.constraint_target,
            pairs(&junction.target_columns)
        ),
    };
    let view = |is_view: bool| if is_view { "*" } else { "" };
    let (from, to) = (
        view(detected.table_is_view),
        view(detected.foreign_table_is_view),
    );
    format!("{from}{}{to} {cardinality}{own}", target.name)
}

fn pairs(columns: &[(Ident, Ident)]) -> String {
    let pairs = columns
        .iter()
        .map(|(own, foreign)| format!("{own}={foreign}"));
    pairs.collect::<Vec<_>>().join(",")
}

#[track_caller]
fn check(document: &Document, table: &str, expected: &[&str]) {
    let catalog = document.catalog();
    let found = catalog.relationships_of(&qualified(table), &Ident::before_nul("api"));
    let found: Vec<String> = found.iter().map(shown).collect();
    assert_eq!(found, expected, "{table}");
}

/// Two tables, of which `b` has a foreign key to `a`.
fn two_tables() -> Document {
    Document::default()
        .table(1, "a", &["id"])
        .table(2, "b", &["id", "a_id"])
        .primary_key(1, "a", &[1])
        .primary_key(2, "b", &[1])
        .foreign_key("k", [(2, "b"), (1, "a")], &["a_id.2=id.1"])
}

#[test]
fn a_foreign_key_leads_both_ways() {
    check(&two_tables(), "b", &["a many-to-one k(a_id=id)"]);
    check(&two_tables(), "a", &["b one-to-many k(id=a_id)"]);
    check(&two_tables(), "missing", &[]);
}

#[test]
fn a_unique_foreign_key_is_one_to_one() {
    let document = Document::default()
        .table(1, "a", &["id"])
        .table(2, "b", &["id"])
        .unique_foreign_key("k", [(2, "b"), (1, "a")], &["id.1=id.1"]);
    check(&document, "b", &["a one-to-one k(id=id)"]);
    check(&document, "a", &["b one-to-one parent k(id=id)"]);
}

#[test]
fn composite_keys_keep_their_order() {
    let document = Document::default()
        .table(1, "a", &["x", "y"])
        .table(2, "b", &["p", "q"])
        .foreign_key("k", [(2, "b"), (1, "a")], &["q.2=x.1", "p.1=y.2"]);
    check(&document, "b", &["a many-to-one k(q=x,p=y)"]);
    check(&document, "a", &["b one-to-many k(x=q,y=p)"]);
}

#[test]
fn a_table_can_lead_to_itself() {
    let document = Document::default()
        .table(1, "a", &["id", "up"])
        .foreign_key("k", [(1, "a"), (1, "a")], &["up.2=id.1"])
        .view(3, "v", &["id=1.1", "up=1.2"]);
    let expected = [
        "a one-to-many k(id=up) self",
        "a many-to-one k(up=id) self",
        "v* one-to-many k(id=up)",
        "v* many-to-one k(up=id)",
    ];
    check(&document, "a", &expected);
    let expected = [
        "*a one-to-many k(id=up)",
        "*a many-to-one k(up=id)",
        "*v* one-to-many k(id=up) self",
        "*v* many-to-one k(up=id) self",
    ];
    check(&document, "v", &expected);
}

/// `j` has keys to `a` and `b`, and a primary key of these columns.
fn junction(primary_key: &[i32]) -> Document {
    Document::default()
        .table(1, "a", &["id"])
        .table(2, "b", &["id"])
        .table(3, "j", &["a_id", "b_id", "n"])
        .primary_key(3, "j", primary_key)
        .foreign_key("ka", [(3, "j"), (1, "a")], &["a_id.1=id.1"])
        .foreign_key("kb", [(3, "j"), (2, "b")], &["b_id.2=id.1"])
}

#[test]
fn a_junction_is_a_table_whose_primary_key_holds_both_foreign_keys() {
    let through = "b many-to-many j ka(id=a_id) kb(id=b_id)";
    let direct = "j one-to-many ka(id=a_id)";
    check(&junction(&[1, 2]), "a", &[through, direct]);
    check(&junction(&[3, 2, 1]), "a", &[through, direct]);
    check(&junction(&[1]), "a", &[direct]);
    check(&junction(&[1, 3]), "a", &[direct]);
    let back = "a many-to-many j kb(id=b_id) ka(id=a_id)";
    check(
        &junction(&[1, 2]),
        "b",
        &[back, "j one-to-many kb(id=b_id)"],
    );
}

#[test]
fn a_junction_may_lead_back() {
    let document = Document::default()
        .table(1, "a", &["id"])
        .table(3, "j", &["x", "y"])
        .primary_key(3, "j", &[1, 2])
        .foreign_key("kx", [(3, "j"), (1, "a")], &["x.1=id.1"])
        .foreign_key("ky", [(3, "j"), (1, "a")], &["y.2=id.1"]);
    let expected = [
        "a many-to-many j kx(id=x) ky(id=y) self",
        "a many-to-many j ky(id=y) kx(id=x) self",
        "j one-to-many kx(id=x)",
        "j one-to-many ky(id=y)",
    ];
    check(&document, "a", &expected);
}

#[test]
fn a_view_of_a_junction_is_one_too() {
    let document = junction(&[1, 2]).view(9, "v", &["l=3.1", "r=3.2"]);
    let expected = [
        "b many-to-many j ka(id=a_id) kb(id=b_id)",
        "b many-to-many v ka(id=l) kb(id=r)",
        "j one-to-many ka(id=a_id)",
        "v* one-to-many ka(id=l)",
    ];
    check(&document, "a", &expected);
}

#[test]
fn views_stand_for_the_tables_whose_keys_they_show() {
    let document = two_tables()
        .view(7, "v", &["key=2.1", "parent=2.2"])
        .view(8, "w", &["up=1.1"])
        .view(9, "x", &["id=2.1"]);
    check(
        &document,
        "v",
        &[
            "*a many-to-one k(parent=id)",
            "*w* many-to-one k(parent=up)",
        ],
    );
    check(
        &document,
        "w",
        &["*b one-to-many k(up=a_id)", "*v* one-to-many k(up=parent)"],
    );
    check(&document, "x", &[]);
}

#[test]
fn a_column_shown_twice_gives_two_relationships() {
    let document = two_tables().view(7, "v", &["x=2.2", "y=2.2"]);
    check(
        &document,
        "v",
        &["*a many-to-one k(x=id)", "*a many-to-one k(y=id)"],
    );
}

/// A foreign key of so many columns, and a view that shows each so many times.
fn repeating_view(key_columns: usize, times: usize) -> Document {
    let names: Vec<String> = (1..=key_columns).map(|n| format!("c{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pairs: Vec<String> = (1..=key_columns)
        .map(|n| format!("c{n}.{n}=c{n}.{n}"))
        .collect();
    let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    let shown: Vec<String> = (1..=key_columns)
        .flat_map(|column| (1..=times).map(move |time| format!("c{column}_{time}=2.{column}")))
        .collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    Document::default()
        .table(1, "a", &names)
        .table(2, "b", &names)
        .foreign_key("k", [(2, "b"), (1, "a")], &pairs)
        .view(7, "v", &shown)
}

#[test]
fn a_view_that_shows_a_key_in_too_many_ways_stands_for_its_table_once() {
    for (key_columns, times, expected) in [
        (1, 1_600, 1_600),
        (4, 9, 6_561),
        (4, 10, 1),
        (4, 36, 1),
        (8, 50, 1),
        (32, 50, 1),
    ] {
        let catalog = repeating_view(key_columns, times).catalog();
        let api = Ident::before_nul("api");
        let found = catalog.relationships_of(&qualified("v"), &api).len();
        assert_eq!(found, expected, "{key_columns} columns, {times} times");
        let trimmed: Vec<String> = catalog
            .trimmed_views
            .iter()
            .map(|trimmed| format!("{} {}", trimmed.view, trimmed.foreign_key))
            .collect();
        let expected: &[&str] = if expected == 1 { &["api.v k"] } else { &[] };
        assert_eq!(trimmed, expected, "{key_columns} columns, {times} times");
    }
    let first = "*a many-to-one k(c1_1=c1,c2_1=c2,c3_1=c3,c4_1=c4)";
    check(&repeating_view(4, 36), "v", &[first]);
}

#[test]
fn a_junction_leads_to_views_that_show_a_key_in_too_many_ways_once() {
    for (times, expected) in [(49, 49 * 49 + 49), (50, 2), (1_000, 2)] {
        let shown = |table: u32| -> Vec<String> {
            let columns = (1..=times).map(|time| format!("id_{time}={table}.1"));
            columns.collect()
        };
        let (lefts, rights) = (shown(1), shown(2));
        let lefts: Vec<&str> = lefts.iter().map(String::as_str).collect();
        let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
        let catalog = junction(&[1, 2])
            .view(8, "v", &lefts)
            .view(9, "w", &rights)
            .catalog();
        let found = catalog.relationships_of(&qualified("v"), &Ident::before_nul("api"));
        let many_to_many = found
            .iter()
            .filter(|relationship| shown_as_many_to_many(relationship));
        assert_eq!(many_to_many.count(), expected, "{times}");
        let expected = if times == 49 { 0 } else { 2 };
        assert_eq!(catalog.trimmed_views.len(), expected, "{times}");
    }
}

fn shown_as_many_to_many(relationship: &Relationship) -> bool {
    shown(relationship).contains("many-to-many")
}

#[test]
fn chains_of_views_are_followed_and_circles_are_not() {
    let document = two_tables()
        .view(7, "v", &["one=8.1"])
        .view(8, "hidden.h", &["two=9.1"])
        .view(9, "w", &["three=2.2"]);
    check(&document, "v", &["*a many-to-one k(one=id)"]);
    let document = two_tables()
        .view(7, "v", &["one=8.1"])
        .view(8, "w", &["two=7.1"])
        .view(9, "x", &["three=9.1"]);
    for view in ["v", "w", "x"] {
        check(&document, view, &[]);
    }
}

/// Each column is followed once, or this would take a minute.
#[test]
fn a_long_chain_of_views_is_followed() {
    let views = 10..20_010;
    let document = views.fold(two_tables(), |document, view| {
        let below = if view == 10 { 2 } else { view - 1 };
        let column = format!("one={below}.{}", if view == 10 { 2 } else { 1 });
        document.view(view, &format!("v{view}"), &[column.as_str()])
    });
    check(&document, "v20009", &["*a many-to-one k(one=id)"]);
}

#[test]
fn what_is_not_exposed_is_left_out() {
    let document = Document::default()
        .table(2, "b", &["a_id"])
        .foreign_key("k", [(2, "b"), (1, "private.a")], &["a_id.1=id.1"])
        .view(7, "v", &["id=1.1"]);
    check(&document, "b", &["v* many-to-one k(a_id=id)"]);
    check(&document, "private.a", &[]);
    let catalog = document.catalog();
    let private = Ident::before_nul("private");
    assert!(
        catalog
            .relationships_of(&qualified("b"), &private)
            .is_empty()
    );
    // `b` to the two schemas, and `v` to `b`.
    assert_eq!(catalog.summary().relationships, 3);
}

#[test]
fn a_hidden_junction_leaves_only_its_trace() {
    let document = Document::default()
        .table(1, "a", &["id"])
        .table(2, "b", &["id"])
        .primary_key(3, "private.j", &[1, 2])
        .foreign_key("ka", [(3, "private.j"), (1, "a")], &["a_id.1=id.1"])
        .foreign_key("kb", [(3, "private.j"), (2, "b")], &["b_id.2=id.1"]);
    check(&document, "a", &[]);
    // `a` and `b`, each to each other and to the private schema.
    assert_eq!(document.catalog().summary().relationships, 4);
}

#[test]
fn computed_relationships_come_last_and_override() {
    let document = two_tables().computed("zebras", "b", "b");
    let expected = ["a many-to-one k(a_id=id)", "api.zebras() b self"];
    check(&document, "b", &expected);
    // The name of the function is that of the table which the foreign key leads to.
    let document = two_tables().computed("a", "b", "b");
    check(&document, "b", &["api.a() b self"]);
    // In another schema it is another name.
    let document = two_tables().computed("hidden.a", "b", "b");
    check(&document, "b", &["a many-to-one k(a_id=id)"]);
    let hidden = Ident::before_nul("hidden");
    let catalog = document.catalog();
    assert_eq!(catalog.relationships_of(&qualified("b"), &hidden).len(), 1);
}

#[test]
fn to_one_is_what_cannot_be_many() {
    let document = two_tables().computed("zebras", "a", "b");
    let catalog = document.catalog();
    let to_one = |table: &str| -> Vec<bool> {
        let found = catalog.relationships_of(&qualified(table), &Ident::before_nul("api"));
        found.iter().map(Relationship::is_to_one).collect()
    };
    assert_eq!(to_one("b"), [true]);
    assert_eq!(to_one("a"), [false, true]);
}

#[test]
fn views_have_the_keys_of_the_tables_below() {
    let document = Document::default()
        .table(1, "a", &["x", "y"])
        .table(2, "b", &["id"])
        .primary_key(1, "a", &[2, 1])
        .primary_key(2, "b", &[1])
        .view(7, "whole", &["c=1.1", "b=1.2", "again=1.2"])
        .view(8, "half", &["x=1.1"])
        .view(9, "both", &["x=1.1", "y=1.2", "id=2.1"]);
    let catalog = document.catalog();
    for (view, expected) in [
        ("whole", vec!["b", "c"]),
        ("half", vec![]),
        ("both", vec!["id", "y", "x"]),
    ] {
        let key = &catalog.table(&qualified(view)).unwrap().primary_key;
        let key: Vec<&str> = key.iter().map(Ident::as_str).collect();
        assert_eq!(key, expected, "{view}");
    }
}

#[test]
fn hints_are_about_the_name_that_is_wrong() {
    let document = Document::default()
        .table(1, "films", &["id"])
        .table(2, "roles", &["film_id"])
        .foreign_key("k", [(2, "roles"), (1, "films")], &["film_id.1=id.1"]);
    let catalog = document.catalog();
    let check = |parent: &str, child: &str, schema: &str, expected: Option<&str>| {
        let hint = catalog.relationship_hint(parent, child, schema);
        assert_eq!(hint.as_deref(), expected, "{parent} {child} {schema}");
    };
    let films = Some("Perhaps you meant 'films' instead of 'film'.");
    check("film", "anything", "api", films);
    check("film", "anything", "other", None);
    let roles = Some("Perhaps you meant 'roles' instead of 'role'.");
    check("films", "role", "api", roles);
    check("films", "roles", "api", None);
    check("films", "ROLES", "api", None);
    check("films", "qqq", "api", None);
    check("qqq", "roles", "api", None);
}

#[test]
fn representations_are_found_by_both_types() {
    let document = Document::default()
        .representation("api.color", "json", "api.json")
        .representation("json", "api.color", "api.color")
        .representation("api.color", "text", "api.text");
    let catalog = document.catalog();
    let function = |source, target| {
        let found = catalog.representation(source, target);
        found.map(CatalogSql::as_str)
    };
    assert_eq!(function("api.color", "json"), Some("api.json"));
    assert_eq!(function("json", "api.color"), Some("api.color"));
    assert_eq!(function("text", "api.color"), None);
    assert_eq!(catalog.summary().representations, 3);
}

#[test]
fn handlers_are_found_by_target_and_media_type() {
    let document = Document::default()
        .media_handler("csv", "a", "Text/CSV")
        .media_handler("any", "a", "*/*")
        .media_handler("json", "pg_catalog.anyelement", "application/json");
    let catalog = document.catalog();
    let resolved = |target: Option<&str>, media_type| {
        let target = target.map(qualified);
        let handler = catalog.media_handler(target.as_ref(), media_type)?;
        assert_eq!(handler.target, target);
        Some((handler.function.to_string(), handler.media_type.clone()))
    };
    let found = |function: &str, media_type: &str| {
        let function = format!("api.{function}");
        Some((function, media_type.to_owned()))
    };
    assert_eq!(resolved(Some("a"), "text/csv"), found("csv", "Text/CSV"));
    let any = found("any", "application/octet-stream");
    assert_eq!(resolved(Some("a"), "*/*"), any);
    let json = found("json", "application/json");
    assert_eq!(resolved(None, "application/json"), json);
    assert_eq!(resolved(None, "text/csv"), None);
    assert_eq!(resolved(Some("b"), "text/csv"), None);
    // Three of the four built-in ones remain.
    assert_eq!(catalog.summary().media_handlers, 6);
}

/// The parameters' names of each overload.
fn overloads(catalog: &Catalog, name: &str) -> Vec<String> {
    let names = |routine: &Routine| -> Vec<String> {
        let parameters = routine.parameters.iter();
        parameters.map(|it| it.name.to_string()).collect()
    };
    let routines = catalog.routines(&qualified(name)).iter();
    routines.map(|it| names(it).join(" ")).collect()
}

#[test]
fn routines_are_found_by_name_with_the_fewest_parameters_first() {
    let catalog = Document::default()
        .routine("f", &["a integer", "b integer"], "scalar pg_catalog.int4")
        .routine("g", &["x text"], "scalar pg_catalog.int4")
        .routine("f", &["c integer"], "scalar pg_catalog.int4")
        .routine("other.f", &["d integer"], "scalar pg_catalog.int4")
        .routine("f", &["b integer"], "scalar pg_catalog.int4")
        .with("description", "\"Comments count, too.\"")
        .routine("f", &[], "scalar pg_catalog.int4")
        .catalog();
    assert_eq!(overloads(&catalog, "f"), ["", "c", "b", "a b"]);
    assert_eq!(overloads(&catalog, "g"), ["x"]);
    assert_eq!(overloads(&catalog, "other.f"), ["d"]);
    assert!(overloads(&catalog, "other.g").is_empty());
    let all = catalog.all_routines().iter().map(|it| it.name.to_string());
    let expected = ["api.f", "api.f", "api.f", "api.f", "api.g", "other.f"];
    assert_eq!(all.collect::<Vec<_>>(), expected);
    assert_eq!(catalog.summary().routines, 3);
}

/// Which of its questions a routine affirms that returns this.
#[track_caller]
fn check_returned(returns: &str, expected: &str, table: Option<&str>) {
    let catalog = Document::default().routine("f", &[], returns).catalog();
    let routine = &catalog.routines(&qualified("f"))[0];
    let answers = [
        ("single", routine.returns_single()),
        ("scalar", routine.returns_scalar()),
        ("set_of_scalar", routine.returns_set_of_scalar()),
        ("void", routine.returns_void()),
    ];
    let affirmed = answers.iter().filter(|(_, answer)| *answer);
    let affirmed: Vec<&str> = affirmed.map(|(question, _)| *question).collect();
    assert_eq!(affirmed.join(" "), expected, "{returns}");
    assert_eq!(routine.returned_table(), table.map(qualified).as_ref());
}

#[test]
fn what_is_returned_is_a_value_or_a_row_or_a_set() {
    check_returned("scalar pg_catalog.int4", "single scalar", None);
    check_returned("scalar pg_catalog.void", "single scalar void", None);
    check_returned("scalar api.void", "single scalar", None);
    check_returned("setof scalar pg_catalog.void", "set_of_scalar", None);
    check_returned("composite a", "single", Some("a"));
    check_returned("alias a", "single", Some("a"));
    check_returned("setof composite private.a", "", Some("private.a"));
}

#[test]
fn rows_are_read_as_a_relation_of_the_routine_s_own_schema() {
    let relation = |returns: &str| {
        let catalog = Document::default().routine("f", &[], returns).catalog();
        catalog.routines(&qualified("f"))[0].relation().to_string()
    };
    assert_eq!(relation("setof composite a"), "api.a");
    assert_eq!(relation("composite private.a"), "api.a");
    assert_eq!(relation("scalar pg_catalog.int4"), "api.f");
}

#[test]
fn parameters_keep_what_a_cast_needs() {
    let text = Document::default()
        .routine(
            "f",
            &["a character", "b integer="],
            "scalar pg_catalog.int4",
        )
        .text()
        .replacen(
            "\"cast_type\": null",
            "\"cast_type\": \"character varying\"",
            1,
        );
    let catalog = decode_catalog(&mut text.into_bytes()).unwrap();
    let routine = &catalog.routines(&qualified("f"))[0];
    let a = routine.parameter("a").unwrap();
    assert_eq!(a.data_type.as_str(), "character");
    assert_eq!(a.cast_type.as_str(), "character varying");
    assert!(a.required);
    let b = routine.parameter("b").unwrap();
    assert_eq!(b.cast_type.as_str(), "integer");
    assert!(!b.required);
    assert_eq!(routine.parameter("c"), None);
}

#[track_caller]
fn check_settings(settings: &str, level: Option<IsolationLevel>, hoisted: &[(&str, &str)]) {
    let catalog = Document::default()
        .routine("f", &[], "scalar pg_catalog.int4")
        .with("settings", settings)
        .catalog();
    let routine = &catalog.routines(&qualified("f"))[0];
    assert_eq!(routine.isolation_level, level, "{settings}");
    let allowed = ["statement_timeout", "work_mem"].map(str::to_owned);
    let found: Vec<(&str, &str)> = routine.hoisted_settings(&allowed).collect();
    assert_eq!(found, hoisted, "{settings}");
}

#[test]
fn settings_that_are_hoisted_can_be_given_by_an_expression() {
    let catalog = Document::default()
        .routine("f", &[], "scalar pg_catalog.int4")
        .with(
            "settings",
            r#"["work_mem=4MB", "statement_timeout=4s", "a.b=c"]"#,
        )
        .catalog();
    let routine = &catalog.routines(&qualified("f"))[0];
    for (expression, hoisted) in [
        (".*", vec!["work_mem", "statement_timeout", "a.b"]),
        ("^work_mem=", vec!["work_mem"]),
        ("timeout|^a", vec!["statement_timeout", "a.b"]),
        ("a.b", vec!["a.b"]),
        ("(", vec![]),
    ] {
        let allowed = [expression.to_owned()];
        let names = routine.hoisted_settings(&allowed).map(|(name, _)| name);
        assert_eq!(names.collect::<Vec<_>>(), hoisted, "{expression}");
    }
}

#[test]
fn settings_give_an_isolation_level_and_are_hoisted_when_allowed() {
    use IsolationLevel::{ReadCommitted, RepeatableRead, Serializable};
    check_settings("null", None, &[]);
    let many = r#"["statement_timeout=4s", "a.b=c=d", "maintenance_work_mem=1=2"]"#;
    let hoisted = [("statement_timeout", "4s"), ("maintenance_work_mem", "1=2")];
    check_settings(many, None, &hoisted);
    for (value, level) in [
        ("serializable", Serializable),
        ("Repeatable Read", RepeatableRead),
        ("read committed", ReadCommitted),
        ("read uncommitted", ReadCommitted),
    ] {
        let settings = format!(r#"["a=b", "default_transaction_isolation={value}"]"#);
        check_settings(&settings, Some(level), &[]);
    }
}

#[test]
fn volatility_is_one_of_three() {
    for (letter, expected) in [
        ("i", Volatility::Immutable),
        ("s", Volatility::Stable),
        ("v", Volatility::Volatile),
    ] {
        let document = Document::default().routine("f", &[], "scalar pg_catalog.int4");
        let catalog = document
            .with("volatility", &format!("\"{letter}\""))
            .catalog();
        assert_eq!(catalog.routines(&qualified("f"))[0].volatility, expected);
    }
}

#[test]
fn hints_are_about_the_function_and_then_about_its_parameters() {
    let catalog = Document::default()
        .routine("test", &["val x", "param x", "name x"], "scalar a")
        .routine("test", &["id x", "attr x"], "scalar a")
        .routine("another", &[], "scalar a")
        .routine("private.other", &[], "scalar a")
        .catalog();
    let check = |name: &str, arguments: &[&str], expected: Option<&str>| {
        let hint = catalog.routine_hint(&qualified(name), arguments);
        let expected =
            expected.map(|it| format!("Perhaps you meant to call the function api.{it}"));
        assert_eq!(hint, expected, "{name} {arguments:?}");
    };
    check("testt", &["val", "param", "name"], Some("test"));
    check("other", &[], None);
    check("noclosealternative", &[], None);
    check("missing.test", &[], None);
    check(
        "test",
        &["vall", "pqaram", "nam"],
        Some("test(name, param, val)"),
    );
    check("test", &["val", "param"], Some("test(name, param, val)"));
    check("test", &["id", "attrs"], Some("test(attr, id)"));
    check("test", &["id"], Some("test(attr, id)"));
    check("test", &["noclosealternative"], None);
}

/// Something in every section.
fn everything() -> Document {
    two_tables()
        .view(7, "v", &["x=2.2"])
        .computed("zebras", "b", "b")
        .representation("api.color", "json", "api.json")
        .media_handler("csv", "a", "text/csv")
        .routine("add", &["addend integer"], "scalar returns.number")
        .with("settings", r#"["work_mem=4MB"]"#)
}

#[test]
fn a_document_cut_off_anywhere_is_an_error() {
    let whole = everything().text();
    for end in 0..whole.len() {
        let cut = decode_catalog(&mut whole.as_bytes()[..end].to_vec());
        assert!(cut.is_err(), "cut at {end}");
    }
}

#[test]
fn names_with_a_nul_are_refused_in_every_section() {
    let whole = everything().text();
    for name in [
        "\"k\"",
        "\"a_id\"",
        "\"zebras\"",
        "\"csv\"",
        "\"api\"",
        "\"add\"",
        "\"addend\"",
        "\"number\"",
    ] {
        let broken = format!("{}\\u0000\"", &name[..name.len() - 1]);
        let document = whole.replace(name, &broken);
        let error = decode_catalog(&mut document.into_bytes()).unwrap_err();
        assert_eq!(error, DecodeError::InvalidName, "{name}");
    }
}
