//! Paths as text, read and shown again, and paths that are refused.

use super::JsonPath;

/// A path must show as expected, and what is shown must read as the same path.
#[track_caller]
fn check(text: &str, expected: &str) {
    let path = JsonPath::parse(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
    assert_eq!(path.to_string(), expected, "{text}");
    let again = JsonPath::parse(expected).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    assert_eq!(again, path, "{expected} does not read as {text}");
}

#[track_caller]
fn check_same(text: &str) {
    check(text, text);
}

#[test]
fn the_default_path_is_what_it_reads_as() {
    assert_eq!(JsonPath::parse("$.role").ok(), Some(JsonPath::role()));
}

#[test]
fn names_indexes_and_wildcards_are_segments() {
    check_same("$");
    check_same("$.role");
    check_same("$.user[0].real_role");
    check_same("$.rôle._1");
    check_same("$['a b']['c']");
    check(
        "$[\"https://www.example.com/roles\"][0].value",
        "$['https://www.example.com/roles'][0].value",
    );
    check("$ .a\t[ -1 , 'b' ]", "$.a[-1,'b']");
    check_same("$.*[*]");
    check_same("$..*");
    check_same("$..role");
    check_same("$..['role',0]");
}

#[test]
fn slices_have_bounds_and_a_step() {
    check("$[1:3]", "$[1:3:1]");
    check("$[ 1 : 3 : 2 ]", "$[1:3:2]");
    check("$[5:]", "$[5::1]");
    check("$[:]", "$[::1]");
    check("$[::]", "$[::1]");
    check("$[:-2:-1]", "$[:-2:-1]");
    check("$[0,1:2,*]", "$[0,1:2:1,*]");
}

#[test]
fn filters_compare_and_test_and_search() {
    check_same("$.roles[?@ == 'author']");
    check("$.roles[?(@ == \"author\")]", "$.roles[?(@ == 'author')]");
    check("$.roles[?@!=\"a\"]", "$.roles[?@ != 'a']");
    check("$.roles[? @.level >= 20 ]", "$.roles[?@.level >= 20.0]");
    check(
        "$[?@[0]['x y']<=-1.5e3,?1>$.a]",
        "$[?@[0]['x y'] <= -1500.0,?1.0 > $.a]",
    );
    check("$[?0.5 < @ && 0 < @]", "$[?0.5 < @ && 0.0 < @]");
    check_same("$[?@.a == true || @.b == false && @.c == null]");
    check_same("$[?(@.a || @.b) && !(@.c)]");
    check_same("$[?!@.a..b[*]]");
    check_same("$[?@[?@ > 1.0]]");
    check_same("$.roles[?search(@, '^au')]");
    check("$[?!search( @.a ,\"x\" )]", "$[?!search(@.a, 'x')]");
    check_same("$[?@.search]");
}

#[test]
fn strings_know_escapes() {
    check(r#"$["it's \"x\" \\ \/"]"#, r#"$['it\'s "x" \\ /']"#);
    check(r"$['\b\f\n\r\t']", r"$['\u0008\u000C\u000A\u000D\u0009']");
    check(r"$['\u00e9\uD83D\uDE00']", "$['é😀']");
    check(r"$[?@['a\'b'] == 1]", r"$[?@['a\'b'] == 1.0]");
}

#[test]
fn other_text_is_refused() {
    for text in [
        "",
        "role",
        ".role",
        "@.role",
        "$role",
        "$.",
        "$..",
        "$...a",
        "$.1a",
        "$.[0]",
        "$.a.",
        "$ ",
        "$.my_role;;domain",
        "$[",
        "$[]",
        "$[0",
        "$[0,]",
        "$[01]",
        "$[-0]",
        "$[1.5]",
        "$[a]",
        "$[9007199254740992]",
        "$[99999999999999999999]",
        "$['a]",
        "$['a\"]",
        "$['\\x']",
        "$['\\u12']",
        "$['\\uD83D']",
        "$['\\uDE00']",
        "$['\n']",
        "$[?]",
        "$[?1]",
        "$[?'a']",
        "$[?@ = 1]",
        "$[?@ == ]",
        "$[?@ == @..a]",
        "$[?@ == 01]",
        "$[?@ == 1.]",
        "$[?@ == 'a' &&]",
        "$[?(@ == 1]",
        "$[?count(@) > 1]",
        "$[?search(@)]",
        "$[?search(@, 'a'",
        "$[?! @ == 1]",
        "$[?search(@, 'a') == true]",
    ] {
        assert!(JsonPath::parse(text).is_err(), "{text:?} was read");
    }
}

#[test]
fn nesting_has_a_limit() {
    for (open, core, close) in [("(", "@", ")"), ("@[?", "@", "]"), ("!(", "@", ")")] {
        let nested = |n: usize| format!("$[?{}{core}{}]", open.repeat(n), close.repeat(n));
        assert!(JsonPath::parse(&nested(20)).is_ok(), "{open}");
        assert!(JsonPath::parse(&nested(1000)).is_err(), "{open}");
    }
}

#[test]
fn a_path_cut_off_anywhere_gives_a_result_or_a_refusal() {
    let text = r#"$..a[?(@.b['c"'][0] >= -1.5e3 || !search(@, "x\u00e9")) && @.d][1:2:3,*]"#;
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let _ = JsonPath::parse(&text[..end]);
    }
    assert!(JsonPath::parse(text).is_ok());
}
