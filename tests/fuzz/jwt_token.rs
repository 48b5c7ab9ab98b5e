//! `jwt-secret` and tokens: any text, and tokens that are put together of parts that mean something
//! and signed, as they should be or not.
//!
//! Properties: nothing panics; whom a token lets in, or what is said against its claims, is only
//! said of one that a plain reading, with the keys that this target made itself and with ring,
//! finds to be signed by one of them, by an algorithm of its family; a plain good token is let in
//! with its role; and what was verified once is decided again as it was.

use crate::choices::Choices;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_api::{Error, Identity};
use corerest_config::{Config, Secret};
use corerest_fuzz_server::Gate;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaPublicKeyComponents};
use std::sync::OnceLock;

/// Which keys, how the token is made, and what of.
pub(crate) const TOKEN_SEEDS: &[&[u8]] = &[
    b"\x00\x00eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYSJ9.c2lnbmVk",
    b"\x00\x01\x00\x00\x00",
    b"\x01\x01\x01\x01\x00",
    b"\x02\x01\x02\x00\x02",
    b"\x03\x01\x03\x02\x00",
    b"\x04\x01\x07\x03\x05",
    b"\x05\x01\x06\x01\x04",
    b"\x06\x01\x08\x04\x03",
    b"\x03\x01\x0b\x05\x00\x01\x0b",
    b"\x03\x02\x1e{\"alg\":\"HS256\",\"kid\":\"one\"}\x10{\"role\":\"author\"}\x00",
    b"\x04\x02\x0f{\"alg\":\"HS256\"}\x10{\"role\":\"author\"}\x06",
    b"\x04\x03\x00\x00",
    b"\x03\x01\x04\x06\x00\x80\x04.",
];

/// When the tokens come.
const NOW_UNIX_SECONDS: i64 = 1_700_000_000;

const SECRET: &[u8] = b"a secret that is longer than it would have to be, for all of the hashes";
const OTHER_SECRET: &[u8] =
    b"the secret of another key, which is also long enough for every hash!!!!";
/// The modulus of a key whose private part nobody here has.
const RSA_N: &str = "2fNPegsgu1Cc0K6cfbvxTPf7M1czlqMrDHp8GfDRVsXhAKiLcJg1caiMfG-XLgRrC-dpYt9VOdfG\
    AMaIm0T8uhANfoAqrnD0TdoKgC2jSV6Xm1PVoRMVozx382XlP8HA51mFWNnNCDQpMQ0ew0TlPks9vWphoCwR9qPDHm_qii\
    ntGnrR2a7a1W0O7IuHTYKBTBp_NiFwsM7AQxWmwOwuOUD2WdVVsDdX6jJwlW8n54mttRXv-7Z8kEdVrcam-G6qn-C7DAwx\
    6r7CJFzYamAzKK1dL6_R5k6FBn5FgfvaT9_m2Znt6yAf5zO5uJxs7Nf44o3Xguaw-HMeCZEKrBiVhw";
/// What it has signed.
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJyb2xlIjoiYXV0aG9yIn0.acOrt_xy6_JtP7sL6VO54zSa7l2hPz7\
    Qipyuy3Bed-3ZBEovxuT-QHjzHy1cBamBel4GBp9Qicnonl1si63WgKxNgO8BQ6p4Oxz6odlhGOkDaROIcMMKvuOZG5TSr\
    a7Go-cYno1NDam1L7gNYgOLNpgQQ_I8WZ4uGkUKxAOjWZGRFSb37y-RQRt_DU3hXPc5WKscOHpgbIpObJ_fM-oczrzSyr1\
    i14rUBnmWPK7HJHSoVV-x9xq-WRpJwStxbUGirMcoItLxLdXFqIytqSJ81SMED5_2YQek0qrMY5cSn9gDDqxk4I4qrD9LW\
    WTyuzAdz0unw68YN0i8IYDxsO1etw";

/// The private key 1 of P-256: its public one is the generator of the curve.
const POINT: [&str; 2] = [
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
];

