//! Genuine tokens of every family, changed in every place and taken apart in every way: what is
//! not the token that was signed is refused, and nothing panics.
//!
//! One set of keys verifies them all, so that a token that lost its own key finds the others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_api::Json;
use jwt_simple::algorithms::{
    ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ES256KeyPair, Ed25519KeyPair, EdDSAKeyPairLike,
};

use super::{Keys, RS256, SECRET, author, hmac_token, octets_jwk, point_jwk, rsa_jwk};

/// A set of keys, and a genuine token for each of them: HS256, RS256, ES256, EdDSA.
fn world() -> (Keys, Vec<Vec<u8>>) {
    let ecdsa = ES256KeyPair::generate();
    let point = ecdsa.public_key().public_key().to_bytes_uncompressed();
    let eddsa = Ed25519KeyPair::generate();
    let x = URL_SAFE_NO_PAD.encode(eddsa.public_key().to_bytes());
    let jwks = [
        octets_jwk(SECRET, ""),
        rsa_jwk(""),
        point_jwk("P-256", &point),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#),
    ];
    let set = format!(r#"{{"keys":[{}]}}"#, jwks.join(","));
    let claims = r#"{"role":"author"}"#;
    let tokens = [
        hmac_token(r#"{"alg":"HS256"}"#, claims, SECRET.as_bytes()),
        RS256.to_owned(),
        ecdsa.sign(author()).expect("its claims can be written"),
        eddsa.sign(author()).expect("its claims can be written"),
    ];
    let keys = Keys::parse(set.as_bytes()).expect("these are keys");
    (keys, tokens.map(String::into_bytes).to_vec())
}

#[track_caller]
fn check_refused(keys: &Keys, genuine: &[Vec<u8>], changed: &[u8]) {
    if !genuine.iter().any(|token| token == changed) {
        let accepted = keys.verify(changed).is_ok();
        assert!(!accepted, "{} is accepted", changed.escape_ascii());
    }
}

#[test]
fn a_token_of_any_family_with_any_byte_changed_is_refused() {
    let (keys, genuine) = world();
    for token in &genuine {
        assert!(keys.verify(token).is_ok(), "{}", token.escape_ascii());
        for at in 0..token.len() {
            for byte in [token[at] ^ 1, token[at] ^ 0x20, b'A', b'.', b'=', 0, 0xFF] {
                let mut changed = token.clone();
                changed[at] = byte;
                check_refused(&keys, &genuine, &changed);
            }
            for (behind, between) in [(at + 1, ""), (at, "A"), (at, "."), (at, "="), (at, "\n")] {
                let changed = [&token[..at], between.as_bytes(), &token[behind..]].concat();
                check_refused(&keys, &genuine, &changed);
            }
            check_refused(&keys, &genuine, &token[..at]);
        }
        for end in ["A", "=", ".", " ", "\n", "\0"] {
            check_refused(&keys, &genuine, &[token, end.as_bytes()].concat());
        }
    }
}

#[test]
fn parts_of_different_tokens_are_no_token() {
    let (keys, genuine) = world();
    let mut parts: Vec<Vec<u8>> = vec![Vec::new(), b"A".to_vec()];
    for token in &genuine {
        parts.extend(token.split(|byte| *byte == b'.').map(<[u8]>::to_vec));
    }
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"NONE"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"none","alg":"RS256"}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"ES256","kid":"a"}"#,
        r#"{"alg":"HS384"}"#,
        r#"{"alg":"PS256"}"#,
        "{",
    ] {
        parts.push(URL_SAFE_NO_PAD.encode(header).into_bytes());
    }
    for header in &parts {
        for payload in &parts {
            check_refused(&keys, &genuine, &[&**header, payload].join(&b'.'));
            for signature in &parts {
                let token = [&**header, payload, signature].join(&b'.');
                check_refused(&keys, &genuine, &token);
            }
        }
    }
}

#[test]
fn a_signature_with_any_bit_changed_is_refused() {
    let (keys, genuine) = world();
    for token in &genuine {
        let dot = token.iter().rposition(|byte| *byte == b'.');
        let (signed, signature) = token.split_at(dot.expect("a token has parts") + 1);
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("it is base64");
        let with = |signature: &[u8]| {
            let signature = URL_SAFE_NO_PAD.encode(signature);
            [signed, signature.as_bytes()].concat()
        };
        // All bits of a short signature; of RSA's, which is slow, one in seven, so each byte's.
        let step = if signature.len() > 64 { 7 } else { 1 };
        for bit in (0..signature.len() * 8).step_by(step) {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            check_refused(&keys, &genuine, &with(&changed));
        }
        let [longer, shifted] = [[&*signature, &[0]].concat(), [&[0], &*signature].concat()];
        for changed in [
            &longer,
            &shifted,
            &vec![0; signature.len()],
            &vec![0xFF; 64],
        ] {
            check_refused(&keys, &genuine, &with(changed));
        }
    }
}

/// The payload that is read is the one that was signed, to the byte.
#[test]
fn what_is_read_of_a_genuine_token_is_what_was_signed() {
    let (keys, genuine) = world();
    for token in &genuine {
        let payload = keys.verify(token).expect("it is genuine");
        let signed = token.split(|byte| *byte == b'.').nth(1);
        let signed = URL_SAFE_NO_PAD.decode(signed.expect("a token has parts"));
        assert_eq!(Ok(&payload), signed.as_ref());
        assert!(matches!(Json::parse(&payload), Some(Json::Object(_))));
    }
}
