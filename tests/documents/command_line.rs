//! The options of the program, as its own sources have them.
//!
//! The server is a program and no library, so the one file that says what its command line is gets
//! compiled once more, and is asked.

use argh::{ArgsInfo, FlagInfoKind, FromArgs};
use cli::Cli;

#[expect(dead_code, reason = "the program does more with it than we do")]
#[path = "../../src/server/cli.rs"]
mod cli;

/// An option.
#[derive(Debug)]
pub(crate) struct CommandOption {
    /// As in `-v`.
    pub(crate) short: Option<char>,
    /// With its dashes.
    pub(crate) long: String,
    pub(crate) description: String,
    /// The name of its value and the words that this may be.
    pub(crate) value: Option<(String, Vec<String>)>,
}

/// What the program says of itself.
pub(crate) fn description() -> String {
    one_line(Cli::get_args_info().description)
}

/// The argument that is no option, and what it is.
pub(crate) fn file() -> (String, String) {
    let info = Cli::get_args_info();
    let [file] = info.positionals else {
        panic!("there is one argument, the file");
    };
    (file.name.to_owned(), one_line(file.description))
}

/// All options, in the order of the help.
pub(crate) fn options() -> Vec<CommandOption> {
    let info = Cli::get_args_info();
    let flags = info.flags.iter();
    flags
        .map(|flag| CommandOption {
            // argh does not tell of the other words that show the help.
            short: flag
                .short
                .or_else(|| (flag.long == "--help").then_some('h')),
            long: flag.long.to_owned(),
            description: one_line(flag.description),
            value: match flag.kind {
                FlagInfoKind::Switch => None,
                FlagInfoKind::Option { arg_name } => Some((arg_name.to_owned(), words(flag.long))),
            },
        })
        .collect()
}

/// The words that an option takes: those in quotes when it refuses another one.
fn words(long: &str) -> Vec<String> {
    let refusal = Cli::from_args(&["corerest"], &[long, "\u{7f}"]).expect_err("it is no word");
    let quoted = refusal.output.split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The help, as the program prints it.
#[cfg(test)]
pub(crate) fn help() -> String {
    let exit = Cli::from_args(&["corerest"], &["--help"]).expect_err("it shows the help");
    exit.output
}
