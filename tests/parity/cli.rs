//! The command line: what would change for the clients of a database.

use crate::catalog::Catalog;
use crate::connection::{Base, Connection};
use crate::report::Report;
use crate::requests::{Choice, Only, generate};
use crate::run::{self, rolls_back};
use argh::FromArgs;
use std::io::Write;
use std::time::Duration;

/// Asks two servers the same, each on its own copy of a database, and tells what differs. The exit
/// status is 0 if nothing does that docs/differences.md does not list, 1 if something does, and 2
/// if the servers or the database could not be asked.
#[derive(FromArgs)]
struct Arguments {
    /// the URL of CoreREST
    #[argh(option, default = "\"http://localhost:3000\".to_owned()")]
    ours: String,
    /// the URL of the other server, as a rule PostgREST
    #[argh(option)]
    against: String,
    /// a connection string of the database, for its catalog and some of its values
    #[argh(option)]
    db: String,
    /// the exposed schemas, separated by commas; the first is the default ("public")
    #[argh(option, default = "\"public\".to_owned()")]
    schemas: String,
    /// ask for this one of the schemas only
    #[argh(option)]
    profile: Option<String>,
    /// a token for all requests; without it they are anonymous
    #[argh(option)]
    token: Option<String>,
    /// at most so many requests, chosen by chance
    #[argh(option)]
    limit: Option<usize>,
    /// what chance begins with (1)
    #[argh(option, default = "1")]
    seed: u64,
    /// only "read" or "write", instead of both
    #[argh(option, from_str_fn(only))]
    only: Option<Only>,
    /// a relation or function that is not asked for; may be given several times
    #[argh(option)]
    skip: Vec<String>,
    /// how many differences that are not listed are shown (20)
    #[argh(option, default = "20")]
    show: usize,
    /// seconds to wait for an answer (10)
    #[argh(option, default = "10")]
    patience: u64,
    /// how it is told: "text" or "json"
    #[argh(option, default = "Format::Text", from_str_fn(format))]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

fn only(text: &str) -> Result<Only, String> {
    match text {
        "read" => Ok(Only::Read),
        "write" => Ok(Only::Write),
        _ => Err("read or write".to_owned()),
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("text or json".to_owned()),
    }
}

/// Does what these words ask for, and returns the exit status.
pub fn run(words: &[&str], out: &mut dyn Write, complaints: &mut dyn Write) -> u8 {
    let arguments = match Arguments::from_args(&["scripts/parity"], words) {
        Ok(arguments) => arguments,
        Err(exit) => {
            let said = format!("{}\n", exit.output);
            return match exit.status {
                Ok(()) => out.write_all(said.as_bytes()).map_or(2, |()| 0),
                Err(()) => complaints.write_all(said.as_bytes()).map_or(2, |()| 2),
            };
        }
    };
    match compare(arguments, out, complaints) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(why) => {
            let _ = writeln!(complaints, "scripts/parity: {why}");
            2
        }
    }
}

/// Whether nothing differs that is not listed.
fn compare(
    arguments: Arguments,
    out: &mut dyn Write,
    complaints: &mut dyn Write,
) -> Result<bool, String> {
    let patience = Duration::from_secs(arguments.patience.max(1));
    let open = |url: &str| Base::parse(url).map(|base| Connection::new(base, patience));
    let (mut ours, mut others) = (open(&arguments.ours)?, open(&arguments.against)?);
    let schemas: Vec<String> = arguments
        .schemas
        .split(',')
        .map(|it| it.trim().to_owned())
        .collect();
    let catalog = Catalog::read(&arguments.db, &schemas)
        .map_err(|error| format!("the database cannot be read: {error}"))?;
    if catalog.relations.is_empty() && catalog.functions.is_empty() {
        return Err("there is nothing to ask for in these schemas".to_owned());
    }
    let choice = Choice {
        schemas,
        profile: arguments.profile,
        only: arguments.only,
        skip: arguments.skip,
        seed: arguments.seed,
        limit: arguments.limit,
    };
    let mut requests = generate(&catalog, &choice);
    let reads = Choice {
        only: Some(Only::Read),
        limit: None,
        ..choice.clone()
    };
    let reads = generate(&catalog, &reads);
    if requests.is_empty() {
        return Err("there is nothing to ask for in these schemas".to_owned());
    }
    let token = arguments.token.as_deref();
    for connection in [&mut ours, &mut others] {
        let base = connection.base().clone();
        let may_write =
            rolls_back(connection, &reads, token).map_err(|why| format!("{base}: {why}"))?;
        if !may_write && requests.iter().any(|request| request.is_write()) {
            let _ = writeln!(
                complaints,
                "{base} does not roll back on demand, so nothing is written and no function \
                 is called by POST: set db-tx-end=commit-allow-override for both servers."
            );
            requests.retain(|request| !request.is_write());
        }
    }
    let (our_base, other_base) = (ours.base().clone(), others.base().clone());
    let outcomes = run::run(requests, token, &mut ours, &mut others);
    let report = Report {
        ours: &our_base,
        others: &other_base,
        token,
        shown: arguments.show,
    };
    let text = match arguments.format {
        Format::Text => report.text(&outcomes),
        Format::Json => report.json(&outcomes),
    };
    out.write_all(text.as_bytes())
        .map_err(|error| format!("what came of it cannot be written: {error}"))?;
    Ok(outcomes.unlisted() == 0)
}
