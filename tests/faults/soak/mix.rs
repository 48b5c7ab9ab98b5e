//! The kinds of clients: one entry each.

use crate::guest::Guest;
use crate::token;
use std::time::Duration;

/// A kind of clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// What they do.
    pub(crate) name: &'static str,
    /// How many of them there are.
    pub(crate) clients: usize,
    /// How long they pause between one request and the next.
    pub(crate) pause: Duration,
    /// One request.
    pub(crate) act: fn(&mut Guest<'_>) -> Result<(), String>,
}

/// What they ask for. `{roles}` is how many roles there are.
pub(crate) const TABLES: &str = "
  CREATE TABLE api.fixed AS SELECT n AS id, 'row ' || n AS t FROM generate_series(1, 50) n;
  CREATE TABLE api.memos (id bigint PRIMARY KEY, t text);
  INSERT INTO api.memos VALUES (0, 'taken');
  CREATE TABLE api.locked ();
  CREATE FUNCTION api.bearer() RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT current_user || ', ' ||
          (current_setting('request.jwt.claims')::json ->> 'sub') $$;
  CREATE FUNCTION api.bulk(mb int) RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT repeat('x', mb * 1000000) $$;
  CREATE FUNCTION api.doze(seconds float) RETURNS void LANGUAGE sql STABLE
    AS $$ SELECT pg_sleep(seconds) $$;
  CREATE FUNCTION api.measure(text) RETURNS int LANGUAGE sql VOLATILE
    AS $$ SELECT length($1) $$;
  GRANT ALL ON api.fixed, api.memos TO PUBLIC;
  GRANT USAGE ON SCHEMA api, other TO PUBLIC;
  DO $$ BEGIN FOR n IN 0..{roles} - 1 LOOP
    EXECUTE format('CREATE ROLE soak_%s NOLOGIN', n);
    EXECUTE format('GRANT soak_%s TO authenticator', n);
  END LOOP; END $$;";

const UPLOAD_BYTES: usize = 2_000_000;
const JSON: &str = "Content-Type: application/json\r\n";

/// All of them. Together they are more than the server lets in; those that stay are fewer.
pub(crate) const MIX: &[Part] = &[
    Part {
        name: "reads, writes and calls by bearers of tokens",
        clients: 6,
        pause: Duration::from_millis(2),
        act: be_somebody,
    },
    Part {
        name: "reads by those who hardly ever ask, and stay",
        clients: 40,
        pause: Duration::from_secs(3),
        act: |guest| {
            // Some day they go, and whoever waits has their place.
            if guest.number.is_multiple_of(10) {
                guest.go();
            }
            read(guest)
        },
    },
    Part {
        name: "new connections",
        clients: 12,
        pause: Duration::from_millis(50),
        act: |guest| {
            let read = read(guest);
            guest.go();
            read
        },
    },
    Part {
        name: "errors of five kinds",
        clients: 2,
        pause: Duration::from_millis(10),
        act: err,
    },
    Part {
        name: "5 MB answers",
        clients: 1,
        pause: Duration::from_millis(500),
        act: |guest| {
            let answer = guest.ask(("GET", "/rpc/bulk?mb=5"), "", b"", 200)?;
            compare(answer.body.len(), 5_000_002)
        },
    },
    Part {
        name: "uploads of 2 MB",
        clients: 1,
        pause: Duration::from_millis(500),
        act: |guest| {
            let body = vec![b'x'; UPLOAD_BYTES];
            let head = "Content-Type: text/plain\r\n";
            guest.expect(("POST", "/rpc/measure"), head, &body, (200, "2000000"))
        },
    },
    Part {
        name: "slow readers of 20 MB",
        clients: 2,
        pause: Duration::from_secs(1),
        act: read_slowly,
    },
    Part {
        name: "abandoned queries",
        clients: 1,
        pause: Duration::from_millis(500),
        act: |guest| {
            let client = guest.begin(("GET", "/rpc/doze?seconds=5"), b"", 0)?;
            corerest_faults::last_ms(200);
            client.leave("it is abandoned");
            Ok(())
        },
    },
    Part {
        name: "half bodies",
        clients: 1,
        pause: Duration::from_millis(500),
        act: |guest| {
            let body = vec![b'x'; UPLOAD_BYTES];
            let client = guest.begin(("POST", "/rpc/measure"), &body, UPLOAD_BYTES / 2)?;
            corerest_faults::last_ms(200);
            client.leave("it is abandoned");
            Ok(())
        },
    },
];

fn compare(length: usize, expected: usize) -> Result<(), String> {
    match length == expected {
        true => Ok(()),
        false => Err(format!("{length} bytes, not {expected}")),
    }
}

fn read(guest: &mut Guest<'_>) -> Result<(), String> {
    let key = guest.number % 50 + 1;
    let target = format!("/fixed?select=id,t&id=eq.{key}");
    let row = format!(r#"[{{"id":{key},"t":"row {key}"}}]"#);
    guest.expect(("GET", &target), "", b"", (200, &row))
}

/// Whoever bears a token is who it says; and writes a row and deletes it.
fn be_somebody(guest: &mut Guest<'_>) -> Result<(), String> {
    let (token, name) = token::of(guest.number);
    let bearer = format!("Authorization: Bearer {token}\r\n{JSON}");
    let id = guest.number + 1;
    match guest.number % 4 {
        0 => {
            let body = format!(r#"{{"id":{id},"t":"{name}"}}"#);
            guest.expect(("POST", "/memos"), &bearer, body.as_bytes(), (201, ""))?;
            let target = format!("/memos?id=eq.{id}");
            guest.expect(("DELETE", &target), &bearer, b"", (204, ""))
        }
        _ => {
            let name = format!("\"{name}\"");
            guest.expect(("GET", "/rpc/bearer"), &bearer, b"", (200, &name))
        }
    }
}

fn err(guest: &mut Guest<'_>) -> Result<(), String> {
    let number = guest.number;
    let forged = format!("Authorization: Bearer {}\r\n", token::forged(number));
    let (token, _) = token::of(number);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let unknown = format!("/unknown_{}", number % 1000);
    let (request, head, body, status): (_, _, &[u8], _) = match number % 5 {
        0 => (("GET", &*unknown), "", b"", 404),
        1 => (("GET", "/fixed?id=is.never"), "", b"", 400),
        2 => (("GET", "/fixed"), &*forged, b"", 401),
        3 => (("GET", "/locked"), &*bearer, b"", 403),
        _ => (("POST", "/memos"), JSON, br#"{"id":0}"#, 409),
    };
    guest.ask(request, head, body, status).map(drop)
}

/// 64 kB every 50 ms: a quarter of a minute.
fn read_slowly(guest: &mut Guest<'_>) -> Result<(), String> {
    guest.go();
    let mut client = guest.begin(("GET", "/rpc/bulk?mb=20"), b"", 0)?;
    let mut bytes = 0;
    let read = loop {
        match client.read_some(64 * 1024) {
            Ok(some) => bytes += some.len(),
            Err(error) => break Err(error.to_string()),
        }
        if bytes > 20_000_000 {
            break Ok(());
        }
        corerest_faults::last_ms(50);
    };
    client.leave("the rest is not looked at");
    read.map_err(|error| format!("after {bytes} bytes: {error}"))
}
