//! Rows of a relation: its columns, filters, orders, pages, counts and representations.

use super::{Kind, Request, Subject};
use crate::catalog::Column;
use crate::seed::Seed;
use crate::values::{encoded, in_list, name, of_column};

/// Filters for any type, with `$` for a value.
const FOR_ALL: [&str; 8] = [
    "eq.$",
    "neq.$",
    "not.eq.$",
    "is.null",
    "not.is.null",
    "isdistinct.$",
    "eq(any).{$}",
    "in.($list,$list)",
];
/// For what can be compared.
const FOR_ORDERED: [&str; 5] = ["gt.$", "gte.$", "lt.$", "lte.$", "gt(all).{$}"];
/// For text.
const FOR_TEXT: [&str; 8] = [
    "like.*$*",
    "ilike.$*",
    "like(any).{a*,*b}",
    "match.^a",
    "imatch.B$",
    "not.like.*a*",
    "fts.a",
    "plfts(english).the%20cat",
];
/// For arrays, ranges and JSON.
const FOR_SETS: [&str; 4] = ["cs.$", "cd.$", "ov.$", "not.cs.$"];
/// For ranges.
const FOR_RANGES: [&str; 5] = ["sl.$", "sr.$", "nxr.$", "nxl.$", "adj.$"];
/// For text search vectors.
const FOR_VECTORS: [&str; 4] = ["fts.a", "plfts.a", "phfts(english).a", "wfts.a%20-b"];
/// For truth values.
const FOR_TRUTH: [&str; 3] = ["is.true", "is.not_null", "is.unknown"];

/// Everything about reading one relation.
pub(super) fn of_relation(subject: &Subject<'_>, seed: &mut Seed, out: &mut Vec<Request>) {
    let plain = subject.get(Kind::Read, "");
    for method in ["GET", "HEAD", "OPTIONS"] {
        out.push(plain.clone().method(method));
    }
    if subject.relation.is_small {
        out.push(Request::get(Kind::Read, subject.path.clone()));
        out.push(Request::get(
            Kind::Read,
            format!("{}?select=*", subject.path),
        ));
    }
    let columns = &subject.relation.columns;
    let names: Vec<String> = columns.iter().map(|column| name(&column.name)).collect();
    out.push(subject.get(Kind::Read, &format!("select={}", names.join(","))));
    for column in columns {
        of_column_alone(subject, column, out);
        filters(subject, column, seed, out);
        orders(subject, column, out);
    }
    let count = format!("{}?select=count()", subject.path);
    out.push(Request::get(Kind::Read, count));
    logic(subject, seed, out);
    pages(subject, out);
    representations(subject, out);
}

fn of_column_alone(subject: &Subject<'_>, column: &Column, out: &mut Vec<Request>) {
    let of = name(&column.name);
    for select in [
        format!("select=x:{of}"),
        format!("select={of}::text"),
        format!("select=x:{of}::varchar,*"),
    ] {
        out.push(subject.get(Kind::Read, &select));
    }
    if column.of.is_json() {
        for path in ["->a", "->>a", "->0", "->a->>0", "->a->b", "->>-1"] {
            out.push(subject.get(Kind::Read, &format!("select={of}{path}")));
        }
        for path in ["->>a=eq.x", "->a=not.is.null", "->a->>0=gt.0"] {
            out.push(subject.get(Kind::Filter, &format!("select={of}&{of}{path}")));
        }
    }
    // One row, or a refusal: by the server, or by PostgreSQL.
    for function in ["count", "max", "min", "sum", "avg"] {
        let target = format!("{}?select={of}.{function}()", subject.path);
        out.push(Request::get(Kind::Read, target));
    }
    if matches!(&*column.of.category, "A" | "C") {
        out.push(subject.get(Kind::Read, &format!("select={of}->0")));
    }
}

