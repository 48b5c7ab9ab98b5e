//! The algorithms that sign tokens, and verifying with each of them.
//!
//! | family | keys | algorithms |
//! |---|---|---|
//! | HMAC | octets | HS256, HS384, HS512 |
//! | RSASSA-PKCS1-v1_5 | RSA | RS256, RS384, RS512 |
//! | ECDSA | P-256, P-384, P-521 | ES256, ES384, ES512 |
//! | EdDSA | Ed25519, Ed448 | EdDSA |
//!
//! jwt-simple computes the tags of HMAC, verifies Ed25519, and reads the points of P-256 and P-384.
//! For the rest it offers only the verification of whole tokens whose claims it also understands,
//! which are not all that PostgREST accepts. So ring, which is there for TLS, verifies RSA and
//! these two curves, in a fraction of the time that jwt-simple's own back ends take; p521 and crrl
//! verify what both lack. Nothing here holds a private key: RUSTSEC-2023-0071, about the `rsa`
//! that jwt-simple brings, is about those, and no code of `rsa` is called.
//!
//! Invariant: a key verifies only the algorithms of its family. No public key is ever a secret.

use std::fmt;

use crrl::ed448;
use jwt_simple::algorithms::{
    ES256PublicKey, ES384PublicKey, Ed25519PublicKey, EdDSAPublicKeyLike, HS256Key, HS384Key,
    HS512Key, MACLike,
};
use p521::ecdsa::signature::Verifier as _;
use p521::elliptic_curve::subtle::ConstantTimeEq;
use ring::signature::{self as ring_signature, RsaParameters, RsaPublicKeyComponents};

/// A key that is shorter can be factored by anybody within a day, and ring does not take it.
const RSA_MODULUS_BYTES_MIN: usize = 1024 / 8;

/// What RFC 7518 section 3.3 wants, and from where on ring verifies with SHA-384.
const RSA_MODULUS_BYTES_SAFE: usize = 2048 / 8;

/// A larger modulus is a way to keep the server busy: each doubling takes four times as long.
const RSA_MODULUS_BYTES_MAX: usize = 8192 / 8;

/// How many products of two octets ring makes in a microsecond: a signature of 8192 bits takes it
/// 0.45 ms with the usual exponent, one of 2048 bits 0.04.
const RSA_STEPS_PER_EFFORT: usize = 60_000;

/// ring takes exponents of 33 bits, as most do.
const RSA_EXPONENT_MAX: u64 = (1 << 33) - 1;

/// An algorithm by which a token is signed (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Algorithm {
    /// The algorithm of that name, in its exact letters.
    pub(super) fn named(name: &str) -> Option<Algorithm> {
        Some(match name {
            "HS256" => Algorithm::Hs256,
            "HS384" => Algorithm::Hs384,
            "HS512" => Algorithm::Hs512,
            "RS256" => Algorithm::Rs256,
            "RS384" => Algorithm::Rs384,
            "RS512" => Algorithm::Rs512,
            "ES256" => Algorithm::Es256,
            "ES384" => Algorithm::Es384,
            "ES512" => Algorithm::Es512,
            "EdDSA" => Algorithm::EdDsa,
            _ => return None,
        })
    }

    /// Whether it is verified with what it is signed with.
    pub(super) fn is_of_secret(self) -> bool {
        matches!(self, Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512)
    }
}

/// What a signature is verified with.
pub(super) enum Verification {
    /// A secret that the signer has, too.
    Octets(Box<[u8]>),
    /// Modulus and exponent.
    Rsa(RsaPublicKeyComponents<Box<[u8]>>),
    /// A point as 4, x, y.
    P256(Box<[u8]>),
    P384(Box<[u8]>),
    P521(p521::ecdsa::VerifyingKey),
    Ed25519(Ed25519PublicKey),
    // Boxed, since it keeps the whole point and few have one.
    Ed448(Box<ed448::PublicKey>),
}

