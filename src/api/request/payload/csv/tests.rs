//! The rules of CSV, and the words of its errors.

use super::*;

#[track_caller]
fn check(text: &str, columns: &[&str], json: &str) {
    let (csv, found) = Csv::parse(text.as_bytes()).expect("it is CSV");
    let found: Vec<&str> = found.iter().map(Ident::as_str).collect();
    assert_eq!(found, columns, "{text}");
    let mut out = Vec::new();
    csv.write_json(&mut |piece| {
        out.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    assert_eq!(String::from_utf8_lossy(&out), json, "{text}");
    assert_eq!(csv.json_bytes(), out.len(), "{text}");
}

#[track_caller]
fn check_refused(text: impl AsRef<[u8]>, message: &str) {
    let refused = Csv::parse(text.as_ref()).map(drop);
    assert_eq!(refused, Err(message.to_owned()));
}

#[test]
fn rows_become_objects() {
    check(
        "id,name\n8,Xenix\n9,Windows NT",
        &["id", "name"],
        r#"[{"id":"8","name":"Xenix"},{"id":"9","name":"Windows NT"}]"#,
    );
    check("b,a\n1,2\n", &["a", "b"], r#"[{"b":"1","a":"2"}]"#);
    check("a\r\n1\r\n2\r\n", &["a"], r#"[{"a":"1"},{"a":"2"}]"#);
    check("a\r1\r2", &["a"], r#"[{"a":"1"},{"a":"2"}]"#);
    check("a \n b\n", &["a "], r#"[{"a ":" b"}]"#);
    check("é\n日本\n", &["é"], r#"[{"é":"日本"}]"#);
}

#[test]
fn null_is_a_word_and_empty_is_a_text() {
    check(
        "a,b\nNULL,foo\n,\"NULL\"\nnull, NULL\n",
        &["a", "b"],
        r#"[{"a":null,"b":"foo"},{"a":"","b":null},{"a":"null","b":" NULL"}]"#,
    );
}

#[test]
fn quotes_keep_what_would_end_a_field() {
    check(
        "\"a,b\",c\n\"1\n2\r\n\",\"say \"\"hi\"\"\"\n\"\",\"\"\"\"\n",
        &["a,b", "c"],
        r#"[{"a,b":"1\n2\r\n","c":"say \"hi\""},{"a,b":"","c":"\""}]"#,
    );
    check("a\n\\\u{1}\t\n", &["a"], r#"[{"a":"\\\u0001\t"}]"#);
}

#[test]
fn blank_lines_are_no_rows() {
    check("a\n\n1\n\n\n2\n\n", &["a"], r#"[{"a":"1"},{"a":"2"}]"#);
    check("a\n\"\"\n1\n", &["a"], r#"[{"a":"1"}]"#);
    check("a,b\n\n1,2\r\n\r\n", &["a", "b"], r#"[{"a":"1","b":"2"}]"#);
    check("a,b\n", &[], "[]");
    check("a,b\n\n\n", &[], "[]");
    check("\n", &[], "[]");
    check("\nx\n", &[""], r#"[{"":"x"}]"#);
}

#[test]
fn rows_must_have_values_for_the_same_names() {
    let message = "All lines must have same number of fields";
    check_refused("a,b\nfoo,bar\nbaz", message);
    check_refused("a,b\nfoo\nbar,baz", message);
    check_refused("a,b\nfoo,bar\n1,2\n\nbaz\n", message);
    check("a,b\n1\n2\n", &["a"], r#"[{"a":"1"},{"a":"2"}]"#);
    check("a\n1,2\n3\n", &["a"], r#"[{"a":"1"},{"a":"3"}]"#);
    check(
        "a,b,a\n1,2,3\n1,2\n",
        &["a", "b"],
        r#"[{"a":"1","b":"2","a":"3"},{"a":"1","b":"2"}]"#,
    );
}

#[test]
fn errors_say_what_was_before_the_parser() {
    check_refused("", "parse error (not enough input) at \"\"");
    check_refused("a,b", "parse error (not enough input) at \"\"");
    let satisfy = |rest: &str| format!("parse error (Failed reading: satisfy) at {rest}");
    check_refused("a\nx\"y\"\n", &satisfy(r#""\"y\"\n""#));
    check_refused("a\n\"x\"1\n2", &satisfy(r#""1\n2""#));
    check_refused("a\"b\n", &satisfy(r#""\"b\n""#));
    check_refused("a\"\u{e9}1\\\t", &satisfy(r#""\"\195\169\&1\\\t""#));
    let long = "y".repeat(100);
    check_refused(
        format!("a\nx\"{long}"),
        &satisfy(&format!("\"{} (truncated)", &long[1..])),
    );
}

#[test]
fn an_open_quote_is_an_error() {
    let message = "parse error (Failed reading: trailing double quote) at \"\"";
    for text in [
        "\"",
        "a\n\"",
        "a\n\"bc",
        "a\n\"b\"\"",
        "a\n1\n\"b\"\"c\n",
        "\"a\nb",
    ] {
        check_refused(text, message);
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    check_refused(
        b"a\n\xff1",
        "parse error (Failed reading: conversion error: Cannot decode byte '\\xff': \
         Data.Text.Encoding: Invalid UTF-8 stream) at \"\\255\\&1\"",
    );
}

#[test]
fn long_names_cost_nothing_before_they_are_columns() {
    let name = "n".repeat(256 << 10);
    let rows = "1\n".repeat(8000);
    check_refused(
        format!("{name}\n{rows}"),
        "The lines are too long for PostgreSQL when written as json",
    );
    check_refused(",".repeat(1_000_000), "A header has at most 2048 names");
    check_refused(
        format!("a,{name}\n1,2"),
        "The names of a header have at most 262144 bytes",
    );
}
