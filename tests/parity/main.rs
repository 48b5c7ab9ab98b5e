//! `scripts/parity --against URL`: what would change for the clients of a database.

use argh::FromArgs;
use corerest_parity::catalog::Catalog;
use corerest_parity::connection::{Base, Connection};
use corerest_parity::report::Report;
use corerest_parity::requests::{Choice, Only, generate};
use corerest_parity::run::{rolls_back, run};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Asks two servers the same, each on its own copy of a database, and tells what differs. The exit
/// status is 0 if nothing does that docs/differences.md does not list, 1 if something does, and 2 if
/// the servers or the database could not be asked.
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

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    match compare(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "scripts/parity: {why}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing differs that is not listed.
fn compare(arguments: Arguments) -> Result<bool, String> {
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
                std::io::stderr(),
                "{base} does not roll back on demand, so nothing is written and no function is called by POST: \
                 set db-tx-end=commit-allow-override for both servers."
            );
            requests.retain(|request| !request.is_write());
        }
    }
    let (our_base, other_base) = (ours.base().clone(), others.base().clone());
    let outcomes = run(requests, token, &mut ours, &mut others);
    let report = Report {
        ours: &our_base,
        others: &other_base,
        shown: arguments.show,
    };
    let text = match arguments.format {
        Format::Text => report.text(&outcomes),
        Format::Json => report.json(&outcomes),
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(outcomes.unlisted() == 0)
}
