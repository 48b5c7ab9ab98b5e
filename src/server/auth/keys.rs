//! The keys of `jwt-secret`: a JSON Web Key, a set of them (RFC 7517), or any other octets.
//!
//! ```text
//! secret = { "keys": [ jwk, … ] } / jwk / octets, which are a key for HS256 and nothing else
//! jwk    = { "kty": "oct", "k" } / { "kty": "RSA", "n", "e" }
//!        / { "kty": "EC", "crv", "x", "y" } / { "kty": "OKP", "crv", "x" }
//!          and perhaps "kid", "alg" ("HS256" and the like), "use" ("sig" or "enc")
//! ```
//! Which keys may verify a token is decided by the keys: their type, `alg`, `use` and `kid`.
//!
//! Invariant: what is meant as a key and is none that is read is an error, see [`super::wrapping`].
//! PostgREST takes its text as the secret of HS256 then, and the text of a public key is known to
//! everybody. `auth::tests::wrappings` tries it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_api::{Error, Json, JwtFault, Members};
use corerest_config::Secret;

use super::algorithm::{Algorithm, Curve, Verification};
use super::token::Token;
use super::wrapping::{is_key_type, wrapped_key};
use std::mem::discriminant;
use std::ptr;

/// HS256 needs a key as long as its hash (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// When no other key is tried for a token (`Verification::effort`): anybody can send one that all
/// keys fit, and that none has signed. So it is 2.5 ms, and the last key's: 65 of RSA with 2048
/// bits, 6 with 8192, 34 of P-256, and two of any kind, for there are two while they are rotated.
const EFFORT_MAX: usize = 2_500;

/// The keys of `jwt-secret`.
#[derive(Debug)]
pub(crate) struct Keys {
    /// What they were read from, to know whether they have changed.
    secret: Secret<Vec<u8>>,
    keys: Vec<Key>,
    weaknesses: Vec<String>,
}

/// Equal if they were read from the same secret.
impl PartialEq for Keys {
    fn eq(&self, other: &Keys) -> bool {
        self.secret == other.secret
    }
}

/// A key that may verify tokens.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    /// The only algorithm it may be used with, if it says so.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) verification: Verification,
}

impl Keys {
    /// Reads the keys of a secret.
    ///
    /// # Errors
    /// If it looks like a key or a set of keys, but is none.
    pub(crate) fn parse(secret: &[u8]) -> Result<Keys, String> {
        let mut weaknesses = Weaknesses::default();
        let keys = match Json::parse(secret) {
            Some(Json::Object(members)) if members.find("keys").is_some() => {
                parse_set(&members, &mut weaknesses).map_err(|reason| invalid(&reason))?
            }
            Some(Json::Object(members)) if members.find("kty").is_some() => {
                let key = parse_key(&members).map_err(|reason| invalid(&reason))?;
                weaknesses.note("The JWT secret", &members, key.as_ref());
                key.into_iter().collect()
            }
            _ => match wrapped_key(secret) {
                Some(reason) => return Err(invalid(&reason)),
                None => vec![plain(secret)?],
            },
        };
        if keys.is_empty() {
            let told = "The JWT secret has no key that tokens can be verified with";
            weaknesses.0.push(told.to_owned());
        }
        if keys.iter().any(|key| !is_reached(key, &keys)) {
            let told = "The JWT secret has more keys without \"kid\" than a token is tried with";
            weaknesses.0.push(told.to_owned());
        }
        Ok(Keys {
            secret: Secret::new(secret.to_vec()),
            keys,
            weaknesses: weaknesses.0,
        })
    }

    /// What is to be said against the keys, although PostgREST takes them: sentences without the
    /// full stop.
    pub(super) fn weaknesses(&self) -> &[String] {
        &self.weaknesses
    }

    /// All of them.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }
}

impl Key {
    /// A token that names a key is for no other; one that names none may be for any.
    pub(super) fn fits(&self, token: &Token<'_>) -> bool {
        (token.key_id.is_none() || token.key_id == self.id)
            && self.algorithm.is_none_or(|only| only == token.algorithm)
            && self.verification.fits(token.algorithm)
    }
}

/// The first of them: as many as a token is tried with.
pub(super) fn within_effort<'a>(
    keys: impl Iterator<Item = &'a Key>,
) -> impl Iterator<Item = &'a Key> {
    let mut spent = 0;
    keys.take_while(move |key| {
        let is_tried = spent < EFFORT_MAX;
        spent += key.verification.effort();
        is_tried
    })
}

/// Whether a token that this key has signed is tried with it; one that has a name can be named.
fn is_reached(key: &Key, all: &[Key]) -> bool {
    let is_alike = |other: &&Key| {
        discriminant(&other.verification) == discriminant(&key.verification)
            && other.verification.signature_bytes() == key.verification.signature_bytes()
            && (other.algorithm.is_none()
                || key.algorithm.is_none()
                || other.algorithm == key.algorithm)
    };
    key.id.is_some() || within_effort(all.iter().filter(is_alike)).any(|tried| ptr::eq(tried, key))
}

/// What is to be said against keys.
#[derive(Default)]
struct Weaknesses(Vec<String>);

impl Weaknesses {
    /// Looks at a key that was read; one that was passed over verifies nothing, so it is none.
    fn note(&mut self, which: &str, members: &Members, key: Option<&Key>) {
        let Some(key) = key else { return };
        if let Some(told) = key.verification.weakness(key.algorithm) {
            self.0.push(format!("{which} {told}"));
        }
        if !has_verify(members) {
            let told = "is used, although its \"key_ops\" have no \"verify\"";
            self.0.push(format!("{which} {told}"));
        }
    }
}