impl fmt::Debug for Verification {
    /// Only what kind of key it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verification::Octets(_) => "Octets",
            Verification::Rsa(_) => "Rsa",
            Verification::P256(_) => "P256",
            Verification::P384(_) => "P384",
            Verification::P521(_) => "P521",
            Verification::Ed25519(_) => "Ed25519",
            Verification::Ed448(_) => "Ed448",
        })
    }
}

impl Verification {
    /// A public RSA key from its modulus and exponent, both big-endian.
    ///
    /// # Errors
    /// What is wrong with it. Here is checked what ring would find out with the first token.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Verification, &'static str> {
        let [n, e] = [modulus, exponent].map(without_leading_zeros);
        if n.len() < RSA_MODULUS_BYTES_MIN {
            return Err("the key of RSA has fewer than 1024 bits");
        }
        if n.len() > RSA_MODULUS_BYTES_MAX {
            return Err("the key of RSA has more than 8192 bits");
        }
        let value = e
            .iter()
            .fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
        let is_exponent =
            e.len() <= 8 && (3..=RSA_EXPONENT_MAX).contains(&value) && !value.is_multiple_of(2);
        let is_modulus = n.last().is_some_and(|byte| !byte.is_multiple_of(2));
        if !is_exponent || !is_modulus {
            return Err("\"n\" and \"e\" are not a key of RSA");
        }
        Ok(Verification::Rsa(RsaPublicKeyComponents {
            n: n.into(),
            e: e.into(),
        }))
    }

    /// A point on a curve; `None` if it is not on it.
    pub(super) fn ecdsa(curve: Curve, x: &[u8], y: &[u8]) -> Option<Verification> {
        let point = [&[4], &*curve.coordinate(x)?, &*curve.coordinate(y)?].concat();
        Some(match curve {
            Curve::P256 => {
                ES256PublicKey::from_bytes(&point).ok()?;
                Verification::P256(point.into())
            }
            Curve::P384 => {
                ES384PublicKey::from_bytes(&point).ok()?;
                Verification::P384(point.into())
            }
            Curve::P521 => {
                Verification::P521(p521::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?)
            }
        })
    }

    /// A public key of Ed25519.
    pub(super) fn ed25519(point: &[u8]) -> Option<Verification> {
        Ed25519PublicKey::from_bytes(point)
            .ok()
            .map(Verification::Ed25519)
    }

    /// A public key of Ed448. With one of a small order anybody could sign.
    pub(super) fn ed448(point: &[u8]) -> Option<Verification> {
        let decoded = ed448::Point::decode(point)?;
        if decoded.has_low_order() != 0 {
            return None;
        }
        let key = ed448::PublicKey::decode(point)?;
        Some(Verification::Ed448(Box::new(key)))
    }

    /// In what the key is weaker than RFC 7518 wants it for the algorithm, or for any.
    pub(super) fn weakness(&self, algorithm: Option<Algorithm>) -> Option<String> {
        match self {
            Verification::Octets(secret) => {
                let hash = match algorithm {
                    Some(Algorithm::Hs384) => 48,
                    Some(Algorithm::Hs512) => 64,
                    _ => 32,
                };
                let told = "bytes long, and shorter than the hash (RFC 7518 section 3.2)";
                (secret.len() < hash).then(|| format!("is only {} {told}", secret.len()))
            }
            Verification::Rsa(key) => (key.n.len() < RSA_MODULUS_BYTES_SAFE).then(|| {
                let told = "is a key of RSA with fewer than 2048 bits (RFC 7518 section 3.3)";
                told.to_owned()
            }),
            _ => None,
        }
    }

    /// Whether the key is one for the algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512};
        match self {
            Verification::Octets(_) => matches!(algorithm, Hs256 | Hs384 | Hs512),
            Verification::Rsa(key) => rsa_parameters(key, algorithm).is_some(),
            Verification::P256(_) => algorithm == Es256,
            Verification::P384(_) => algorithm == Es384,
            Verification::P521(_) => algorithm == Es512,
            Verification::Ed25519(_) | Verification::Ed448(_) => algorithm == EdDsa,
        }
    }

    /// How long its signatures are; `None` if that is up to the algorithm. ring would look at it
    /// when it has computed what it needs of the key, which is a third of the work.
    pub(super) fn signature_bytes(&self) -> Option<usize> {
        match self {
            Verification::Octets(_) => None,
            Verification::Rsa(key) => Some(key.n.len()),
            Verification::P256(_) | Verification::Ed25519(_) => Some(64),
            Verification::P384(_) => Some(96),
            Verification::P521(_) => Some(132),
            Verification::Ed448(_) => Some(114),
        }
    }

    /// What it takes to look at a signature, about in microseconds of a CPU.
    pub(super) fn effort(&self) -> usize {
        match self {
            Verification::Octets(_) => 1,
            Verification::Rsa(key) => {
                // A squaring for each bit of the exponent, a multiplication for each that is set.
                let of_byte = |byte: &u8| 8 + byte.count_ones() as usize;
                let multiplications: usize = key.e.iter().map(of_byte).sum();
                10 + key.n.len() * key.n.len() * multiplications / RSA_STEPS_PER_EFFORT
            }
            Verification::P256(_) | Verification::Ed25519(_) => 75,
            Verification::P384(_) => 1_100,
            Verification::P521(_) => 2_100,
            Verification::Ed448(_) => 250,
        }
    }

    /// Whether the signature is that of the message. Never, if the key does not fit.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match self {
            Verification::Octets(secret) => {
                let tag = hmac(algorithm, secret, message);
                tag.is_some_and(|tag| tag.ct_eq(signature).into())
            }
            Verification::Rsa(key) => rsa_parameters(key, algorithm)
                .is_some_and(|parameters| key.verify(parameters, message, signature).is_ok()),
            Verification::P256(point) => {
                let key = ring_signature::UnparsedPublicKey::new(
                    &ring_signature::ECDSA_P256_SHA256_FIXED,
                    point,
                );
                key.verify(message, signature).is_ok()
            }
            Verification::P384(point) => {
                let key = ring_signature::UnparsedPublicKey::new(
                    &ring_signature::ECDSA_P384_SHA384_FIXED,
                    point,
                );
                key.verify(message, signature).is_ok()
            }
            Verification::P521(key) => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Verification::Ed25519(key) => signature.try_into().is_ok_and(|signature| {
                key.public_key()
                    .as_ref()
                    .verify(message, &signature)
                    .is_ok()
            }),
            // Without a context, as RFC 8037 wants it.
            Verification::Ed448(key) => key.verify_raw(signature, message),
        }
    }
}

