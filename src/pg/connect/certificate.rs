//! The few things about an X.509 certificate that `rustls` does not tell.
//!
//! Channel binding needs the hash of the certificate by the hash of its signature algorithm
//! (RFC 5929 §4.1); libpq's name check falls back to the common name; and PostgreSQL's own manual
//! leads people to self-signed server certificates, and to version 1 ones. A walk over DER of this
//! size was preferred to an ASN.1 library of thousands of lines.
//! Invariant: any bytes are answered with `None` or a result; the walk never leaves the slice.

use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

/// What was read from a certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate<'a> {
    der: &'a [u8],
    signature_algorithm: Der<'a>,
    /// Seconds since 1970.
    not_before: i64,
    not_after: i64,
    pub(super) common_name: Option<&'a str>,
    pub(super) has_alternative_names: bool,
    /// The public key with its algorithm, as the certificate has it.
    pub(super) public_key: &'a [u8],
}

const TAG_INTEGER: u8 = 0x02;
const TAG_OID: u8 = 0x06;
const TAG_UTC_TIME: u8 = 0x17;
const TAG_GENERALIZED_TIME: u8 = 0x18;
const TAG_SEQUENCE: u8 = 0x30;
const TAG_SET: u8 = 0x31;
/// `[0]`: the version in a certificate, the hash in the parameters of RSA-PSS.
const TAG_CONTEXT_0: u8 = 0xa0;
const TAG_EXTENSIONS: u8 = 0xa3;

const OID_COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const OID_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// PKCS #1; the last byte chooses the algorithm.
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const OID_ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
/// ECDSA with a hash of the SHA-2 family; the last byte chooses it.
const OID_ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// The SHA-2 family itself.
const OID_SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

impl<'a> Certificate<'a> {
    /// `SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }` (RFC 5280 §4.1).
    pub(super) fn parse(der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut outer = Der(Der(der).value(TAG_SEQUENCE)?);
        let mut content = Der(outer.value(TAG_SEQUENCE)?);
        let signature_algorithm = Der(outer.value(TAG_SEQUENCE)?);
        if content.peek() == Some(TAG_CONTEXT_0) {
            content.value(TAG_CONTEXT_0)?;
        }
        content.value(TAG_INTEGER)?; // serial number
        content.value(TAG_SEQUENCE)?; // signature algorithm, repeated
        content.value(TAG_SEQUENCE)?; // issuer
        let mut validity = Der(content.value(TAG_SEQUENCE)?);
        let not_before = validity.time()?;
        let not_after = validity.time()?;
        let subject = Der(content.value(TAG_SEQUENCE)?);
        let public_key = content.element(TAG_SEQUENCE)?;
        Some(Certificate {
            der,
            signature_algorithm,
            not_before,
            not_after,
            common_name: common_name(subject),
            has_alternative_names: has_alternative_names(content),
            public_key,
        })
    }

    /// The data of channel binding `tls-server-end-point`, if the signature names a hash.
    pub(super) fn end_point_hash(&self) -> Option<Vec<u8>> {
        let algorithm = signature_hash(self.signature_algorithm)?;
        Some(digest(algorithm, self.der).as_ref().to_vec())
    }

    /// Whether it is valid at this moment, in seconds since 1970.
    pub(super) fn is_valid_at(&self, seconds: u64) -> bool {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        (self.not_before..=self.not_after).contains(&seconds)
    }

    /// libpq's fallback: the common name counts if there are no alternative names.
    pub(super) fn common_name_matches(&self, host: &str) -> bool {
        let Some(name) = self.common_name.filter(|_| !self.has_alternative_names) else {
            return false;
        };
        match name.strip_prefix("*.") {
            // A star stands for exactly one label, and not above a whole registry.
            Some(domain) => host.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && domain.contains('.') && rest.eq_ignore_ascii_case(domain)
            }),
            None => name.eq_ignore_ascii_case(host),
        }
    }
}

