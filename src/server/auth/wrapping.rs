//! Keys in a format that is not read: they must not pass for the octets of a secret.
//!
//! PostgREST takes whatever is no JSON Web Key for the secret of HS256, and the text of a public
//! key is known to everybody: who signs with it would be anybody's role. So a secret is looked at
//! for everything that keys are kept in, also inside of base64, hexadecimal digits and strings of
//! JSON. Each sign is one that a secret made by chance, or by a person, does not have: the least
//! certain, the beginning of DER that is cut off, is met by one in ten million.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use corerest_api::{Json, Members};
use percent_encoding::percent_decode_str;

/// How many wrappings around each other are taken off. Each is inside of the one before, so this
/// bounds the time and not what is found in practice.
const WRAPPINGS_MAX: usize = 4;

/// Base64 as people copy it: with padding or without, cut off anywhere.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

const WRITE_AS_JWK: &str = r#"; write it as a JSON Web Key, {"kty":"RSA","n":…,"e":…} or the like"#;
const CUT_OFF: &str = "it is cut off or not JSON, or in another format";

/// What octets are that were meant as a key, and how to write it; `None` if they are not. A JSON
/// Web Key, and a set of them, count as such only inside of something else, so they are to be
/// looked for before.
pub(super) fn wrapped_key(secret: &[u8]) -> Option<String> {
    key_in(secret, 0)
}

fn key_in(octets: &[u8], wrappings: usize) -> Option<String> {
    if wrappings > WRAPPINGS_MAX {
        return None;
    }
    let text = text_of(octets);
    if let Some(format) = format_of(&text, octets) {
        return Some(format!("it is {format}{WRITE_AS_JWK}"));
    }
    if is_address_of_keys(&text) {
        return Some(
            "it is the address of a set of keys; write what is to be found there".to_owned(),
        );
    }
    match Json::parse(text.trim_start_matches('\u{feff}').as_bytes()) {
        Some(json) => {
            if let Some(found) = key_in_json(&json, wrappings) {
                return Some(found);
            }
        }
        None if mentions_key_type(&text) => return Some(CUT_OFF.to_owned()),
        None => {}
    }
    if let Some(decoded) = decode_base64(&text)
        && is_key(&decoded, wrappings)
    {
        let way_out = "decode it, or set jwt-secret-is-base64 if it is a JSON Web Key then";
        return Some(format!("it is a key in base64; {way_out}"));
    }
    if let Some(decoded) = decode_percent(&text)
        && is_key(&decoded, wrappings)
    {
        return Some("it is a key as it stands in a URL; decode it".to_owned());
    }
    let decoded = decode_hexadecimal(&text)?;
    is_key(&decoded, wrappings).then(|| format!("it is a key in hexadecimal digits{WRITE_AS_JWK}"))
}

/// Whether there is a key in what was taken out of its wrapping: there, a JSON Web Key is one, too.
fn is_key(octets: &[u8], wrappings: usize) -> bool {
    key_in(octets, wrappings + 1).is_some()
}

/// UTF-16, as some editors write it, without its zeros.
fn text_of(octets: &[u8]) -> String {
    let is_utf16 = octets.starts_with(b"\xFF\xFE") || octets.starts_with(b"\xFE\xFF");
    if is_utf16 {
        let bytes: Vec<u8> = octets[2..]
            .iter()
            .copied()
            .filter(|byte| *byte != 0)
            .collect();
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    String::from_utf8_lossy(octets).into_owned()
}

fn format_of(text: &str, octets: &[u8]) -> Option<&'static str> {
    let capitals = text.to_ascii_uppercase();
    let is_pem = ["-----BEGIN ", "-----END ", "---- BEGIN SSH2 "];
    if is_pem.iter().any(|border| capitals.contains(border)) {
        Some("a key in PEM")
    } else if text.starts_with("PuTTY-User-Key-File-") || is_ssh(text) || is_ssh_blob(octets) {
        Some("a key of SSH")
    } else if text.contains("<RSAKeyValue") {
        Some("a key in XML")
    } else if is_der(octets) {
        Some("a key in DER")
    } else {
        None
    }
}

/// A line of `authorized_keys` or `known_hosts`: the type, and base64 of octets that begin with
/// the length of the same type, which has three bytes of zero; or the latter with a comment.
fn is_ssh(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_blob = |word| decode_base64(word).is_some_and(|octets| is_ssh_blob(&octets));
    words.windows(2).any(|pair| {
        is_ssh_type(pair[0]) && pair[1].starts_with("AAAA") || pair.iter().copied().any(is_blob)
    })
}

fn is_ssh_type(word: &str) -> bool {
    let types = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"];
    types.iter().any(|start| word.starts_with(start))
}

/// What stands behind the type in such a line, decoded; or a private key.
fn is_ssh_blob(octets: &[u8]) -> bool {
    let named = octets.strip_prefix(&[0, 0, 0]).and_then(|rest| {
        let (length, rest) = rest.split_first()?;
        str::from_utf8(rest.get(..usize::from(*length))?).ok()
    });
    named.is_some_and(is_ssh_type) || octets.starts_with(b"openssh-key-v1\0")
}

/// Where identity providers publish their keys. Whoever writes that means what it leads to.
fn is_address_of_keys(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let is_address = text.starts_with("https://") || text.starts_with("http://");
    is_address
        && ["/.well-known/", "jwks"]
            .iter()
            .any(|part| text.contains(part))
}

