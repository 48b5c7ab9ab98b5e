//! Rows that are written and rolled back.

use super::{Kind, Request, Subject, TX};
use crate::catalog::Column;
use crate::json::quoted;
use crate::seed::Seed;
use crate::values::{as_json, encoded, name, of_column};

/// What clients want back.
const RETURNS: [&str; 4] = [
    "",
    ",return=representation",
    ",return=headers-only",
    ",return=minimal",
];

/// Everything about writing one relation.
pub(super) fn of_relation(subject: &Subject<'_>, seed: &mut Seed, out: &mut Vec<Request>) {
    let columns = &subject.relation.columns;
    let written = columns.iter().filter(|column| !column.is_generated);
    let written: Vec<&Column> = written.collect();
    if written.is_empty() {
        return;
    }
    let mut row = || -> String {
        let members = written.iter().map(|column| {
            let value = of_column(column, seed);
            format!("{}:{}", quoted(&column.name), as_json(&column.of, &value))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    let (one, two, three) = (row(), row(), row());
    let names: Vec<String> = written.iter().map(|column| name(&column.name)).collect();
    inserts(subject, [&one, &two, &three], &names, out);
    csv(subject, &written, seed, out);
    changes(subject, &written, &one, seed, out);
}

fn write(subject: &Subject<'_>, method: &'static str, query: &str, prefer: &str) -> Request {
    let target = match query {
        "" => subject.path.clone(),
        query => format!("{}?{query}", subject.path),
    };
    Request::get(Kind::Write, target)
        .method(method)
        .header("Prefer", format!("{TX}{prefer}"))
}

fn inserts(subject: &Subject<'_>, rows: [&String; 3], names: &[String], out: &mut Vec<Request>) {
    let [one, two, three] = rows;
    for prefer in RETURNS {
        out.push(write(subject, "POST", "", prefer).json(one.clone()));
    }
    let full = ",return=representation";
    let all = names.join(",");
    let (first, bulk) = (&names[0], format!("[{one},{two}]"));
    for (query, prefer, body) in [
        (String::new(), full.to_owned(), bulk.clone()),
        (
            String::new(),
            format!("{full},missing=default"),
            "[{}]".to_owned(),
        ),
        (String::new(), full.to_owned(), "{}".to_owned()),
        (String::new(), full.to_owned(), "[]".to_owned()),
        (
            format!("columns={all}"),
            full.to_owned(),
            format!("[{one},{two},{three}]"),
        ),
        (
            format!("columns={first}"),
            format!("{full},missing=default"),
            one.clone(),
        ),
        (
            String::new(),
            format!("{full},resolution=merge-duplicates"),
            bulk.clone(),
        ),
        (
            String::new(),
            format!("{full},resolution=ignore-duplicates"),
            bulk.clone(),
        ),
        (
            format!("on_conflict={first}"),
            format!("{full},resolution=merge-duplicates"),
            bulk.clone(),
        ),
        (format!("select={first}"), full.to_owned(), one.clone()),
        (String::new(), ",count=exact".to_owned(), bulk),
        (String::new(), String::new(), "{".to_owned()),
        (
            String::new(),
            String::new(),
            r#"{"no such column":1}"#.to_owned(),
        ),
    ] {
        out.push(write(subject, "POST", &query, &prefer).json(body));
    }
    let single = write(subject, "POST", "", full).json(one.clone());
    out.push(single.header("Accept", "application/vnd.pgrst.object+json"));
}

fn csv(subject: &Subject<'_>, columns: &[&Column], seed: &mut Seed, out: &mut Vec<Request>) {
    let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let head: Vec<String> = columns.iter().map(|column| cell(&column.name)).collect();
    let row = columns.iter().map(|column| cell(&of_column(column, seed)));
    let row: Vec<String> = row.collect();
    let mut request = write(subject, "POST", "", ",return=representation");
    request.body = Some(format!("{}\n{}\n", head.join(","), row.join(",")));
    out.push(
        request
            .header("Content-Type", "text/csv")
            .header("Accept", "text/csv"),
    );
}

fn changes(
    subject: &Subject<'_>,
    columns: &[&Column],
    row: &str,
    seed: &mut Seed,
    out: &mut Vec<Request>,
) {
    let key = subject.relation.key.iter();
    let of_key = |name: &&String| subject.relation.columns.iter().find(|it| it.name == **name);
    let key: Vec<&Column> = key.filter_map(|name| of_key(&name)).collect();
    let filter = key.iter().map(|column| {
        let value = match column.samples.first() {
            Some(sample) => sample.clone(),
            None => of_column(column, seed),
        };
        format!("{}=eq.{}", name(&column.name), encoded(&value))
    });
    let filter = filter.collect::<Vec<_>>().join("&");
    let filter = match filter.is_empty() {
        true => format!("{}=is.null", name(&columns[0].name)),
        false => filter,
    };
    for column in columns {
        let value = of_column(column, seed);
        let body = format!(
            "{{{}:{}}}",
            quoted(&column.name),
            as_json(&column.of, &value)
        );
        out.push(write(subject, "PATCH", &filter, ",return=representation").json(body));
    }
    for prefer in RETURNS {
        out.push(write(subject, "PATCH", &filter, prefer).json(row));
        out.push(write(subject, "DELETE", &filter, prefer));
    }
    // The order of rows by what is not to be shown.
    let (first, last) = (
        name(&columns[0].name),
        name(&columns[columns.len() - 1].name),
    );
    let ordered = format!("{filter}&select={first}&order={last}.desc,{first}");
    out.push(write(subject, "PATCH", &ordered, ",return=representation").json(row));
    out.push(write(subject, "DELETE", &ordered, ",return=representation"));
    out.push(write(subject, "PATCH", &filter, ",count=exact").json("{}"));
    out.push(write(subject, "PATCH", &filter, ",handling=strict,max-affected=0").json(row));
    out.push(write(
        subject,
        "DELETE",
        &filter,
        ",handling=strict,max-affected=0",
    ));
    out.push(write(subject, "PUT", &filter, ",return=representation").json(row));
    out.push(write(subject, "PUT", "", ",return=representation").json(row));
    let all = format!("{}=not.is.null", name(&columns[0].name));
    if subject.relation.is_small {
        out.push(write(subject, "DELETE", &all, ",count=exact"));
        out.push(write(subject, "PATCH", &all, ",count=exact").json(row));
    }
}
