//! The grammar of JSON, key sets, and simd-json as a second judge.

use super::*;

#[track_caller]
fn check_keys(text: &str, expected: &[&str]) {
    let columns = match check(text.as_bytes()) {
        Ok(Document::Object(columns) | Document::Objects(columns)) => columns,
        other => panic!("{text}: {other:?}"),
    };
    let columns: Vec<&str> = columns.iter().map(Ident::as_str).collect();
    assert_eq!(columns, expected, "{text}");
}

#[track_caller]
fn check_refused(texts: &[&str], message: &str) {
    for text in texts {
        assert_eq!(check(text.as_bytes()), Err(message), "{text}");
    }
}

#[test]
fn keys_of_an_object_are_sorted() {
    check_keys(r#"{"b":1,"a":{"c":2},"Z":[{"d":1}]}"#, &["Z", "a", "b"]);
    check_keys("{}", &[]);
    check_keys(" \t\r\n{ } ", &[]);
    check_keys(r#"{"":0}"#, &[""]);
    check_keys(r#"{ "é" : 0 , "日本" : 1 }"#, &["é", "日本"]);
}

#[test]
fn repeated_keys_count_once() {
    check_keys(r#"{"a":1,"a":2}"#, &["a"]);
    check_keys(r#"[{"a":1,"a":2,"b":3},{"b":1,"a":2}]"#, &["a", "b"]);
    check_keys(r#"[{"a":1,"b":3},{"a":0,"b":1,"a":2}]"#, &["a", "b"]);
    let differ = "All object keys must match";
    check_refused(
        &[
            r#"[{"a":1,"a":2},{"a":1,"b":2}]"#,
            r#"[{"a":1,"b":2},{"a":1,"a":2}]"#,
        ],
        differ,
    );
}

#[test]
fn keys_are_what_their_escapes_mean() {
    check_keys(r#"{"\u0061":1}"#, &["a"]);
    check_keys(r#"[{"a":1,"b":2},{"\u0062":1,"\u0061":2}]"#, &["a", "b"]);
    check_keys(
        concat!(
            r#"[{"\ud83d\ude00":1,"\"\\\/\b\f\n\r\t":2},"#,
            r#"{"\u0022\u005c\u002F\u0008\u000c\u000a\u000d\u0009":0,"😀":1}]"#,
        ),
        &["\"\\/\u{8}\u{c}\n\r\t", "😀"],
    );
    // PostgreSQL refuses the whole text: a NUL is no character there.
    check_keys(r#"{"a\u0000b":1}"#, &["a"]);
}

#[test]
fn objects_of_an_array_have_the_same_keys_in_any_order() {
    check_keys(r#"[{"a":1}]"#, &["a"]);
    check_keys("[{},{}]", &[]);
    check_keys(
        r#"[{"a":1,"b":2,"c":3},{"c":1,"b":2,"a":3},{"b":1,"a":2,"c":3},{"a":1,"b":2,"c":3}]"#,
        &["a", "b", "c"],
    );
    check_refused(
        &[
            r#"[{"a":1},{"b":1}]"#,
            r#"[{"a":1},{"a":1,"b":2}]"#,
            r#"[{"a":1,"b":2},{"a":1}]"#,
            r#"[{"a":1},{}]"#,
            r#"[{},{"a":1}]"#,
            r#"[{"a":1},{"b":1},{"a":1}]"#,
            r#"[{"a":1},1]"#,
            r#"[{"a":1},[]]"#,
            "[1]",
            "[[]]",
            "[null,{}]",
        ],
        "All object keys must match",
    );
}

#[test]
fn what_is_no_object_is_nothing() {
    for text in [
        "[]", "[ ]", "null", "true", "false", "1", "-0.5e+7", "\"{}\"",
    ] {
        assert_eq!(check(text.as_bytes()), Ok(Document::Nothing), "{text}");
    }
}

/// Without a BOM; U+0000 and numbers of any size are for PostgreSQL to judge.
const VALID: &[&str] = &[
    r#"{"a":[1,[2,{"b":[]}],{}]}"#,
    "0",
    "-0",
    "-0.0",
    "1e999",
    "1E-999",
    "1e+1",
    "10",
    "0.1",
    "12345678901234567890123.45e1",
    r#""\u0000""#,
    r#""\uD83D\uDe00""#,
    r#""\ud800\udc00""#,
    "\"\u{7f}\u{2028}\u{10ffff}\"",
    "[1 , 2]",
    "\n[\t]\r",
    r#"["\\"]"#,
    r#"["\\\""]"#,
    r#"["12345678\"90"]"#,
    r#"[[[["x"]]],{"a":{"b":{"c":[{}]}}}]"#,
];

/// No JSON, each for another reason.
const INVALID: &[&str] = &[
    "",
    " ",
    "}{ x = 2",
    "{",
    "[",
    "\"",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1 2]",
    "[1}",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{a:1}",
    "{1:1}",
    "{'a':1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1]",
    "[{\"a\":1}",
    "[{}}",
    "{\"a\":[}",
    "{\"a\":{]}",
    "1 1",
    "{} {}",
    "[] ]",
    "[]x",
    "null,",
    "nul",
    "nulll",
    "True",
    "NaN",
    "Infinity",
    "-",
    "-a",
    "+1",
    "01",
    "-01",
    "1.",
    ".5",
    "1.e1",
    "1e",
    "1e+",
    "1e-",
    "0x1",
    "1_0",
    "--1",
    "1..2",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\U0061\"",
    "\"\\u+123\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0061\"",
    "\"\\ud800x\"",
    "\"\\ud800\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\0\"",
    "\"12345678\u{1f}\"",
    "\u{feff}{}",
    "\u{a0}1",
    "\u{b}1",
    "// c\n1",
    "/**/1",
    "[1]\0",
    "5\x005",
    "{\"a\":1}\u{feff}",
    "\"\\",
    "\"\\u",
];

#[test]
fn the_grammar_is_that_of_rfc_8259() {
    for text in VALID {
        assert_ne!(
            check(text.as_bytes()),
            Err("Empty or invalid json"),
            "{text}"
        );
    }
    check_refused(INVALID, "Empty or invalid json");
}

#[test]
fn an_invalid_text_is_refused_wherever_it_lies() {
    for text in INVALID {
        let inside = format!("{{\"a\":1,\"b\":{text}}}");
        check_refused(&[&inside], "Empty or invalid json");
        let second = format!("[{{\"a\":1}},{{\"b\":{text}}},1]");
        check_refused(&[&second], "Empty or invalid json");
    }
}

#[test]
fn a_text_that_is_cut_off_is_refused() {
    let text =
        r#"[{"a\u00e9\ud83d\ude00":[true,-1.5e+3,{"b":null}],"c":"x\n"},{"c":{},"aé😀":[]}]"#;
    check_keys(text, &["aé😀", "c"]);
    for end in 0..text.len() {
        let cut = &text.as_bytes()[..end];
        assert_eq!(check(cut), Err("Empty or invalid json"), "{end}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    for bytes in [
        &b"\"\xff\""[..],
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf5\x80\x80\x80\"",
        b"{\"\xe9\":1}",
        b"\xef\xbb\xbf{}",
        b"{}\xff",
    ] {
        assert_eq!(check(bytes), Err("Empty or invalid json"), "{bytes:?}");
    }
}

#[test]
fn strings_end_at_every_offset() {
    for length in 0..40 {
        let plain = "é".repeat(length / 2) + &"x".repeat(length % 2);
        for special in ["", "\\n", "\\\"", "\\u00e9"] {
            let text = format!("{{\"{plain}{special}{plain}\":\"{plain}{special}\"}}");
            assert!(matches!(check(text.as_bytes()), Ok(Document::Object(_))));
        }
        for control in ["\u{0}", "\u{1f}", "\n"] {
            check_refused(
                &[&format!("\"{plain}{control}{plain}\"")],
                "Empty or invalid json",
            );
        }
    }
}

#[test]
fn nesting_has_an_end_but_not_that_of_the_stack() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("[{{\"a\":{}1{}}}]", open.repeat(depth), close.repeat(depth))
    };
    for depth in [1, 63, 64, 65, 127, 128, 129, 1000, DEPTH_MAX] {
        check_keys(&nested("[", "]", depth), &["a"]);
        check_keys(&nested("{\"b\":", "}", depth), &["a"]);
        check_keys(&nested("[{\"b\":", "}]", depth / 2), &["a"]);
        let swapped = nested("[{\"b\":", "]}", depth);
        assert!(check(swapped.as_bytes()).is_err());
    }
    let too_deep = nested("[", "]", DEPTH_MAX + 1);
    check_refused(&[&too_deep], "The json is nested too deeply");
    let endless = "[".repeat(1_000_000);
    check_refused(&[&endless], "The json is nested too deeply");
}

#[test]
fn of_too_many_keys_the_first_are_columns() {
    let object: Vec<String> = (0..5000)
        .rev()
        .map(|i| format!("\"k{i:04}\":{i}"))
        .collect();
    let object = format!("{{{}}}", object.join(","));
    for text in [object.clone(), format!("[{object},{object}]")] {
        let Ok(Document::Object(columns) | Document::Objects(columns)) = check(text.as_bytes())
        else {
            panic!("it is JSON");
        };
        assert_eq!(columns.len(), 2048);
        assert_eq!(columns.first().map(Ident::as_str), Some("k0000"));
        assert_eq!(columns.last().map(Ident::as_str), Some("k2047"));
    }
    // The keys that are no columns are compared all the same.
    let other = object.replace("k4999", "other");
    check_refused(
        &[&format!("[{object},{other}]")],
        "All object keys must match",
    );
}

/// But for what it takes, and numbers that no double holds, which it refuses; both are why it is
/// not the judge.
#[test]
fn simd_json_agrees() {
    const TAKEN: &[&str] = &["\"\\ud800\"", "\"\\ud800x\"", "5\x005"];
    let by_simd_json = |text: &str| simd_json::to_tape(&mut text.as_bytes().to_vec()).is_ok();
    for text in VALID {
        assert_eq!(by_simd_json(text), *text != "1e999", "{text}");
    }
    for text in INVALID {
        assert_eq!(by_simd_json(text), TAKEN.contains(text), "{text}");
    }
}

/// An array of objects with these keys.
fn objects_with_keys(objects: &[&[String]]) -> String {
    let object = |keys: &&[String]| {
        let members = keys.iter().map(|key| format!("\"{key}\":0"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    let objects: Vec<String> = objects.iter().map(object).collect();
    format!("[{}]", objects.join(","))
}

#[test]
fn keys_that_are_repeated_often_count_once() {
    let keys: Vec<String> = (0..100_000).map(|n| format!("{}", n % 3000)).collect();
    let (once, fewer) = (&keys[..3000], &keys[..2999]);
    let columns = |text: &str| match check(text.as_bytes()) {
        Ok(Document::Objects(columns)) => columns.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(columns(&objects_with_keys(&[&keys, once, &keys])), 2048);
    check_refused(&[&objects_with_keys(&[&keys, fewer])], MIXED);
    check_refused(&[&objects_with_keys(&[fewer, &keys])], MIXED);
}

#[test]
fn objects_of_very_many_keys_are_taken_as_they_are() {
    let keys: Vec<String> = (0..300_000).map(|n| format!("{n}")).collect();
    let text = objects_with_keys(&[&keys, &keys[1..]]);
    let Ok(Document::Objects(columns)) = check(text.as_bytes()) else {
        panic!("it is refused");
    };
    let first = columns.iter().next().map(Ident::as_str);
    assert_eq!((columns.len(), first), (2048, Some("0")));
}

#[test]
fn the_beginning_of_a_long_key_is_its_name() {
    let long = "é".repeat(1000);
    let escaped = "\\u00e9".repeat(1000);
    let name = "é".repeat(128);
    check_keys(&format!("{{\"{long}\":0}}"), &[&name]);
    check_keys(&format!("[{{\"{escaped}\":0}},{{\"{long}\":0}}]"), &[&name]);
    let other = format!("[{{\"{long}\":0}},{{\"{long}x\":0}}]");
    check_refused(&[&other], MIXED);
}
