//! Authentication: from the Authorization header of a request to whom it is from.
//!
//! ```text
//! header → token → [cache, or verify with the keys] → claims → check them now → identity
//! ```
//! The keys and rules of a configuration are an [`Authenticator`], shared by all. Each thread
//! has a [`Verifier`] of its own with the tokens it has verified, so that no lock and no written
//! memory is shared. Only signatures are remembered: claims are checked at every request.

mod algorithm;
mod cache;
mod keys;
mod token;
mod wrapping;

use std::sync::Arc;

use corerest_api::{ClaimRules, Claims, Error, Identity, bearer_token};
use corerest_config::Config;

use cache::{Cache, Evicted};
use keys::Keys;

/// What a configuration says about tokens, made ready once.
#[derive(Debug)]
pub(crate) struct Authenticator {
    /// `None` without `jwt-secret`: then no token can be accepted.
    keys: Option<Arc<Keys>>,
    rules: ClaimRules,
    warnings: Vec<String>,
}

impl Authenticator {
    /// Reads the keys of a configuration.
    ///
    /// # Errors
    /// If `jwt-secret` looks like a key but is none that is read, or, with `jwt-strict-keys`, if
    /// something is to be said against it.
    pub(crate) fn new(config: &Config) -> Result<Authenticator, String> {
        let secret = config.jwt_secret.as_ref();
        let keys = secret
            .map(|secret| Keys::parse(secret.expose()))
            .transpose()?;
        let weaknesses = keys.as_ref().map_or(&[][..], Keys::weaknesses);
        if let (true, Some(weakness)) = (config.jwt_strict_keys, weaknesses.first()) {
            return Err(format!("{weakness}; jwt-strict-keys refuses that."));
        }
        let warnings = weaknesses
            .iter()
            .map(|weakness| format!("{weakness}."))
            .collect();
        Ok(Authenticator {
            keys: keys.map(Arc::new),
            rules: ClaimRules::new(config),
            warnings,
        })
    }

    /// What the log should say about the keys.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// One thread's memory of the tokens that it has verified.
#[derive(Debug)]
pub(crate) struct Verifier {
    /// The keys that they were verified with.
    keys: Option<Arc<Keys>>,
    verified: Cache<Claims>,
    lookups: Lookups,
}

/// How often the cache was asked, since the thread began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lookups {
    /// How often a token was looked for.
    pub(crate) requests: u64,
    /// How often it was there.
    pub(crate) hits: u64,
    /// How often a token made room for another one.
    pub(crate) evictions: u64,
}

impl Verifier {
    /// Remembers nothing yet.
    pub(crate) fn new() -> Verifier {
        Verifier {
            keys: None,
            verified: Cache::new(0),
            lookups: Lookups::default(),
        }
    }

    /// How often the cache was asked.
    pub(crate) fn lookups(&self) -> Lookups {
        self.lookups
    }

    /// Finds out whom a request is from, by the value of its Authorization header if it has one.
    ///
    /// # Errors
    /// PGRST300 without keys, PGRST301 if the token is not genuine, PGRST303 if its claims do
    /// not hold, PGRST302 if there is neither a role in it nor an anonymous one.
    pub(crate) fn identify(
        &mut self,
        config: &Config,
        authenticator: &Authenticator,
        authorization: Option<&[u8]>,
        now_unix_seconds: i64,
    ) -> Result<Identity, Error> {
        let rules = &authenticator.rules;
        let Some(token) = authorization.and_then(bearer_token) else {
            return rules.anonymous();
        };
        let keys = authenticator.keys.as_ref().ok_or(Error::JwtSecretMissing)?;
        self.forget_if_changed(keys, config.jwt_cache_max_entries);
        self.lookups.requests += u64::from(self.verified.capacity() > 0);
        if let Some(claims) = self.verified.find(token) {
            self.lookups.hits += 1;
            return rules.identify(config, claims, now_unix_seconds);
        }
        let claims = Claims::parse(&keys.verify(token)?)?;
        let identity = rules.identify(config, &claims, now_unix_seconds);
        // Also if they do not hold now: an expired token is sent again and again.
        if self.verified.insert(token, claims) == Evicted::One {
            self.lookups.evictions += 1;
        }
        identity
    }

    /// The same for a request that was looked at before, by its head: it counts once, and that it
    /// is known now says nothing of the cache.
    ///
    /// # Errors
    /// As [`identify`](Self::identify).
    pub(crate) fn identify_again(
        &mut self,
        config: &Config,
        authenticator: &Authenticator,
        authorization: Option<&[u8]>,
        now_unix_seconds: i64,
    ) -> Result<Identity, Error> {
        let before = self.lookups;
        let identity = self.identify(config, authenticator, authorization, now_unix_seconds);
        self.lookups = Lookups {
            evictions: self.lookups.evictions,
            ..before
        };
        identity
    }

    /// With other keys, other tokens are genuine. A reload that leaves the keys as they were
    /// makes new ones that are equal.
    fn forget_if_changed(&mut self, keys: &Arc<Keys>, capacity: usize) {
        let is_same = self
            .keys
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, keys));
        if is_same && self.verified.capacity() == capacity {
            return;
        }
        if self.keys.as_ref() != Some(keys) || self.verified.capacity() != capacity {
            self.verified = Cache::new(capacity);
        }
        self.keys = Some(Arc::clone(keys));
    }
}

#[cfg(test)]
mod tests;
