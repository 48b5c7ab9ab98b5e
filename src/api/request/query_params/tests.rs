//! Whole query strings, and what they mean or how they are refused.
//! The texts of refusals are PostgREST's, which its clients parse.

use super::super::ast::*;
use super::*;
use std::fmt::Write as _;

fn show_field(field: &Field) -> String {
    let mut out = field.name.to_string();
    for step in &field.json_path {
        out.push_str(match step.arrow {
            JsonArrow::Json => "->",
            JsonArrow::Text => "->>",
        });
        match &step.operand {
            JsonOperand::Key(key) => write!(out, "'{key}'").unwrap(),
            JsonOperand::Index(index) => write!(out, "[{index}]").unwrap(),
        }
    }
    out
}

fn show_select(items: &[SelectItem]) -> String {
    let shown: Vec<String> = items.iter().map(show_select_item).collect();
    shown.join("; ")
}

fn show_select_item(item: &SelectItem) -> String {
    let relation = |relation: &SelectRelation| {
        let mut out = relation.relation.to_string();
        if let Some(alias) = &relation.alias {
            out = format!("{out} as {alias}");
        }
        if let Some(hint) = &relation.hint {
            write!(out, " hint {hint}").unwrap();
        }
        if let Some(join) = relation.join {
            write!(out, " {join:?}").unwrap();
        }
        format!("{out} ({})", show_select(&relation.select))
    };
    match item {
        SelectItem::Relation(item) => relation(item),
        SelectItem::Spread(item) => format!("...{}", relation(item)),
        SelectItem::Field(item) => {
            let mut out = show_field(&item.field);
            if let Some(cast) = &item.cast {
                write!(out, " :: {}", cast.as_str()).unwrap();
            }
            if let Some(aggregate) = item.aggregate {
                write!(out, " {aggregate:?}").unwrap();
            }
            if let Some(cast) = &item.aggregate_cast {
                write!(out, " :: {}", cast.as_str()).unwrap();
            }
            if let Some(alias) = &item.alias {
                write!(out, " as {alias}").unwrap();
            }
            out
        }
    }
}

fn show_filter(filter: &Filter) -> String {
    let not = match filter.negation {
        Negation::Negated => "not ",
        Negation::Plain => "",
    };
    let operation = match &filter.operation {
        Operation::Simple(operator, value) => format!("{operator:?} {value}"),
        Operation::Quantified(operator, None, value) => format!("{operator:?} {value}"),
        Operation::Quantified(operator, Some(quantifier), value) => {
            format!("{operator:?} {quantifier:?} {value}")
        }
        Operation::In(values) => format!("In {values:?}"),
        Operation::Is(value) => format!("Is {value:?}"),
        Operation::IsDistinctFrom(value) => format!("Distinct {value}"),
        Operation::FullText(operator, None, value) => format!("Text {operator:?} {value}"),
        Operation::FullText(operator, Some(configuration), value) => {
            format!("Text {operator:?} ({}) {value}", configuration.as_str())
        }
    };
    format!("{} {not}{operation}", show_field(&filter.field))
}

fn show_tree(tree: &LogicTree) -> String {
    match tree {
        LogicTree::Filter(filter) => show_filter(filter),
        LogicTree::Group(negation, operator, members) => {
            let not = match negation {
                Negation::Negated => "not ",
                Negation::Plain => "",
            };
            let members: Vec<String> = members.iter().map(show_tree).collect();
            format!("{not}{operator:?}[{}]", members.join("; "))
        }
    }
}

