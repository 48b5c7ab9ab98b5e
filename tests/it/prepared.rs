//! The statements that a connection has prepared: as many as it keeps, and never
//! taken for others.

use corerest_tests::client::Client;
use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;

/// So many statements are kept for a connection, of which a few are not those of shapes.
const KEPT: usize = 200;

/// Rounds with the same number of shapes.
const ROUNDS: usize = 3;

/// What its own connection has prepared, for only that can see it.
const FUNCTIONS: &str = "
    CREATE FUNCTION api.prepared() RETURNS bigint LANGUAGE sql STABLE AS
      'SELECT count(*) FROM pg_prepared_statements';
    CREATE FUNCTION api.is_prepared(word text) RETURNS boolean LANGUAGE sql STABLE AS
      $$ SELECT EXISTS (SELECT FROM pg_prepared_statements
                         WHERE statement LIKE '%' || word || '%') $$";

#[track_caller]
fn ask(client: &mut Client, shape: usize, headers: &[(&str, &str)]) {
    let target = format!("/fifteen?select=c{shape}:id&id=eq.3");
    let answer = client.exchange("GET", &target, headers);
    let expected = format!(r#"[{{"c{shape}":3}}]"#);
    assert_eq!((answer.status, answer.text()), (200, &*expected));
}

/// The oldest statement that is kept is used again in a batch that needs another one, too, which
/// has no place: whichever goes, it must not be the one that is needed.
#[test]
fn a_connection_with_all_the_statements_it_keeps_goes_on_preparing() {
    let database = Cluster::shared().database();
    database.run(FUNCTIONS);
    let server = Server::start(&database, &[("db-pool", "1")]);
    let mut client = server.client();
    for shapes in KEPT - 4..=KEPT + 2 {
        for _ in 0..ROUNDS {
            (0..shapes).for_each(|shape| ask(&mut client, shape, &[]));
            ask(&mut client, 0, &[("Prefer", "timezone=UTC")]);
        }
    }
    ask(&mut client, 7777, &[]);
    ask(&mut client, 7777, &[]);
    assert_eq!(client.get("/rpc/is_prepared?word=c7777").text(), "true");
    let prepared: usize = client
        .get("/rpc/prepared")
        .text()
        .parse()
        .expect("a number");
    assert!((KEPT / 2..=KEPT + 5).contains(&prepared), "{prepared}");
    for word in ["pooler", "42P05", "26000"] {
        assert!(server.is_silent_about(word), "{}", server.stderr.text());
    }
    server.stop();
}