fn filters(subject: &Subject<'_>, column: &Column, seed: &mut Seed, out: &mut Vec<Request>) {
    let of = &column.of;
    let mut filters: Vec<&str> = FOR_ALL.to_vec();
    if of.has_order() {
        filters.extend(FOR_ORDERED);
    }
    match &*of.category {
        "S" => filters.extend(FOR_TEXT),
        "B" => filters.extend(FOR_TRUTH),
        "A" => filters.extend(FOR_SETS),
        "R" => filters.extend(FOR_SETS.iter().chain(&FOR_RANGES)),
        _ => {}
    }
    if of.is_json() {
        filters.extend(FOR_SETS);
    }
    if of.name == "tsvector" {
        filters.extend(FOR_VECTORS);
    }
    for filter in filters {
        let value = of_column(column, seed);
        let list = encoded(&in_list(&value));
        let filter = filter
            .replace("$list", &list)
            .replace('$', &encoded(&value));
        out.push(subject.get(Kind::Filter, &format!("{}={filter}", name(&column.name))));
    }
    // What fits no type but text.
    out.push(subject.get(
        Kind::Filter,
        &format!("{}=eq.no%20value", name(&column.name)),
    ));
}

fn orders(subject: &Subject<'_>, column: &Column, out: &mut Vec<Request>) {
    let terms = match column.of.has_order() {
        true => ["", ".desc", ".asc.nullsfirst", ".desc.nullslast"].as_slice(),
        false => &[""],
    };
    for term in terms {
        let page = subject.page_after(&format!("{}{term}", name(&column.name)));
        out.push(Request::get(Kind::Page, format!("{}?{page}", subject.path)));
    }
}

fn logic(subject: &Subject<'_>, seed: &mut Seed, out: &mut Vec<Request>) {
    let columns = &subject.relation.columns;
    let (Some(first), Some(last)) = (columns.first(), columns.last()) else {
        return;
    };
    let mut value = |column: &Column| encoded(&in_list(&of_column(column, seed)));
    let (one, other) = (value(first), value(last));
    let (first, last) = (name(&first.name), name(&last.name));
    for query in [
        format!("or=({first}.eq.{one},{last}.eq.{other})"),
        format!("not.or=({first}.is.null,{last}.is.null)"),
        format!("and=({first}.not.is.null,or({last}.eq.{other},{last}.is.null))"),
        format!("or=({first}.in.({one}),not.and({last}.is.null,{first}.is.null))"),
        format!("{first}=not.is.null&{last}=not.is.null"),
    ] {
        out.push(subject.get(Kind::Filter, &query));
    }
}

fn pages(subject: &Subject<'_>, out: &mut Vec<Request>) {
    let order = subject.page();
    let order = order.trim_end_matches("&limit=20");
    let get = |query: &str| Request::get(Kind::Page, format!("{}?{order}{query}", subject.path));
    for count in ["exact", "planned", "estimated"] {
        let request = get("&limit=3").header("Prefer", format!("count={count}"));
        out.push(request.clone().method("HEAD"));
        out.push(request);
    }
    for query in ["&limit=2&offset=1", "&limit=0", "&offset=100000&limit=5"] {
        out.push(get(query));
        out.push(get(query).header("Prefer", "count=exact"));
    }
    for range in ["0-1", "1-1", "5-2", "100000-100001", "0-0"] {
        let request = get("").header("Range-Unit", "items").header("Range", range);
        out.push(request.clone());
        out.push(request.header("Prefer", "count=exact"));
    }
    for query in ["&limit=-1", "&limit=a", "&offset=-1&limit=1"] {
        out.push(get(query));
    }
}

fn representations(subject: &Subject<'_>, out: &mut Vec<Request>) {
    for accept in [
        "text/csv",
        "application/vnd.pgrst.object+json",
        "application/vnd.pgrst.object+json;nulls=stripped",
        "application/vnd.pgrst.array+json;nulls=stripped",
        "application/geo+json",
        "application/json, */*;q=0.1",
        "text/html",
        "application/octet-stream",
    ] {
        out.push(
            subject
                .get(Kind::Representation, "")
                .header("Accept", accept),
        );
    }
    let none = format!("{}?limit=0", subject.path);
    out.push(Request::get(Kind::Representation, none).header("Accept", "text/csv"));
    if let [key] = &subject.relation.key[..] {
        let column = subject.relation.columns.iter().find(|it| it.name == *key);
        for value in column.iter().flat_map(|column| &column.samples) {
            let one = format!("{}?{}=eq.{}", subject.path, name(key), encoded(value));
            let one = Request::get(Kind::Representation, one);
            out.push(one.header("Accept", "application/vnd.pgrst.object+json"));
        }
    }
}