fn show_order(terms: &[OrderTerm]) -> String {
    let shown = terms.iter().map(|term| {
        let mut out = show_field(&term.field);
        if let Some(relation) = &term.relation {
            out = format!("{relation}({out})");
        }
        if let Some(direction) = term.direction {
            write!(out, " {direction:?}").unwrap();
        }
        if let Some(nulls) = term.nulls {
            write!(out, " {nulls:?}").unwrap();
        }
        out
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn show_at<T>(items: &[At<T>], show: impl Fn(&T) -> String) -> Vec<String> {
    items
        .iter()
        .map(|at| {
            let path: Vec<&str> = at.path.iter().map(Ident::as_str).collect();
            let slash = if path.is_empty() { "" } else { "/" };
            format!("{}{slash}{}", path.join("/"), show(&at.item))
        })
        .collect()
}

/// Everything a query says, a line for each parameter, without what is not there.
fn show(query: &QueryParams) -> String {
    let mut lines = Vec::new();
    let select = show_select(&query.select);
    if select != "*" {
        lines.push(format!("select {select}"));
    }
    lines.extend(show_at(&query.filters, show_filter));
    lines.extend(show_at(&query.logic, show_tree));
    lines.extend(show_at(&query.order, |terms| {
        format!("order {}", show_order(terms))
    }));
    let range = |range: &Range| format!("range {}+{:?}", range.offset(), range.limit());
    lines.extend(query.limit.iter().map(range));
    lines.extend(show_at(&query.embedded_ranges, range));
    let arguments = query
        .arguments
        .iter()
        .map(|(name, value)| format!("{name} := {value}"));
    lines.extend(arguments);
    lines.extend(
        query
            .columns
            .iter()
            .map(|names| format!("columns {names:?}")),
    );
    lines.extend(
        query
            .on_conflict
            .iter()
            .map(|names| format!("on conflict {names:?}")),
    );
    lines.join("\n")
}

fn outcome(style: FilterStyle, query: &str) -> String {
    match QueryParams::parse(style, query) {
        Ok(query) => show(&query),
        Err(Error::QueryParameter { message, details }) => format!("{message}: {details}"),
        Err(error) => panic!("{error:?}"),
    }
}

#[track_caller]
fn check(query: &str, expected: &str) {
    assert_eq!(
        outcome(FilterStyle::OperatorNeeded, query),
        expected,
        "{query}"
    );
}

#[track_caller]
fn check_arguments(query: &str, expected: &str) {
    assert_eq!(outcome(FilterStyle::OrArgument, query), expected, "{query}");
}

/// A refused value: the position of the error and its details.
#[track_caller]
fn refused(parameter: &str, what: &str, value: &str, position: &str, details: &str) {
    let (line, column) = position.split_once(':').unwrap();
    let query = format!(
        "{parameter}={}",
        value
            .replace('%', "%25")
            .replace('+', "%2B")
            .replace('&', "%26")
            .replace(';', "%3B")
    );
    let expected =
        format!("\"failed to parse {what} ({value})\" (line {line}, column {column}): {details}");
    check(&query, &expected);
}

#[track_caller]
fn refused_select(value: &str, column: usize, details: &str) {
    refused(
        "select",
        "select parameter",
        value,
        &format!("1:{column}"),
        details,
    );
}

#[track_caller]
fn refused_filter(value: &str, column: usize, details: &str) {
    refused("id", "filter", value, &format!("1:{column}"), details);
}

#[track_caller]
fn refused_order(value: &str, column: usize, details: &str) {
    refused("order", "order", value, &format!("1:{column}"), details);
}

/// The operator before the value counts in the column.
#[track_caller]
fn refused_logic(operator: &str, value: &str, column: usize, details: &str) {
    refused(
        operator,
        "logic tree",
        value,
        &format!("1:{column}"),
        details,
    );
}

#[test]
fn parameters_are_sorted_by_their_keys() {
    check("", "");
    check("select=id", "select id");
    check("select=*", "");
    check("select=", "select ");
    check("select", "");
    check("select&select=id", "");
    check("select=id&select=name", "select id");
    check("id=eq.1&name=eq.a", "id Equal 1\nname Equal a");
    check("id=eq.1&id=eq.2", "id Equal 1\nid Equal 2");
    check("id", "");
    check("order=a&order=b", "order a\norder b");
    check("a.order=b&a.b.order=c", "a/order b\na/b/order c");
    check(
        "or=(a.eq.1)&a.and=(b.eq.2)",
        "Or[a Equal 1]\na/And[b Equal 2]",
    );
    check(
        "columns=b,a,b&on_conflict=b,a",
        "columns {\"a\", \"b\"}\non conflict [\"b\", \"a\"]",
    );
    check("columns=id , \"a,b\"", "columns {\"a,b\", \"id\"}");
    check("limit=1&offset=2", "range 2+Some(1)");
    check("limit=1&limit=2", "range 0+Some(2)");
    check(
        "a.limit=1&a.b.offset=2",
        "a/range 0+Some(1)\na/b/range 2+None",
    );
    check("a.offset=2&a.limit=1", "a/range 2+Some(1)");
    check("a.limit=-5", "a/range 0+Some(-5)");
    check("a.select=eq.1", "a/select Equal 1");
    check("order.x=eq.1", "order/x Equal 1");
}

#[test]
fn fields_have_names_and_paths() {
    check("id=eq.1", "id Equal 1");
    check("a.b.c=eq.1", "a/b/c Equal 1");
    check("a-b=eq.1", "a-b Equal 1");
    check("a - b=eq.1", "a-b Equal 1");
    check(" a b =eq.1", "a b Equal 1");
    check("\"a.b\"=eq.1", "a.b Equal 1");
    check("\" a\\\"b\\\\ \"=eq.1", " a\"b\\  Equal 1");
    check("größe$_1=eq.1", "größe$_1 Equal 1");
    check("日本=eq.1", "日本 Equal 1");
    check("a\"b=eq.1", "a Equal 1");
    check("\"a%00b\"=eq.2", "a Equal 2");
    check("data->a=eq.1", "data->'a' Equal 1");
    check("data->a->>b-c=eq.1", "data->'a'->>'b-c' Equal 1");
    check("data->0=eq.1", "data->[+0] Equal 1");
    check("data->>-1=eq.1", "data->>[-1] Equal 1");
    check("data->1->-2->>3=eq.1", "data->[+1]->[-2]->>[+3] Equal 1");
    check("data->\"a.b\"=eq.1", "data->'a.b' Equal 1");
    check("data->!@#$^*_a=eq.1", "data->'!@#$^*_a' Equal 1");
    check("data->1a=eq.1", "data->'1a' Equal 1");
    check("a.data->b=eq.1", "a/data->'b' Equal 1");
}

#[test]
fn what_follows_a_complete_text_is_not_looked_at() {
    check("id:x=eq.1", "id Equal 1");
    check("select=id)x", "select id");
    check("columns=a(", "columns {\"a\"}");
    check("id=in.(1)x", "id In [\"1\"]");
    check("id=is.nullx", "id Is Null");
    check("or=(a.eq.1)x", "Or[a Equal 1]");
}

#[test]
fn filters_have_operators() {
    for (operator, name) in [
        ("eq", "Equal"),
        ("gte", "GreaterOrEqual"),
        ("gt", "Greater"),
        ("lte", "LessOrEqual"),
        ("lt", "Less"),
        ("like", "Like"),
        ("ilike", "ILike"),
        ("match", "Match"),
        ("imatch", "IMatch"),
    ] {
        check(&format!("id={operator}.1"), &format!("id {name} 1"));
        check(
            &format!("id={operator}(any).{{1}}"),
            &format!("id {name} Any {{1}}"),
        );
        check(
            &format!("id=not.{operator}(all).1"),
            &format!("id not {name} All 1"),
        );
    }
    for (operator, name) in [
        ("neq", "NotEqual"),
        ("cs", "Contains"),
        ("cd", "ContainedIn"),
        ("ov", "Overlaps"),
        ("sl", "StrictlyLeft"),
        ("sr", "StrictlyRight"),
        ("nxr", "NotExtendsRight"),
        ("nxl", "NotExtendsLeft"),
        ("adj", "Adjacent"),
        ("isdistinct", "Distinct"),
    ] {
        check(&format!("id={operator}.1"), &format!("id {name} 1"));
        check(
            &format!("id=not.{operator}.{{1,2}}"),
            &format!("id not {name} {{1,2}}"),
        );
    }
    for (operator, name) in [
        ("fts", "Plain"),
        ("plfts", "PlainTo"),
        ("phfts", "PhraseTo"),
        ("wfts", "WebSearch"),
    ] {
        check(&format!("id={operator}.a"), &format!("id Text {name} a"));
        check(
            &format!("id={operator}(english).a"),
            &format!("id Text {name} (english) a"),
        );
    }
    check("id=eq.", "id Equal ");
    check("id=eq.a.b=c\n", "id Equal a.b=c\n");
    check("id=eq.a%00b", "id Equal a\0b");
}

#[test]
fn is_takes_five_values_in_any_case() {
    for (text, value) in [
        ("null", "Null"),
        ("NULL", "Null"),
        ("nUlL", "Null"),
        ("not_null", "NotNull"),
        ("Not_Null", "NotNull"),
        ("true", "True"),
        ("FALSE", "False"),
        ("unknown", "Unknown"),
    ] {
        check(&format!("id=is.{text}"), &format!("id Is {value}"));
        check(&format!("id=not.is.{text}"), &format!("id not Is {value}"));
    }
}

#[test]
fn lists_have_elements() {
    check("id=in.()", "id In []");
    check("id=in.( )", "id In []");
    check("id=not.in.()", "id not In []");
    check(r#"id=in.("")"#, r#"id In [""]"#);
    check(r#"id=in. ("") "#, r#"id In [""]"#);
    check(r#"or=(a.in.(),b.in.(""))"#, r#"Or[a In []; b In [""]]"#);
    check("id=in.(1,2)", r#"id In ["1", "2"]"#);
    check("id=in. ( 1, 2 ) ", r#"id In ["1", " 2 "]"#);
    check(
        r#"id=in.("a,b","c\"d\\e",f)"#,
        r#"id In ["a,b", "c\"d\\e", "f"]"#,
    );
    check(r#"id=in.("a"b,"c)"#, r#"id In ["\"a\"b", "\"c"]"#);
    check(r#"id=in.("","a\,b")"#, r#"id In ["", "a,b"]"#);
    check("id=in.(,)", r#"id In ["", ""]"#);
}

#[test]
fn logic_nests() {
    check("and=(a.eq.1,b.eq.2)", "And[a Equal 1; b Equal 2]");
    check("not.or=(a.eq.1)", "not Or[a Equal 1]");
    check("x.not.or=(a.eq.1)", "x/not Or[a Equal 1]");
    check("not.x.or=(a.eq.1)", "x/not Or[a Equal 1]");
    check(
        "or=(a.eq.1,not.and(b.gt.2,not.or(c.lt.3)),d.not.is.null)",
        "Or[a Equal 1; not And[b Greater 2; not Or[c Less 3]]; d not Is Null]",
    );
    check("or=( a.eq.1 , b.eq.2 )", "Or[a Equal 1 ; b Equal 2 ]");
    check(
        "or=(a.in.(1,\"2,3\"),b.in.(4))",
        r#"Or[a In ["1", "2,3"]; b In ["4"]]"#,
    );
    check(
        "or=(a.eq.\"x,y\",b.eq.\"z\"w)",
        "Or[a Equal x,y; b Equal \"z\"w]",
    );
    check(
        "or=(a.cs.{1,2},b.eq.{3})",
        "Or[a Contains {1,2}; b Equal {3}]",
    );
    check("or=(data->a->>b.eq.1)", "Or[data->'a'->>'b' Equal 1]");
    check(
        "or=(a.fts(english).x,b.eq(any).{1})",
        "Or[a Text Plain (english) x; b Equal Any {1}]",
    );
    check("or=(\"a.b\".eq.1)", "Or[a.b Equal 1]");
    check("or=(and.eq.1)", "Or[and Equal 1]");
    check("and=.eq.1", "and Equal 1");
}

#[test]
fn select_has_fields() {
    check("select=id,name", "select id; name");
    check("select= id , name ", "select id; name");
    check("select=a:id", "select id as a");
    check("select=id::int", "select id :: int");
    check(
        "select=id::timestamp with time zone",
        "select id :: timestamp with time zone",
    );
    check(
        "select=a:data->b->>0::int",
        "select data->'b'->>[+0] :: int as a",
    );
    check("select=data->b", "select data->'b'");
    check("select=\"a:b\":\"c,d\"", "select c,d as a:b");
    check("select=*,id", "select *; id");
    check("select=count()", "select * Count");
    check("select=n:count()::int", "select * Count :: int as n");
    check("select=count", "select count");
    check(
        "select=a.sum(),b.avg(),c.count(),d.max(),e.min()",
        "select a Sum; b Avg; c Count; d Max; e Min",
    );
    check(
        "select=x:a::numeric.sum()::int",
        "select a :: numeric Sum :: int as x",
    );
    check("select=a::int::text", "select a :: int :: text");
}

#[test]
fn select_has_relations() {
    check("select=id,rel(*)", "select id; rel (*)");
    check("select=rel()", "select rel ()");
    check(
        "select=a:rel(x,b:sub(y))",
        "select rel as a (x; sub as b (y))",
    );
    check("select=rel!hint(*)", "select rel hint hint (*)");
    check("select=rel!inner(*)", "select rel Inner (*)");
    check("select=rel!hint!left(*)", "select rel hint hint Left (*)");
    check("select=rel!inner!hint(*)", "select rel hint hint Inner (*)");
    check("select=rel!left_x(*)", "select rel hint left_x (*)");
    check("select=rel!inner-x(*)", "select rel hint inner-x (*)");
    check("select=rel!innermost(*)", "select rel hint innermost (*)");
    check(
        "select=rel!inner!left_x(*)",
        "select rel hint left_x Inner (*)",
    );
    check(
        "select=rel!left_x!left(*)",
        "select rel hint left_x Left (*)",
    );
    check(
        "select=...rel!left1!inner(*)",
        "select ...rel hint left1 Inner (*)",
    );
    check("select=rel!a!b(*)", "select rel hint a (*)");
    check(
        "select=...rel(a,...sub(b))",
        "select ...rel (a; ...sub (b))",
    );
    check(
        "select=...rel!hint!inner(*)",
        "select ...rel hint hint Inner (*)",
    );
    check("select=rel ( id , name )", "select rel (id; name)");
}

#[test]
fn order_has_terms() {
    check("order=a", "order a");
    check("order=a.asc,b.desc", "order a Ascending; b Descending");
    check("order=a.nullsfirst", "order a First");
    check("order=a.desc.nullslast", "order a Descending Last");
    check(
        "order=data->a.asc,data->>0.desc",
        "order data->'a' Ascending; data->>[+0] Descending",
    );
    check("order= a , b.asc", "order a; b Ascending");
    check(
        "order=rel(a).desc.nullsfirst,b",
        "order rel(a) Descending First; b",
    );
    check("order=rel(data->!x).asc", "order rel(data->'!x') Ascending");
    check("order=\"a.b\".asc", "order a.b Ascending");
}

#[test]
fn functions_take_arguments() {
    check_arguments("a=1&b=eq.2&c=", "b Equal 2\na := 1\nc := ");
    check_arguments("a=not", "a := not");
    check_arguments("x.a=1", "a := 1");
    check_arguments("a=noop.1", "a := noop.1");
    check_arguments(
        "a=not.x",
        "\"failed to parse filter (not.x)\" (line 1, column 5): unexpected \"x\" expecting \
         operator (eq, gt, ...)",
    );
    check_arguments(
        "a=in.x",
        "\"failed to parse filter (in.x)\" (line 1, column 4): unexpected \"x\" expecting \"(\"",
    );
}

#[test]
fn keys_of_filters_are_kept_as_written() {
    let parsed = QueryParams::parse(FilterStyle::OrArgument, "id=eq.1&a.b=2&id=eq.3&order=x");
    assert_eq!(parsed.unwrap().filter_keys, ["id", "a.b", "id"]);
}

#[test]
fn wrong_filters_are_explained() {
    let operator = r#"expecting "not" or operator (eq, gt, ...)"#;
    refused_filter("noop.0", 1, &format!(r#"unexpected "o" {operator}"#));
    refused_filter("0", 1, &format!(r#"unexpected "0" {operator}"#));
    refused_filter("val", 1, &format!(r#"unexpected "v" {operator}"#));
    refused_filter(
        "",
        1,
        "unexpected end of input expecting \"not\" or operator (eq, gt, ...)",
    );
    let only = "expecting operator (eq, gt, ...)";
    refused_filter("fts().value", 5, &format!(r#"unexpected ")" {only}"#));
    refused_filter("eq().value", 4, &format!(r#"unexpected ")" {only}"#));
    refused_filter("is().value", 3, &format!(r#"unexpected "(" {only}"#));
    refused_filter("in().value", 3, &format!(r#"unexpected "(" {only}"#));
    refused_filter("eq", 3, &format!("unexpected end of input {only}"));
    refused_filter("in.1", 4, r#"unexpected "1" expecting "(""#);
    refused_filter(
        "in.(1",
        6,
        r#"unexpected end of input expecting "," or ")""#,
    );
    refused_filter(
        "is.nope",
        6,
        r#"unexpected "p" expecting isVal: (null, not_null, true, false, unknown)"#,
    );
    refused_filter(
        "is.",
        4,
        "unexpected end of input expecting isVal: (null, not_null, true, false, unknown)",
    );
    refused_filter(
        "fts($1).a",
        7,
        "unexpected \")\" expecting operator (eq, gt, ...) a name of plain words is needed here",
    );
}

#[test]
fn wrong_orders_are_explained() {
    let words = r#"expecting "asc", "desc", "nullsfirst" or "nullslast""#;
    refused_order("id.ac", 4, &format!(r#"unexpected "c" {words}"#));
    refused_order("id.nulsfist", 4, &format!(r#"unexpected "n" {words}"#));
    refused_order("id.smth34", 4, &format!(r#"unexpected "s" {words}"#));
    refused_order(
        "id.descc",
        8,
        r#"unexpected 'c' expecting delimiter (.), "," or end of input"#,
    );
    refused_order(
        "id.nullslasttt",
        13,
        r#"unexpected 't' expecting "," or end of input"#,
    );
    refused_order(
        "id.asc.nullslasttt",
        17,
        r#"unexpected 't' expecting "," or end of input"#,
    );
    refused_order(
        "id.asc.nlsfst",
        8,
        r#"unexpected "l" expecting "nullsfirst" or "nullslast""#,
    );
    refused_order(
        "id.asc.smth34",
        8,
        r#"unexpected "s" expecting "nullsfirst" or "nullslast""#,
    );
    refused_order(
        "clients(name,id)",
        8,
        "unexpected '(' expecting letter, digit, \"-\", \"->>\", \"->\", delimiter (.), \",\" or \
         end of input",
    );
    refused_order(
        "",
        1,
        "unexpected end of input expecting field name (* or [a..z0..9_$])",
    );
}

#[test]
fn wrong_logic_is_explained() {
    let member = "expecting field name (* or [a..z0..9_$]), negation operator (not) or logic \
                  operator (and, or)";
    refused_logic("or", "()", 4, &format!(r#"unexpected ")" {member}"#));
    refused_logic(
        "or",
        "(id.in.1,2,id.eq.3)",
        10,
        r#"unexpected "1" expecting "(""#,
    );
    refused_logic("or", ")(", 3, r#"unexpected ")" expecting "(""#);
    refused_logic(
        "and",
        "(ord(id.eq.1,id.eq.1),id.eq.2)",
        7,
        r#"unexpected "d" expecting "(""#,
    );
    refused_logic(
        "or",
        "(a.cs.{1,{2}})",
        12,
        &format!(r#"unexpected "{{" {member}"#),
    );
    refused_logic(
        "or",
        "(id.eq.1,not.xor(id.eq.2,id.eq.3))",
        16,
        r#"unexpected "x" expecting logic operator (and, or)"#,
    );
}

#[test]
fn wrong_selects_are_explained() {
    refused_select(
        "data->(!@#$%^&*_d->>!@#$%^&*_e::integer",
        7,
        "unexpected \"(\" expecting \"-\", digit or any non reserved character different from: \
         .,>()",
    );
    refused_select("data->>--34", 9, r#"unexpected "-" expecting digit"#);
    refused_select("data->>-xy-4", 9, r#"unexpected "x" expecting digit"#);
    let follow =
        r#"expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#;
    refused_select("name!hint", 5, &format!("unexpected '!' {follow}"));
    refused_select(
        "a,*!hint",
        4,
        r#"unexpected '!' expecting ")", "," or end of input"#,
    );
    refused_select("a.sx", 3, r#"unexpected "x" expecting "sum""#);
    refused_select(
        "a.mxx",
        3,
        r#"unexpected "m" expecting "sum", "avg", "count", "max" or "min""#,
    );
    refused_select("a.max", 6, r#"unexpected end of input expecting "()""#);
    refused_select(
        "id,clients(name[])",
        16,
        &format!("unexpected '[' {follow}"),
    );
    refused_select(
        "data->>-78xy",
        11,
        r#"unexpected 'x' expecting digit, "->", "::", ".", "," or end of input"#,
    );
    refused_select(
        "name::",
        7,
        "unexpected end of input expecting letter or digit",
    );
    refused_select(
        "a::$1",
        6,
        "unexpected end of input expecting letter or digit a name of plain words is needed here",
    );
    let item = r#"unexpected end of input expecting "...", field name (* or [a..z0..9_$]), "*""#;
    refused_select("id,", 4, &format!(r#"{item} or "count()""#));
    refused_select("rel!hint(", 10, &format!(r#"{item}, "count()" or ")""#));
    check("select=:", "select ");
    check("select=*!hint", "select ");
    check("select=(", "select ");
}

#[test]
fn other_wrong_parameters_are_explained() {
    let name = "expecting field name (* or [a..z0..9_$])";
    refused(
        "columns",
        "columns parameter",
        "",
        "1:1",
        &format!("unexpected end of input {name}"),
    );
    refused(
        "on_conflict",
        "on_conflict parameter",
        "(",
        "1:1",
        &format!("unexpected \"(\" {name}"),
    );
    check(
        "=eq.1",
        &format!(
            "\"failed to parse tree path ()\" (line 1, column 1): unexpected end of input {name}"
        ),
    );
    check(
        "a.=eq.1",
        &format!(
            "\"failed to parse tree path (a.)\" (line 1, column 3): unexpected end of input {name}"
        ),
    );
    check(
        ":.or=(a.eq.1)",
        &format!(
            "\"failed to parse logic path (:.or)\" (line 1, column 1): unexpected \":\" {name}"
        ),
    );
    check(
        "(.limit=1",
        &format!(
            "\"failed to parse tree path ((.limit)\" (line 1, column 1): unexpected \"(\" {name}"
        ),
    );
    refused(
        "columns",
        "columns parameter",
        "a,\né",
        "1:3",
        &format!("unexpected \"\\n\" {name}"),
    );
}

#[test]
fn errors_are_found_in_a_fixed_order() {
    let wrong = "on_conflict=(&id=x&select=a::&columns=(&or=x&order=(";
    for what in [
        "order",
        "logic tree",
        "columns parameter",
        "select parameter",
        "filter",
    ] {
        let pairs: Vec<&str> = wrong.split('&').collect();
        let key = match what {
            "order" => 6,
            "logic tree" => 5,
            "columns parameter" => 4,
            "select parameter" => 3,
            _ => 2,
        };
        let shown = outcome(FilterStyle::OperatorNeeded, &pairs[..key].join("&"));
        assert!(
            shown.starts_with(&format!("\"failed to parse {what} (")),
            "{shown}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let select = |depth: usize| format!("select={}*{}", "a(".repeat(depth), ")".repeat(depth));
    let logic = |depth: usize| {
        let (open, close) = ("or(".repeat(depth), ")".repeat(depth));
        format!("and=({open}a.eq.1{close})")
    };
    let refusal = "parentheses must not be nested more than 100 levels deep";
    for (accepted, refused) in [
        (select(100), select(101)),
        (logic(99), logic(100)),
        (select(1), select(100_000)),
    ] {
        let outcome_of = |query: &str| outcome(FilterStyle::OperatorNeeded, query);
        assert!(!outcome_of(&accepted).starts_with('"'), "{accepted}");
        assert!(outcome_of(&refused).ends_with(refusal));
    }
    assert!(outcome(FilterStyle::OperatorNeeded, &logic(100_000)).ends_with(refusal));
}

/// A small generator with a fixed seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

const PIECES: &[&str] = &[
    "id",
    "a",
    "é",
    "*",
    "(",
    ")",
    ",",
    ".",
    "-",
    "->",
    "->>",
    "!",
    "::",
    ":",
    "\"",
    "\\",
    " ",
    "\t",
    "{",
    "}",
    "0",
    "12",
    "eq",
    "not",
    "in",
    "is",
    "null",
    "or",
    "and",
    "asc",
    "desc",
    "fts",
    "count()",
    "sum()",
    "...",
    "inner",
    "nullsfirst",
    "(any)",
    "$",
    "%00",
    "\n",
    "+",
    "%2B",
];

fn random_text(random: &mut Random) -> String {
    (0..random.below(12))
        .map(|_| PIECES[random.below(PIECES.len())])
        .collect()
}

/// The trees of both runs of the engine, or `None` for a refusal.
fn agree<'a, T: PartialEq + std::fmt::Debug>(
    text: &'a str,
    fast: fn(&mut Parser<'a, Silent>) -> Parsed<T>,
    faithful: fn(&mut Parser<'a, ParseError>) -> Parsed<T>,
) -> bool {
    let first = parser::run_one(text, fast);
    let second = parser::run_one(text, faithful);
    assert_eq!(first, second, "{text:?}");
    first.is_ok()
}

#[test]
fn both_runs_of_the_engine_agree() {
    let mut random = Random(42);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let text = random_text(&mut random);
        accepted += usize::from(agree(&text, select::forest, select::forest));
        accepted += usize::from(agree(&text, order::order, order::order));
        accepted += usize::from(agree(&text, logic::tree, logic::tree));
        accepted += usize::from(agree(&text, field::tree_path, field::tree_path));
        accepted += usize::from(agree(
            &text,
            |p| condition(p, FilterPlace::Parameter),
            |p| condition(p, FilterPlace::Parameter),
        ));
    }
    assert!(
        accepted > 10_000,
        "the corpus must hold more than refusals: {accepted}"
    );
}

#[test]
fn no_text_makes_the_parser_panic() {
    let mut random = Random(7);
    let keys = [
        "select",
        "order",
        "or",
        "a.and",
        "id",
        "columns",
        "on_conflict",
        "limit",
        "x.offset",
        "",
    ];
    for _ in 0..20_000 {
        let mut query = String::new();
        for _ in 0..random.below(4) {
            let key = match random.below(8) {
                0 => random_text(&mut random),
                _ => keys[random.below(keys.len())].to_owned(),
            };
            write!(query, "{key}={}&", random_text(&mut random)).unwrap();
        }
        let bytes: Vec<u8> = (0..random.below(6))
            .map(|_| random.below(256) as u8)
            .collect();
        query.push_str(&String::from_utf8_lossy(&bytes));
        for style in [FilterStyle::OperatorNeeded, FilterStyle::OrArgument] {
            let _ = QueryParams::parse(style, &query);
        }
    }
}

#[test]
fn columns_may_be_called_like_parameters() {
    check("order=eq.b", "order Equal b");
    check("rel.order=is.null", "rel/order Is Null");
    check("and=eq.1&or=in.(1)", "and Equal 1\nor In [\"1\"]");
    check("select=eq.b", "select Equal b");
    check("select=id&select=eq.b", "select id\nselect Equal b");
    check(
        r#""offset"=eq.1&"order"=eq.2"#,
        "offset Equal 1\norder Equal 2",
    );
    check("order=lt.desc", "order lt Descending");
    let details = r#"unexpected "x" expecting "asc", "desc", "nullsfirst" or "nullslast""#;
    refused("order", "order", "b.x", "1:3", details);
}

#[test]
fn limits_that_are_conditions_wait_for_their_columns() {
    let waiting = |query: &str| {
        let query = QueryParams::parse(FilterStyle::OperatorNeeded, query).unwrap();
        let filters = query.filters_if_there.iter();
        let shown = filters.map(|at| format!("{:?} {}", at.path, show_filter(&at.item)));
        shown.collect::<Vec<_>>()
    };
    assert_eq!(
        waiting("limit=5&offset=7&rel.limit=x&limit="),
        Vec::<String>::new()
    );
    assert_eq!(waiting("offset=eq.5"), ["[] offset Equal 5"]);
    assert_eq!(
        waiting("limit=1&limit=not.is.null"),
        ["[] limit not Is Null"]
    );
    assert_eq!(waiting("a.offset=in.(1)").len(), 1);
}

#[test]
fn what_counts_for_nothing_may_be_a_condition() {
    let waiting = |query: &str, counts: &str| {
        let mut query = QueryParams::parse(FilterStyle::OperatorNeeded, query).unwrap();
        query.free(|name| name == counts);
        let filters = query.filters_if_there.iter();
        let shown = filters.map(|at| show_filter(&at.item));
        shown.collect::<Vec<_>>().join("; ")
    };
    let both = "columns=eq.1&on_conflict=is.null";
    assert_eq!(waiting(both, ""), "columns Equal 1; on_conflict Is Null");
    assert_eq!(waiting(both, "columns"), "on_conflict Is Null");
    assert_eq!(waiting(both, "on_conflict"), "columns Equal 1");
    assert_eq!(waiting("columns=a,b&on_conflict=id&columns", ""), "");
    // The first one counts.
    let twice = "columns=a&columns=eq.1&columns=in.(2)";
    assert_eq!(
        waiting(twice, "columns"),
        "columns Equal 1; columns In [\"2\"]"
    );
    let wrong = |query: &str, counts: &str| {
        let mut query = QueryParams::parse(FilterStyle::OperatorNeeded, query).unwrap();
        query.free(|name| name == counts);
        let names = query.wrong_if_there.iter().map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    let all = "columns=is.nul&on_conflict=in.x&limit=eqq.1&offset=5";
    assert_eq!(wrong(all, "columns"), "limit on_conflict");
    assert_eq!(wrong(all, "on_conflict"), "limit columns");
    // With a path before it, it is no such parameter, but a filter of an embedded relation.
    check("rel.columns=eq.1", "rel/columns Equal 1");
}
