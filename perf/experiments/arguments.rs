//! The command line of `bench`.

use std::path::PathBuf;

use argh::FromArgs;

/// Compare the server with PostgreSQL's ceiling, with the baseline, and with itself.
#[derive(Clone, Debug, FromArgs)]
pub struct Arguments {
    /// the server's binary
    #[argh(option)]
    pub server: PathBuf,
    /// the folder of the other programs of this package (that of this program)
    #[argh(option)]
    pub programs: Option<PathBuf>,
    /// the folder perf of the sources (perf)
    #[argh(option, default = "\"perf\".into()")]
    pub perf: PathBuf,
    /// names with commas between, or list (all)
    #[argh(option, default = "\"all\".into()")]
    pub scenario: String,
    /// which of ceiling,server,before,baseline,tuned,axum,axum-bare take part (all)
    #[argh(
        option,
        default = "\"ceiling,server,before,baseline,tuned,axum,axum-bare\".into()"
    )]
    pub contestants: String,
    /// another version of the server, to be measured in turn with it
    #[argh(option)]
    pub before: Option<PathBuf>,
    /// another server with PostgREST's configuration, to be measured in turn with it: its name, and
    /// the command that starts it (name=command, may be given several times)
    #[argh(option, from_str_fn(against))]
    pub against: Vec<(String, String)>,
    /// rounds (2)
    #[argh(option, default = "2")]
    pub rounds: usize,
    /// seconds of each measurement (5)
    #[argh(option, default = "5")]
    pub seconds: u64,
    /// keep-alive connections, where nothing else is said (32)
    #[argh(option, default = "32")]
    pub connections: usize,
    /// connections to PostgreSQL (10)
    #[argh(option, default = "10")]
    pub pool: usize,
    /// idle connections in idle (10000)
    #[argh(option, default = "10_000")]
    pub idle: usize,
    /// size of the answers in stream_json and stream_csv, less than 1024 (1000)
    #[argh(option, default = "1000")]
    pub stream_mib: usize,
    /// size of the body in upload (100)
    #[argh(option, default = "100")]
    pub upload_mib: usize,
    /// the binary of oha (the one in the PATH)
    #[argh(option)]
    pub oha: Option<PathBuf>,
    /// minutes of soak, which has one round (5)
    #[argh(option, default = "5.0")]
    pub soak_minutes: f64,
    /// folder of the results (results in the folder perf)
    #[argh(option)]
    pub results: Option<PathBuf>,
    /// only record the catalog and write the ceiling's scripts
    #[argh(switch)]
    pub record: bool,
    /// only make the tables and figures of the results that are there
    #[argh(switch)]
    pub report: bool,
}

impl Arguments {
    /// The folder of the results.
    #[must_use]
    pub fn results_folder(&self) -> PathBuf {
        let default = || self.perf.join("results");
        self.results.clone().unwrap_or_else(default)
    }
}

fn against(text: &str) -> Result<(String, String), String> {
    let named = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, command) = named.ok_or_else(|| format!("{text} is not name=command"))?;
    Ok((name.to_owned(), command.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_has_a_name_before_its_command() {
        let named = against("postgrest=env A=1 postgrest");
        let expected = ("postgrest".to_owned(), "env A=1 postgrest".to_owned());
        assert_eq!(named, Ok(expected));
        assert!(against("postgrest").is_err());
        assert!(against("=postgrest").is_err());
    }
}
