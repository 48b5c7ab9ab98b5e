//! JSON that is nested deeply, wherever the owner of a schema can put some: none of it ends the
//! server, which answers the next request, too.

use corerest_tests::client::{Answer, Client};
use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;

/// How deep: what is usual, what is just allowed and just not, and what no stack holds.
const DEPTHS: [usize; 9] = [10, 100, 127, 128, 129, 130, 1_000, 10_000, 1_000_000];

/// The greatest depth that is read, as `json/value.rs` counts it: the value itself is another one.
const DEPTH_MAX: usize = 129;

const FUNCTIONS: &str = r#"
CREATE FUNCTION api.nested_headers(depth int) RETURNS void STABLE LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('response.headers', repeat('[', depth) || repeat(']', depth), true);
END $$;
CREATE FUNCTION api.nested_header(depth int) RETURNS void STABLE LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('response.headers',
    '[{"X-A":' || repeat('{"a":', depth) || '1' || repeat('}', depth) || '}]', true);
END $$;
CREATE FUNCTION api.nested_message(depth int) RETURNS void STABLE LANGUAGE plpgsql AS $$
BEGIN
  RAISE SQLSTATE 'PGRST' USING
    MESSAGE = '{"code":"123","message":"hello","more":' || repeat('[', depth)
      || repeat(']', depth) || '}',
    DETAIL = '{"status":402,"headers":{}}';
END $$;
CREATE FUNCTION api.nested_detail(depth int) RETURNS void STABLE LANGUAGE plpgsql AS $$
BEGIN
  RAISE SQLSTATE 'PGRST' USING
    MESSAGE = '{"code":"123","message":"hello"}',
    DETAIL = '{"status":402,"headers":{},"more":' || repeat('{"a":', depth - 1) || '{}'
      || repeat('}', depth - 1) || '}';
END $$;
"#;

fn code(answer: &Answer) -> &str {
    let behind = answer.text().split_once("\"code\":\"");
    let code = behind.and_then(|(_, behind)| behind.split('"').next());
    code.unwrap_or_else(|| panic!("{} without a code", answer.status))
}

#[track_caller]
fn check(client: &mut Client, function: &str, expected: impl Fn(usize) -> &'static str) {
    for depth in DEPTHS {
        let answer = client.get(&format!("/rpc/{function}?depth={depth}"));
        assert_eq!(code(&answer), expected(depth), "{function} {depth}");
        let canary = client.get("/plants?select=id&limit=1");
        assert_eq!(canary.status, 200, "{function} {depth}");
    }
}

#[test]
fn what_functions_say_is_an_error_where_it_is_nested_too_deeply() {
    let database = Cluster::shared().database();
    database.run(FUNCTIONS);
    let mut server = Server::start(&database, &[]);
    let mut client = server.client();
    check(&mut client, "nested_headers", |_| "PGRST111");
    check(&mut client, "nested_header", |_| "PGRST111");
    // The object around it is one more.
    let or_123 = |error: &'static str| move |depth| if depth < DEPTH_MAX { "123" } else { error };
    check(&mut client, "nested_message", or_123("PGRST121"));
    check(&mut client, "nested_detail", or_123("PGRST121"));
    assert!(server.is_running());
    server.stop();
}

/// PostgreSQL itself takes some thousand levels, for its stack has an end, too.
#[test]
fn a_default_that_is_nested_too_deeply_is_not_told() {
    let database = Cluster::shared().database();
    let depths = DEPTHS.iter().copied().filter(|depth| *depth < 3_000);
    for depth in depths.chain([3_000]) {
        database.run(&format!(
            "DO $$ DECLARE nested text := repeat('[', {depth}) || repeat(']', {depth}); BEGIN
             EXECUTE format('CREATE TABLE api.nested_{depth} (j json DEFAULT %L)', nested);
             EXECUTE format('CREATE FUNCTION api.takes_{depth}(j json DEFAULT %L) RETURNS int
               LANGUAGE sql AS ''SELECT 1''', nested); END $$;
             GRANT ALL ON api.nested_{depth} TO anonymous"
        ));
    }
    let mut server = Server::start(&database, &[]);
    let mut client = server.client();
    for version in ["2.0", "3.1"] {
        let accept = format!("application/openapi+json;version={version}");
        let answer = client.exchange("GET", "/", &[("Accept", &accept)]);
        assert_eq!(answer.status, 200, "{version}");
        let told = |depth: usize| {
            let default = format!("\"default\":{}]", "[".repeat(depth));
            answer.text().matches(&default).count()
        };
        // In the row that is read, and in the function's arguments.
        let expected = if version == "3.1" { 2 } else { 0 };
        assert_eq!(told(DEPTH_MAX), expected, "{version}");
        assert_eq!(told(DEPTH_MAX + 1), 0, "{version}");
        assert!(answer.text().contains("nested_3000"), "{version}");
        assert_eq!(client.get("/plants?select=id&limit=1").status, 200);
    }
    assert!(server.is_running());
    server.stop();
}
