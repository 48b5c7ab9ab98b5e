//! Where the configuration comes from, outside of the database: a file, the environment, and the
//! files that they name.
//!
//! The environment is that of the start. Files are read again at each reload, but for what can be
//! read only once, such as standard input or a pipe: its contents are kept.

use corerest_config::{Config, File, Loaded, Secret, Sources};
use std::cell::RefCell;
use std::collections::HashMap;

/// What the names of variables of ours begin with.
const PREFIX: &str = "PGRST_";

/// The file and the environment, and what was read only once.
pub(crate) struct ConfigSources {
    file: Option<String>,
    environment: Vec<(String, String)>,
    /// The names of variables of ours that cannot be read, as far as they can be shown.
    unreadable: Vec<String>,
    read_once: RefCell<HashMap<String, Vec<u8>>>,
}

impl ConfigSources {
    /// Those of the process, and this file.
    pub(crate) fn of_process(file: Option<&str>) -> ConfigSources {
        let (mut environment, mut unreadable) = (Vec::new(), Vec::new());
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => environment.push((name, value)),
                (Ok(name), Err(_)) => unreadable.push(name),
                (Err(name), _) => unreadable.push(name.to_string_lossy().into_owned()),
            }
        }
        unreadable.retain(|name| name.starts_with(PREFIX));
        ConfigSources {
            file: file.map(str::to_owned),
            environment,
            unreadable,
            read_once: RefCell::default(),
        }
    }

    /// Reads the configuration, with these settings of the database. `db_uri` is the connection
    /// string in use, if there is one already.
    ///
    /// # Errors
    /// A text for the operator.
    pub(crate) fn load(
        &self,
        database: &[(String, String)],
        db_uri: Option<&Secret<String>>,
    ) -> Result<Loaded, String> {
        // Parity: PostgREST takes such bytes for U+FFFD, and goes on with what nobody wrote.
        if let Some(name) = self.unreadable.first() {
            return Err(format!("The environment variable {name} is not UTF-8"));
        }
        let text = self.file.as_deref().map(|path| {
            let bytes = self.read(path)?;
            String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
        });
        let text = text.transpose().map_err(|error| {
            let path = self.file.as_deref().unwrap_or_default();
            format!("Cannot read the configuration file {path}: {error}")
        })?;
        let file = match (&self.file, &text) {
            (Some(path), Some(text)) => Some(File { path, text }),
            _ => None,
        };
        let sources = Sources {
            file,
            environment: &self.environment,
            database,
            db_uri,
            read_file: &|path| self.read(path),
        };
        Config::load(sources).map_err(|error| error.to_string())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if let Some(bytes) = self.read_once.borrow().get(path) {
            return Ok(bytes.clone());
        }
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            let mut read_once = self.read_once.borrow_mut();
            read_once.insert(path.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }
}