/// RFC 5929: the hash of the signature; SHA-256 in place of MD5 and SHA-1.
fn signature_hash(mut algorithm: Der<'_>) -> Option<&'static Algorithm> {
    let oid = algorithm.value(TAG_OID)?;
    if oid == OID_ECDSA_SHA1 {
        return Some(&SHA256);
    }
    let (&last, family) = oid.split_last()?;
    match (family, last) {
        (OID_RSA, 0x04 | 0x05 | 0x0b) | (OID_ECDSA_SHA2, 0x02) => Some(&SHA256),
        (OID_RSA, 0x0c) | (OID_ECDSA_SHA2, 0x03) => Some(&SHA384),
        (OID_RSA, 0x0d) | (OID_ECDSA_SHA2, 0x04) => Some(&SHA512),
        (OID_RSA, 0x0a) => pss_hash(algorithm),
        // Ed25519 has no hash of its own, and RFC 5929 does not say what then.
        _ => None,
    }
}

/// `SEQUENCE { [0] { SEQUENCE { OID, … } } DEFAULT sha1, … }`
fn pss_hash(mut algorithm: Der<'_>) -> Option<&'static Algorithm> {
    let mut parameters = Der(algorithm.value(TAG_SEQUENCE)?);
    if parameters.peek() != Some(TAG_CONTEXT_0) {
        return Some(&SHA256); // for SHA-1
    }
    let mut hash = Der(parameters.value(TAG_CONTEXT_0)?);
    let mut hash = Der(hash.value(TAG_SEQUENCE)?);
    let (&last, family) = hash.value(TAG_OID)?.split_last()?;
    match (family, last) {
        (OID_SHA2, 0x01) => Some(&SHA256),
        (OID_SHA2, 0x02) => Some(&SHA384),
        (OID_SHA2, 0x03) => Some(&SHA512),
        _ => None,
    }
}

/// `SEQUENCE OF SET OF SEQUENCE { OID, string }`; the last common name is the most specific.
fn common_name(mut subject: Der<'_>) -> Option<&str> {
    let mut found = None;
    while let Some(set) = subject.value(TAG_SET) {
        let mut set = Der(set);
        while let Some(attribute) = set.value(TAG_SEQUENCE) {
            let mut attribute = Der(attribute);
            if attribute.value(TAG_OID) == Some(OID_COMMON_NAME) {
                let (_, text, _) = attribute.next()?;
                // A zero byte in a name is an old trick against C programs.
                found = std::str::from_utf8(text)
                    .ok()
                    .filter(|text| !text.contains('\0'));
            }
        }
    }
    found
}

/// `[3] { SEQUENCE OF SEQUENCE { OID, … } }` after the optional unique identifiers.
fn has_alternative_names(mut rest: Der<'_>) -> bool {
    while let Some((tag, content, _)) = rest.next() {
        if tag != TAG_EXTENSIONS {
            continue;
        }
        let mut list = Der(Der(content).value(TAG_SEQUENCE).unwrap_or_default());
        while let Some(extension) = list.value(TAG_SEQUENCE) {
            if Der(extension).value(TAG_OID) == Some(OID_ALTERNATIVE_NAME) {
                return true;
            }
        }
    }
    false
}

/// A run of DER elements: tag, length, content.
#[derive(Clone, Copy, Debug)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Tag, content, and the whole of the next element.
    fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = if first < 0x80 {
            usize::from(first)
        } else {
            // DER has no indefinite lengths, and nothing in a handshake needs more than 3 bytes.
            let count = usize::from(first & 0x7f);
            if !(1..=3).contains(&count) {
                return None;
            }
            let (bytes, tail) = rest.split_at_checked(count)?;
            rest = tail;
            bytes
                .iter()
                .fold(0, |length, &byte| length << 8 | usize::from(byte))
        };
        let (content, tail) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - tail.len()];
        self.0 = tail;
        Some((tag, content, whole))
    }

    /// The content of the next element, which must have this tag; else nothing is taken.
    fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut walk = *self;
        let (found, content, _) = walk.next()?;
        (found == tag).then(|| {
            *self = walk;
            content
        })
    }

    /// The whole of the next element, which must have this tag.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, _, whole) = self.next()?;
        (found == tag).then_some(whole)
    }

    /// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ` (RFC 5280 §4.1.2.5), in seconds since 1970.
    fn time(&mut self) -> Option<i64> {
        let (tag, text, _) = self.next()?;
        let digits = text.strip_suffix(b"Z")?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |digits: &[u8]| {
            digits
                .iter()
                .fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'))
        };
        let (year, rest) = match tag {
            TAG_UTC_TIME => {
                let (year, rest) = digits.split_at_checked(2)?;
                let year = number(year);
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            TAG_GENERALIZED_TIME => {
                let (year, rest) = digits.split_at_checked(4)?;
                (number(year), rest)
            }
            _ => return None,
        };
        if rest.len() != 10 {
            return None;
        }
        let part = |at: usize| number(&rest[at..at + 2]);
        let days = days_since_1970(year, part(0), part(2));
        Some(((days * 24 + part(4)) * 60 + part(6)) * 60 + part(8))
    }
}

/// The proleptic Gregorian calendar, with years that begin in March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