/// Whether a key may verify, by its `key_ops` if it has any.
pub(super) fn has_verify(members: &Members) -> bool {
    match members.find("key_ops") {
        None | Some(Json::Null) => true,
        Some(Json::Array(operations)) => operations.iter().any(|one| one.text() == Some("verify")),
        Some(_) => false,
    }
}

/// No key verifies a token.
pub(super) fn key_fault(details: &str) -> Error {
    Error::JwtInvalid(JwtFault::Key(details.to_owned()))
}

/// The configuration lets only what has the shape of a JWK be shorter; here it has turned out to
/// be none.
fn plain(secret: &[u8]) -> Result<Key, String> {
    if secret.len() < SECRET_BYTES_MIN {
        return Err("The JWT secret must be at least 32 characters long.".to_owned());
    }
    Ok(Key {
        id: None,
        algorithm: Some(Algorithm::Hs256),
        verification: Verification::Octets(secret.into()),
    })
}

fn parse_set(members: &Members, weaknesses: &mut Weaknesses) -> Result<Vec<Key>, String> {
    let Some(Json::Array(set)) = members.find("keys") else {
        return Err("\"keys\" is not an array".to_owned());
    };
    let mut keys = Vec::new();
    for (index, element) in set.iter().enumerate() {
        let Json::Object(members) = element else {
            return Err("an element of \"keys\" is not an object".to_owned());
        };
        let key = parse_key(members)?;
        let which = format!("Key {} of the JWT secret", index + 1);
        weaknesses.note(&which, members, key.as_ref());
        keys.extend(key);
    }
    Ok(keys)
}

/// A key; `None` if it is one that no token can be verified with: of an unknown type or curve,
/// for another algorithm, or for encryption. Sets of identity providers have such keys.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse_key(members: &Members) -> Result<Option<Key>, String> {
    check_letters_of_type(members)?;
    let id = text(members, "kid")?;
    match text(members, "use")? {
        None | Some("sig") => {}
        Some("enc") => return Ok(None),
        Some(_) => return Err("\"use\" is neither \"sig\" nor \"enc\"".to_owned()),
    }
    let algorithm = match members.find("alg") {
        None | Some(Json::Null) => None,
        Some(name) => match name.text().and_then(Algorithm::named) {
            None => return Ok(None),
            known => known,
        },
    };
    let verification = match members.find("kty").and_then(Json::text) {
        Some("oct") => parse_octets(members)?,
        Some("RSA") => parse_rsa(members)?,
        Some("EC") => match text(members, "crv")?.map(Curve::named) {
            None => return Err("\"crv\" is missing".to_owned()),
            Some(None) => return Ok(None),
            Some(Some(curve)) => parse_point(members, curve)?,
        },
        Some("OKP") => match text(members, "crv")? {
            None => return Err("\"crv\" is missing".to_owned()),
            Some("Ed25519") => Verification::ed25519(&octets(members, "x")?)
                .ok_or_else(|| "\"x\" is not a key of Ed25519".to_owned())?,
            Some("Ed448") => Verification::ed448(&octets(members, "x")?)
                .ok_or_else(|| "\"x\" is not a key of Ed448".to_owned())?,
            Some(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(Key {
        id: id.map(str::to_owned),
        algorithm,
        verification,
    }))
}

/// A key whose type is in other letters would be passed over for a type that is not known.
fn check_letters_of_type(members: &Members) -> Result<(), String> {
    let has_other_name = members.iter().any(|(name, _)| is_key_type(name));
    let Some(key_type) = members.find("kty") else {
        return match has_other_name {
            true => Err("the name of \"kty\" is in small letters".to_owned()),
            false => Ok(()),
        };
    };
    let known = ["oct", "RSA", "EC", "OKP"];
    let written = key_type.text().unwrap_or_default();
    match known
        .iter()
        .find(|known| known.eq_ignore_ascii_case(written))
    {
        Some(known) if *known != written => {
            Err(format!("\"kty\" is \"{known}\" in just these letters"))
        }
        _ => Ok(()),
    }
}

fn parse_octets(members: &Members) -> Result<Verification, String> {
    let octets = octets(members, "k")?;
    // With an empty secret anybody could sign.
    if octets.is_empty() {
        return Err("\"k\" is empty".to_owned());
    }
    Ok(Verification::Octets(octets.into()))
}

fn parse_rsa(members: &Members) -> Result<Verification, String> {
    Verification::rsa(&octets(members, "n")?, &octets(members, "e")?).map_err(str::to_owned)
}

fn parse_point(members: &Members, curve: Curve) -> Result<Verification, String> {
    Verification::ecdsa(curve, &octets(members, "x")?, &octets(members, "y")?)
        .ok_or_else(|| "\"x\" and \"y\" are not a point on the curve".to_owned())
}

/// A member that is a string, or missing, or null.
fn text<'a>(members: &'a Members, name: &str) -> Result<Option<&'a str>, String> {
    match members.find(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(format!("\"{name}\" is not a string")),
    }
}

fn octets(members: &Members, name: &str) -> Result<Vec<u8>, String> {
    let encoded = text(members, name)?.ok_or_else(|| format!("\"{name}\" is missing"))?;
    let decoded = URL_SAFE_NO_PAD.decode(encoded);
    decoded.map_err(|_| format!("\"{name}\" is not base64url without padding"))
}

/// Says what is wrong, and nothing of what is secret.
fn invalid(reason: &str) -> String {
    format!("The JWT secret is not a valid JSON Web Key: {reason}")
}