const HEADERS: &[&str] = &[
    r#"{"alg":"HS256"}"#,
    r#"{"alg":"HS256","kid":"one"}"#,
    r#"{"alg":"HS512","typ":"JWT"}"#,
    r#"{"alg":"HS384","kid":"two"}"#,
    r#"{"alg":"HS256","kid":null,"cty":"x"}"#,
    r#"{"alg":"none"}"#,
    r#"{"alg":"ES256"}"#,
    r#"{"alg":"RS256"}"#,
    r#"{"alg":"EdDSA"}"#,
    r#"{"alg":"ES384"}"#,
    r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
    r#"{"alg":"none","alg":"HS256"}"#,
    r#"{"alg":"HS256","alg":"none"}"#,
    r#"{"alg":"RS512"}"#,
    r#"{"alg":"hs256"}"#,
];

const CLAIMS: &[&str] = &[
    r#"{"role":"author"}"#,
    r#"{"role":"author","exp":1700000100,"nbf":1699999999.5,"iat":1.6e9}"#,
    r#"{"role":"author","exp":1}"#,
    r#"{"sub":"nobody"}"#,
    r#"{"role":"author","aud":["a","b"]}"#,
    r#"{"role":7}"#,
    r#"["role"]"#,
    r#"{"role":"a","role":"b"}"#,
    "",
];

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    One,
    Two,
    Rsa,
    P256,
    Ed25519,
}

/// A key as the server is told of it.
struct Listed {
    kind: Kind,
    /// `kid`.
    id: Option<&'static str>,
    /// `alg`.
    algorithm: Option<&'static str>,
}

const fn listed(kind: Kind, id: Option<&'static str>, algorithm: Option<&'static str>) -> Listed {
    Listed {
        kind,
        id,
        algorithm,
    }
}

/// The configurations: the first is no JWK but octets, which are for HS256 alone.
const SETS: &[&[Listed]] = &[
    &[listed(Kind::One, None, Some("HS256"))],
    &[listed(Kind::One, Some("one"), None)],
    &[listed(Kind::One, None, Some("HS512"))],
    &[
        listed(Kind::One, Some("one"), None),
        listed(Kind::Two, Some("two"), Some("HS384")),
        listed(Kind::Rsa, Some("three"), None),
        listed(Kind::P256, None, Some("ES256")),
        listed(Kind::Ed25519, None, None),
    ],
    &[listed(Kind::Rsa, None, None)],
    &[listed(Kind::P256, None, None)],
    &[listed(Kind::Ed25519, Some("one"), Some("EdDSA"))],
];

struct Signers {
    point: Vec<u8>,
    ecdsa: EcdsaKeyPair,
    eddsa: Ed25519KeyPair,
    random: SystemRandom,
}

fn signers() -> &'static Signers {
    static SIGNERS: OnceLock<Signers> = OnceLock::new();
    SIGNERS.get_or_init(|| {
        let coordinates = POINT.concat();
        let hex = (0..coordinates.len()).step_by(2);
        let bytes = hex.map(|at| u8::from_str_radix(&coordinates[at..at + 2], 16));
        let mut point = vec![4];
        point.extend(bytes.map(|byte| byte.expect("these are digits")));
        let mut one = [0; 32];
        one[31] = 1;
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let ecdsa = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &one, &point, &random);
        let eddsa = Ed25519KeyPair::from_seed_unchecked(&[7; 32]);
        Signers {
            point,
            ecdsa: ecdsa.expect("they belong together"),
            eddsa: eddsa.expect("any seed will do"),
            random,
        }
    })
}

/// Which keys, how the token is made, and what of.
pub fn jwt_token(data: &[u8]) {
    let mut choices = Choices::new(data);
    let set = choices.below(SETS.len());
    let token = match choices.below(4) {
        0 => choices.take(usize::MAX).to_vec(),
        3 => changed(RS256.as_bytes().to_vec(), &mut choices),
        way => {
            let token = made(way, &mut choices);
            changed(token, &mut choices)
        }
    };
    check(set, &token);
}

/// A token of parts that are chosen, or told, and signed somehow.
fn made(way: usize, choices: &mut Choices<'_>) -> Vec<u8> {
    let (header, claims) = match way {
        1 => {
            let header = HEADERS[choices.below(HEADERS.len())];
            let claims = CLAIMS[choices.below(CLAIMS.len())];
            (header.as_bytes(), claims.as_bytes())
        }
        _ => (choices.bytes(), choices.bytes()),
    };
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(choices, signed.as_bytes());
    format!("{signed}.{}", encode(signature)).into_bytes()
}

