//! What claims mean, as tables.

use super::*;
use crate::error::{Error, JwtClaimsFault as Fault};
use corerest_config::{Config, Sources};

const NOW: i64 = 1_700_000_000;

/// A configuration with `anonymous` as its anonymous role, and these keys.
#[track_caller]
fn config(keys: &[(&str, &str)]) -> Config {
    let mut environment = vec![("PGRST_DB_ANON_ROLE".to_owned(), "anonymous".to_owned())];
    environment.extend(
        keys.iter()
            .map(|(name, value)| (format!("PGRST_{name}"), (*value).into())),
    );
    let sources = Sources {
        environment: &environment,
        ..Sources::default()
    };
    Config::load(sources)
        .expect("the test gives a valid configuration")
        .config
}

fn check_claims(config: &Config, claims: &[u8], now: i64) -> Result<Identity, Error> {
    ClaimRules::new(config).identify(config, &Claims::parse(claims)?, now)
}

#[track_caller]
fn check(config: &Config, claims: &str, role: &str, written: &str) {
    let identity = check_claims(config, claims.as_bytes(), NOW);
    let expected = Identity {
        role: role.into(),
        claims: written.into(),
    };
    assert_eq!(identity, Ok(expected), "{claims}");
}

#[track_caller]
fn check_fault(config: &Config, claims: &str, fault: Fault) {
    let identity = check_claims(config, claims.as_bytes(), NOW);
    assert_eq!(identity, Err(Error::JwtClaims(fault)), "{claims}");
}

/// Whether claims are accepted whose role does not matter.
#[track_caller]
fn check_accepted(config: &Config, claims: &str) {
    let identity = check_claims(config, claims.as_bytes(), NOW);
    assert!(identity.is_ok(), "{claims}: {identity:?}");
}

/// What the rules of an issuer, the first in `jwt-issuers`, make of claims.
#[track_caller]
fn check_issuer(issuer: &str, claims: &str, expected: Result<&str, Fault>) {
    let config = config(&[("JWT_AUD", "ours"), ("JWT_ISSUERS", issuer)]);
    let rules = ClaimRules::of_issuer(&config, &config.jwt_issuers.list()[0]);
    let claims = Claims::parse(claims.as_bytes()).expect("the test gives an object");
    let identity = rules.identify(&config, &claims, NOW);
    let said = identity.as_ref().map(|identity| &*identity.role);
    assert_eq!(said, expected.map_err(Error::JwtClaims).as_ref().copied());
}

