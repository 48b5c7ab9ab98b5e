//! Who makes a request: the bearer token of its header, and what its claims mean.
//!
//! Whether a token is genuine is decided where the keys are, in the server; what counts here is
//! what it says. Claims are checked at every request, because time goes on, while the signature
//! of a token stays what it is.
//!
//! Invariant: nothing here knows a key or reads a clock.

mod claims;
mod identity;
mod numeric_date;
mod role;

pub use claims::{ClaimRules, Claims, Expiry};
pub use identity::Identity;

/// The token in the value of an Authorization header; `None` if it is of another scheme.
///
/// Parity: the scheme in any case, then any white space, then all the rest (wai-extra).
#[must_use]
pub fn bearer_token(authorization: &[u8]) -> Option<&[u8]> {
    let end = authorization
        .iter()
        .position(is_space)
        .unwrap_or(authorization.len());
    let (scheme, rest) = authorization.split_at(end);
    let token = rest
        .iter()
        .position(|byte| !is_space(byte))
        .unwrap_or(rest.len());
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| &rest[token..])
}

/// Latin-1, so that the no-break space is one.
fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xA0)
}

#[cfg(test)]
mod tests;
