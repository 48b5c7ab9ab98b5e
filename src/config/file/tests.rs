//! The file grammar and its meaning, from the outside: text in, bindings or an error out.

use super::*;
use crate::sources::File;

/// Files that `import` finds.
fn read_file(path: &str) -> Result<Vec<u8>, String> {
    match path {
        "etc/part.conf" => Ok(b"inner = \"$(outer)!\"".to_vec()),
        "/abs.conf" => Ok(b"import \"/abs.conf\"".to_vec()),
        "etc/broken.conf" => Ok(b"a = 1\nb".to_vec()),
        "etc/latin.conf" => Ok(vec![0xE9]),
        _ => Err("no such file".to_owned()),
    }
}

fn evaluate_text(text: &str) -> Result<Bindings, ConfigError> {
    let environment = [("HOME".to_owned(), "/home/$me".to_owned())];
    let evaluated = evaluate(&Sources {
        file: Some(File {
            path: "etc/server.conf",
            text,
        }),
        environment: &environment,
        read_file: &read_file,
        ..Sources::default()
    });
    evaluated.map(|evaluated| evaluated.bindings)
}

/// Shows the bindings as `key=value`, numbers as in the dump, strings in quotes.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let bindings = evaluate_text(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let shown: Vec<String> = bindings
        .iter()
        .map(|(key, value)| format!("{key}={}", show(value)))
        .collect();
    assert_eq!(shown, expected, "{text:?}");
}

fn show(value: &Value) -> String {
    match value {
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(values) => {
            format!(
                "[{}]",
                values.iter().map(show).collect::<Vec<_>>().join(" ")
            )
        }
    }
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = evaluate_text(text).expect_err(text);
    assert_eq!(
        error.to_string(),
        format!("Error in config {expected}"),
        "{text:?}"
    );
}

#[test]
fn a_file_is_keys_and_values_on_lines() {
    check("", &[]);
    check("\n  # only a comment", &[]);
    check("a = 1", &["a=1.0"]);
    check("a=1\r\nb = \"x\" # why\r\n", &["a=1.0", "b=\"x\""]);
    check(
        "a = true\nb = off\nc = on\nd = false",
        &["a=true", "b=false", "c=true", "d=false"],
    );
    check("app.settings.é-1_x = 1.5e1", &["app.settings.é-1_x=15.0"]);
    check("a = 1\na = 2", &["a=2.0"]);
    check("a # the key\n  = # its value\n  \"x\"", &["a=\"x\""]);
    check(
        "importance = 1\nimport.of = 2",
        &["import.of=2.0", "importance=1.0"],
    );
}

