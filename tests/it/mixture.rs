//! Everything at once: the reads, calls and writes of many clients share two connections to
//! PostgreSQL and go together where they can, while some of what they call fails or leaves
//! something in the session.
//!
//! `together` and `worn_settings` know what will meet what; here it is chance, so that what neither
//! of them has thought of is met, too. Each answer is known beforehand, to the letter: it tells
//! the settings that its request has found, which have its mark, and nothing that others have
//! left. What was written is counted at the end.
//!
//! A failure prints its seed: `SEED=…` asks the same again, in whatever order the threads run.

use crate::events::bearer;
use crate::logs::SECRET;
use crate::one_answer_each::{Chance, seed_of_this_run};
use corerest_tests::client::{Answer, Client, ClientError, request};
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use corerest_tests::waiting::until;

const CLIENTS: u64 = 14;
const REQUESTS_OF_EACH: usize = 800;

/// As many go together at least; it is some thousands where nothing hinders them.
const TOGETHER_MIN: f64 = 100.0;

/// What requests find, told by a function, behind a policy, through a view and by what writes.
const SCHEMA: &str = r#"
    CREATE FUNCTION private.found() RETURNS json STABLE LANGUAGE sql AS $$
      SELECT json_build_object(
        'tenant', current_setting('request.jwt.claims')::json ->> 'tenant',
        'part', current_setting('request.headers')::json ->> 'x-part',
        'crumb', current_setting('request.cookies')::json ->> 'crumb',
        'method', current_setting('request.method'), 'path', current_setting('request.path'),
        'role', current_user, 'search_path', current_setting('search_path'),
        'read_only', current_setting('transaction_read_only'),
        'read_only_by_default', current_setting('default_transaction_read_only'),
        'zone', current_setting('TimeZone'), 'encoding', current_setting('client_encoding'),
        'answered', coalesce(current_setting('response.headers', true), '')) $$;

    CREATE FUNCTION api.peek(deed text, mark text) RETURNS json STABLE LANGUAGE plpgsql AS $$
      DECLARE found json := private.found();
      BEGIN
        CASE deed
          WHEN 'nothing' THEN
          WHEN 'fail' THEN
            RAISE 'failed %', mark USING ERRCODE = 'PT418';
          WHEN 'zone' THEN
            PERFORM set_config('TimeZone', 'Japan', false);
          WHEN 'encoding' THEN
            PERFORM set_config('client_encoding', 'LATIN1', false);
          WHEN 'read_only' THEN
            PERFORM set_config('default_transaction_read_only', 'on', false);
          WHEN 'role' THEN
            PERFORM set_config('role', 'gardener', false);
          WHEN 'claims' THEN
            PERFORM set_config('search_path', 'private', false),
                    set_config('request.jwt.claims', '{}', false);
          WHEN 'answer' THEN
            PERFORM set_config('response.headers', '[{"X-Mark":"' || mark || '"}]', false),
                    set_config('response.status', '203', false);
        END CASE;
        RETURN json_build_object('mark', mark, 'found', found);
      END $$;

    CREATE TABLE api.plots (tenant text, number int);
    INSERT INTO api.plots SELECT tenant, number
      FROM unnest('{a,b,c}'::text[]) AS tenant, generate_series(1, 2) AS number;
    CREATE TABLE api.pots AS TABLE api.plots;
    ALTER TABLE api.plots ENABLE ROW LEVEL SECURITY;
    ALTER TABLE api.pots ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON api.plots USING (
      tenant = private.found() ->> 'tenant' AND current_user = private.found() ->> 'role');
    CREATE POLICY own ON api.pots USING (
      tenant = current_setting('request.jwt.claims')::json ->> 'tenant');
    CREATE VIEW api.looks AS SELECT private.found() AS found;
    GRANT SELECT ON api.plots, api.pots, api.looks TO anonymous, gardener;

    CREATE TABLE private.written (mark text);
    GRANT INSERT ON private.written TO anonymous, gardener;
    CREATE FUNCTION api.put_down(mark text) RETURNS json LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO private.written VALUES (mark);
        RETURN json_build_object('mark', mark, 'found', private.found());
      END $$;
"#;

/// What `peek` does besides, once in a while.
const DEEDS: [&str; 7] = [
    "fail",
    "zone",
    "encoding",
    "read_only",
    "role",
    "claims",
    "answer",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    PeekByGet,
    PeekByHead,
    PeekByJson,
    /// A byte order mark is before it.
    PeekByMarkedJson,
    PeekByForm,
    /// Rows behind a policy that calls a function.
    Plots,
    OnePlot,
    /// Rows behind a policy that calls none of the database's own, for which settings are worn.
    Pots,
    /// A row of a view that calls a function.
    Look,
    /// The only one that writes.
    PutDown,
}