fn sign(choices: &mut Choices<'_>, signed: &[u8]) -> Vec<u8> {
    let tag = |algorithm, secret: &[u8]| {
        let key = hmac::Key::new(algorithm, secret);
        hmac::sign(&key, signed).as_ref().to_vec()
    };
    let signers = signers();
    match choices.below(10) {
        0 => tag(hmac::HMAC_SHA256, SECRET),
        1 => tag(hmac::HMAC_SHA384, OTHER_SECRET),
        2 => tag(hmac::HMAC_SHA512, SECRET),
        3 => signers.eddsa.sign(signed).as_ref().to_vec(),
        4 => {
            let signature = signers.ecdsa.sign(&signers.random, signed);
            signature.expect("there is randomness").as_ref().to_vec()
        }
        5 => decode(RS256.rsplit('.').next().unwrap_or_default().as_bytes()).unwrap_or_default(),
        // What everybody knows is nobody's secret.
        6 => tag(hmac::HMAC_SHA256, RSA_N.as_bytes()),
        7 => tag(
            hmac::HMAC_SHA256,
            &decode(RSA_N.as_bytes()).unwrap_or_default(),
        ),
        8 => vec![0; 64],
        _ => choices.bytes().to_vec(),
    }
}

/// With bytes put in where the input says.
fn changed(mut token: Vec<u8>, choices: &mut Choices<'_>) -> Vec<u8> {
    while !choices.is_over() {
        let at = choices.byte() as usize * token.len() / 256;
        match choices.byte() {
            0 => drop(token.drain(at..(at + 1).min(token.len()))),
            byte if byte < 0x80 => token.insert(at, byte),
            byte => {
                if let Some(old) = token.get_mut(at) {
                    *old ^= byte & 0x7f;
                }
            }
        }
    }
    token
}

fn check(set: usize, token: &[u8]) {
    let authorization = [b"Bearer ", token].concat();
    let mut gate = gate(set, 10);
    let decided = gate.identify(&authorization, NOW_UNIX_SECONDS);
    // From memory, and without any.
    assert_eq!(
        said(&gate.identify(&authorization, NOW_UNIX_SECONDS)),
        said(&decided)
    );
    let mut forgetful = self::gate(set, 0);
    assert_eq!(
        said(&forgetful.identify(&authorization, NOW_UNIX_SECONDS)),
        said(&decided)
    );
    let shown = token.escape_ascii();
    // White space before a token is no part of it.
    let spaces = |byte: &u8| !matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0);
    let begin = token.iter().position(spaces).unwrap_or(token.len());
    let plain = Plain::read(&token[begin..]);
    let is_genuine = plain
        .as_ref()
        .is_some_and(|plain| plain.is_signed(SETS[set]));
    match &decided {
        Ok(_) => assert!(is_genuine, "{shown} is let in"),
        Err(Error::JwtClaims(_)) => assert!(is_genuine, "the claims of {shown} are read"),
        Err(_) => {}
    }
    if let Some(plain) = plain
        && is_genuine
        && plain.is_good(SETS[set])
    {
        let role = decided.as_ref().map(|identity| &*identity.role);
        assert_eq!(role.ok(), Some("author"), "{shown} is refused: {decided:?}");
    }
}

fn said(decided: &Result<Identity, Error>) -> String {
    format!("{decided:?}")
}

/// A token as a plain reader has it.
struct Plain {
    header: Vec<u8>,
    claims: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Plain {
    fn read(token: &[u8]) -> Option<Plain> {
        let mut parts = token.split(|byte| *byte == b'.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Plain {
            header: decode(header)?,
            claims: decode(claims)?,
            signed: [header, claims].join(&b'.'),
            signature: decode(signature)?,
        })
    }

    /// Whether one of the keys has signed it, by some algorithm that its header names anywhere.
    fn is_signed(&self, keys: &[Listed]) -> bool {
        keys.iter().any(|key| {
            let names = ["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"];
            names.into_iter().any(|name| {
                key.algorithm.is_none_or(|only| only == name)
                    && self.names(name)
                    && key.kind.has_signed(name, &self.signed, &self.signature)
            })
        })
    }

    fn names(&self, algorithm: &str) -> bool {
        // With an escape in it, who knows.
        self.header.contains(&b'\\')
            || String::from_utf8_lossy(&self.header).contains(&format!("\"{algorithm}\""))
    }