#[test]
fn strings_know_escapes_and_line_ends() {
    check(
        r#"a = "q\" b\\ n\n t\t r\r""#,
        &[r#"a="q\" b\\ n\n t\t r\r""#],
    );
    check(
        "a = \"two\nlines # no comment\"",
        &["a=\"two\\nlines # no comment\""],
    );
    check("a = \"\\u00e9\\uD83D\\uDE00\"", &["a=\"é😀\""]);
}

#[test]
fn lists_and_groups_are_read() {
    check(
        "a = [1, \"2\", [true]\n#x\n, off]\nb = []",
        &["a=[1.0 \"2\" [true] false]", "b=[]"],
    );
    check(
        "app {\n settings { x = 1 }\n y.z = 2\n}\nk = 3",
        &["app.settings.x=1.0", "app.y.z=2.0", "k=3.0"],
    );
    check("app {}", &[]);
}

#[test]
fn a_directive_can_be_commented_out_as_a_whole() {
    check("#; app {\n x = 1\n}\nk = 3", &["k=3.0"]);
    check("a = 1 #; b = 2", &["a=1.0"]);
}

#[test]
fn variables_come_from_the_file_and_then_from_the_environment() {
    check("a = \"$(HOME)/x$$y\"", &["a=\"/home/$me/x$y\""]);
    check("HOME = \"/\"\na = \"$(HOME)\"", &["HOME=\"/\"", "a=\"/\""]);
    check(
        "n = 8\na = \"$(n)\"\nm = 1.5\nb = \"$(m)\"",
        &["a=\"8\"", "b=\"1.5\"", "m=1.5", "n=8.0"],
    );
    check(
        "d = 1\ng { d = \"$(d)!\"\n e = \"$(d)\" }",
        &["d=1.0", "g.d=\"1!\"", "g.e=\"1!\""],
    );
    check("a = [\"$(NOT_LOOKED_AT)\"]", &["a=[\"$(NOT_LOOKED_AT)\"]"]);
}

#[test]
fn an_import_stands_for_the_text_of_the_file() {
    check(
        "outer = 1\ng { import \"part.conf\" }",
        &["g.inner=\"1!\"", "outer=1.0"],
    );
    check_error(
        "a = 1\nimport \"none.conf\"",
        "etc/server.conf:2:1: cannot import etc/none.conf: no such file",
    );
    check_error(
        "import \"/abs.conf\"",
        "/abs.conf:1:1: too many files import each other",
    );
    check_error(
        "import \"broken.conf\"",
        "etc/broken.conf:2:2: expected = or {, found the end of the file",
    );
    check_error(
        "import \"latin.conf\"",
        "etc/server.conf:1:1: cannot import etc/latin.conf: it is not UTF-8",
    );
    check_error(
        "import part",
        "etc/server.conf:1:8: expected the path of a file in double quotes, found 'p'",
    );
}

#[test]
fn what_the_grammar_refuses_is_named_with_its_place() {
    let check = |text, expected: &str| check_error(text, &format!("etc/server.conf:{expected}"));
    check("a", "1:2: expected = or {, found the end of the file");
    check("a: 1", "1:2: expected = or {, found ':'");
    check("1 = 1", "1:1: expected a key, such as db-uri, found '1'");
    check("a. = 1", "1:3: expected a letter, found ' '");
    check(
        "\n\n a = ",
        "3:6: expected a value (text needs double quotes), found the end of the file",
    );
    check(
        "a = yes",
        "1:5: expected a value (text needs double quotes), found 'y'",
    );
    check(
        "a = 'x'",
        "1:5: strings stand in double quotes, not in single quotes",
    );
    check(
        "a = -1",
        "1:5: a negative number must be written as a string: \"-1\"",
    );
    check(
        "a = 1.",
        "1:5: this is not a number; a string needs double quotes",
    );
    check(
        "a = 1 b = 2",
        "1:7: expected the end of the line, found 'b'",
    );
    check("a = true1", "1:9: expected the end of the line, found '1'");
    check(
        "a = 10.0.0.1",
        "1:9: expected the end of the line, found '.'",
    );
    check(
        "é = \"é\" x",
        "1:9: expected the end of the line, found 'x'",
    );
    check("\na = \"x", "2:5: this string has no closing quote");
    check(
        "a = 1\nb = \"x\n\nc = \"y\"\n",
        "2:5: this string goes on to line 4: is its closing quote missing?",
    );
    check(
        "a = \"x\ny\"\nb = 1 c",
        "3:7: expected the end of the line, found 'c'",
    );
    check(
        "a = \"C:\\dir\"",
        "1:8: only \\n \\t \\r \\\" \\\\ and \\u are known; write \\\\",
    );
    check(
        "a = \"\\u12g4\"",
        "1:6: \\u needs four hexadecimal digits of UTF-16",
    );
    check(
        "a = \"\\uD83Dx\"",
        "1:6: \\u needs four hexadecimal digits of UTF-16",
    );
    check("a = [1 2]", "1:8: expected , or ], found '2'");
    check(
        "a = [1,]",
        "1:8: expected a value (text needs double quotes), found ']'",
    );
    check(
        "a { b = 1",
        "1:10: expected a key or }, found the end of the file",
    );
    check("a = 1 }", "1:7: there is no open { for this }");
    check("#; = 2", "1:4: expected a key after #;, found '='");
}

#[test]
fn wrong_dollar_signs_are_named_with_their_place() {
    let check = |text, expected: &str| check_error(text, &format!("etc/server.conf:{expected}"));
    check(
        "\na = \"$x\"",
        "2:5: a dollar sign must be written as $$, or begin $(NAME)",
    );
    check(
        "a = \"x$\"",
        "1:5: a dollar sign must be written as $$, or begin $(NAME)",
    );
    check(
        "a = \"$(\"",
        "1:5: a dollar sign must be written as $$, or begin $(NAME)",
    );
    check(
        "a = \"$()\"",
        "1:5: a dollar sign must be written as $$, or begin $(NAME)",
    );
    check("a = \"$(three)\"", "1:5: no such variable: 'three'");
    check(
        "b = on\na = \"$(b)\"",
        "2:5: variable 'b' is not a string or number",
    );
}

#[test]
fn nesting_has_a_limit() {
    let text = format!("a = {}", "[".repeat(100_000));
    check_error(
        &text,
        "etc/server.conf:1:70: groups and lists are nested too deeply",
    );
}

#[test]
fn a_file_cut_off_anywhere_gives_a_result_or_an_error() {
    let text = "a = \"x\\u00e9\" # c\nb { c = [1, 2.5e3, \"$(a)\"] }\n#; d = on\n";
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let _ = evaluate_text(&text[..end]);
    }
    assert!(evaluate_text(text).is_ok());
}
