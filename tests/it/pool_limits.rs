//! How long connections live: `db-pool-max-lifetime` and `db-pool-max-idletime`, down to 0.

use corerest_tests::cluster::Cluster;
use corerest_tests::server::Server;
use std::collections::HashSet;

/// How many servers of PostgreSQL answer ten requests, one after the other.
fn servers_of_ten_requests(setting: (&str, &str)) -> usize {
    let database = Cluster::shared().database();
    database.run(
        "CREATE FUNCTION api.server() RETURNS integer LANGUAGE sql STABLE AS \
           'SELECT pg_backend_pid()'; \
         GRANT EXECUTE ON FUNCTION api.server() TO PUBLIC",
    );
    let server = Server::start(&database, &[("db-pool", "1"), setting]);
    let mut client = server.client();
    let mut ask = |_| {
        let answer = client.get("/rpc/server");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    };
    let servers: HashSet<String> = (0..10).map(&mut ask).collect();
    server.stop();
    servers.len()
}

#[test]
fn with_a_limit_of_zero_no_connection_serves_two_requests() {
    assert_eq!(servers_of_ten_requests(("db-pool-max-lifetime", "0")), 10);
    assert_eq!(servers_of_ten_requests(("db-pool-max-idletime", "0")), 10);
    assert_eq!(servers_of_ten_requests(("db-pool-max-lifetime", "1800")), 1);
}