/// Whether these are the octets of a key or a certificate (SubjectPublicKeyInfo, PKCS #1, #8 and
/// #12, SEC 1, X.509): a sequence whose elements fill it, and begin with a number or a sequence of
/// what those have. One that is cut off must be longer than 255 octets and begin like that.
fn is_der(octets: &[u8]) -> bool {
    let Some((0x30, length, inside)) = der_header(octets) else {
        return false;
    };
    let Some((tag, first, behind)) = der_header(inside) else {
        return false;
    };
    let begins_like_key = match tag {
        0x02 => true,
        0x30 => matches!(behind.first(), Some(0x02 | 0x06 | 0x30 | 0xA0)),
        _ => false,
    };
    let begins_like_key = begins_like_key && first > 0 && first < length;
    match inside.get(..length) {
        Some(whole) => begins_like_key && are_elements(whole),
        None => begins_like_key && length > 0xFF,
    }
}

/// The tag, the length in its shortest form, and what follows.
fn der_header(octets: &[u8]) -> Option<(u8, usize, &[u8])> {
    let (tag, rest) = octets.split_first()?;
    let (first, rest) = rest.split_first()?;
    match first {
        0..=0x7F => Some((*tag, usize::from(*first), rest)),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (*length >= 0x80).then_some((*tag, usize::from(*length), rest))
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes(*length));
            (length > 0xFF).then_some((*tag, length, rest))
        }
        _ => None,
    }
}

/// Whether these are elements of the kinds that keys have, and nothing else: numbers, strings of
/// bits and octets, names, sequences, and what is optional.
fn are_elements(mut octets: &[u8]) -> bool {
    while !octets.is_empty() {
        let Some((2..=6 | 0x30 | 0xA0..=0xA3, length, rest)) = der_header(octets) else {
            return false;
        };
        let Some(behind) = rest.get(length..) else {
            return false;
        };
        octets = behind;
    }
    true
}

fn key_in_json(json: &Json, wrappings: usize) -> Option<String> {
    let (place, way_out) = match json {
        Json::Object(members)
            if members.find("kty").is_some() || members.find("keys").is_some() =>
        {
            ("in something else", "write it alone")
        }
        Json::Object(members) if members.iter().any(|(name, _)| is_key_type(name)) => {
            return Some(r#"the name of "kty" is in small letters"#.to_owned());
        }
        Json::Object(members) if is_typeless(members) => {
            return Some(r#"it is a JSON Web Key without "kty""#.to_owned());
        }
        Json::Object(_) => (
            "inside of another object",
            r#"write it alone, or {"keys":[…]}"#,
        ),
        Json::Array(_) => ("inside of an array", r#"write {"keys":[…]} around it"#),
        Json::Text(_) => ("inside of a string", "write it without the quotation marks"),
        Json::Null | Json::Boolean(_) | Json::Number(_) => return None,
    };
    has_key(json, wrappings).then(|| format!("it is a key {place}; {way_out}"))
}

/// Whether there is a key anywhere in a value.
fn has_key(json: &Json, wrappings: usize) -> bool {
    match json {
        Json::Object(members) => members
            .iter()
            .any(|(name, value)| is_key_type(name) || has_key(value, wrappings)),
        Json::Array(elements) => elements.iter().any(|element| has_key(element, wrappings)),
        Json::Text(text) => is_key(text.as_bytes(), wrappings),
        Json::Null | Json::Boolean(_) | Json::Number(_) => false,
    }
}

/// Whether an object has what a public key is made of, or a private one.
fn is_typeless(members: &Members) -> bool {
    let parts = [["n", "e"], ["crv", "x"]];
    parts
        .iter()
        .any(|names| names.iter().all(|name| members.find(name).is_some()))
}

/// Whether a member has the name `kty`, in any case.
pub(super) fn is_key_type(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("kty")
}

/// Whether text that is no JSON was meant as a JSON Web Key: with `kty` as the name of a member,
/// in quotation marks or at the beginning of a line or an object, or as the start of a set of keys.
fn mentions_key_type(text: &str) -> bool {
    let small = text.to_ascii_lowercase();
    let is_name = |(at, word): (usize, &str)| {
        let before = small[..at].trim_end_matches([' ', '\t']);
        let begins = before.is_empty() || before.ends_with(['\n', '{', ',']);
        begins && small[at + word.len()..].trim_start().starts_with(':')
    };
    let is_set = text.trim_start().starts_with('{') && text.contains("\"keys\"");
    let quoted = ["\"kty\"", "'kty'", "\\\"kty\\\""];
    let is_quoted = quoted.iter().any(|name| small.contains(name));
    is_set || is_quoted || small.match_indices("kty").any(is_name)
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut digits: String = text
        .trim_end_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '.'))
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    // One digit behind the last four says nothing; it is there when base64 is cut off.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT_BASE64.decode(digits).ok()
}

/// Text of a URL, if there is anything in it that it has to write so.
fn decode_percent(text: &str) -> Option<Vec<u8>> {
    text.contains('%')
        .then(|| percent_decode_str(text).collect())
}

/// With blanks and colons between the digits, as OpenSSL prints them, or without; or behind the
/// mark of a number.
fn decode_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_start();
    let text = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("\\x"))
        .unwrap_or(text);
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace() && *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
