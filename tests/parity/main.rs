//! `scripts/parity --against URL`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (mut out, mut complaints) = (std::io::stdout(), std::io::stderr());
    ExitCode::from(corerest_parity::cli::run(&words, &mut out, &mut complaints))
}