impl Kind {
    /// Most of them are what can go together.
    fn by(chance: &mut Chance) -> Kind {
        match chance.below(32) {
            0..8 => Kind::PeekByGet,
            8..12 => Kind::PeekByJson,
            12..16 => Kind::PeekByMarkedJson,
            16..20 => Kind::Plots,
            20..24 => Kind::Pots,
            24..28 => Kind::Look,
            28 => Kind::OnePlot,
            29 => Kind::PeekByHead,
            30 => Kind::PeekByForm,
            _ => Kind::PutDown,
        }
    }

    fn method(self) -> &'static str {
        match self {
            Kind::PeekByHead => "HEAD",
            Kind::PeekByJson | Kind::PeekByMarkedJson | Kind::PeekByForm | Kind::PutDown => "POST",
            Kind::PeekByGet | Kind::Plots | Kind::OnePlot | Kind::Pots | Kind::Look => "GET",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Kind::Plots | Kind::OnePlot => "/plots",
            Kind::Pots => "/pots",
            Kind::Look => "/looks",
            Kind::PutDown => "/rpc/put_down",
            Kind::PeekByGet
            | Kind::PeekByHead
            | Kind::PeekByJson
            | Kind::PeekByMarkedJson
            | Kind::PeekByForm => "/rpc/peek",
        }
    }
}

/// A request: what is asked, by whom, and the mark that nobody else's has.
#[derive(Debug)]
struct Question {
    kind: Kind,
    deed: &'static str,
    role: &'static str,
    tenant: &'static str,
    mark: String,
}

/// What is compared of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    status: u16,
    mark: Option<String>,
    text: String,
}

impl Question {
    fn by(chance: &mut Chance, mark: String) -> Question {
        let kind = Kind::by(chance);
        // PostgreSQL does not call a function whose result nobody wants, if it changes nothing.
        let does_more = chance.one_in(40) && kind != Kind::PeekByHead;
        Question {
            kind,
            deed: match does_more {
                true => chance.pick(&DEEDS),
                false => "nothing",
            },
            role: chance.pick(&["anonymous", "gardener"]),
            tenant: chance.pick(&["a", "b", "c"]),
            mark,
        }
    }

    fn target(&self) -> String {
        let (path, deed, mark) = (self.kind.path(), self.deed, &self.mark);
        match self.kind {
            Kind::PeekByGet | Kind::PeekByHead => format!("{path}?deed={deed}&mark={mark}"),
            Kind::Plots | Kind::Pots => format!("{path}?order=number"),
            Kind::OnePlot => format!("{path}?number=eq.1"),
            Kind::PeekByJson
            | Kind::PeekByMarkedJson
            | Kind::PeekByForm
            | Kind::Look
            | Kind::PutDown => path.to_owned(),
        }
    }

