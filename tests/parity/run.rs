//! Asks both servers everything, one after the other, and keeps what differs.
//!
//! An answer that differs from the other's, and from the one that the same server gives when it is
//! asked again, tells nothing of the two servers: it has the time in it, or chance.

use crate::comparison::{Outcome, Part, differing};
use crate::connection::Connection;
use crate::listed::{self, Asked};
use crate::requests::{Kind, Request, TX};
use std::collections::BTreeMap;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// For each kind of request.
    pub counts: BTreeMap<Kind, Counts>,
    /// How many answers had each status.
    pub statuses: BTreeMap<String, usize>,
    /// What differs, in the order in which it was asked.
    pub differences: Vec<Difference>,
}

/// Numbers of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub asked: usize,
    /// Those whose answers differ as the page says.
    pub listed: usize,
    /// Those whose answers differ otherwise.
    pub unlisted: usize,
    /// Those whose answers differ from time to time on one server.
    pub unsteady: usize,
}

/// Two answers.
#[derive(Debug)]
pub struct Difference {
    /// What was asked.
    pub request: Request,
    /// What differs.
    pub parts: Vec<Part>,
    /// What one of both says.
    pub ours: Outcome,
    /// What the other says.
    pub others: Outcome,
    /// The rows of the page that say so; none, if a part of it is in no row.
    pub rows: Vec<&'static str>,
}

impl Outcomes {
    /// How many differ in a way that the page does not tell.
    pub fn unlisted(&self) -> usize {
        self.counts.values().map(|counts| counts.unlisted).sum()
    }
}

/// Asks everything, with this token if there is one.
pub fn run(
    requests: Vec<Request>,
    token: Option<&str>,
    ours: &mut Connection,
    others: &mut Connection,
) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for mut request in requests {
        add_token(&mut request, token);
        let one = ask(ours, &request);
        let other = ask(others, &request);
        let status = match &one {
            Ok(answer) => answer.status.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        *outcomes.statuses.entry(status).or_default() += 1;
        let counts = outcomes.counts.entry(request.kind).or_default();
        counts.asked += 1;
        let parts = differing(&request, &one, &other);
        if parts.is_empty() {
            continue;
        }
        let is_steady = |connection: &mut Connection, first: &Outcome| {
            differing(&request, first, &ask(connection, &request)).is_empty()
        };
        if !is_steady(ours, &one) || !is_steady(others, &other) {
            counts.unsteady += 1;
            continue;
        }
        let rows = match (&one, &other) {
            (Ok(ours), Ok(others)) => {
                let request = &request;
                listed::rows(
                    &Asked {
                        request,
                        ours,
                        others,
                    },
                    &parts,
                )
            }
            _ => Vec::new(),
        };
        match rows.is_empty() {
            true => counts.unlisted += 1,
            false => counts.listed += 1,
        }
        outcomes.differences.push(Difference {
            request,
            parts,
            ours: one,
            others: other,
            rows,
        });
    }
    outcomes
}

fn add_token(request: &mut Request, token: Option<&str>) {
    let has_one = request.header_value("Authorization").is_some();
    if let (Some(token), false) = (token, has_one) {
        let value = format!("Bearer {token}");
        request.headers.push(("Authorization".to_owned(), value));
    }
}

fn ask(connection: &mut Connection, request: &Request) -> Outcome {
    let (method, target) = (request.method, &request.target);
    connection.ask(method, target, &request.headers, request.body.as_deref())
}

/// Whether a server rolls back what it is asked to: only then it is asked to write. It says so with
/// any rows that it shows.
///
/// # Errors
/// If it does not answer.
pub fn rolls_back(
    connection: &mut Connection,
    requests: &[Request],
    token: Option<&str>,
) -> Result<bool, String> {
    let reads = requests
        .iter()
        .filter(|it| it.kind == Kind::Read && it.method == "GET");
    // The root says whether anybody is there at all.
    let root = Request {
        method: "GET",
        target: "/".to_owned(),
        ..Request::default()
    };
    for read in std::iter::once(&root).chain(reads) {
        let mut read = read.clone();
        read.headers.push(("Prefer".to_owned(), TX.to_owned()));
        add_token(&mut read, token);
        let answer = ask(connection, &read)?;
        let applied = answer.header("Preference-Applied").unwrap_or_default();
        if answer.status < 300 && read.target != "/" || applied.contains(TX) {
            return Ok(applied.contains(TX));
        }
    }
    Ok(false)
}
