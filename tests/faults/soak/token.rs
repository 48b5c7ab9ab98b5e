//! 100,000 tokens of 20 roles, each made when it is needed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// What they are signed with.
pub(crate) const SECRET: &str = "a soak has no secrets that are worth keeping";

/// How many there are.
const TOKENS: usize = 100_000;

/// How many roles they are of: `soak_0` and so on.
pub(crate) const ROLES: usize = 20;

/// A token, and what its bearer is called: the role, and the subject.
pub(crate) fn of(number: usize) -> (String, String) {
    let number = number % TOKENS;
    let role = number % ROLES;
    let claims = format!(r#"{{"role":"soak_{role}","sub":"subject {number}"}}"#);
    let token = sign(&claims, SECRET);
    (token, format!("soak_{role}, subject {number}"))
}

/// One that is signed by somebody else.
pub(crate) fn forged(number: usize) -> String {
    let claims = format!(r#"{{"role":"soak_0","sub":"forger {number}"}}"#);
    sign(&claims, "another secret, which is as long as the right one")
}

fn sign(claims: &str, secret: &str) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
