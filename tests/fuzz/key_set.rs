//! A set of keys that somebody has published, for the tokens of whoever signs with them.
//!
//! Properties: nothing panics; there are no more keys than were written, and no more than a hundred
//! are read; a secret that stands in the set verifies nothing, in whatever way it stands there; and
//! a token of Ed25519 is let in only if its key stands there, by a plain reading, in public parts
//! alone and for signatures.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_api::{Json, Members};
use corerest_config::{Config, Sources};
use corerest_fuzz_server::{Gate, KeySet};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::sync::OnceLock;

/// Sets: of the key that is signed with, of the secret, and of others.
pub(crate) const SET_SEEDS: &[&[u8]] = &[
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"6kpsY"}]}"#,
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"6kpsY","use":"sig","alg":"EdDSA",
        "key_ops":["verify"],"kid":"1"}]}"#,
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"6kpsY","d":"AA"},
        {"kty":"OKP","use":"enc"},null]}"#,
    br#"{"keys":[{"kty":"oct","k":"YSBzZWNyZXQgdGhhdCBpcyBsb25nZXIgdGhhbiBpdCBoYXMgdG8gYmU",
        "alg":"HS256"}]}"#,
    br#"{"keys":[{"kty":"RSA","n":"2fNPeg","e":"AQAB"},
        {"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#,
    br#"{"keys":[]}"#,
];

/// Where the set is said to be from.
const URL: &str = "https://issuer.example/keys";

const SECRET: &[u8] = b"a secret that is longer than it has to be";

/// The place of the public key that tokens are signed with, so that every set may have it.
const PLACE: &[u8] = b"6kpsY";

fn signer() -> &'static Ed25519KeyPair {
    static SIGNER: OnceLock<Ed25519KeyPair> = OnceLock::new();
    SIGNER.get_or_init(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any seed will do"))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token that is signed by what this does to its first two parts.
fn token(algorithm: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let header = encode(format!(r#"{{"alg":"{algorithm}"}}"#).as_bytes());
    let signed = format!("{header}.{}", encode(br#"{"role":"author"}"#));
    let signature = encode(&sign(signed.as_bytes()));
    format!("Bearer {signed}.{signature}")
}

/// A document; where it names the key by [`PLACE`] alone, it gets the whole.
pub fn key_set(data: &[u8]) {
    let x = encode(signer().public_key().as_ref());
    let document = with_key(data, x.as_bytes());
    let Ok(set) = KeySet::parse(&document) else {
        return;
    };
    let Some(Json::Object(members)) = Json::parse(&document) else {
        panic!("no object is read as a set");
    };
    let Some(Json::Array(elements)) = members.find("keys") else {
        panic!("a set without an array is read");
    };
    assert!(set.count() + set.remarks() <= elements.len());
    assert!(elements.len() <= 100);
    let mut gate = Gate::new(config()).expect("its keys are somewhere else");
    gate.publish(&set);
    let by_secret = token("HS256", |signed| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
        hmac::sign(&key, signed).as_ref().to_vec()
    });
    let identified = gate.identify(by_secret.as_bytes(), 0);
    assert!(identified.is_err(), "a secret that is published verifies");
    let by_key = token("EdDSA", |signed| signer().sign(signed).as_ref().to_vec());
    if gate.identify(by_key.as_bytes(), 0).is_ok() {
        let objects = elements.iter().filter_map(|element| match element {
            Json::Object(members) => Some(members),
            _ => None,
        });
        let mut fitting = objects.filter(|members| is_for_us(members, &x));
        assert!(fitting.next().is_some(), "a key that is not there verifies");
    }
}

fn is_for_us(members: &Members, x: &str) -> bool {
    let text = |name: &str| members.find(name).and_then(Json::text);
    text("kty") == Some("OKP")
        && text("x") == Some(x)
        && ["d", "k"].iter().all(|name| members.find(name).is_none())
        && [None, Some("sig")].contains(&text("use"))
        && [None, Some("EdDSA")].contains(&text("alg"))
}

fn with_key(data: &[u8], x: &[u8]) -> Vec<u8> {
    let quoted = [b"\"", PLACE, b"\""].concat();
    let at = data.windows(quoted.len()).position(|some| some == quoted);
    match at {
        None => data.to_vec(),
        Some(at) => {
            let end = at + quoted.len();
            [&data[..at], b"\"", x, b"\"", &data[end..]].concat()
        }
    }
}

fn config() -> Config {
    let environment = [("PGRST_JWT_JWKS_URI".to_owned(), URL.to_owned())];
    let loaded = Config::load(Sources {
        environment: &environment,
        ..Sources::default()
    });
    loaded.expect("it is a URL").config
}

#[cfg(test)]
mod tests {
    use super::{Gate, KeySet, SET_SEEDS, config, key_set, signer, token};
    use ring::signature::KeyPair;

    #[test]
    fn any_document_may_be_a_set() {
        crate::smoke(key_set, SET_SEEDS, 20_000);
    }

    /// Otherwise nothing of what the target says of such tokens would ever be asked.
    #[test]
    fn a_key_that_is_there_verifies() {
        let x = super::encode(signer().public_key().as_ref());
        let document = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        let set = KeySet::parse(document.as_bytes()).expect("it is one");
        let mut gate = Gate::new(config()).expect("it has no keys");
        gate.publish(&set);
        let token = token("EdDSA", |signed| signer().sign(signed).as_ref().to_vec());
        assert!(gate.identify(token.as_bytes(), 0).is_ok());
    }
}