#[test]
fn issuers_may_have_rules_of_their_own() {
    let plain = "https://a.example";
    check_issuer(plain, r#"{"role":"r"}"#, Ok("r"));
    check_issuer(plain, r#"{"role":"r","aud":"ours"}"#, Ok("r"));
    check_issuer(plain, r#"{"aud":"theirs"}"#, Err(Fault::NotInAudience));
    let own = r#"[{"issuer":"https://a.example","audience":"theirs","role_claim_key":"$.a.b"}]"#;
    check_issuer(own, r#"{"a":{"b":"r"},"aud":["x","theirs"]}"#, Ok("r"));
    check_issuer(own, r#"{"role":"r","aud":"theirs"}"#, Ok("anonymous"));
    check_issuer(own, r#"{"aud":"ours"}"#, Err(Fault::NotInAudience));
    // What is meant for nobody in particular is not meant for us.
    check_issuer(own, r#"{"a":{"b":"r"}}"#, Err(Fault::NotInAudience));
    check_issuer(own, r#"{"aud":[]}"#, Err(Fault::NotInAudience));
}

#[test]
fn the_token_stands_behind_the_scheme_bearer() {
    for (header, token) in [
        ("Bearer a.b.c", Some("a.b.c")),
        ("bearer a.b.c", Some("a.b.c")),
        ("BEARER \t a.b.c", Some("a.b.c")),
        ("Bearer\ta b ", Some("a b ")),
        ("Bearer ", Some("")),
        ("Bearer", Some("")),
        ("Basic YTpi", None),
        ("Bearers a", None),
        ("Bearer:a", None),
        (" Bearer a", None),
        ("", None),
    ] {
        assert_eq!(
            bearer_token(header.as_bytes()),
            token.map(str::as_bytes),
            "{header:?}"
        );
    }
    assert_eq!(bearer_token(b"Bearer\xA0a"), Some(&b"a"[..]));
    assert_eq!(bearer_token(b"\xFFearer a"), None);
}

#[test]
fn the_role_of_the_claims_is_the_role_of_the_request() {
    let config = config(&[]);
    check(
        &config,
        r#"{"role":"author"}"#,
        "author",
        r#"{"role":"author"}"#,
    );
    check(
        &config,
        " {\"role\" : \"author\"}\n",
        "author",
        r#"{"role":"author"}"#,
    );
    check(
        &config,
        r#"{"z":1,"role":"é\"'"}"#,
        "é\"'",
        r#"{"role":"é\"'","z":1}"#,
    );
    check(
        &config,
        r#"{"role":"a\u0000b"}"#,
        "a\0b",
        r#"{"role":"a\u0000b"}"#,
    );
    check(&config, r#"{"role":""}"#, "", r#"{"role":""}"#);
}

#[test]
fn without_a_role_the_request_is_anonymous() {
    check(
        &config(&[]),
        r#"{"id":"x"}"#,
        "anonymous",
        r#"{"id":"x","role":"anonymous"}"#,
    );
    let nobody = Config::default();
    assert_eq!(check_claims(&nobody, b"{}", NOW), Err(Error::JwtRequired));
    check(
        &nobody,
        r#"{"role":"author"}"#,
        "author",
        r#"{"role":"author"}"#,
    );
}

#[test]
fn without_a_token_the_claims_are_the_role() {
    let anonymous = config(&[("JWT_AUD", "us")]);
    let rules = ClaimRules::new(&anonymous);
    let identity = rules
        .identify(&anonymous, &Claims::default(), NOW)
        .expect("it is anonymous");
    assert_eq!(&*identity.role, "anonymous");
    assert_eq!(&*identity.claims, r#"{"role":"anonymous"}"#);
    let nobody = Config::default();
    assert_eq!(
        rules.identify(&nobody, &Claims::default(), NOW),
        Err(Error::JwtRequired)
    );
}

#[test]
fn a_role_that_is_no_string_is_written_as_json() {
    let config = config(&[]);
    check(&config, r#"{"role":1}"#, "1", r#"{"role":"1"}"#);
    check(&config, r#"{"role":null}"#, "null", r#"{"role":"null"}"#);
    check(&config, r#"{"role":false}"#, "false", r#"{"role":"false"}"#);
    check(
        &config,
        r#"{"role":["a", {"b":1}]}"#,
        r#"["a",{"b":1}]"#,
        r#"{"role":"[\"a\",{\"b\":1}]"}"#,
    );
}

#[test]
fn claims_keep_their_numbers_and_the_first_of_a_name() {
    let config = config(&[]);
    check(
        &config,
        r#"{"big":123456789012345678901234567890,"e":1E2,"f":1.10,"role":"a","role":"b"}"#,
        "a",
        r#"{"big":123456789012345678901234567890,"e":1E2,"f":1.10,"role":"a"}"#,
    );
    check_fault(
        &config,
        &format!(r#"{{"exp":{},"exp":{}}}"#, NOW - 60, NOW + 60),
        Fault::Expired,
    );
}

#[test]
fn what_is_no_object_is_refused() {
    let config = config(&[]);
    for claims in [
        "",
        "null",
        "[]",
        "\"a\"",
        "1",
        "{",
        "{}x",
        "{'a':1}",
        "{\"a\":01}",
    ] {
        check_fault(&config, claims, Fault::Unparsable);
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
    check_fault(&config, &deep, Fault::Unparsable);
    assert_eq!(
        check_claims(&config, b"{\"a\":\"\xff\"}", NOW),
        Err(Error::JwtClaims(Fault::Unparsable))
    );
}

#[test]
fn times_have_thirty_seconds_of_grace_and_no_more() {
    let config = config(&[]);
    check_accepted(&config, &format!(r#"{{"exp":{}}}"#, NOW - 30));
    check_fault(
        &config,
        &format!(r#"{{"exp":{}}}"#, NOW - 31),
        Fault::Expired,
    );
    check_accepted(&config, &format!(r#"{{"nbf":{}}}"#, NOW + 30));
    check_fault(
        &config,
        &format!(r#"{{"nbf":{}}}"#, NOW + 31),
        Fault::NotYetValid,
    );
    check_accepted(&config, &format!(r#"{{"iat":{}}}"#, NOW + 30));
    check_fault(
        &config,
        &format!(r#"{{"iat":{}}}"#, NOW + 31),
        Fault::IssuedInFuture,
    );
}

/// As numbers go: exactly, in whatever form they are written.
#[test]
fn times_are_numbers_of_any_form() {
    let config = config(&[]);
    let [past, future] = [NOW - 30, NOW + 30];
    for accepted in [
        r#"{"exp":1.7e9}"#,
        r#"{"exp":1700000000.0}"#,
        r#"{"exp":17000000000000e-4}"#,
        r#"{"exp":1999999999.5}"#,
        r#"{"exp":9223372036854775807}"#,
        r#"{"exp":9223372036854775808}"#,
        r#"{"exp":1e99}"#,
        r#"{"exp":1e99999999999999999999}"#,
        r#"{"exp":null}"#,
        r#"{"nbf":0,"iat":-0}"#,
        r#"{"nbf":-1}"#,
        r#"{"nbf":-1e99,"iat":-1e99999999999999999999}"#,
        r#"{"nbf":1e-400,"iat":0e99999999999999999999}"#,
        r#"{"iat":-9223372036854775808}"#,
        r#"{"nbf":null,"iat":null,"aud":null}"#,
        &format!(
            r#"{{"exp":{past}.9,"nbf":{}.9,"iat":{}.9}}"#,
            future - 1,
            future - 1
        ),
        &format!(r#"{{"exp":{past}.000,"nbf":{future}.000,"iat":{future}0e-1}}"#),
    ] {
        check_accepted(&config, accepted);
    }
    for expired in [
        "0",
        "-0",
        "0.5",
        "-1",
        "1e-400",
        "-1e400",
        "-1e99999999999999999999",
        "1e-99999999999999999999",
        "0e99999999999999999999",
        "1.699999969999999999999999999e9",
        &format!("{}.9", past - 1),
    ] {
        check_fault(&config, &format!(r#"{{"exp":{expired}}}"#), Fault::Expired);
    }
    for early in [
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1999999999.5",
        "9.9e9",
        "1e300",
        "1e99999999999999999999",
        "1.70000003000000000000000000000001e9",
        &format!("{future}.5"),
        &format!("{future}.000000000000000000000000000000000000001"),
        &format!("{}5e-1", future),
        &"9".repeat(50_000),
    ] {
        check_fault(
            &config,
            &format!(r#"{{"nbf":{early}}}"#),
            Fault::NotYetValid,
        );
        check_fault(
            &config,
            &format!(r#"{{"iat":{early}}}"#),
            Fault::IssuedInFuture,
        );
    }
}

#[test]
fn clocks_at_the_ends_of_time_do_not_overflow() {
    let config = config(&[]);
    for now in [i64::MIN, i64::MAX] {
        assert!(check_claims(&config, b"{}", now).is_ok());
    }
    assert!(check_claims(&config, br#"{"exp":1}"#, i64::MAX).is_err());
    assert!(check_claims(&config, br#"{"nbf":1}"#, i64::MIN).is_err());
}

#[test]
fn times_must_be_numbers() {
    let config = config(&[]);
    for value in ["\"1700000000\"", "true", "[]", "{}", "[1700000000]"] {
        check_fault(
            &config,
            &format!(r#"{{"exp":{value}}}"#),
            Fault::ExpNotNumber,
        );
        check_fault(
            &config,
            &format!(r#"{{"nbf":{value}}}"#),
            Fault::NbfNotNumber,
        );
        check_fault(
            &config,
            &format!(r#"{{"iat":{value}}}"#),
            Fault::IatNotNumber,
        );
    }
}

#[test]
fn the_first_fault_is_told() {
    let config = config(&[("JWT_AUD", "us")]);
    check_fault(
        &config,
        r#"{"aud":"them","iat":"x","nbf":9e9,"exp":1}"#,
        Fault::Expired,
    );
    check_fault(
        &config,
        r#"{"aud":"them","iat":"x","nbf":9e9}"#,
        Fault::NotYetValid,
    );
    check_fault(&config, r#"{"aud":"them","iat":"x"}"#, Fault::IatNotNumber);
    check_fault(&config, r#"{"aud":"them"}"#, Fault::NotInAudience);
}

#[test]
fn the_audience_must_have_ours_in_it() {
    let config = config(&[("JWT_AUD", "us")]);
    for claims in [
        "{}",
        r#"{"aud":null}"#,
        r#"{"aud":[]}"#,
        r#"{"aud":"us"}"#,
        r#"{"aud":["us"]}"#,
        r#"{"aud":["them","us"]}"#,
    ] {
        check_accepted(&config, claims);
    }
    for claims in [
        r#"{"aud":""}"#,
        r#"{"aud":"US"}"#,
        r#"{"aud":"us "}"#,
        r#"{"aud":["them"]}"#,
    ] {
        check_fault(&config, claims, Fault::NotInAudience);
    }
}

#[test]
fn without_an_audience_of_our_own_any_will_do_that_is_one() {
    let ours = config(&[]);
    for claims in [
        r#"{"aud":""}"#,
        r#"{"aud":"them"}"#,
        r#"{"aud":["them"]}"#,
        r#"{"aud":[]}"#,
    ] {
        check_accepted(&ours, claims);
    }
    for config in [&ours, &config(&[("JWT_AUD", "us")])] {
        for value in [
            "1",
            "true",
            "{}",
            r#"{"us":"us"}"#,
            r#"["us",1]"#,
            "[null]",
            r#"[["us"]]"#,
        ] {
            check_fault(
                config,
                &format!(r#"{{"aud":{value}}}"#),
                Fault::AudNotStrings,
            );
        }
    }
}

/// The role that a path finds; `anonymous` if none.
#[track_caller]
fn check_path(path: &str, claims: &str, role: &str) {
    let config = config(&[("JWT_ROLE_CLAIM_KEY", path)]);
    let identity = check_claims(&config, claims.as_bytes(), NOW);
    assert_eq!(
        identity.map(|identity| identity.role),
        Ok(role.into()),
        "{path} in {claims}"
    );
}

#[test]
fn json_paths_find_the_role() {
    let nested = r#"{"a":{"roles":["x","y","z"],"b":"q"},"https://x.org/r":[{"value":"v"}]}"#;
    check_path("$.a.roles[1]", nested, "y");
    check_path("$.a.roles[-1]", nested, "z");
    check_path("$.a.roles[3]", nested, "anonymous");
    check_path("$.a.roles[-4]", nested, "anonymous");
    check_path("$.a['b']", nested, "q");
    check_path("$['https://x.org/r'][0].value", nested, "v");
    check_path("$.a.c", nested, "anonymous");
    check_path("$.a.b.c", nested, "anonymous");
    check_path("$.a[0]", nested, "anonymous");
    check_path("$.a.roles.x", nested, "anonymous");
    check_path("$.a['x','b']", nested, "q");
    check_path("$.a.roles[2,0]", nested, "z");
    check_path("$", "{}", "{}");
}

#[test]
fn json_paths_take_the_first_of_many_in_the_order_of_names() {
    let claims = r#"{"z":{"r":"1"},"m":["2",{"r":"3"}],"b":"4"}"#;
    check_path("$.*", claims, "4");
    check_path("$[*]", claims, "4");
    check_path("$..r", claims, "3");
    check_path("$..['r']", claims, "3");
    check_path("$.m..*", claims, "2");
    check_path("$.b.*", claims, "anonymous");
}

#[test]
fn json_paths_slice_arrays() {
    let claims = r#"{"a":["0","1","2","3","4"]}"#;
    for (slice, role) in [
        ("1:3", "1"),
        (":2", "0"),
        ("-2:", "3"),
        ("::-1", "4"),
        ("3::-1", "3"),
        ("-2:0:-1", "3"),
        ("9::-2", "4"),
        ("4:1", "anonymous"),
        ("::0", "anonymous"),
        ("5:", "anonymous"),
        (":-9", "anonymous"),
        ("-9007199254740991:9007199254740991:9007199254740991", "0"),
    ] {
        check_path(&format!("$.a[{slice}]"), claims, role);
    }
    check_path("$.a[:]", r#"{"a":[]}"#, "anonymous");
    check_path("$.a[::-1]", r#"{"a":[]}"#, "anonymous");
    check_path("$.a[:]", r#"{"a":{"b":"c"}}"#, "anonymous");
}

#[test]
fn json_paths_filter() {
    let claims = r#"{"r":["other","author","admin"],"n":[{"v":1,"k":"one"},{"v":2.0,"k":"two"}],
        "want":"admin","t":{"x":{"ok":true,"k":"yes"},"w":{"ok":false,"k":"no"}}}"#;
    for (filter, role) in [
        ("$.r[?(@ == 'author')]", "author"),
        ("$.r[?@ == \"author\"]", "author"),
        ("$.r[?(@ != 'other')]", "author"),
        ("$.r[?@ == $.want]", "admin"),
        ("$.r[?@ < 'b']", "author"),
        ("$.r[?@ >= 'b']", "other"),
        ("$.r[?@ == 'nobody']", "anonymous"),
        ("$.r[?@ > 1]", "anonymous"),
        ("$.r[?!(@ == 'other') && @ != 'author']", "admin"),
        ("$.r[?@ == 'x' || @ == 'admin']", "admin"),
        ("$.n[?@.v == 2].k", "two"),
        ("$.n[?@.v > 1].k", "two"),
        ("$.n[?@.v >= 1].k", "one"),
        ("$.n[?@.v <= 1.5].k", "one"),
        ("$.n[?@.v < 1.0].k", "anonymous"),
        ("$.n[?@.x == $.y].k", "one"),
        ("$.n[?@.x].k", "anonymous"),
        ("$.n[?!@.x].k", "one"),
        ("$.t[?@.ok == true].k", "yes"),
        ("$.t[?@.ok].k", "no"),
        ("$.r[?@ == $.r[1]]", "author"),
        ("$.r[?@ == $.r[-1]]", "anonymous"),
    ] {
        check_path(filter, claims, role);
    }
}

#[test]
fn json_paths_search_with_regular_expressions() {
    let claims = r#"{"r":["other","author",1],"p":"^au","bad":"(","two":"x\nauthor"}"#;
    for (path, role) in [
        ("$.r[?search(@, '^au')]", "author"),
        ("$.r[?search(@, 'th[eo]r$')]", "other"),
        ("$.r[?search(@, '^[[:alpha:]]{6}$')]", "author"),
        ("$.r[?!search(@, 'th')]", "1"),
        ("$.r[?search(@, $.p)]", "author"),
        ("$.r[?search('author', @)]", "author"),
        ("$.r[?search(@, '(')]", "anonymous"),
        ("$.r[?search(@, $.bad)]", "anonymous"),
        ("$.r[?search(@, $.none)]", "anonymous"),
        ("$.r[?search(@, 1)]", "anonymous"),
        ("$[?search(@, '^author')]", "x\nauthor"),
    ] {
        check_path(path, claims, role);
    }
}

#[test]
fn a_pattern_cannot_grow_or_run_for_ever() {
    let huge = "(((a{999}){999}){999}){999}";
    check_path(
        "$.r[?search(@, $.p)]",
        &format!(r#"{{"r":["a"],"p":"{huge}"}}"#),
        "anonymous",
    );
    let text = "a".repeat(20_000);
    check_path(
        "$.r[?search(@, '^(a+)+b')]",
        &format!(r#"{{"r":["{text}"]}}"#),
        "anonymous",
    );
}

#[test]
fn legacy_paths_find_the_role() {
    let claims = r#"{"a":{"roles":["other","an_author",{"x":"y"}]},
        "https://x.org/r":[{"value":"v"}],"n":null}"#;
    for (path, role) in [
        (".a.roles[1]", "an_author"),
        (".a.roles[2].x", "y"),
        (".a.roles[3]", "anonymous"),
        (".\"https://x.org/r\"[0].value", "v"),
        (".b", "anonymous"),
        (".a[0]", "anonymous"),
        (".a.roles.x", "anonymous"),
        (".n", "null"),
        (".a.roles[2]", r#"{"x":"y"}"#),
        (".a.roles[?(@ == \"an_author\")]", "an_author"),
        (".a.roles[?(@ != \"other\")]", "an_author"),
        (".a.roles[?(@ ^== \"an_\")]", "an_author"),
        (".a.roles[?(@ ==^ \"thor\")]", "an_author"),
        (".a.roles[?(@ *== \"n_a\")]", "an_author"),
        (".a.roles[?(@ == \"y\")]", "anonymous"),
        (".a[?(@ == \"y\")]", "anonymous"),
    ] {
        check_path(path, claims, role);
    }
}

/// Arrays in arrays, 60 deep: there are half a million ways to choose four of them.
#[test]
fn a_path_that_takes_too_many_steps_finds_no_role() {
    let deep = (0..60).fold("1".to_owned(), |inner, _| format!("[{inner},0]"));
    let claims = format!(r#"{{"role":"author","roles":["author"],"deep":{deep}}}"#);
    check_path("$.role", &claims, "author");
    check_path("$..role", &claims, "author");
    check_path("$.roles[?!@..*]", &claims, "author");
    let anonymous = "anonymous";
    for path in [
        "$..*..*..*..*",
        "$.roles[?!$..*..*..*..[?@ == 7]]",
        "$.roles[?!search($.role, 'x') && !$..*..*..*..nothing]",
    ] {
        check_path(path, &claims, anonymous);
    }
    // Patterns that stand in claims are compiled each time, and few of them are.
    let patterns = vec![r#""(a{99}){99}""#; 99].join(",");
    let claims = format!(r#"{{"role":"author","roles":["author"],"p":[{patterns}]}}"#);
    check_path("$.roles[?!$.p[?search('b', @)]]", &claims, anonymous);
}
