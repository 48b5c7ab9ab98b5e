//! A search path in which everything is somebody else's: operators, functions, aggregates and
//! types for all that the server could say (`fixtures/hostile.sql`). Each of them says in
//! PostgreSQL's log that it was called, and by whom.
//!
//! `public` is tried in two places of the path, of the login role's and of the requests': behind
//! `pg_catalog`, as it is everywhere, where what fits exactly wins over what fits by a conversion;
//! and before it, where everything in it wins. In both, none may be called by the login role, and
//! by the role of a request only what `src/api/query/by_path.rs` leaves to the path. And
//! extensions, which mean no harm, are in `public` as well.

mod requests;

use self::requests::{Asked, REQUESTS};
use super::plan_cases::in_text_format;
use corerest_api::channel::tidy_queue_statement;
use corerest_api::{OneDocument, Scope, ask_backends, ask_catalog, ask_role_settings, ask_version};
use corerest_api::{ask_database_config, pause_statement};
use corerest_sql::Ident;
use corerest_tests::client::{Answer, Client};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use postgres::types::ToSql;
use postgres::{NoTls, SimpleQueryMessage};
use std::collections::BTreeSet;
use std::path::PathBuf;

const SHOP: &str = include_str!("../fixtures/shop.sql");
const HOSTILE: &str = include_str!("../fixtures/hostile.sql");

/// What stands before what a hostile thing has to say.
const NOTE: &str = "hostile: ";

/// The log of a cluster, from where it was read before.
struct Notes {
    log: PathBuf,
    read: usize,
}

impl Notes {
    fn of(cluster: &Cluster) -> Notes {
        let log = PathBuf::from(cluster.socket_folder()).join("log");
        let mut notes = Notes { log, read: 0 };
        notes.take();
        notes
    }

    /// What was said since the last time. A session writes it before it answers.
    fn take(&mut self) -> BTreeSet<String> {
        let all = std::fs::read(&self.log).expect("PostgreSQL has a log");
        let new = String::from_utf8_lossy(&all[self.read..]).into_owned();
        self.read = all.len();
        let notes = new.lines().filter_map(|line| line.split_once(NOTE));
        notes.map(|(_, note)| note.to_owned()).collect()
    }
}

/// What the requests are answered with, and what each has called.
fn answers(server: &Server, notes: &mut Notes) -> Vec<(Answer, BTreeSet<String>)> {
    let mut client = server.client();
    let all = REQUESTS.iter();
    all.map(|asked| (exchange(&mut client, asked), notes.take()))
        .collect()
}

fn exchange(client: &mut Client, asked: &Asked) -> Answer {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: shop\r\n",
        asked.method, asked.target
    );
    for (name, value) in asked.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = asked.body.len();
    client.send(format!(
        "{head}Content-Length: {length}\r\n\r\n{}",
        asked.body
    ));
    let mut answer = client.read(asked.method);
    answer.headers.retain(|(name, _)| name != "Date");
    answer
}

/// The server for a shop, whose requests have this path behind their schema.
fn open_shop(database: &Database, extra_search_path: &str) -> Server {
    database.run("ALTER SEQUENCE shop.items_id_seq RESTART; ANALYZE");
    let settings = [
        ("db-schemas", "shop"),
        ("db-extra-search-path", extra_search_path),
        ("db-pre-config", "shop.configure"),
        ("db-pre-request", "shop.check_request"),
        ("db-plan-enabled", "true"),
        ("db-aggregates-enabled", "true"),
        ("db-tx-end", "commit-allow-override"),
        ("db-pool", "1"),
        ("db-session-reset", "none"),
    ];
    Server::start(database, &settings)
}

