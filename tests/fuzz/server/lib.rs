//! What the fuzz targets need of the server, which is a program and not a library: its sources,
//! compiled once more, and a few doors into them.
//!
//! With the feature `model` these are the sources of a simulated world, and the door is the script
//! of `src/server/cores/model`.

#![expect(
    dead_code,
    unused_imports,
    reason = "the server has a use for what the targets have none for"
)]

#[path = "../../../src/server/auth/mod.rs"]
mod auth;
#[cfg(feature = "model")]
#[path = "../../../src/server/cores/mod.rs"]
mod cores;
#[cfg(feature = "model")]
#[path = "../../../src/server/exit.rs"]
mod exit;
#[path = "../../../src/server/log/mod.rs"]
mod log;
#[cfg(feature = "model")]
#[path = "../../../src/server/net/mod.rs"]
mod net;
#[cfg(feature = "model")]
#[path = "../../../src/server/observing/mod.rs"]
mod observing;
#[cfg(feature = "model")]
#[path = "../../../src/server/serving/mod.rs"]
mod serving;
#[cfg(feature = "model")]
#[path = "../../../src/server/state/mod.rs"]
mod state;
#[path = "../../../src/server/sync.rs"]
mod sync;

use corerest_api::{Error, Identity};
use corerest_config::Config;
use corerest_wire::http::Request;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Runs the script of cores, clients and a PostgreSQL that these bytes are.
///
/// # Panics
/// If a property does not hold.
#[cfg(feature = "model")]
pub fn core_script(data: &[u8]) {
    cores::follow_script(data);
}

/// Who is let in with a configuration, and the tokens that were let in before.
pub struct Gate {
    config: Config,
    authenticator: auth::Authenticator,
    verifier: auth::Verifier,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// One that has let nobody in.
    ///
    /// # Errors
    /// If the keys of the configuration are none.
    pub fn new(config: Config) -> Result<Gate, String> {
        Ok(Gate {
            authenticator: auth::Authenticator::new(&config)?,
            verifier: auth::Verifier::new(),
            config,
        })
    }

    /// Whom a request is from, by its Authorization header.
    ///
    /// # Errors
    /// If it is let in as nobody.
    pub fn identify(&mut self, authorization: &[u8], now: i64) -> Result<Identity, Error> {
        let Gate {
            config,
            authenticator,
            verifier,
        } = self;
        verifier
            .identify(config, authenticator, Some(authorization), now)
            .map_err(Error::from)
    }
}

impl Gate {
    /// This was fetched from each of its sources.
    pub fn publish(&mut self, set: &KeySet) {
        for source in self.authenticator.sources() {
            self.authenticator = self.authenticator.with_fetched(&source, &set.0);
        }
    }
}

/// Keys that somebody has published.
pub struct KeySet(Arc<auth::PublishedKeys>);

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").finish_non_exhaustive()
    }
}

impl KeySet {
    /// Reads a document.
    ///
    /// # Errors
    /// If it is no set.
    pub fn parse(document: &[u8]) -> Result<KeySet, String> {
        let keys = auth::PublishedKeys::parse(document)?;
        Ok(KeySet(Arc::new(keys)))
    }

    /// How many keys it has that verify tokens.
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// Of how many others something is to be said.
    pub fn remarks(&self) -> usize {
        self.0.remarks().len()
    }
}

/// What the access log is told of a request.
#[derive(Clone, Copy, Debug)]
pub struct Logged<'a> {
    /// Where its client is.
    pub peer: Option<IpAddr>,
    /// The role that it ran as.
    pub role: Option<&'a str>,
    /// The request.
    pub request: Request<'a>,
    /// The status of its answer.
    pub status: u16,
    /// The length of its answer.
    pub size: Option<u64>,
    /// Whether queries are logged.
    pub shows_queries: bool,
}

impl Logged<'_> {
    fn access(&self) -> log::Access<'_> {
        log::Access {
            peer: self.peer,
            role: self.role,
            request: self.request,
            status: self.status,
            size: self.size,
            duration: Duration::from_micros(1_002),
            shows_queries: self.shows_queries,
        }
    }

    /// Its line in the combined format, with this time.
    pub fn line(&self, stamp: &str) -> Vec<u8> {
        let mut line = Vec::new();
        self.access().write_line(&mut line, stamp);
        line
    }

    /// Its line as JSON.
    pub fn object(&self) -> Vec<u8> {
        let mut line = Vec::new();
        self.access().write_object(&mut line);
        line
    }
}
