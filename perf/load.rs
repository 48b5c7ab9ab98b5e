//! `load`: the generator on the command line. Prints one JSON object.
//!
//! Example: `load --target 127.0.0.1:3000 --path '/items?id=eq.{id}' --connections 32`
#![allow(
    clippy::print_stdout,
    reason = "printing the result is what this program is for"
)]

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;
use corerest_perf::generator::{self, Options, Pace, SystemCalls};
use corerest_perf::report;
use corerest_perf::request::Request;
use corerest_perf::target::Target;

/// Send requests over keep-alive connections as fast as they are answered, and measure.
#[derive(FromArgs)]
struct Arguments {
    /// address:port, or unix:/path/of/socket
    #[argh(option)]
    target: Target,
    /// request target; {{id}} becomes a random number
    #[argh(option)]
    path: String,
    /// highest random number (100000)
    #[argh(option, default = "100_000")]
    id_max: u32,
    /// what bodies must contain, checked in a sample; {{id}} is the number asked for
    #[argh(option, default = "String::new()")]
    body_contains: String,
    /// measured connections (32)
    #[argh(option, default = "32")]
    connections: usize,
    /// requests per second that are due, answered or not (as many as are answered)
    #[argh(option)]
    rate: Option<f64>,
    /// connections of the slow class (0)
    #[argh(option, default = "0")]
    slow: usize,
    /// request target of the slow class
    #[argh(option, default = "String::new()")]
    slow_path: String,
    /// connections that are opened first and stay idle (0)
    #[argh(option, default = "0")]
    idle: usize,
    /// threads of the generator (1)
    #[argh(option, default = "1")]
    threads: usize,
    /// seconds of measuring (5)
    #[argh(option, default = "5.0")]
    seconds: f64,
    /// seconds before measuring (1)
    #[argh(option, default = "1.0")]
    warm_up_seconds: f64,
    /// process whose CPU time, memory and context switches are reported
    #[argh(option)]
    server_pid: Option<u32>,
    /// postmaster whose own and whose children's CPU time are reported
    #[argh(option)]
    postgres_pid: Option<u32>,
    /// count the system calls of the server's process, which slows it down
    #[argh(switch)]
    system_calls: bool,
}

fn main() -> io::Result<ExitCode> {
    let arguments: Arguments = argh::from_env();
    let outcome = generator::run(&Options {
        target: arguments.target,
        connections: arguments.connections,
        pace: match arguments.rate {
            Some(rate) => Pace::Open { rate },
            None => Pace::Closed,
        },
        request: Request::get(&arguments.path),
        id_max: arguments.id_max,
        status: 200,
        body_contains: arguments.body_contains,
        slow_connections: arguments.slow,
        slow_request: Request::get(&arguments.slow_path),
        idle_connections: arguments.idle,
        threads: arguments.threads.max(1),
        warm_up: Duration::from_secs_f64(arguments.warm_up_seconds),
        measured: Duration::from_secs_f64(arguments.seconds),
        server_pid: arguments.server_pid,
        postgres_pid: arguments.postgres_pid,
        system_calls: match arguments.system_calls {
            true => SystemCalls::Counted,
            false => SystemCalls::Ignored,
        },
    })?;
    println!("{}", report::json(&report::numbers_of(&outcome)));
    Ok(if outcome.fast.wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