    /// Whether nothing can be said against it, for its parts are those of a good token.
    fn is_good(&self, keys: &[Listed]) -> bool {
        let id = match std::str::from_utf8(&self.header) {
            Ok(r#"{"alg":"HS256","kid":"one"}"#) => Some("one"),
            Ok(r#"{"alg":"HS384","kid":"two"}"#) => Some("two"),
            Ok(
                r#"{"alg":"HS256"}"# | r#"{"alg":"ES256"}"# | r#"{"alg":"RS256"}"#
                | r#"{"alg":"EdDSA"}"#,
            ) => None,
            _ => return false,
        };
        let is_meant = |key: &Listed| id.is_none() || key.id == id;
        // Another key than the one that is named may have signed it.
        keys.iter().all(is_meant)
            && CLAIMS[..2]
                .iter()
                .any(|good| good.as_bytes() == self.claims)
    }
}

impl Kind {
    fn has_signed(self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let tag = |secret: &[u8]| {
            let hash = match algorithm {
                "HS256" => hmac::HMAC_SHA256,
                "HS384" => hmac::HMAC_SHA384,
                "HS512" => hmac::HMAC_SHA512,
                _ => return false,
            };
            hmac::verify(&hmac::Key::new(hash, secret), signed, signature).is_ok()
        };
        match self {
            Kind::One => tag(SECRET),
            Kind::Two => tag(OTHER_SECRET),
            Kind::Rsa if algorithm == "RS256" => {
                let key = RsaPublicKeyComponents {
                    n: decode(RSA_N.as_bytes()).expect("it is base64"),
                    e: vec![1, 0, 1],
                };
                let parameters = &signature::RSA_PKCS1_2048_8192_SHA256;
                key.verify(parameters, signed, signature).is_ok()
            }
            Kind::P256 if algorithm == "ES256" => {
                let parameters = &signature::ECDSA_P256_SHA256_FIXED;
                let key = signature::UnparsedPublicKey::new(parameters, &signers().point);
                key.verify(signed, signature).is_ok()
            }
            Kind::Ed25519 if algorithm == "EdDSA" => {
                let point = signers().eddsa.public_key().as_ref();
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, point);
                key.verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }

    fn jwk(self) -> String {
        let octets = |secret: &[u8]| format!(r#""kty":"oct","k":"{}""#, encode(secret));
        match self {
            Kind::One => octets(SECRET),
            Kind::Two => octets(OTHER_SECRET),
            Kind::Rsa => format!(r#""kty":"RSA","n":"{RSA_N}","e":"AQAB""#),
            Kind::P256 => {
                let [x, y] = [1..33, 33..65].map(|range| encode(&signers().point[range]));
                format!(r#""kty":"EC","crv":"P-256","x":"{x}","y":"{y}""#)
            }
            Kind::Ed25519 => {
                let x = encode(signers().eddsa.public_key());
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#)
            }
        }
    }
}

fn gate(set: usize, remembered: usize) -> Gate {
    let jwk = |key: &Listed| {
        let id = key.id.map(|id| format!(r#","kid":"{id}""#));
        let algorithm = key.algorithm.map(|name| format!(r#","alg":"{name}""#));
        let more = id.unwrap_or_default() + &algorithm.unwrap_or_default();
        format!("{{{}{more}}}", key.kind.jwk())
    };
    let secret = match (set, SETS[set]) {
        (0, _) => SECRET.to_vec(),
        (_, [key]) => jwk(key).into_bytes(),
        (_, keys) => {
            let keys: Vec<String> = keys.iter().map(jwk).collect();
            format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into_bytes()
        }
    };
    let config = Config {
        jwt_secret: Some(Secret::new(secret)),
        jwt_cache_max_entries: remembered,
        db_anon_role: Some("anonymous".to_owned()),
        ..Config::default()
    };
    Gate::new(config).expect("these are keys")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

#[cfg(test)]
mod tests {
    use super::{CLAIMS, HEADERS, TOKEN_SEEDS, jwt_token};

    #[test]
    fn only_what_a_key_has_signed_is_let_in() {
        crate::smoke(jwt_token, TOKEN_SEEDS, 10_000);
    }

    #[test]
    fn the_parts_go_together_in_any_way() {
        for set in 0..7 {
            for header in 0..HEADERS.len() {
                for claims in 0..CLAIMS.len() {
                    for signature in 0..9 {
                        let parts = [set, header, claims, signature].map(|part| part as u8);
                        let [set, header, claims, signature] = parts;
                        jwt_token(&[set, 1, header, claims, signature]);
                    }
                }
            }
        }
    }
}
