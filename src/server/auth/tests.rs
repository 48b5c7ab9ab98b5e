//! Tokens of every kind, genuine and not.

mod best_practices;
mod published;
mod smoke;
mod wrappings;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_api::{JwtClaimsFault, JwtFault};
use corerest_config::Secret;
use jwt_simple::algorithms::{
    ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ECDSAP384KeyPairLike, ECDSAP384PublicKeyLike,
    ES256KeyPair, ES384KeyPair, Ed25519KeyPair, EdDSAKeyPairLike, HS256Key, HS384Key, HS512Key,
    MACLike,
};
use jwt_simple::claims::JWTClaims;
use jwt_simple::prelude::Duration;
use p521::ecdsa::signature::Signer as _;

use super::algorithm::{Algorithm, Verification};
use super::*;

const NOW: i64 = 1_700_000_000;
const SECRET: &str = "a secret of more than 32 characters";

/// The modulus of the key that signed the three tokens below, by OpenSSL.
const RSA_N: &str = "2fNPegsgu1Cc0K6cfbvxTPf7M1czlqMrDHp8GfDRVsXhAKiLcJg1caiMfG-XLgRrC-dpYt9VOdf\
    GAMaIm0T8uhANfoAqrnD0TdoKgC2jSV6Xm1PVoRMVozx382XlP8HA51mFWNnNCDQpMQ0ew0TlPks9vWphoCwR9qPDHm_qi\
    intGnrR2a7a1W0O7IuHTYKBTBp_NiFwsM7AQxWmwOwuOUD2WdVVsDdX6jJwlW8n54mttRXv-7Z8kEdVrcam-G6qn-C7DAw\
    x6r7CJFzYamAzKK1dL6_R5k6FBn5FgfvaT9_m2Znt6yAf5zO5uJxs7Nf44o3Xguaw-HMeCZEKrBiVhw";
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJyb2xlIjoiYXV0aG9yIn0.acOrt_xy6_JtP7sL6VO54zSa7l2hPz\
    7Qipyuy3Bed-3ZBEovxuT-QHjzHy1cBamBel4GBp9Qicnonl1si63WgKxNgO8BQ6p4Oxz6odlhGOkDaROIcMMKvuOZG5TS\
    ra7Go-cYno1NDam1L7gNYgOLNpgQQ_I8WZ4uGkUKxAOjWZGRFSb37y-RQRt_DU3hXPc5WKscOHpgbIpObJ_fM-oczrzSyr\
    1i14rUBnmWPK7HJHSoVV-x9xq-WRpJwStxbUGirMcoItLxLdXFqIytqSJ81SMED5_2YQek0qrMY5cSn9gDDqxk4I4qrD9L\
    WWTyuzAdz0unw68YN0i8IYDxsO1etw";
const RS384: &str = "eyJhbGciOiJSUzM4NCJ9.eyJyb2xlIjoiYXV0aG9yIn0.g2PZKjmTvFtpx3YP7eJ67iC0X9K3ar\
    1aL-DkX3WDchnjVBRhvNaKEf8z7oPhsN3UXbDwCe2CYTFOwgA_EDYBFXthDKY9DjrEIg6agpYehQ09ZplC7PRCMDSy8sUe\
    MWUjZETXorslcCdgQmA_0MWG1G4XeiVYPonD8abXW4GvmzVTC1i15BherqIN6OdrUX65Nmc3hoBWgbL15abSGMwuaa0TQB\
    yrCaUHw1-fP53jXOcW5oYKh7ZA4p21PEsro12gRYdiR-LAW6DlfMTUNEUTHQa_L65V4ZbySI5BAXjht3yQHVC0xQxJrPdY\
    5hy9qVC6jiyWAKb8R4pgc1PPFZVuoA";
const RS512: &str = "eyJhbGciOiJSUzUxMiJ9.eyJyb2xlIjoiYXV0aG9yIn0.oe96it04Gb6d4G8EcAWsIM8I2U2WM3\
    vWwM2NEYJxRaJvNnG0AKrZhSmuKO3uk7uK8oRpCH4UY6zZTnTr--00iWENjvar3ffV5897t1wJkbJz7IWPGLnsztojSGTA\
    vsKWL0vNXCQJhw2EQqKlNZBSJfw4y9Sd2UcxRC9K6IU5zK5vwwf17L07x_PlNtyBNQlmNi8zCGKBXJVEFIq7bbjht8nQiE\
    y1kXgkT1kfeyIaFjqjvI7K1n2OrhDpAkXEl-QTubGMUFz3_rw_XhYr0qGYOcZkXErJkS_zuaRCDUINs2YVWTUj_kBRfeNd\
    9Eh377qL_bQz4mvumnEiRzpn3MFh4Q";

/// A token with this header and these claims, signed with a secret.
fn hmac_token(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let tag = HS256Key::from_bytes(secret).authentication_tag(signed.as_bytes());
    format!("{signed}.{}", encode(tag))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token for HS256 with the secret of these tests.
fn token(claims: &str) -> String {
    hmac_token(r#"{"alg":"HS256"}"#, claims, SECRET.as_bytes())
}

/// The keys of a secret, alone on their ring.
#[derive(Debug)]
struct Keys(KeyRing);

impl Keys {
    fn parse(secret: &[u8]) -> Result<Keys, String> {
        let keys = super::keys::Keys::parse(secret)?;
        Ok(Keys(KeyRing::new(Some(keys), Vec::new())))
    }

    /// The payload of a token, if it is genuine.
    fn verify(&self, token: &[u8]) -> Result<Vec<u8>, Error> {
        let verified = self.0.verify(token);
        verified
            .map(|verified| verified.payload)
            .map_err(Error::from)
    }
}

#[track_caller]
fn keys(secret: &str) -> Keys {
    Keys::parse(secret.as_bytes()).unwrap_or_else(|error| panic!("{secret}: {error}"))
}

#[track_caller]
fn check_genuine(secret: &str, token: &str) {
    let payload = keys(secret).verify(token.as_bytes());
    let payload = payload.unwrap_or_else(|error| panic!("{token} with {secret}: {error:?}"));
    let text = String::from_utf8_lossy(&payload);
    assert!(text.contains("author") || text.contains("joe"), "{text}");
}

#[track_caller]
fn check_fault(secret: &str, token: &str, fault: JwtFault) {
    let payload = keys(secret).verify(token.as_bytes());
    assert_eq!(
        payload,
        Err(Error::JwtInvalid(fault)),
        "{token} with {secret}"
    );
}

fn fault(fault: JwtFault) -> Error {
    Error::JwtInvalid(fault)
}

fn no_key_verifies() -> JwtFault {
    JwtFault::Key("None of the keys was able to decode the JWT".to_owned())
}

fn no_key_fits() -> JwtFault {
    JwtFault::Key("No suitable key was found to decode the JWT".to_owned())
}

fn unsecured() -> JwtFault {
    JwtFault::Algorithm("JWT is unsecured but expected 'alg' was not 'none'".to_owned())
}

fn rsa_jwk(more: &str) -> String {
    format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"AQAB"{more}}}"#)
}