    /// Its media type, and the body.
    fn body(&self) -> Option<(&'static str, String)> {
        let (deed, mark) = (self.deed, &self.mark);
        let json = format!(r#"{{"deed":"{deed}","mark":"{mark}"}}"#);
        match self.kind {
            Kind::PeekByJson => Some(("application/json", json)),
            Kind::PeekByMarkedJson => Some(("application/json", format!("\u{feff}{json}"))),
            Kind::PeekByForm => {
                let form = format!("deed={deed}&mark={mark}");
                Some(("application/x-www-form-urlencoded", form))
            }
            Kind::PutDown => Some(("application/json", format!(r#"{{"mark":"{mark}"}}"#))),
            Kind::PeekByGet
            | Kind::PeekByHead
            | Kind::Plots
            | Kind::OnePlot
            | Kind::Pots
            | Kind::Look => None,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let (role, tenant, mark) = (self.role, self.tenant, &self.mark);
        let token = bearer(&format!(r#"{{"role":"{role}","tenant":"{tenant}"}}"#));
        let (part, crumb) = (format!("part-{mark}"), format!("crumb=crumb-{mark}"));
        let mut headers = vec![
            ("Authorization", &*token),
            ("X-Part", &part),
            ("Cookie", &crumb),
        ];
        if self.kind == Kind::OnePlot {
            headers.push(("Accept", "application/vnd.pgrst.object+json"));
        }
        let Some((media_type, body)) = self.body() else {
            return request(self.kind.method(), &self.target(), &headers);
        };
        let length = body.len().to_string();
        headers.extend([("Content-Type", media_type), ("Content-Length", &length)]);
        let mut bytes = request(self.kind.method(), &self.target(), &headers);
        bytes.extend(body.bytes());
        bytes
    }

    /// What `private.found` must find.
    fn found(&self) -> String {
        let mark = &self.mark;
        let read_only = match self.kind == Kind::PutDown {
            true => "off",
            false => "on",
        };
        let settings = [
            ("tenant", self.tenant),
            ("part", &format!("part-{mark}")),
            ("crumb", &format!("crumb-{mark}")),
            ("method", self.kind.method()),
            ("path", self.kind.path()),
            ("role", self.role),
            ("search_path", r#"\"api\", \"public\""#),
            ("read_only", read_only),
            ("read_only_by_default", "off"),
            ("zone", "UTC"),
            ("encoding", "UTF8"),
            ("answered", ""),
        ];
        let settings = settings.map(|(name, value)| format!(r#""{name}" : "{value}""#));
        format!("{{{}}}", settings.join(", "))
    }

    /// What a call gives back.
    fn given(&self) -> String {
        let (mark, found) = (&self.mark, self.found());
        format!(r#"{{"mark" : "{mark}", "found" : {found}}}"#)
    }

    fn expected(&self) -> Reply {
        let row = |number: u32| format!(r#"{{"tenant":"{}","number":{number}}}"#, self.tenant);
        let text = match self.kind {
            Kind::Plots | Kind::Pots => format!("[{}, \n {}]", row(1), row(2)),
            Kind::OnePlot => row(1),
            Kind::Look => format!(r#"[{{"found":{}}}]"#, self.found()),
            Kind::PutDown => self.given(),
            Kind::PeekByHead => String::new(),
            Kind::PeekByGet | Kind::PeekByJson | Kind::PeekByMarkedJson | Kind::PeekByForm => {
                return self.expected_of_peek();
            }
        };
        Reply {
            status: 200,
            mark: None,
            text,
        }
    }

    fn expected_of_peek(&self) -> Reply {
        let mark = &self.mark;
        let failure =
            format!(r#"{{"code":"PT418","details":null,"hint":null,"message":"failed {mark}"}}"#);
        let (status, mark, text) = match self.deed {
            "fail" => (418, None, failure),
            "answer" => (203, Some(mark.clone()), self.given()),
            _ => (200, None, self.given()),
        };
        Reply { status, mark, text }
    }

    fn ask(&self, client: &mut Client) -> Result<(), String> {
        let unanswered = |error: ClientError| format!("{self:?}: {error}");
        client.try_send(&self.bytes()).map_err(unanswered)?;
        let answer = client.try_read(self.kind.method()).map_err(unanswered)?;
        let (got, expected) = (Reply::of(&answer), self.expected());
        match got == expected {
            true => Ok(()),
            false => Err(format!("{self:?}:\n  got {got:?}\n  not {expected:?}")),
        }
    }
}

impl Reply {
    fn of(answer: &Answer) -> Reply {
        Reply {
            status: answer.status,
            mark: answer.header("X-Mark").map(str::to_owned),
            text: answer.text().to_owned(),
        }
    }
}

/// Asks one after the other, over one connection; the marks of what was written.
fn ask_by_chance(server: &Server, mut chance: Chance, name: &str) -> Result<Vec<String>, String> {
    let mut client = server.client();
    let mut written = Vec::new();
    for number in 0..REQUESTS_OF_EACH {
        let question = Question::by(&mut chance, format!("{name}-{number}"));
        if let Err(error) = question.ask(&mut client) {
            client.leave("what it gets is of no use any more");
            return Err(error);
        }
        if question.kind == Kind::PutDown {
            written.push(question.mark);
        }
    }
    Ok(written)
}

/// Lets all clients ask at once, and complains of what went wrong; the marks of what was written.
fn ask_at_once(server: &Server, seed: u64, round: u64) -> Vec<String> {
    let ends: Vec<Result<Vec<String>, String>> = std::thread::scope(|scope| {
        let first = round * CLIENTS;
        let runs: Vec<_> = (first..first + CLIENTS)
            .map(|number| {
                let chance = Chance(seed.wrapping_add(number));
                scope.spawn(move || ask_by_chance(server, chance, &number.to_string()))
            })
            .collect();
        let ends = runs.into_iter().map(|run| run.join().expect("it returns"));
        ends.collect()
    });
    let failures: Vec<&str> = ends
        .iter()
        .filter_map(|end| end.as_ref().err())
        .map(String::as_str)
        .collect();
    let failures = failures.join("\n");
    assert!(failures.is_empty(), "SEED={seed}: {failures}");
    ends.into_iter().flatten().flatten().collect()
}

/// Each mark as often as it was written.
fn all_written(database: &Database) -> Vec<String> {
    let sql = "SELECT coalesce(string_agg(mark, ' '), '') FROM private.written";
    let marks = database.one(sql);
    let mut marks: Vec<String> = marks.split_whitespace().map(str::to_owned).collect();
    marks.sort();
    marks
}

#[test]
fn each_finds_its_own_whatever_the_others_do() {
    let seed = seed_of_this_run();
    let database = Cluster::shared().database();
    database.run(SCHEMA);
    let settings = [
        ("jwt-secret", SECRET),
        ("db-pool", "2"),
        ("server-cores", "1"),
    ];
    let server = Server::start(&database, &settings);
    let mut written = Vec::new();
    let mut rounds = 0..;
    until(&format!("some to go together, SEED={seed}"), || {
        let round = rounds.next().expect("there is always another one");
        written.extend(ask_at_once(&server, seed, round));
        server.metric("corerest_requests_together_total") > TOGETHER_MIN
    });
    written.sort();
    assert!(!written.is_empty(), "SEED={seed}: nothing was written");
    assert_eq!(all_written(&database), written, "SEED={seed}");
    server.stop();
}
