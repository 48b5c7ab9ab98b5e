//! The three parts of a signed token (JWS compact serialization, RFC 7515).
//!
//! ```text
//! token  = header "." payload "." signature        ; each base64url without padding
//! header = JSON object with alg, perhaps kid, typ, cty
//! ```
//! Base64 must be canonical, so that no two texts are the same token. What the header says
//! about the algorithm is a claim like any other until a key has agreed to it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corerest_api::{Error, Json, JwtFault, Members};

use super::algorithm::Algorithm;

/// The longest token that is looked at. It is what the headers of a request may have by default
/// (`server-max-header-bytes`), and a hundred times what tokens have in practice.
const TOKEN_BYTES_MAX: usize = 65_536;

/// A signed token, taken apart but not verified.
pub(super) struct Token<'a> {
    /// How it says that it is signed.
    pub(super) algorithm: Algorithm,
    /// Which key it says that it is signed with.
    pub(super) key_id: Option<String>,
    /// What is signed: the first two parts as they were sent.
    pub(super) signed: &'a [u8],
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// In PostgREST's order: empty, not in three parts, not readable, not signed.
    pub(super) fn parse(token: &'a [u8]) -> Result<Token<'a>, Error> {
        if token.is_empty() {
            return Err(Error::JwtInvalid(JwtFault::Empty));
        }
        let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(Error::JwtInvalid(JwtFault::Parts(parts.len())));
        };
        if token.len() > TOKEN_BYTES_MAX {
            return Err(unreadable());
        }
        let Some(Json::Object(members)) = Json::parse(&decode(header)?) else {
            return Err(unreadable());
        };
        let payload = decode(payload)?;
        let algorithm = match members.find("alg").and_then(Json::text) {
            Some("none") => return Err(unsecured()),
            Some(name) => Algorithm::named(name).ok_or_else(unreadable)?,
            None => return Err(unreadable()),
        };
        refuse_unknown_kinds(&members)?;
        Ok(Token {
            algorithm,
            key_id: optional_text(&members, "kid")?.map(str::to_owned),
            signed: &token[..token.len() - signature.len() - 1],
            payload,
            signature: decode(signature)?,
        })
    }
}

/// With `enc` it is an encrypted token, and those do not have three parts. Extensions that must
/// be understood (`crit`, RFC 7515 section 4.1.11) are not; PostgREST ignores that they must. One
/// of them says that the payload is no base64 (`b64`, RFC 7797), and who forgot to list it in
/// `crit` has signed something else than what would be read here.
fn refuse_unknown_kinds(header: &Members) -> Result<(), Error> {
    let is_base64 = matches!(header.find("b64"), None | Some(Json::Boolean(true)));
    if header.find("enc").is_some() || header.find("crit").is_some() || !is_base64 {
        return Err(unreadable());
    }
    for name in ["typ", "cty"] {
        optional_text(header, name)?;
    }
    Ok(())
}

/// A member that is a string, or missing, or null.
fn optional_text<'a>(members: &'a Members, name: &str) -> Result<Option<&'a str>, Error> {
    match members.find(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(unreadable()),
    }
}

fn decode(part: &[u8]) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| unreadable())
}

fn unreadable() -> Error {
    Error::JwtInvalid(JwtFault::Crypto)
}

fn unsecured() -> Error {
    let details = "JWT is unsecured but expected 'alg' was not 'none'";
    Error::JwtInvalid(JwtFault::Algorithm(details.to_owned()))
}