fn octets_jwk(secret: &str, more: &str) -> String {
    format!(r#"{{"kty":"oct","k":"{}"{more}}}"#, encode(secret))
}

/// A JWK for a point as 4, x, y.
fn point_jwk(curve: &str, point: &[u8]) -> String {
    let (x, y) = point[1..].split_at(point.len() / 2);
    format!(
        r#"{{"kty":"EC","crv":"{curve}","x":"{}","y":"{}"}}"#,
        encode(x),
        encode(y)
    )
}

fn author() -> JWTClaims<BTreeMap<String, String>> {
    let claims = BTreeMap::from([("role".to_owned(), "author".to_owned())]);
    jwt_simple::claims::Claims::with_custom_claims(claims, Duration::from_hours(1))
}

/// The same token with one bit of its signature changed.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a token has parts");
    let mut signature = URL_SAFE_NO_PAD.decode(signature).expect("it is base64");
    let middle = signature.len() / 2;
    signature[middle] ^= 1;
    format!("{signed}.{}", encode(signature))
}

/// The same token with an empty signature, and with one of zeros, which once passed for ECDSA.
fn hollow(token: &str) -> [String; 2] {
    let (signed, signature) = token.rsplit_once('.').expect("a token has parts");
    [
        format!("{signed}."),
        format!("{signed}.{}", "A".repeat(signature.len())),
    ]
}

