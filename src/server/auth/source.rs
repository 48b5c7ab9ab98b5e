//! Where keys are fetched from, and by that whose they are.
//!
//! Two configurations mean the same source if these are equal: what was fetched for one goes on for
//! the other.

use corerest_config::{Config, Issuer, KeysUrl};
use std::fmt;
use std::sync::Arc;

/// Somebody who publishes keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A set of keys (`jwt-jwks-uri`), for tokens of whomever.
    Uri(KeysUrl),
    /// An issuer (`jwt-issuers`), for his own tokens.
    Issuer {
        /// What his tokens have as `iss`.
        issuer: String,
        /// Where his keys are, if he need not be asked.
        jwks_uri: Option<KeysUrl>,
    },
}

impl Source {
    /// Those of a configuration.
    pub(super) fn of_config(config: &Config) -> Vec<Arc<Source>> {
        let issuers = config.jwt_issuers.list().iter().map(Source::of_issuer);
        let mut sources = Vec::new();
        for source in config.jwt_jwks_uri.iter().cloned().map(Source::Uri) {
            // The same keys once more would only be tried twice.
            if !sources.iter().any(|known: &Arc<Source>| **known == source) {
                sources.push(Arc::new(source));
            }
        }
        sources.extend(issuers.map(Arc::new));
        sources
    }

    fn of_issuer(issuer: &Issuer) -> Source {
        Source::Issuer {
            issuer: issuer.issuer.clone(),
            jwks_uri: issuer.jwks_uri.clone(),
        }
    }

    /// What it is called in the log and in the metrics.
    pub(crate) fn name(&self) -> &str {
        match self {
            Source::Uri(url) => url.as_str(),
            Source::Issuer { issuer, .. } => issuer,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