#[test]
fn nothing_in_a_search_path_is_called_but_what_a_client_asks_for() {
    let cluster = Cluster::start(&[]);
    let (clean, hostile) = (cluster.database(), cluster.database());
    clean.run(SHOP);
    hostile.run(SHOP);
    hostile.run(HOSTILE);
    hostile.run("ALTER ROLE anonymous SET statement_timeout = '1min'");
    let mut notes = Notes::of(&cluster);

    let server = open_shop(&clean, "public");
    let expected = answers(&server, &mut notes);
    server.stop();
    let ways = [
        ("public", "\"$user\", public", false),
        ("public, pg_catalog", "public, pg_catalog", true),
    ];
    let mut faults = Vec::new();
    for (of_requests, of_login, is_before) in ways {
        let name = &hostile.name;
        hostile.run(&format!(
            "ALTER ROLE authenticator IN DATABASE {name} SET search_path = {of_login};
             ALTER ROLE authenticator IN DATABASE {name} SET pgrst.db_max_rows = '100'"
        ));
        notes.take();
        let server = open_shop(&hostile, of_requests);
        assert_eq!(notes.take(), BTreeSet::new(), "{of_login}: at the start");
        let answered = answers(&server, &mut notes);
        let all = REQUESTS.iter().zip(&expected).zip(&answered);
        faults.extend(
            all.filter_map(|((asked, (expected, _)), got)| fault(asked, is_before, expected, got)),
        );
        hostile.run("NOTIFY pgrst");
        server.stop();
        assert_eq!(notes.take(), BTreeSet::new(), "{of_login}: at the end");
        ask_for_all_documents(&hostile, of_login);
        assert_eq!(notes.take(), BTreeSet::new(), "{of_login}: documents");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is wrong with an answer, if something is.
fn fault(
    asked: &Asked,
    is_before: bool,
    expected: &Answer,
    (answer, notes): &(Answer, BTreeSet<String>),
) -> Option<String> {
    let may = if is_before {
        asked.before
    } else {
        asked.behind
    };
    let may: BTreeSet<String> = may
        .iter()
        .map(|name| format!("{name} as anonymous of authenticator"))
        .collect();
    let is_same = comparable(answer) == comparable(expected);
    (!is_same || *notes != may).then(|| {
        let calls = format!("{notes:?} were called, and {may:?} may be");
        let place = format!("before: {is_before}, {} {}", asked.method, asked.target);
        match is_same {
            true => format!("{place}: {calls}"),
            false => format!(
                "{place}: {calls}\n  got {}\n  for {}",
                answer.text(),
                expected.text()
            ),
        }
    })
}

/// In descriptions and plans PostgreSQL prints a name with its schema where the search path has
/// another one of its name before.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().cloned();
    let headers = headers.filter(|(name, _)| name != "Content-Length");
    let body = answer.text().replace("pg_catalog.", "");
    (answer.status, headers.collect(), body)
}

/// All that the control plane can ask for, some of which it rarely does.
fn ask_for_all_documents(database: &Database, search_path: &str) {
    let schemas = ["shop", "public"].map(Ident::before_nul);
    let scope = Scope {
        schemas: &schemas[..1],
        extra_search_path: &schemas[1..],
    };
    let documents: [OneDocument; 6] = [
        ask_version(),
        ask_catalog(scope),
        ask_database_config(None),
        ask_role_settings(140_000),
        ask_role_settings(150_000),
        ask_backends(&[1, 2]),
    ];
    let config: postgres::Config = database.uri().parse().expect("it is one");
    let mut client = config.connect(NoTls).expect("the login role may log in");
    let path = client
        .simple_query("SHOW search_path")
        .expect("there is one");
    let shown = path.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(shown, Some(search_path));
    for document in documents {
        let document = document.between(Some(pause_statement(1)), Some(tidy_queue_statement()));
        let mut transaction = client.transaction().expect("the session is idle");
        for statement in document.statements() {
            let values = in_text_format(statement, b"");
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
            let rows = transaction.query(statement.text.as_str(), &values);
            rows.unwrap_or_else(|error| panic!("{}: {error:?}", statement.text.as_str()));
        }
    }
}

/// Extensions define operators and functions where everybody finds them, and mean no harm:
/// `intarray` has its own `@>` for `integer[]`, and whoever asks PostgreSQL for that of
/// `smallint[]` without a schema is told that it is not unique.
#[test]
fn extensions_in_public_change_no_answer() {
    let cluster = Cluster::start(&[]);
    let (clean, extended) = (cluster.database(), cluster.database());
    clean.run(SHOP);
    extended.run(SHOP);
    let installed = install_extensions(&extended);
    for wanted in [
        "intarray",
        "citext",
        "hstore",
        "ltree",
        "pg_trgm",
        "btree_gist",
    ] {
        assert!(
            installed.contains(wanted),
            "{wanted} is not in {installed:?}"
        );
    }
    let mut notes = Notes::of(&cluster);
    let server = open_shop(&clean, "public");
    let expected = answers(&server, &mut notes);
    server.stop();
    let server = open_shop(&extended, "public");
    let answered = answers(&server, &mut notes);
    let all = REQUESTS.iter().zip(&expected).zip(&answered);
    for ((asked, (expected, _)), (answer, _)) in all {
        let place = format!("{} {}", asked.method, asked.target);
        assert_eq!(comparable(answer), comparable(expected), "{place}");
    }
    server.stop();
}

/// Installs what there is, but for languages and what has to be loaded at the start of the server.
fn install_extensions(database: &Database) -> BTreeSet<String> {
    database.run(
        "DO $$
         DECLARE extension text;
         BEGIN
           FOR extension IN SELECT name FROM pg_available_extensions
                             WHERE name !~ '^pl|_pl|python' AND installed_version IS NULL
                             ORDER BY 1 LOOP
             BEGIN
               EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I CASCADE', extension);
             EXCEPTION WHEN OTHERS THEN
               RAISE LOG 'extension % is left out: %', extension, sqlerrm;
             END;
           END LOOP;
         END
         $$",
    );
    let names = database.one("SELECT string_agg(extname, ' ') FROM pg_extension");
    names.split(' ').map(str::to_owned).collect()
}
