//! What the process contributes to a connection: `PG*` variables, user name, home directory.
//!
//! It is a value, so that reading a connection string stays a pure function and tests do not touch
//! the variables of their own process. Only [`Environment::of_process`] looks outside.
//! Invariant: printing it does not show `PGPASSWORD`.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The surroundings of a connection string.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    user: Option<String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// An environment with these variables, without a user and without a home.
    pub fn new<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Environment
    where
        N: Into<String>,
        V: Into<String>,
    {
        Environment {
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            user: None,
            home: None,
        }
    }

    /// With this name of the operating system's user, the default for `user`.
    pub fn with_user(mut self, user: impl Into<String>) -> Environment {
        self.user = Some(user.into());
        self
    }

    /// With this home directory, where `.pgpass` and `.postgresql/root.crt` are looked for.
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Environment {
        self.home = Some(home.into());
        self
    }

    /// The environment of this process.
    pub fn of_process() -> Environment {
        // Only PG*: there is no reason to carry other secrets of the process around.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("PG"));
        let mut environment = Environment::new(variables);
        let account = account_of_process();
        environment.user = account.as_ref().map(|(user, _)| user.clone());
        environment.home = std::env::var_os("HOME")
            .filter(|home| !home.is_empty())
            .map(PathBuf::from)
            .or(account.map(|(_, home)| home));
        environment
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("user", &self.user)
            .field("home", &self.home)
            .finish()
    }
}

/// Name and home of the effective user.
///
/// `/proc/self` belongs to that user, and `/etc/passwd` knows its name unless accounts come from
/// a directory service; then the login variables are the best guess, and `user=` always works.
fn account_of_process() -> Option<(String, PathBuf)> {
    let uid = std::fs::metadata("/proc/self").ok()?.uid();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    find_account(&accounts, uid).or_else(|| {
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        Some((user.ok()?, PathBuf::from("/")))
    })
}

/// A line of `/etc/passwd` is `name:password:uid:gid:comment:home:shell`.
fn find_account(accounts: &str, uid: u32) -> Option<(String, PathBuf)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found: u32 = fields.nth(1)?.parse().ok()?;
        let home = fields.nth(2)?;
        (found == uid).then(|| (name.to_owned(), PathBuf::from(home)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n#bad\nme:x:1000:1000::/home/me:/bin/sh\n";
        let expected = ("me".to_owned(), PathBuf::from("/home/me"));
        assert_eq!(find_account(accounts, 1000), Some(expected));
        assert_eq!(find_account(accounts, 7), None);
    }

    #[test]
    fn printing_shows_no_values() {
        let environment = Environment::new([("PGPASSWORD", "s3cret")]);
        let text = format!("{environment:?}");
        assert!(text.contains("PGPASSWORD") && !text.contains("s3cret"));
    }

    #[test]
    fn the_process_has_a_user() {
        assert!(Environment::of_process().user().is_some());
    }
}