fn hmac(algorithm: Algorithm, secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Hs256 => Some(HS256Key::from_bytes(secret).authentication_tag(message)),
        Algorithm::Hs384 => Some(HS384Key::from_bytes(secret).authentication_tag(message)),
        Algorithm::Hs512 => Some(HS512Key::from_bytes(secret).authentication_tag(message)),
        _ => None,
    }
}

/// How ring verifies with that algorithm; `None` if it is none of RSA, or none for so short a key:
/// with SHA-384 ring has no verification for keys under 2048 bits.
fn rsa_parameters(
    key: &RsaPublicKeyComponents<Box<[u8]>>,
    algorithm: Algorithm,
) -> Option<&'static RsaParameters> {
    let is_long = key.n.len() >= RSA_MODULUS_BYTES_SAFE;
    match algorithm {
        Algorithm::Rs256 => Some(&ring_signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        Algorithm::Rs384 => is_long.then_some(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&ring_signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// An elliptic curve of ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The curve with that name in JWKs.
    pub(super) fn named(name: &str) -> Option<Curve> {
        match name {
            "P-256" => Some(Curve::P256),
            "P-384" => Some(Curve::P384),
            "P-521" => Some(Curve::P521),
            _ => None,
        }
    }

    fn coordinate_bytes(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// A coordinate in its full length. Some writers of JWKs leave zeros at the front out.
    fn coordinate(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let zeros = self.coordinate_bytes().checked_sub(bytes.len())?;
        Some([&vec![0; zeros], bytes].concat())
    }
}
