//! The algorithms that sign tokens, and verifying with each of them.
//!
//! | family | keys | algorithms |
//! |---|---|---|
//! | HMAC | octets | HS256, HS384, HS512 |
//! | RSASSA-PKCS1-v1_5 | RSA | RS256, RS384, RS512 |
//! | ECDSA | P-256, P-384, P-521 | ES256, ES384, ES512 |
//! | EdDSA | Ed25519, Ed448 | EdDSA |
//!
//! jwt-simple computes the tags of HMAC and verifies Ed25519. For the rest it offers only the
//! verification of whole tokens whose claims it also understands, which are not all that
//! PostgREST accepts, so that its own back ends are asked: rsa, p256, p384; and p521 and
//! ed448-goldilocks of the same family, which it does not have.
//!
//! Invariant: a key verifies only the algorithms of its family. No public key is ever a secret.

use std::fmt;

use jwt_simple::algorithms::{
    Ed25519PublicKey, EdDSAPublicKeyLike, HS256Key, HS384Key, HS512Key, MACLike,
};
use p256::ecdsa::signature::Verifier as _;
use p256::elliptic_curve::subtle::ConstantTimeEq;
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};

/// A larger modulus is a way to keep the server busy: each doubling takes four times as long.
const RSA_MODULUS_BITS_MAX: usize = 8192;

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
}

/// What a signature is verified with.
pub(super) enum Verification {
    /// A secret that the signer has, too.
    Octets(Box<[u8]>),
    Rsa(RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Ed25519(Ed25519PublicKey),
    // Boxed, since it keeps the whole point and few have one.
    Ed448(Box<ed448_goldilocks::VerifyingKey>),
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
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Verification> {
        let modulus = BigUint::from_bytes_be(modulus);
        let exponent = BigUint::from_bytes_be(exponent);
        let key = RsaPublicKey::new_with_max_size(modulus, exponent, RSA_MODULUS_BITS_MAX);
        key.ok().map(Verification::Rsa)
    }

    /// A point on a curve; `None` if it is not on it.
    pub(super) fn ecdsa(curve: Curve, x: &[u8], y: &[u8]) -> Option<Verification> {
        let point = [&[4], &*curve.coordinate(x)?, &*curve.coordinate(y)?].concat();
        Some(match curve {
            Curve::P256 => {
                Verification::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?)
            }
            Curve::P384 => {
                Verification::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?)
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

    /// A public key of Ed448.
    pub(super) fn ed448(point: &[u8]) -> Option<Verification> {
        let key = ed448_goldilocks::VerifyingKey::from_bytes(point.try_into().ok()?);
        key.ok().map(Box::new).map(Verification::Ed448)
    }

    /// Whether the key is one for the algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Rs256, Rs384, Rs512};
        match self {
            Verification::Octets(_) => matches!(algorithm, Hs256 | Hs384 | Hs512),
            Verification::Rsa(_) => matches!(algorithm, Rs256 | Rs384 | Rs512),
            Verification::P256(_) => algorithm == Es256,
            Verification::P384(_) => algorithm == Es384,
            Verification::P521(_) => algorithm == Es512,
            Verification::Ed25519(_) | Verification::Ed448(_) => algorithm == EdDsa,
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
            Verification::Rsa(key) => verify_rsa(key, algorithm, message, signature),
            Verification::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Verification::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Verification::P521(key) => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Verification::Ed25519(key) => signature.try_into().is_ok_and(|signature| {
                key.public_key()
                    .as_ref()
                    .verify(message, &signature)
                    .is_ok()
            }),
            // Without a context, as RFC 8037 wants it.
            Verification::Ed448(key) => ed448_goldilocks::Signature::try_from(signature)
                .is_ok_and(|signature| key.verify_raw(&signature, message).is_ok()),
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

fn verify_rsa(key: &RsaPublicKey, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    let (scheme, hash) = match algorithm {
        Algorithm::Rs256 => (
            Pkcs1v15Sign::new::<Sha256>(),
            Sha256::digest(message).to_vec(),
        ),
        Algorithm::Rs384 => (
            Pkcs1v15Sign::new::<Sha384>(),
            Sha384::digest(message).to_vec(),
        ),
        Algorithm::Rs512 => (
            Pkcs1v15Sign::new::<Sha512>(),
            Sha512::digest(message).to_vec(),
        ),
        _ => return false,
    };
    key.verify(scheme, &hash, signature).is_ok()
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
