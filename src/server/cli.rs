//! The command line.
//!
//! The options are PostgREST's, so that scripts and unit files keep working, and so are the
//! arguments of its Haskell runtime that are read over. The manual and the completions of shells
//! are made from what stands here (`tests/documents`).

use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::io::Write;
use std::process::ExitCode;

/// The version. What clients and PostgreSQL are told of it is this alone.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this was built of, if whoever built it has said so: `scripts/package` does.
/// Operators see it, for of one version there may be many builds.
pub(crate) const COMMIT: Option<&str> = match option_env!("COREREST_COMMIT") {
    Some(told) if !told.is_empty() => Some(told),
    Some(_) | None => None,
};

/// CoreREST: a REST API for a PostgreSQL database. Without FILENAME, the configuration comes from
/// the environment (PGRST_*).
#[derive(ArgsInfo, Debug, FromArgs, PartialEq, Eq)]
#[argh(help_triggers("-h", "--help"))]
pub(crate) struct Cli {
    /// show the version
    #[argh(switch, short = 'v')]
    pub(crate) version: bool,

    /// show an example configuration file
    #[argh(switch, short = 'e')]
    pub(crate) example: bool,

    /// show the configuration that is in effect, and exit
    #[argh(switch)]
    pub(crate) dump_config: bool,

    /// show the schema cache as JSON, and exit (its structure may change)
    #[argh(switch)]
    pub(crate) dump_schema: bool,

    /// look for mistakes in the configuration and its database, and exit
    #[argh(switch)]
    pub(crate) check: bool,

    /// what --check prints: text or json
    #[argh(option, default = "OutputFormat::Text")]
    pub(crate) format: OutputFormat,

    /// ask the admin server of a running server whether it is ready, and exit
    #[argh(switch)]
    pub(crate) ready: bool,

    /// the configuration file
    #[argh(positional, arg_name = "FILENAME")]
    pub(crate) file: Option<String>,
}

/// What a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromArgValue)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What the process can do instead of serving, of which it does one.
const COMMANDS: [&str; 4] = ["--dump-config", "--dump-schema", "--check", "--ready"];

/// Reads the command line. `+RTS … -RTS`, which users pass to PostgREST's runtime, is left out.
///
/// Parity: a second command is an option that there is not. So is a format of nothing.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Cli, argh::EarlyExit> {
    let kept = without_runtime_options(arguments);
    let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
    let cli = Cli::from_args(&["corerest"], &kept)?;
    let options = kept.iter().take_while(|argument| **argument != "--");
    let is_format = |option: &&&str| **option == "--format" || option.starts_with("--format=");
    let format = options.clone().find(is_format).filter(|_| !cli.check);
    let second = options.filter(|option| COMMANDS.contains(option)).nth(1);
    match second.or(format) {
        Some(option) if !cli.version && !cli.example => Err(argh::EarlyExit {
            output: format!("Invalid option `{option}'"),
            status: Err(()),
        }),
        _ => Ok(cli),
    }
}

/// What `--version` shows.
pub(crate) fn version_line(version: &str, commit: Option<&str>) -> String {
    let commit = commit.map_or_else(String::new, |commit| format!(" ({commit})"));
    format!("CoreREST {version}{commit}\n")
}

/// Prints what argh has to say: the help on standard output, or what is wrong on standard error.
pub(crate) fn print_exit(exit: &argh::EarlyExit) -> ExitCode {
    match exit.status {
        Ok(()) => {
            let _ = writeln!(std::io::stdout(), "{}", exit.output);
            ExitCode::SUCCESS
        }
        Err(()) => {
            let _ = writeln!(std::io::stderr(), "{}\nTry --help.", exit.output.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn without_runtime_options(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut inside = false;
    for argument in arguments {
        match argument.as_str() {
            "+RTS" => inside = true,
            "-RTS" => inside = false,
            _ if !inside => kept.push(argument),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &str, expected: Option<Cli>) {
        let words = arguments.split_whitespace().map(str::to_owned);
        assert_eq!(parse(words).ok(), expected, "{arguments}");
    }

    fn cli() -> Cli {
        Cli {
            version: false,
            example: false,
            dump_config: false,
            dump_schema: false,
            check: false,
            format: OutputFormat::Text,
            ready: false,
            file: None,
        }
    }

    #[test]
    fn the_version_has_its_commit_if_that_is_known() {
        assert_eq!(version_line("1.2.3", None), "CoreREST 1.2.3\n");
        let known = version_line("1.2.3", Some("abc1234"));
        assert_eq!(known, "CoreREST 1.2.3 (abc1234)\n");
    }

    #[test]
    fn options_and_a_file_are_understood() {
        check("", Some(cli()));
        check(
            "my.conf",
            Some(Cli {
                file: Some("my.conf".into()),
                ..cli()
            }),
        );
        check(
            "-v",
            Some(Cli {
                version: true,
                ..cli()
            }),
        );
        check(
            "--example",
            Some(Cli {
                example: true,
                ..cli()
            }),
        );
        let dump = Cli {
            dump_config: true,
            file: Some("my.conf".into()),
            ..cli()
        };
        check("--dump-config my.conf", Some(dump));
        let dump = Cli {
            dump_schema: true,
            ..cli()
        };
        check("--dump-schema", Some(dump));
        let ready = Cli {
            ready: true,
            file: Some("my.conf".into()),
            ..cli()
        };
        check("my.conf --ready", Some(ready));
        let json = Cli {
            check: true,
            format: OutputFormat::Json,
            ..cli()
        };
        check("--check --format json", Some(json));
        check("--check --format xml", None);
        check("--no-such-option", None);
        check("--dump-config --dump-schema", None);
        check("--format json", None);
        check("--ready --format json a.conf", None);
        check("--ready my.conf --dump-config", None);
        check("--dump-schema --dump-schema", None);
        check("--check --ready", None);
        check("a b", None);
    }

    #[test]
    fn options_of_the_haskell_runtime_are_tolerated() {
        check(
            "+RTS -T -N4 -RTS my.conf",
            Some(Cli {
                file: Some("my.conf".into()),
                ..cli()
            }),
        );
        check(
            "my.conf +RTS -T",
            Some(Cli {
                file: Some("my.conf".into()),
                ..cli()
            }),
        );
    }
}
