//! All keys of a configuration, each with whose it is.
//!
//! ```text
//! token ──iss is one of the issuers──▶ the keys of that issuer ──▶ the rules of that issuer
//!   └─────any other, or none─────────▶ jwt-secret, jwt-jwks-uri ──▶ the rules of the configuration
//! ```
//! Invariant: keys are chosen before a signature is looked at, and no other ones are tried.

use super::keys::{Key, Keys, key_fault, within_effort};
use super::published::PublishedKeys;
use super::source::Source;
use super::token::Token;
use corerest_api::{Claims, Error};
use std::sync::Arc;

/// The keys that tokens are verified with.
#[derive(Debug, PartialEq)]
pub(crate) struct KeyRing {
    secret: Option<Arc<Keys>>,
    published: Vec<Published>,
    kind: Kind,
}

/// What a source has published, if anything has come from it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Published {
    pub(super) source: Arc<Source>,
    pub(super) keys: Option<Arc<PublishedKeys>>,
}

/// Whose tokens published keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Whoever signs with them, as with `jwt-secret`.
    BesideSecret,
    /// Each source is an issuer.
    OfIssuers,
}

/// A token that is genuine.
pub(super) struct Verified {
    pub(super) payload: Vec<u8>,
    pub(super) whose: Whose,
}

/// Whose rules hold for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of the configuration.
    Anybody,
    /// Those of the issuer with this number.
    Issuer(usize),
}

/// Why nobody is known to have sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unidentified {
    /// His token is no good, or he has none.
    Refused(Error),
    /// The key that his token names is not there, and may be published meanwhile.
    LacksKeys(Box<Lack>),
}

/// Keys that are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    /// Who could publish them.
    pub(crate) sources: Vec<Arc<Source>>,
    /// Whether nothing has come from one of them yet.
    pub(crate) is_first: bool,
    refusal: Error,
}

impl Lack {
    /// What is said if they do not come; they are asked for again in so many seconds.
    pub(crate) fn into_error(self, retry_seconds: u64) -> Error {
        match self.is_first {
            true => Error::JwtKeysMissing { retry_seconds },
            false => self.refusal,
        }
    }
}

impl From<Error> for Unidentified {
    fn from(error: Error) -> Unidentified {
        Unidentified::Refused(error)
    }
}

/// What somebody is told who does not wait for keys.
impl From<Unidentified> for Error {
    fn from(unidentified: Unidentified) -> Error {
        match unidentified {
            Unidentified::Refused(error) => error,
            Unidentified::LacksKeys(lack) => lack.into_error(1),
        }
    }
}

impl KeyRing {
    /// A secret, and sources of which nothing has come yet.
    pub(super) fn new(secret: Option<Keys>, sources: Vec<Arc<Source>>) -> KeyRing {
        let is_issuer = |source: &Arc<Source>| matches!(**source, Source::Issuer { .. });
        KeyRing {
            kind: match sources.iter().any(is_issuer) {
                true => Kind::OfIssuers,
                false => Kind::BesideSecret,
            },
            secret: secret.map(Arc::new),
            published: sources
                .into_iter()
                .map(|source| Published { source, keys: None })
                .collect(),
        }
    }

    /// Who publishes keys.
    pub(super) fn published(&self) -> &[Published] {
        &self.published
    }

    /// The same, with what there is now for each source.
    pub(super) fn with(&self, find: impl Fn(&Published) -> Option<Arc<PublishedKeys>>) -> KeyRing {
        let renew = |published: &Published| Published {
            source: Arc::clone(&published.source),
            keys: find(published),
        };
        KeyRing {
            secret: self.secret.clone(),
            published: self.published.iter().map(renew).collect(),
            kind: self.kind,
        }
    }

    /// The payload of a token, if one of the keys that count for it verifies its signature.
    ///
    /// # Errors
    /// If it is no signed token, or none of the keys verifies it.
    pub(super) fn verify(&self, token: &[u8]) -> Result<Verified, Unidentified> {
        let token = Token::parse(token)?;
        let issuer = self.issuer_of(&token);
        let (secret, published) = match (issuer, self.kind) {
            (Some(index), _) => (None, &self.published[index..=index]),
            (None, Kind::OfIssuers) => (self.secret.as_deref(), &[][..]),
            (None, Kind::BesideSecret) => (self.secret.as_deref(), &self.published[..]),
        };
        if secret.is_none() && published.is_empty() {
            return Err(key_fault("The issuer of the JWT is not one of jwt-issuers").into());
        }
        let secret_keys = secret.map_or(&[][..], Keys::keys);
        let known = published.iter().filter_map(|it| it.keys.as_deref());
        let published_keys = known
            .flat_map(PublishedKeys::keys)
            .filter(|key| key.fits(&token));
        let fitting = secret_keys.iter().filter(|key| key.fits(&token));
        let mut fitting = fitting.chain(published_keys).peekable();
        let refusal = match fitting.peek() {
            None => key_fault("No suitable key was found to decode the JWT"),
            Some(_) => key_fault("None of the keys was able to decode the JWT"),
        };
        let verifies = |key: &Key| {
            key.verification
                .verify(token.algorithm, token.signed, &token.signature)
        };
        let could_sign = |key: &&Key| {
            let bytes = key.verification.signature_bytes();
            bytes.is_none_or(|bytes| bytes == token.signature.len())
        };
        if within_effort(fitting.filter(could_sign)).any(verifies) {
            return Ok(Verified {
                payload: token.payload,
                whose: issuer.map_or(Whose::Anybody, Whose::Issuer),
            });
        }
        Err(refuse(&token, secret_keys, published, refusal))
    }

    /// Which issuer the token says that it is of. It is no more than a claim before his key has
    /// agreed to it, and only his keys are asked.
    fn issuer_of(&self, token: &Token<'_>) -> Option<usize> {
        if self.kind != Kind::OfIssuers {
            return None;
        }
        let claims = Claims::parse(&token.payload).ok()?;
        let name = claims.issuer()?;
        self.published
            .iter()
            .position(|published| published.source.name() == name)
    }
}

/// Whether a token that is not verified may be so with keys that are to come.
fn refuse(
    token: &Token<'_>,
    secret: &[Key],
    published: &[Published],
    refusal: Error,
) -> Unidentified {
    // Nobody publishes a secret.
    if published.is_empty() || token.algorithm.is_of_secret() {
        return refusal.into();
    }
    let is_named = |key: &Key| key.id == token.key_id;
    let has = |it: &Published| {
        it.keys
            .as_ref()
            .is_some_and(|it| it.keys().iter().any(is_named))
    };
    let is_known = secret.iter().any(is_named) || published.iter().any(has);
    if token.key_id.is_some() && is_known {
        return refusal.into();
    }
    let is_first = published.iter().any(|published| published.keys.is_none());
    if token.key_id.is_none() && !is_first {
        return refusal.into();
    }
    // One who never answers does not keep the others from being asked for what they have rotated.
    let is_asked = |it: &&Published| token.key_id.is_some() || it.keys.is_none();
    let asked = published.iter().filter(is_asked);
    Unidentified::LacksKeys(Box::new(Lack {
        sources: asked.map(|it| Arc::clone(&it.source)).collect(),
        is_first,
        refusal,
    }))
}
