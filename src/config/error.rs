//! Everything that makes a configuration unusable.
//!
//! The server prints an error at start and ends; at a reload it logs it and keeps the old
//! configuration. The messages of wrong values are PostgREST's, because people search for them.

use std::error::Error;
use std::fmt;

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The configuration file breaks its grammar.
    Syntax {
        /// The path of the file, as it was given.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A key has a value that it cannot have.
    Value(String),
    /// A file that the configuration names could not be read.
    File {
        /// The key that names it.
        key: &'static str,
        /// The path of the file.
        path: String,
        /// What the reader said.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Error in config ")?;
        match self {
            ConfigError::Syntax {
                path,
                line,
                column,
                reason,
            } => {
                write!(f, "{path}:{line}:{column}: {reason}")
            }
            ConfigError::Value(message) => f.write_str(message),
            ConfigError::File { key, path, reason } => {
                write!(f, "cannot read {path} ({key}): {reason}")
            }
        }
    }
}

impl Error for ConfigError {}
