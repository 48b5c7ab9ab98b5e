//! Everything at once, for as long as is asked for, at the limits: `scripts/soak`.
//!
//! What must be flat is measured every ten seconds: memory, descriptors, threads, sessions. Any
//! wrong answer and any status that was not to be expected fails it.

mod curve;
mod guest;
mod mix;
mod token;

use argh::FromArgs;
use corerest_tests::cluster::{Cluster, Database};
use corerest_tests::server::Server;
use curve::{Curve, Sample};
use guest::{Guest, Tally};
use mix::{MIX, TABLES};
use rustix::process::Signal;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// As many clients as [`MIX`] has that stay, and some; the others wait for their turn.
const CONNECTIONS_MAX: &str = "64";

/// No more than the server wants for those clients, ten connections and two cores.
const DESCRIPTORS_MAX: usize = 130;

const SAMPLE_EVERY: Duration = Duration::from_secs(10);
const RELOAD_EVERY: Duration = Duration::from_secs(120);

/// In the second half, when everything is warm.
const SLOPE_KB_PER_MINUTE_MAX: f64 = 20.0;

/// Loads the server with everything at once, and watches its memory.
#[derive(FromArgs)]
struct Arguments {
    /// for how long (60)
    #[argh(positional, default = "60.0")]
    minutes: f64,
    /// where curve.csv and curve.svg go
    #[argh(option)]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let cluster = Cluster::start(&["max_connections = 100"]);
    let database = cluster.database();
    database.run(&TABLES.replace("{roles}", &token::ROLES.to_string()));
    let mut server = start(&database);
    let tally = Tally::default();
    let duration = Duration::from_secs_f64(arguments.minutes * 60.0);
    let curve = load(&server, &database, &tally, duration);
    if let Some(folder) = &arguments.folder {
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(folder.join("curve.csv"), curve.csv()))
            .and_then(|()| std::fs::write(folder.join("curve.svg"), curve.svg()))
            .expect("the folder can be written");
    }
    let slope = curve.slope_of_memory();
    say(&format!(
        "{} requests, {} failures; memory {slope:+.1} kB/min in the second half",
        tally.requests.load(Ordering::SeqCst),
        tally.failures(),
    ));
    tally.told().iter().for_each(|text| say(text));
    let is_alive = server.is_running();
    let is_well = is_alive && tally.failures() == 0 && slope < SLOPE_KB_PER_MINUTE_MAX;
    say(if is_well { "PASSED" } else { "FAILED" });
    ExitCode::from(u8::from(!is_well))
}

fn start(database: &Database) -> Server {
    let settings = [
        ("jwt-secret", token::SECRET),
        ("server-max-connections", CONNECTIONS_MAX),
        ("log-level", "crit"),
    ];
    Server::start_with_descriptors(database, DESCRIPTORS_MAX, &settings)
}

/// Runs the mix, and returns what was measured meanwhile.
fn load(server: &Server, database: &Database, tally: &Tally, duration: Duration) -> Curve {
    let mut curve = Curve::default();
    std::thread::scope(|scope| {
        let mut number = 0;
        for part in MIX {
            for _ in 0..part.clients {
                let mut guest = Guest::new(server.address(), tally, number);
                number += 1;
                scope.spawn(move || guest.stay(part));
            }
        }
        let (begin, mut reloads) = (Instant::now(), 0);
        while begin.elapsed() < duration {
            corerest_faults::last(SAMPLE_EVERY);
            let elapsed = begin.elapsed();
            curve.add(Sample::take(server, database, elapsed, tally));
            say(&curve.last_line());
            if elapsed > RELOAD_EVERY * (reloads + 1) {
                reload(server, database, reloads);
                reloads += 1;
            }
        }
        tally.end();
    });
    curve
}

fn reload(server: &Server, database: &Database, number: u32) {
    match number % 3 {
        0 => database.run("NOTIFY pgrst"),
        1 => server.signal(Signal::USR2),
        _ => server.signal(Signal::USR1),
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
