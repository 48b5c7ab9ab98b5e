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
mod key_ring;
mod keys;
mod published;
mod source;
mod token;
mod wrapping;

use std::sync::Arc;

use corerest_api::{ClaimRules, Claims, Error, Identity, bearer_token};
use corerest_config::Config;

use cache::{Cache, Evicted};
use key_ring::{KeyRing, Verified, Whose};
use keys::Keys;

pub(crate) use key_ring::{Lack, Unidentified};
pub(crate) use published::PublishedKeys;
pub(crate) use source::Source;

/// What a configuration says about tokens, made ready once.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    /// `None` without `jwt-secret` and without a source of keys: then no token can be accepted.
    keys: Option<Arc<KeyRing>>,
    rules: Arc<Rules>,
    warnings: Vec<String>,
}

/// What claims have to be.
#[derive(Debug)]
struct Rules {
    of_anybody: ClaimRules,
    /// In the order of `jwt-issuers`, which is that of the key ring.
    of_issuers: Vec<ClaimRules>,
}

impl Rules {
    fn of(&self, whose: Whose) -> &ClaimRules {
        match whose {
            Whose::Anybody => &self.of_anybody,
            Whose::Issuer(index) => &self.of_issuers[index],
        }
    }
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
        let sources = Source::of_config(config);
        let has_keys = keys.is_some() || !sources.is_empty();
        let issuers = config.jwt_issuers.list().iter();
        Ok(Authenticator {
            keys: has_keys.then(|| Arc::new(KeyRing::new(keys, sources))),
            rules: Arc::new(Rules {
                of_anybody: ClaimRules::new(config),
                of_issuers: issuers
                    .map(|issuer| ClaimRules::of_issuer(config, issuer))
                    .collect(),
            }),
            warnings,
        })
    }

    /// Where keys are to be fetched from.
    pub(crate) fn sources(&self) -> Vec<Arc<Source>> {
        let published = self.keys.iter().flat_map(|keys| keys.published());
        published.map(|it| Arc::clone(&it.source)).collect()
    }

    /// With what has been fetched for another one, as far as it is from the same sources.
    pub(crate) fn with_keys_of(&self, other: &Authenticator) -> Authenticator {
        self.with_keys(|source| {
            let mut theirs = other.keys.iter().flat_map(|keys| keys.published());
            theirs.find(|it| *it.source == *source)?.keys.clone()
        })
    }

    /// With what has been fetched from one of its sources. What is gone from there verifies
    /// nothing from then on, also where it has before.
    pub(crate) fn with_fetched(&self, from: &Source, keys: &Arc<PublishedKeys>) -> Authenticator {
        let own = self.clone();
        self.with_keys(|source| match source == from {
            true => Some(Arc::clone(keys)),
            false => {
                let mut ours = own.keys.iter().flat_map(|keys| keys.published());
                ours.find(|it| *it.source == *source)?.keys.clone()
            }
        })
    }

    fn with_keys(&self, find: impl Fn(&Source) -> Option<Arc<PublishedKeys>>) -> Authenticator {
        let renew = |keys: &Arc<KeyRing>| {
            if keys.published().is_empty() {
                return Arc::clone(keys);
            }
            Arc::new(keys.with(|published| find(&published.source)))
        };
        Authenticator {
            keys: self.keys.as_ref().map(renew),
            ..self.clone()
        }
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
    keys: Option<Arc<KeyRing>>,
    verified: Cache<Known>,
    lookups: Lookups,
}

/// What is known of a token.
#[derive(Debug)]
struct Known {
    claims: Claims,
    whose: Whose,
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
    /// not hold, PGRST302 if there is neither a role in it nor an anonymous one; and what keys are
    /// lacking, if they may come.
    pub(crate) fn identify(
        &mut self,
        config: &Config,
        authenticator: &Authenticator,
        authorization: Option<&[u8]>,
        now_unix_seconds: i64,
    ) -> Result<Identity, Unidentified> {
        let rules = &authenticator.rules;
        let Some(token) = authorization.and_then(bearer_token) else {
            return Ok(rules.of_anybody.anonymous()?);
        };
        let keys = authenticator.keys.as_ref().ok_or(Error::JwtSecretMissing)?;
        self.forget_if_changed(keys, config.jwt_cache_max_entries);
        self.lookups.requests += u64::from(self.verified.capacity() > 0);
        if let Some(Known { claims, whose }) = self.verified.find(token) {
            self.lookups.hits += 1;
            let rules = rules.of(*whose);
            return Ok(rules.identify(config, claims, now_unix_seconds)?);
        }
        let Verified { payload, whose } = keys.verify(token)?;
        let claims = Claims::parse(&payload)?;
        let rules = rules.of(whose);
        let identity = rules.identify(config, &claims, now_unix_seconds);
        // Also if they do not hold now: an expired token is sent again and again.
        if self.verified.insert(token, Known { claims, whose }) == Evicted::One {
            self.lookups.evictions += 1;
        }
        Ok(identity?)
    }

    /// The same for a request that was looked at before, by its head or until its key came: it
    /// counts once, and that it is known now says nothing of the cache.
    ///
    /// # Errors
    /// As [`identify`](Self::identify).
    pub(crate) fn identify_again(
        &mut self,
        config: &Config,
        authenticator: &Authenticator,
        authorization: Option<&[u8]>,
        now_unix_seconds: i64,
    ) -> Result<Identity, Unidentified> {
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
    fn forget_if_changed(&mut self, keys: &Arc<KeyRing>, capacity: usize) {
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
