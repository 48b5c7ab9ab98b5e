//! A set of public keys that somebody has published (RFC 7517), of which only those are taken that
//! may verify tokens.
//!
//! ```text
//! set = { "keys": [ jwk, … ] }                    ; 100 of them at most
//! ```
//! | what a key is | what becomes of it |
//! |---|---|
//! | `kty` `oct`, or with parts of a private key | ignored, and told: all could sign with it |
//! | `use` not `sig`, `key_ops` without `verify` | ignored: it is for other things (RFC 7517, 4) |
//! | an `alg` that is not known, or not of its type | ignored (RFC 8725, 3.1) |
//! | a type or a curve that is not known | ignored (RFC 7517, 5) |
//! | RSA under 2048 or over 8192 bits, broken | ignored, and told (RFC 7518, 3.3) |
//! | of the type and the `kid` of one before it | ignored, and told (RFC 7517, 4.5) |
//!
//! Invariant: no key in here is a secret. A token for HS256 is verified by none of them.

use super::algorithm::Verification;
use super::keys::{Key, has_verify, parse_key};
use corerest_api::{Json, Members};
use std::mem::discriminant;

/// A provider has two or three. What is tried for a token must stay few.
const KEYS_MAX: usize = 100;

/// What only a private key has, and what a secret is (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The keys of a source.
#[derive(Debug)]
pub(crate) struct PublishedKeys {
    /// What they were read from, to know whether they have changed: at most [`KEYS_MAX`].
    elements: Vec<Json>,
    keys: Vec<Key>,
    remarks: Vec<String>,
}

/// Equal if they were read from the same elements, in whatever order: some providers have none, and
/// each change makes everybody verify his tokens anew.
impl PartialEq for PublishedKeys {
    fn eq(&self, other: &PublishedKeys) -> bool {
        let times = |of: &Json, all: &[Json]| all.iter().filter(|one| *one == of).count();
        let (ours, others) = (&self.elements, &other.elements);
        let is_alike = |element: &Json| times(element, ours) == times(element, others);
        ours.len() == others.len() && ours.iter().all(is_alike)
    }
}

impl Eq for PublishedKeys {}

/// Why a key is not taken.
enum Ignored {
    /// It is for something else, as sets of providers have some.
    Elsewhere,
    /// Somebody should hear of it.
    Because(String),
}

impl PublishedKeys {
    /// Reads a set.
    ///
    /// # Errors
    /// If it is none. One without a single key that may verify is one: nobody's tokens are genuine.
    pub(crate) fn parse(document: &[u8]) -> Result<PublishedKeys, String> {
        let Some(Json::Object(members)) = Json::parse(document) else {
            return Err("it is not a JSON object".to_owned());
        };
        let Some(Json::Array(elements)) = members.find("keys") else {
            return Err("it is not a JSON Web Key Set: it has no array \"keys\"".to_owned());
        };
        if elements.len() > KEYS_MAX {
            return Err(format!(
                "it has {} keys, and {KEYS_MAX} at most are taken",
                elements.len()
            ));
        }
        let mut published = PublishedKeys {
            elements: elements.clone(),
            keys: Vec::new(),
            remarks: Vec::new(),
        };
        for (index, element) in elements.iter().enumerate() {
            match published.take(element) {
                Ok(key) => published.keys.push(key),
                Err(Ignored::Elsewhere) => {}
                Err(Ignored::Because(why)) => {
                    let remark = format!("Key {} is ignored: {why}", index + 1);
                    published.remarks.push(remark);
                }
            }
        }
        Ok(published)
    }

    /// The keys that may verify tokens.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// What somebody should know of those that were not taken: sentences without the full stop.
    pub(crate) fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn take(&self, element: &Json) -> Result<Key, Ignored> {
        let because = |why: &str| Ignored::Because(why.to_owned());
        let Json::Object(members) = element else {
            return Err(because("it is not an object"));
        };
        if members.find("kty").and_then(Json::text) == Some("oct") {
            return Err(because("it is a secret, and everybody can read it"));
        }
        if PRIVATE.iter().any(|name| members.find(name).is_some()) {
            let told = "it has parts of a private key, and everybody can read them";
            return Err(because(told));
        }
        if !is_for_verifying(members) {
            return Err(Ignored::Elsewhere);
        }
        let key = parse_key(members).map_err(Ignored::Because)?;
        let key = key.ok_or(Ignored::Elsewhere)?;
        if let Some(algorithm) = key.algorithm
            && !key.verification.fits(algorithm)
        {
            return Err(because("its \"alg\" is not one of its type"));
        }
        if let Some(weakness) = key.verification.weakness(key.algorithm) {
            return Err(Ignored::Because(format!("it {weakness}")));
        }
        if self.keys.iter().any(|other| are_confused(other, &key)) {
            return Err(because("one before it has the same \"kid\" and type"));
        }
        debug_assert!(!matches!(key.verification, Verification::Octets(_)));
        Ok(key)
    }
}

fn is_for_verifying(members: &Members) -> bool {
    let usage = members.find("use").filter(|usage| **usage != Json::Null);
    usage.is_none_or(|usage| usage.text() == Some("sig")) && has_verify(members)
}

/// Whether a token that names the one could as well mean the other. The same key may stand there
/// once for each of several algorithms.
fn are_confused(one: &Key, other: &Key) -> bool {
    let algorithms_differ =
        one.algorithm.is_some() && other.algorithm.is_some() && one.algorithm != other.algorithm;
    one.id.is_some()
        && one.id == other.id
        && discriminant(&one.verification) == discriminant(&other.verification)
        && !algorithms_differ
}
