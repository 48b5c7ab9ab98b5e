//! Elements: what a value becomes, and in which array it is.

use super::super::intake::{Intake, PartEnd};
use super::*;
use crate::request::media_type::{JsonLinesName, MediaType};
use std::collections::BTreeSet;

const LINES: MediaType = MediaType::JsonLines(JsonLinesName::NdJson);

/// The parameter of a body that is for these columns, with `|` for what is between arrays.
fn gathered(content_type: &MediaType, columns: &[(&str, Element)], body: &str) -> String {
    let columns = columns.iter();
    let columns = columns.map(|(name, element)| (Ident::before_nul(name), *element));
    let begun = Intake::begin(content_type, None, body.as_bytes(), PartEnd::Last);
    let mut intake = begun.expect("it begins").expect("it has a record");
    assert!(intake.gather(columns.collect()), "it can be gathered");
    let records = match intake.read(body.as_bytes()) {
        Ok(records) => records,
        Err(error) => return format!("{error:?}"),
    };
    let mut parameter = Vec::new();
    intake.write(body.as_bytes(), &records, &mut |piece| {
        parameter.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    assert_eq!(parameter.len(), records.parameter_bytes);
    let parameter = String::from_utf8(parameter).expect("it is text");
    parameter.replace(MARK, "|")
}

#[test]
fn a_value_is_an_element_of_its_columns_array() {
    let columns = [("a", Element::Text), ("b", Element::Json)];
    let check = |body: &str, expected: &str| {
        assert_eq!(gathered(&LINES, &columns, body), expected, "{body}");
    };
    check(r#"{"a":1,"b":2}"#, "{1}|{2}");
    check(r#"{"a": -1.50e+3 , "b":true}"#, "{-1.50e+3}|{true}");
    check(r#"{"a":null,"b":null}"#, "{NULL}|{NULL}");
    // A text is not what it looks like, and JSON is as it is written.
    check(r#"{"a":"NULL","b":"x"}"#, r#"{"NULL"}|{"\"x\""}"#);
    check(r#"{"a":"","b":""}"#, r#"{""}|{"\"\""}"#);
    check(r#"{"a":"{,}","b":[1,"2"]}"#, r#"{"{,}"}|{"[1,\"2\"]"}"#);
    check(
        r#"{"a":"q\" \\ \/ \u00e9 \ud83d\ude00","b":"\n\\"}"#,
        r#"{"q\" \\ / é 😀"}|{"\"\\n\\\\\""}"#,
    );
    check(
        r#"{"a":"x\ny\t","b":{"c":{}}}"#,
        "{\"x\ny\t\"}|{\"{\\\"c\\\":{}}\"}",
    );
    // What is no row of its own is text, as PostgreSQL takes it.
    check(r#"{"a":{"c":[1]},"b":1}"#, r#"{"{\"c\":[1]}"}|{1}"#);
}

#[test]
fn keys_are_found_in_any_order_and_the_last_one_counts() {
    let columns = [("b", Element::Text), ("a", Element::Text)];
    let body = "{\"b\":1,\"a\":2}\n\n{\"a\":3,\"b\":4}\n{\"\\u0061\":5,\"b\":6,\"a\":7}";
    assert_eq!(gathered(&LINES, &columns, body), "{2,3,7}|{1,4,6}");
}

#[test]
fn the_mark_is_never_in_a_value() {
    let columns = [("a", Element::Text), ("b", Element::Text)];
    let body = r#"{"a":"\u001e\u001e","b":"\u001e"}"#;
    let expected = "{\"\\\u{1e}\\\u{1e}\"}|{\"\\\u{1e}\"}";
    assert_eq!(gathered(&LINES, &columns, body), expected);
    let body = "a,b\n\u{1e}\u{1e},x\n";
    let expected = "{\"\\\u{1e}\\\u{1e}\"}|{\"x\"}";
    assert_eq!(gathered(&MediaType::TextCsv, &columns, body), expected);
}

#[test]
fn fields_of_csv_are_texts() {
    let columns = [("a", Element::Text), ("b", Element::Text)];
    let body = "b,a\n1,NULL\n\"q\"\"\\\",-2.5\n,\"NULL\"\n1e3,x,more\n";
    assert_eq!(
        gathered(&MediaType::TextCsv, &columns, body),
        r#"{NULL,-2.5,NULL,"x"}|{1,"q\"\\","","1e3"}"#
    );
}

#[test]
fn what_is_no_text_is_refused_where_it_is() {
    let columns = [("a", Element::Text)];
    let nul = r#"{"a":"x"}
{"a":"\u0000"}"#;
    let refused = gathered(&LINES, &columns, nul);
    assert!(refused.contains("cannot be converted to text"), "{refused}");
    assert!(refused.contains("line: 2, byte: 10"), "{refused}");
    let refused = gathered(&LINES, &columns, r#"{"a\u0000":1}"#);
    assert!(refused.contains("line: 1, byte: 0"), "{refused}");
    // In JSON it is none.
    assert_eq!(
        gathered(&LINES, &[("a", Element::Json)], r#"{"a":"\u0000"}"#),
        r#"{"\"\\u0000\""}"#
    );
    let refused = gathered(&MediaType::TextCsv, &columns, "a\nx\n\0\n");
    assert!(refused.contains("line: 3, byte: 5"), "{refused}");
}

#[test]
fn csv_is_not_gathered_for_json_or_twice_for_a_column() {
    let gathers = |body: &str, element: Element, names: &[&str]| {
        let begun = Intake::begin(&MediaType::TextCsv, None, body.as_bytes(), PartEnd::Last);
        let mut intake = begun.expect("it begins").expect("it has a record");
        let columns = names.iter().map(|name| (Ident::before_nul(name), element));
        intake.gather(columns.collect())
    };
    assert!(gathers("a,b\n1,2\n", Element::Text, &["a", "b"]));
    assert!(!gathers("a,b\n1,2\n", Element::Json, &["a", "b"]));
    assert!(!gathers("a,b,a\n1,2,3\n", Element::Text, &["a", "b"]));
    assert!(!gathers("a,b,a\n1,2\n", Element::Text, &["a", "b"]));
}

#[test]
fn records_without_the_columns_become_several_parameters() {
    let names: Vec<String> = (0..300).map(|n| format!("c{n}")).collect();
    let columns: BTreeSet<Ident> = names.iter().map(|name| Ident::before_nul(name)).collect();
    let lines = 10_000;
    let body = "{}\n".repeat(lines) + "nothing";
    let mut rest = body.as_bytes();
    let begun = Intake::begin(&LINES, Some(&columns), rest, PartEnd::Last);
    let mut intake = begun.expect("it begins").expect("it has a record");
    let elements = columns.into_iter().map(|column| (column, Element::Text));
    assert!(intake.gather(elements.collect()), "it can be gathered");
    let mut count = 0;
    let error = loop {
        match intake.read(rest) {
            Ok(records) => {
                assert!(records.parameter_bytes < ARRAYS_BYTES_MAX + 4000);
                assert_eq!(records.lines.start, count as u64 + 1);
                count += records.count;
                rest = &rest[records.text_bytes()..];
            }
            Err(error) => break error,
        }
    };
    assert!(count > lines / 2, "{count} of {lines} lines");
    let told = format!("{error:?}");
    assert!(told.contains("line: 10001, byte: 30000"), "{told}");
}

#[test]
fn arrays_keep_no_more_room_than_one_parameter_needs() {
    let names = (0..100).map(|n| (Ident::before_nul(&format!("c{n}")), Element::Text));
    let mut arrays = Arrays::new(names.collect());
    let text = format!("\"{}\"", "x".repeat(1 << 20));
    for n in 0..100 {
        let name = format!("c{n}");
        let key = Key {
            written: &name,
            escapes: Escapes::No,
        };
        let mut row = arrays.begin();
        arrays.note(&mut row, key, &text);
        arrays.add(&mut row).expect("it is text");
    }
    arrays.clear();
    let room: usize = arrays.arrays.iter().map(|it| it.elements.capacity()).sum();
    assert!(room <= 2 * ARRAYS_BYTES_MAX, "{room} bytes");
}