#[track_caller]
fn check_family(secret: &str, token: &str) {
    check_genuine(secret, token);
    check_genuine(&format!(r#"{{"keys":[{secret}]}}"#), token);
    check_fault(secret, &forged(token), no_key_verifies());
    for hollow in hollow(token) {
        check_fault(secret, &hollow, no_key_verifies());
    }
    // The plain secret is another one, and for HS256 only.
    let payload = keys(SECRET).verify(token.as_bytes());
    assert!(payload == Err(fault(no_key_fits())) || payload == Err(fault(no_key_verifies())));
}

#[test]
fn hmac_tokens_are_verified() {
    let jwk = octets_jwk(SECRET, "");
    let secret = SECRET.as_bytes();
    check_genuine(
        SECRET,
        &HS256Key::from_bytes(secret).authenticate(author()).unwrap(),
    );
    check_genuine(
        &jwk,
        &HS256Key::from_bytes(secret).authenticate(author()).unwrap(),
    );
    check_genuine(
        &jwk,
        &HS384Key::from_bytes(secret).authenticate(author()).unwrap(),
    );
    check_genuine(
        &jwk,
        &HS512Key::from_bytes(secret).authenticate(author()).unwrap(),
    );
    let other = octets_jwk("another secret of 32 characters!", "");
    check_family(
        &other,
        &HS384Key::from_bytes(b"another secret of 32 characters!")
            .authenticate(author())
            .unwrap(),
    );
    check_family(
        &other,
        &HS256Key::from_bytes(b"another secret of 32 characters!")
            .authenticate(author())
            .unwrap(),
    );
}

#[test]
fn the_plain_secret_is_for_hs256_only() {
    let secret = SECRET.as_bytes();
    let long = HS384Key::from_bytes(secret).authenticate(author()).unwrap();
    check_fault(SECRET, &long, no_key_fits());
    let longer = HS512Key::from_bytes(secret).authenticate(author()).unwrap();
    check_fault(SECRET, &longer, no_key_fits());
}

#[test]
fn secrets_may_be_any_octets() {
    let secret = b"\xff\x00{\"keys\":[]}\xfe and 32 octets in all";
    let keys = Keys::parse(secret).expect("any octets will do");
    let token = hmac_token(r#"{"alg":"HS256"}"#, "{}", secret);
    assert_eq!(keys.verify(token.as_bytes()), Ok(b"{}".to_vec()));
    let json = r#"{"this":"is only JSON, not a key, thus a secret"}"#;
    check_genuine(
        json,
        &hmac_token(
            r#"{"alg":"HS256"}"#,
            r#"{"role":"author"}"#,
            json.as_bytes(),
        ),
    );
}

#[test]
fn secrets_have_at_least_32_octets() {
    for short in [
        "",
        "31 octets are not enough for it",
        r#"{"not a key":"keys"}"#,
        "{}",
    ] {
        let error = Keys::parse(short.as_bytes()).expect_err(short);
        assert_eq!(error, "The JWT secret must be at least 32 characters long.");
    }
    assert!(Keys::parse(b"32 octets are enough, and no fewer"[..32].as_ref()).is_ok());
}

#[test]
fn rsa_tokens_are_verified() {
    for token in [RS256, RS384, RS512] {
        check_family(&rsa_jwk(""), token);
        check_genuine(
            &rsa_jwk(r#","use":"sig","key_ops":["verify"],"x5t":"a""#),
            token,
        );
    }
    let header = |token: &str| token.split('.').next().unwrap_or_default().to_owned();
    let swapped = RS256.replace(&header(RS256), &header(RS512));
    check_fault(&rsa_jwk(""), &swapped, no_key_verifies());
}

#[test]
fn ecdsa_tokens_are_verified() {
    let pair = ES256KeyPair::generate();
    let point = pair.public_key().public_key().to_bytes_uncompressed();
    check_family(&point_jwk("P-256", &point), &pair.sign(author()).unwrap());
    let pair = ES384KeyPair::generate();
    let point = pair.public_key().public_key().to_bytes_uncompressed();
    check_family(&point_jwk("P-384", &point), &pair.sign(author()).unwrap());
    let mut octets = [7; 66];
    octets[0] = 0;
    let key = p521::ecdsa::SigningKey::from_slice(&octets).expect("a number below the order");
    let point = p521::ecdsa::VerifyingKey::from(&key).to_encoded_point(false);
    let signed = format!(
        "{}.{}",
        encode(r#"{"alg":"ES512"}"#),
        encode(r#"{"role":"author"}"#)
    );
    let signature: p521::ecdsa::Signature = key.sign(signed.as_bytes());
    let token = format!("{signed}.{}", encode(signature.to_bytes()));
    check_family(&point_jwk("P-521", point.as_bytes()), &token);
}

#[test]
fn eddsa_tokens_are_verified() {
    let pair = Ed25519KeyPair::generate();
    let x = encode(pair.public_key().to_bytes());
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    check_family(&jwk, &pair.sign(author()).unwrap());
}

/// Signed by OpenSSL (genpkey -algorithm ED448, pkeyutl -sign -rawin).
#[test]
fn eddsa_tokens_of_the_larger_curve_are_verified() {
    let x = "WtE5WMayaALjBFm4p3rWXKNqkWlfSOJaPrIfQr4mGto-0NEkjHygO-SRZRYUKINAdk-8nw20ieOA";
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed448","x":"{x}"}}"#);
    let token = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiYXV0aG9yIn0.uUMonwHgG6CU7h2kcZfV\
        4Ts-UN00WgNqpl0W-VbhSKP6b2tr36QrmGptmFmAd8_BcUZhRYKspXmAzb5B4OGgfwv1lPl0XgY7niwDkggcsau8Xx\
        7iqJOA4MIMulIFI4g4xooendfxIy5bIrqs8qFerioA";
    check_family(&jwk, token);
    let smaller = Ed25519KeyPair::generate().sign(author()).unwrap();
    check_fault(&jwk, &smaller, no_key_verifies());
}

/// RFC 8032, section 7.4: of the empty message, of one octet, and of one octet in a context, which
/// tokens have none of.
#[test]
fn the_examples_of_ed448_are_genuine() {
    let empty = [
        "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1\
         e50f6cd1fa1abeafe8256180",
        "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22dd\
         d47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda85\
         30a113a0f4dbb61149f05a7363268c71d95808ff2e652600",
    ];
    let octet_key = "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb007428\
         02b8438ea4cb82169c235160627b4c3a9480";
    let octet = "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e1\
         8f62de8ccdf633fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6\
         472905e799f1953d2a0ff3348ab21aa4adafd1d234441cf807c03a00";
    let in_context = "d4f8f6131770dd46f40867d6fd5d5055de43541f8c5e35abbcd001b32a89f7d2151f7647f11d8\
         ca2ae279fb842d607217fce6e042f6815ea000c85741de5c8da1144a6a1aba7f96de42505d7a7298524fda538f\
         ccbbb754f578c1cad10d54d0d5428407e85dcbc98a49155c13764e66c3c00";
    let verify = |key: &str, message: &[u8], signature: &str| {
        let key = Verification::ed448(&octets_of(key)).expect("it is a key");
        key.verify(Algorithm::EdDsa, message, &octets_of(signature))
    };
    assert!(verify(empty[0], b"", empty[1]));
    assert!(verify(octet_key, &[3], octet));
    assert!(!verify(octet_key, &[2], octet));
    assert!(!verify(empty[0], &[3], octet));
    assert!(!verify(octet_key, &[3], in_context));
    assert!(!verify(octet_key, &[3], &octet[..226]));
}

fn octets_of(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    let octets = digits.chunks(2).map(|pair| {
        let text: String = pair.iter().collect();
        u8::from_str_radix(&text, 16).expect("it is hexadecimal")
    });
    octets.collect()
}

#[test]
fn a_curve_is_for_its_own_algorithm() {
    let pair = ES256KeyPair::generate();
    let jwk = point_jwk(
        "P-256",
        &pair.public_key().public_key().to_bytes_uncompressed(),
    );
    let other = ES384KeyPair::generate().sign(author()).unwrap();
    check_fault(&jwk, &other, no_key_fits());
    check_fault(&jwk, RS256, no_key_fits());
    check_fault(&rsa_jwk(""), &pair.sign(author()).unwrap(), no_key_fits());
}

/// RFC 7515, appendices A.1, A.3 and A.4, and RFC 8037, appendix A.4.
#[test]
fn the_examples_of_the_standards_are_genuine() {
    let joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
        Ijp0cnVlfQ";
    let k =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let a1 = &format!(r#"{{"kty":"oct","k":"{k}"}}"#);
    let tag = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    check_family(
        a1,
        &format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{joe}.{tag}"),
    );
    let a3 = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    let signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    check_family(a3, &format!("eyJhbGciOiJFUzI1NiJ9.{joe}.{signature}"));
    let (x, y) = (
        "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    );
    let a4 = keys(&format!(
        r#"{{"kty":"EC","crv":"P-521","x":"{x}","y":"{y}"}}"#
    ));
    let token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOY\
        aRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgz\
        DO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    assert_eq!(a4.verify(token.as_bytes()), Ok(b"Payload".to_vec()));
    let ed25519 =
        keys(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PP\
        Ot7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(
        ed25519.verify(token.as_bytes()),
        Ok(b"Example of Ed25519 signing".to_vec())
    );
}

#[test]
fn a_public_key_is_never_a_secret() {
    let jwk = rsa_jwk("");
    let modulus = URL_SAFE_NO_PAD.decode(RSA_N).expect("it is base64");
    for secret in [jwk.as_bytes(), RSA_N.as_bytes(), &modulus, b"", b"AQAB"] {
        let token = hmac_token(r#"{"alg":"HS256"}"#, r#"{"role":"author"}"#, secret);
        check_fault(&jwk, &token, no_key_fits());
        let header = r#"{"alg":"RS256"}"#;
        check_fault(
            &jwk,
            &hmac_token(header, r#"{"role":"author"}"#, secret),
            no_key_verifies(),
        );
    }
}

#[test]
fn unsecured_tokens_are_refused() {
    let none = encode(r#"{"alg":"none"}"#);
    for secret in [SECRET, &rsa_jwk("")] {
        check_fault(secret, &format!("{none}.e30."), unsecured());
        check_fault(secret, &format!("{none}.e30.anything at all"), unsecured());
        check_fault(secret, &format!("{none}.e30="), JwtFault::Parts(2));
        check_fault(secret, &format!("{none}.e30=."), JwtFault::Crypto);
    }
    for header in [
        r#"{"alg":"None"}"#,
        r#"{"alg":"NONE"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["none"]}"#,
        r#"{"typ":"JWT"}"#,
        "{}",
    ] {
        check_fault(
            SECRET,
            &format!("{}.e30.", encode(header)),
            JwtFault::Crypto,
        );
        check_fault(
            SECRET,
            &hmac_token(header, "{}", SECRET.as_bytes()),
            JwtFault::Crypto,
        );
    }
}

#[test]
fn only_algorithms_that_sign_are_known() {
    for name in [
        "hs256", "HS1", "PS256", "PS384", "ES256K", "RS1", "EdDSA ", "Ed25519", "RSA-OAEP", "dir",
    ] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        check_fault(
            SECRET,
            &hmac_token(&header, "{}", SECRET.as_bytes()),
            JwtFault::Crypto,
        );
    }
}

#[test]
fn tokens_have_three_parts() {
    check_fault(SECRET, "", JwtFault::Empty);
    check_fault(SECRET, "a", JwtFault::Parts(1));
    check_fault(SECRET, "a.b", JwtFault::Parts(2));
    check_fault(SECRET, ".", JwtFault::Parts(2));
    check_fault(SECRET, "a.b.c.d", JwtFault::Parts(4));
    let genuine = token(r#"{"role":"author"}"#);
    check_fault(SECRET, &format!("{genuine}."), JwtFault::Parts(4));
    check_fault(SECRET, &format!(".{genuine}"), JwtFault::Parts(4));
    check_fault(SECRET, "..", JwtFault::Crypto);
}

#[test]
fn encrypted_tokens_are_refused() {
    let header = r#"{"alg":"A256KW","enc":"A256GCM"}"#;
    check_fault(
        SECRET,
        &format!("{}.a.b.c.d", encode(header)),
        JwtFault::Parts(5),
    );
    check_fault(
        SECRET,
        &hmac_token(header, "{}", SECRET.as_bytes()),
        JwtFault::Crypto,
    );
    let header = r#"{"alg":"HS256","enc":null}"#;
    check_fault(
        SECRET,
        &hmac_token(header, "{}", SECRET.as_bytes()),
        JwtFault::Crypto,
    );
}

#[test]
fn headers_say_what_they_should() {
    let genuine = |header: &str| hmac_token(header, r#"{"role":"author"}"#, SECRET.as_bytes());
    for header in [
        r#"{"alg":"HS256","typ":"at+jwt","cty":"x","jku":"https://evil.example","b":[1]}"#,
        r#"{"typ":null,"cty":null,"kid":null,"alg":"HS256"}"#,
        r#" { "alg" : "HS256" } "#,
        r#"{"alg":"HS256","alg":"none"}"#,
    ] {
        check_genuine(SECRET, &genuine(header));
    }
    for header in [
        r#"{"alg":"HS256","typ":1}"#,
        r#"{"alg":"HS256","cty":{}}"#,
        r#"{"alg":"HS256","kid":1}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256"}x"#,
        r#"["HS256"]"#,
        "",
    ] {
        check_fault(SECRET, &genuine(header), JwtFault::Crypto);
    }
    check_fault(
        SECRET,
        &genuine(r#"{"alg":"none","alg":"HS256"}"#),
        unsecured(),
    );
}

#[test]
fn base64_is_url_safe_and_canonical() {
    let genuine = token(r#"{"role":"author"}"#);
    let (signed, signature) = genuine.rsplit_once('.').expect("a token has parts");
    for changed in [
        format!("{signed}.{signature}="),
        format!("{signed}.{signature} "),
        format!("{signed}.{signature}\n"),
        format!("{signed}.{signature}AA=="),
        genuine.replacen('.', "=.", 1),
        genuine.replacen('.', " .", 1),
        genuine.replace("eyJ", "e+J"),
        genuine.replace("eyJ", "e/J"),
    ] {
        check_fault(SECRET, &changed, JwtFault::Crypto);
    }
    // 32 bytes leave two bits of the last digit over, which must be 0.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (body, last) = signature.split_at(signature.len() - 1);
    for digit in alphabet.chars().filter(|digit| !last.starts_with(*digit)) {
        let payload = keys(SECRET).verify(format!("{signed}.{body}{digit}").as_bytes());
        assert!(payload.is_err(), "{digit}");
    }
    assert!(keys(SECRET).verify(b"\xff\xfe.\x00.\x80").is_err());
}

#[test]
fn a_token_with_any_byte_changed_or_cut_off_is_refused() {
    let keys = keys(SECRET);
    let genuine = token(r#"{"role":"author"}"#).into_bytes();
    for at in 0..genuine.len() {
        let mut changed = genuine.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(keys.verify(&changed).is_err(), "at {at}");
        assert!(keys.verify(&genuine[..at]).is_err(), "up to {at}");
        assert!(keys.verify(&genuine[at + 1..]).is_err(), "after {at}");
    }
    assert!(keys.verify(&genuine).is_ok());
}

#[test]
fn huge_tokens_are_refused_unread() {
    let large = token(&format!(
        r#"{{"role":"author","x":"{}"}}"#,
        "a".repeat(40_000)
    ));
    check_genuine(SECRET, &large);
    let huge = token(&format!(
        r#"{{"role":"author","x":"{}"}}"#,
        "a".repeat(60_000)
    ));
    check_fault(SECRET, &huge, JwtFault::Crypto);
    check_fault(SECRET, &".".repeat(100_000), JwtFault::Parts(100_001));
}

#[test]
fn a_key_that_is_named_is_the_only_one() {
    let [one, two] = [
        "the first secret of this test...",
        "the second secret of this test..",
    ];
    let set = format!(
        r#"{{"keys":[{},{}]}}"#,
        octets_jwk(one, r#","kid":"1","alg":"HS256""#),
        octets_jwk(two, r#","kid":"2""#)
    );
    let named = |kid: &str, secret: &str| {
        let header = format!(r#"{{"alg":"HS256"{kid}}}"#);
        hmac_token(&header, r#"{"role":"author"}"#, secret.as_bytes())
    };
    check_genuine(&set, &named(r#","kid":"1""#, one));
    check_genuine(&set, &named(r#","kid":"2""#, two));
    check_genuine(&set, &named("", one));
    check_genuine(&set, &named("", two));
    check_genuine(&set, &named(r#","kid":null"#, two));
    check_fault(&set, &named(r#","kid":"2""#, one), no_key_verifies());
    check_fault(&set, &named(r#","kid":"3""#, one), no_key_fits());
    check_fault(&set, &named(r#","kid":"""#, one), no_key_fits());
    check_fault(&set, &named("", SECRET), no_key_verifies());
    check_fault(SECRET, &named(r#","kid":"1""#, SECRET), no_key_fits());
    check_fault(
        &octets_jwk(one, ""),
        &named(r#","kid":"1""#, one),
        no_key_fits(),
    );
}

/// Otherwise a token that nobody has signed costs as much as there are keys: 15 ms with 32 of RSA
/// that have 8192 bits.
#[test]
fn a_token_that_names_no_key_is_tried_with_a_few() {
    let mut pairs: Vec<ES384KeyPair> = (0..4).map(|_| ES384KeyPair::generate()).collect();
    let jwk = |(index, pair): (usize, &ES384KeyPair), is_named: bool| {
        let point = pair.public_key().public_key().to_bytes_uncompressed();
        let jwk = point_jwk("P-384", &point);
        let name = format!(r#","kid":"{index}"}}"#);
        match is_named {
            true => jwk.replace('}', &name),
            false => jwk,
        }
    };
    let set = |is_named: bool| {
        let keys = pairs.iter().enumerate().map(|one| jwk(one, is_named));
        format!(r#"{{"keys":[{}]}}"#, keys.collect::<Vec<_>>().join(","))
    };
    let [unnamed, named] = [false, true].map(set);
    for pair in &pairs[..3] {
        check_genuine(&unnamed, &pair.sign(author()).unwrap());
    }
    let last = pairs[3].sign(author()).unwrap();
    check_fault(&unnamed, &last, no_key_verifies());
    check_fault(&named, &last, no_key_verifies());
    let naming = pairs.remove(3).with_key_id("3").sign(author()).unwrap();
    check_genuine(&named, &naming);
    let warnings = |secret: &str| {
        let authenticator = Authenticator::new(&config(Some(secret))).expect("it is a set");
        authenticator.warnings().to_vec()
    };
    let told = "The JWT secret has more keys without \"kid\" than a token is tried with.";
    assert_eq!(warnings(&unnamed), [told]);
    assert_eq!(warnings(&named), [""; 0]);
}

/// Nor do keys count that could not have made the signature.
#[test]
fn keys_of_other_lengths_are_not_tried() {
    let modulus = encode([0xFF; 8192 / 8]);
    let long = format!(r#"{{"kty":"RSA","n":"{modulus}","e":"AQAB"}}"#);
    let others = vec![long; 100].join(",");
    let set = format!(r#"{{"keys":[{others},{}]}}"#, rsa_jwk(""));
    check_genuine(&set, RS256);
}

#[test]
fn keys_may_share_a_name() {
    let [one, two] = [
        "the first secret of this test...",
        "the second secret of this test..",
    ];
    let set = format!(
        r#"{{"keys":[{},{},{}]}}"#,
        octets_jwk(one, r#","kid":"x""#),
        octets_jwk(two, r#","kid":"x""#),
        rsa_jwk(r#","kid":"x""#)
    );
    for secret in [one, two] {
        let header = r#"{"alg":"HS256","kid":"x"}"#;
        check_genuine(
            &set,
            &hmac_token(header, r#"{"role":"author"}"#, secret.as_bytes()),
        );
    }
    check_genuine(&set, RS256);
}

#[test]
fn use_and_algorithm_of_a_key_are_kept() {
    let hs256 = token(r#"{"role":"author"}"#);
    check_genuine(&octets_jwk(SECRET, r#","use":"sig","alg":"HS256""#), &hs256);
    check_genuine(&octets_jwk(SECRET, r#","use":null,"alg":null"#), &hs256);
    for more in [
        r#","alg":"HS384""#,
        r#","alg":"RS256""#,
        r#","alg":"none""#,
        r#","alg":"A256KW""#,
        r#","alg":"hs256""#,
        r#","alg":256"#,
        r#","use":"enc""#,
    ] {
        check_fault(&octets_jwk(SECRET, more), &hs256, no_key_fits());
    }
    check_fault(&rsa_jwk(r#","alg":"RS512""#), RS256, no_key_fits());
    check_fault(&rsa_jwk(r#","alg":"PS256""#), RS256, no_key_fits());
    check_fault(r#"{"keys":[]}"#, &hs256, no_key_fits());
}

#[test]
fn keys_that_no_token_is_signed_with_are_passed_over() {
    let octets = octets_jwk(SECRET, "");
    for other in [
        r#"{"kty":"OKP","crv":"X25519","x":"AAAA"}"#,
        r#"{"kty":"OKP","crv":"X448","x":"AAAA"}"#,
        r#"{"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA"}"#,
        r#"{"kty":"AKP","pub":"AAAA"}"#,
        r#"{"kty":"RSA","alg":"RSA-OAEP","n":"broken","e":"AQAB"}"#,
        r#"{}"#,
    ] {
        let set = format!(r#"{{"keys":[{other},{octets}]}}"#);
        check_genuine(&set, &token(r#"{"role":"author"}"#));
    }
}

#[test]
fn json_that_should_be_a_key_but_is_none_is_an_error() {
    for (secret, reason) in [
        (r#"{"keys":{}}"#, "\"keys\" is not an array"),
        (r#"{"keys":[1]}"#, "an element of \"keys\" is not an object"),
        (r#"{"keys":[{"kty":"oct"}]}"#, "\"k\" is missing"),
        (r#"{"kty":"oct","k":1}"#, "\"k\" is not a string"),
        (r#"{"kty":"oct","k":""}"#, "\"k\" is empty"),
        (
            r#"{"kty":"oct","k":"a b"}"#,
            "\"k\" is not base64url without padding",
        ),
        (
            r#"{"kty":"oct","k":"AAA="}"#,
            "\"k\" is not base64url without padding",
        ),
        (
            r#"{"kty":"oct","k":"AAAA","kid":1}"#,
            "\"kid\" is not a string",
        ),
        (
            r#"{"kty":"oct","k":"AAAA","use":"both"}"#,
            "\"use\" is neither \"sig\" nor \"enc\"",
        ),
        (r#"{"kty":"RSA","e":"AQAB"}"#, "\"n\" is missing"),
        (
            r#"{"kty":"RSA","n":"AAAA","e":"AQAB"}"#,
            "the key of RSA has fewer than 1024 bits",
        ),
        (
            r#"{"kty":"EC","x":"AAAA","y":"AAAA"}"#,
            "\"crv\" is missing",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"AAAA"}"#,
            "\"y\" is missing",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#,
            "\"x\" and \"y\" are not a point on the curve",
        ),
        (r#"{"kty":"OKP","x":"AAAA"}"#, "\"crv\" is missing"),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#,
            "\"x\" is not a key of Ed25519",
        ),
        (
            r#"{"kty":"OKP","crv":"Ed448","x":"AAAA"}"#,
            "\"x\" is not a key of Ed448",
        ),
    ] {
        let error = Keys::parse(secret.as_bytes()).expect_err(secret);
        let expected = format!("The JWT secret is not a valid JSON Web Key: {reason}");
        assert_eq!(error, expected, "{secret}");
    }
    let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n";
    let rsa = rsa_jwk("");
    for unread in [
        pem,
        &rsa[..rsa.len() - 1],
        &format!(" {rsa},"),
        "{'keys':[],\"keys\"}",
    ] {
        assert!(Keys::parse(unread.as_bytes()).is_err(), "{unread}");
    }
}

/// What ring would refuse with the first token is refused at the start.
#[test]
fn numbers_that_are_no_key_of_rsa_are_an_error() {
    let jwk = |n: &[u8], e: &[u8]| {
        let [n, e] = [encode(n), encode(e)];
        format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)
    };
    let modulus = URL_SAFE_NO_PAD.decode(RSA_N).expect("it is base64");
    let even = [&modulus[..255], &[2]].concat();
    for (n, e, reason) in [
        (&[0xFF; 1025][..], &[3][..], "has more than 8192 bits"),
        (&[0xFF; 127], &[3], "has fewer than 1024 bits"),
        (
            &[&[0], &[0xFF; 127][..]].concat(),
            &[3],
            "has fewer than 1024 bits",
        ),
        (&even, &[1, 0, 1], "are not a key of RSA"),
        (&modulus, &[], "are not a key of RSA"),
        (&modulus, &[0], "are not a key of RSA"),
        (&modulus, &[1], "are not a key of RSA"),
        (&modulus, &[2], "are not a key of RSA"),
        (&modulus, &[1, 0, 0], "are not a key of RSA"),
        (&modulus, &[2, 0, 0, 0, 1], "are not a key of RSA"),
        (
            &modulus,
            &[1, 0, 0, 0, 0, 0, 0, 0, 3],
            "are not a key of RSA",
        ),
    ] {
        let error = Keys::parse(jwk(n, e).as_bytes()).expect_err(reason);
        assert!(error.ends_with(reason), "{error}: {n:?} {e:?}");
    }
    // Some writers put a zero in front, as DER has it.
    let padded = [&[0], &*modulus].concat();
    check_genuine(&jwk(&padded, &[0, 1, 0, 1]), RS256);
}

/// Signed by OpenSSL with keys of 1024 and of 512 bits.
const RSA_1024_N: &str = "2_Yb6f-cIXTaqv4D4QUvQqzPcDF60yhqvcDrU_g3kZ7khUm7Zg-9jc5Ild_Xw2M7_SR8s_t\
    MGLSaTee6jMhPfFf8kqz0v0GNkY254aKNuMbjfyUsMbNBQB6Ee1XB7kQnW3PzyFek6doAi6uzhFZ41k1rmELBT8LC09rY\
    s_5kZ-k";
const RS256_1024: &str = "eyJhbGciOiJSUzI1NiJ9.eyJyb2xlIjoiYXV0aG9yIn0.hzra9i_wfvSb8Jg6ahOftd9F3P\
    QBRRiFdF9JPJXmTG3LizlGUx8c2kXJ0z3tjxwC4q15KaAaGw5SYZmgcvS_l1eOkSB2d3_Otji3tC5t93tNm5JSueYmiC-\
    NJiipFlbWeKiDSpr43Pi-SLKziM_RsOt6aROD0dMTVlX4EwKuZEs";
const RS384_1024: &str = "eyJhbGciOiJSUzM4NCJ9.eyJyb2xlIjoiYXV0aG9yIn0.0S_EodIrgLt2HLWxZyA5But1mp\
    FaSrWUzW17k6udDZJ8dWAN3ovzqyZhLkxdafQ_e1ipuZrx7EROKo6dSgZ3qkVI6v7g5g1z1UBWsCOD-V3HUzDFChZ7LYM\
    B64wI02zNVA2_BvHIA7jqS486-eS3CKcm_FpgDgNAZUEzQXYU3Mg";
const RS512_1024: &str = "eyJhbGciOiJSUzUxMiJ9.eyJyb2xlIjoiYXV0aG9yIn0.1RG9ZkxkU32DW8iTOmYm1aG6be\
    I_pWNxafZo9bhcpZwW0LIzAjotFbLZA5YSMLZMEgcEhchAUM8vCZPtl1mfCK_-wRrLhz13r4fAOZY5gPS-zbkfM3Wj2k3\
    UKDwWOdBG8O81sJZsevkmP-3y-9_JCeiiOfncGOKJQ5zvwpRQ6VY";
const RSA_512_N: &str = "ul05VMazvgK8ssolNAXQeazpB-Wii-prmBPhCJC_KGoH35w4oTHW_ar7dKici2rE-dZalQ3S\
    Xlg0TVxH7cTjBQ";

#[test]
fn short_keys_of_rsa_verify_what_ring_verifies() {
    let jwk = |n: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#);
    check_family(&jwk(RSA_1024_N), RS256_1024);
    check_family(&jwk(RSA_1024_N), RS512_1024);
    check_fault(&jwk(RSA_1024_N), RS384_1024, no_key_fits());
    let error = Keys::parse(jwk(RSA_512_N).as_bytes()).expect_err("it can be factored");
    assert!(error.ends_with("has fewer than 1024 bits"), "{error}");
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?} {:?}", keys(SECRET), keys(&octets_jwk(SECRET, "")));
    assert!(
        !printed.contains(SECRET) && !printed.contains(&encode(SECRET)),
        "{printed}"
    );
}

/// A configuration with an anonymous role and this secret.
fn config(secret: Option<&str>) -> Config {
    Config {
        db_anon_role: Some("anonymous".to_owned()),
        jwt_secret: secret.map(|secret| Secret::new(secret.as_bytes().to_vec())),
        ..Config::default()
    }
}

/// What a request with this header gets, twice: fresh, and from the cache if it can be there.
#[track_caller]
fn check(config: &Config, authorization: Option<&str>, expected: Result<&str, Error>) {
    let authenticator = Authenticator::new(config).expect("the secret is one");
    let mut verifier = Verifier::new();
    for _ in 0..2 {
        let header = authorization.map(str::as_bytes);
        let identity = verifier
            .identify(config, &authenticator, header, NOW)
            .map_err(Error::from);
        let role = identity.as_ref().map(|identity| &*identity.role);
        assert_eq!(role.map_err(Clone::clone), expected, "{authorization:?}");
    }
}

#[test]
fn requests_are_from_the_role_of_their_token() {
    let with_secret = config(Some(SECRET));
    let author = format!("Bearer {}", token(r#"{"role":"author"}"#));
    check(&with_secret, Some(&author), Ok("author"));
    check(
        &with_secret,
        Some(&author.replace("Bearer", "bEARER")),
        Ok("author"),
    );
    check(
        &with_secret,
        Some(&format!("Bearer {}", token("{}"))),
        Ok("anonymous"),
    );
    check(&with_secret, None, Ok("anonymous"));
    check(&with_secret, Some("Basic YTpi"), Ok("anonymous"));
    check(&with_secret, Some(""), Ok("anonymous"));
    let nobody = Config {
        db_anon_role: None,
        ..with_secret
    };
    check(&nobody, Some(&author), Ok("author"));
    check(
        &nobody,
        Some(&format!("Bearer {}", token("{}"))),
        Err(Error::JwtRequired),
    );
    check(&nobody, None, Err(Error::JwtRequired));
    check(&nobody, Some("Basic YTpi"), Err(Error::JwtRequired));
}

#[test]
fn without_a_secret_no_token_is_accepted() {
    let without = config(None);
    for header in [
        "Bearer",
        "Bearer ",
        "Bearer x",
        &format!("Bearer {}", token("{}")),
    ] {
        check(&without, Some(header), Err(Error::JwtSecretMissing));
    }
    check(&without, None, Ok("anonymous"));
    check(&without, Some("Basic YTpi"), Ok("anonymous"));
}

#[test]
fn faults_are_told() {
    let config = config(Some(SECRET));
    let fault = |fault| Err(Error::JwtInvalid(fault));
    check(&config, Some("Bearer"), fault(JwtFault::Empty));
    check(&config, Some("Bearer  "), fault(JwtFault::Empty));
    check(&config, Some("Bearer a.b"), fault(JwtFault::Parts(2)));
    check(&config, Some("Bearer a b"), fault(JwtFault::Parts(1)));
    let genuine = format!("Bearer {}", token(r#"{"role":"author"}"#));
    check(&config, Some(&forged(&genuine)), fault(no_key_verifies()));
    let claims = |fault| Err(Error::JwtClaims(fault));
    let expired = format!("Bearer {}", token(r#"{"exp":1}"#));
    check(&config, Some(&expired), claims(JwtClaimsFault::Expired));
    let array = format!("Bearer {}", token("[]"));
    check(&config, Some(&array), claims(JwtClaimsFault::Unparsable));
}

#[test]
fn the_messages_are_those_of_postgrest() {
    let body = |error: Error| {
        let body = error
            .response(corerest_config::ErrorVerbosity::Verbose)
            .body;
        String::from_utf8(body).expect("it is JSON")
    };
    let config = config(Some(SECRET));
    let authenticator = Authenticator::new(&config).expect("the secret is one");
    for (header, expected) in [
        (
            format!("Bearer {}.e30.", encode(r#"{"alg":"none"}"#)),
            concat!(
                r#"{"code":"PGRST301","#,
                r#""details":"JWT is unsecured but expected 'alg' was not 'none'","#,
                r#""hint":null,"message":"Wrong or unsupported encoding algorithm"}"#,
            ),
        ),
        (
            format!(
                "Bearer {}",
                hmac_token(r#"{"alg":"HS256"}"#, "{}", b"wrong secret")
            ),
            concat!(
                r#"{"code":"PGRST301","#,
                r#""details":"None of the keys was able to decode the JWT","#,
                r#""hint":null,"message":"No suitable key or wrong key type"}"#,
            ),
        ),
        (
            "Bearer abc.def.ghi".to_owned(),
            concat!(
                r#"{"code":"PGRST301","details":null,"#,
                r#""hint":null,"message":"JWT cryptographic operation failed"}"#,
            ),
        ),
    ] {
        let identity = Verifier::new()
            .identify(&config, &authenticator, Some(header.as_bytes()), NOW)
            .map_err(Error::from);
        assert_eq!(identity.map_err(body), Err(expected.to_owned()), "{header}");
    }
}

/// A verifier that knows the token of the role author, which was verified with these keys.
fn verifier_with(config: &Config, authenticator: &Authenticator) -> (Verifier, String) {
    let header = format!("Bearer {}", token(r#"{"role":"author","exp":1700000000}"#));
    let mut verifier = Verifier::new();
    let identity = verifier
        .identify(config, authenticator, Some(header.as_bytes()), NOW)
        .map_err(Error::from);
    assert_eq!(identity.map(|identity| identity.role), Ok("author".into()));
    assert!(is_known(&mut verifier, &header));
    (verifier, header)
}

fn is_known(verifier: &mut Verifier, header: &str) -> bool {
    let token = header
        .strip_prefix("Bearer ")
        .expect("the header has a token");
    verifier.verified.find(token.as_bytes()).is_some()
}

#[test]
fn claims_of_a_known_token_are_checked_again() {
    let config = config(Some(SECRET));
    let authenticator = Authenticator::new(&config).expect("the secret is one");
    let (mut verifier, header) = verifier_with(&config, &authenticator);
    let mut at = |now| {
        verifier
            .identify(&config, &authenticator, Some(header.as_bytes()), now)
            .map_err(Error::from)
    };
    assert!(at(NOW + 30).is_ok());
    assert_eq!(at(NOW + 31), Err(Error::JwtClaims(JwtClaimsFault::Expired)));
    assert!(at(NOW).is_ok());
}

#[test]
fn a_token_is_known_with_its_signature_only() {
    let config = config(Some(SECRET));
    let authenticator = Authenticator::new(&config).expect("the secret is one");
    let (mut verifier, header) = verifier_with(&config, &authenticator);
    let [empty, zeros] = hollow(&header);
    for other in [forged(&header), empty, zeros] {
        let identity = verifier
            .identify(&config, &authenticator, Some(other.as_bytes()), NOW)
            .map_err(Error::from);
        assert_eq!(
            identity,
            Err(Error::JwtInvalid(no_key_verifies())),
            "{other}"
        );
        assert!(!is_known(&mut verifier, &other));
    }
}

#[test]
fn other_keys_make_all_tokens_unknown() {
    let old = config(Some(SECRET));
    let authenticator = Authenticator::new(&old).expect("the secret is one");
    let (mut verifier, header) = verifier_with(&old, &authenticator);
    let new = config(Some("another secret that also has 32 characters"));
    let authenticator = Authenticator::new(&new).expect("the secret is one");
    let identity = verifier
        .identify(&new, &authenticator, Some(header.as_bytes()), NOW)
        .map_err(Error::from);
    assert_eq!(identity, Err(Error::JwtInvalid(no_key_verifies())));
    assert!(!is_known(&mut verifier, &header));
    let none = config(None);
    let authenticator = Authenticator::new(&none).expect("there is no secret");
    let identity = verifier
        .identify(&none, &authenticator, Some(header.as_bytes()), NOW)
        .map_err(Error::from);
    assert_eq!(identity, Err(Error::JwtSecretMissing));
}

#[test]
fn a_reload_with_the_same_keys_forgets_nothing() {
    let config = config(Some(SECRET));
    let authenticator = Authenticator::new(&config).expect("the secret is one");
    let (mut verifier, header) = verifier_with(&config, &authenticator);
    let authenticator = Authenticator::new(&config).expect("the secret is one");
    let other = format!("Bearer {}", token("{}"));
    assert!(
        verifier
            .identify(&config, &authenticator, Some(other.as_bytes()), NOW)
            .map_err(Error::from)
            .is_ok()
    );
    assert!(is_known(&mut verifier, &header));
    assert!(is_known(&mut verifier, &other));
}

#[test]
fn the_cache_is_as_large_as_configured() {
    let mut config = config(Some(SECRET));
    let authenticator = Authenticator::new(&config).expect("the secret is one");
    let (mut verifier, _) = verifier_with(&config, &authenticator);
    for capacity in [2, 0, 3] {
        config.jwt_cache_max_entries = capacity;
        let mut known = 0;
        let headers: Vec<_> = (0..5)
            .map(|id| format!("Bearer {}", token(&format!(r#"{{"id":{id}}}"#))))
            .collect();
        for header in &headers {
            let header = Some(header.as_bytes());
            assert!(
                verifier
                    .identify(&config, &authenticator, header, NOW)
                    .map_err(Error::from)
                    .is_ok()
            );
        }
        for header in &headers {
            known += usize::from(is_known(&mut verifier, header));
        }
        assert_eq!(known, capacity);
    }
}

#[test]
fn genuine_tokens_whose_claims_cannot_be_read_are_not_kept() {
    let config = config(Some(SECRET));
    let authenticator = Authenticator::new(&config).expect("the secret is one");
    let mut verifier = Verifier::new();
    for (claims, is_kept) in [("[]", false), ("{", false), (r#"{"exp":1}"#, true)] {
        let header = format!("Bearer {}", token(claims));
        let identity = verifier
            .identify(&config, &authenticator, Some(header.as_bytes()), NOW)
            .map_err(Error::from);
        assert!(identity.is_err());
        assert_eq!(is_known(&mut verifier, &header), is_kept, "{claims}");
    }
}

#[test]
fn a_configuration_with_a_broken_key_is_refused() {
    assert!(Authenticator::new(&config(Some(r#"{"kty":"RSA","n":"AAAA","e":"AQAB"}"#))).is_err());
}
