//! Tests of the walk over certificates, with small self-signed ones made by `openssl req -x509`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const EC_SHA384: &str = "\
    MIIBpTCCAUugAwIBAgIUAsxDY/EOpg8RcYmtfIO+6d62zwMwCgYIKoZIzj0EAwMwKDENMAsGA1UECgwEdGVzdDEXMBUG\
    A1UEAwwOZGIuZXhhbXBsZS5jb20wHhcNMjYxMTIzMTIzMjUzWhcNMzYxMTIwMTIzMjUzWjAoMQ0wCwYDVQQKDAR0ZXN0\
    MRcwFQYDVQQDDA5kYi5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABK8ZjNDwGlwyMrqGg/tbWKw2\
    hYouv5Cc0QkAxBel18WacnsiL9TLDLcPHrKcwSPO46DpuCL9vEwVM0GjN8fR9iqjUzBRMB0GA1UdDgQWBBQyEa064CJj\
    ot01UeTo25KNfLZqhzAfBgNVHSMEGDAWgBQyEa064CJjot01UeTo25KNfLZqhzAPBgNVHRMBAf8EBTADAQH/MAoGCCqG\
    SM49BAMDA0gAMEUCIQDMEResgLS6DNAdsiszu7MPIrTXYhl2i6mPd1SbxBorOAIgYSj6M5buYsEQYnqqngELdyeYThlR\
    qkEdxewsBmjMa0k=";

const WITH_ALTERNATIVE_NAME: &str = "\
    MIIBqDCCAU2gAwIBAgIUAXc/sEwYQ5LfrFk165IKB1GGHXQwCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwOZGIuZXhhbXBs\
    ZS5jb20wIBcNMjYxMTIzMTIzMjUzWhgPMjA4MTA4MjYxMjMyNTNaMBkxFzAVBgNVBAMMDmRiLmV4YW1wbGUuY29tMFkw\
    EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEJ7TaPStL3jupbnQ8l0Dvjpl9IpZtX0F5hZrj14r88MeiDoO38De1gcN/Aaww\
    AwXesIANTb+FGmmwV8tAAnSAr6NxMG8wHQYDVR0OBBYEFDjIHXu5CdEdajYTsln92aPLszMGMB8GA1UdIwQYMBaAFDjI\
    HXu5CdEdajYTsln92aPLszMGMA8GA1UdEwEB/wQFMAMBAf8wHAYDVR0RBBUwE4IRb3RoZXIuZXhhbXBsZS5jb20wCgYI\
    KoZIzj0EAwIDSQAwRgIhAN2kAaqZao+Ri21MH0b/usB34D7RA7GMeWegYN4RkMHYAiEA7vIuHqVzbv9jizjiQsphu8KD\
    R46aos4ccrL/fTJeZZM=";

const PSS_SHA512: &str = "\
    MIICajCCAaSgAwIBAgIUOt5EsOPIPKu8fu9wDGSmEMxBIEkwPAYJKoZIhvcNAQEKMC+gDzANBglghkgBZQMEAgMFAKEc\
    MBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgMFADAYMRYwFAYDVQQDDA0qLmV4YW1wbGUuY29tMB4XDTI2MTEyMzEyMzI1\
    M1oXDTM2MTEyMDEyMzI1M1owGDEWMBQGA1UEAwwNKi5leGFtcGxlLmNvbTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkC\
    gYEA5bSNOTLUp78iW5vtNyTGY+ONybX6c/CrJ3HRyWchu8eSK288p5FAzvwCsJzH6FceeUEUlvvtQKnTJfXRxazvDgXe\
    +g8F1mlEyfi6afCrCLBX04hNtxAkL14uhyLDoGYhunw2SY+uxMyHLS8wJF33+wUqqFdrQcgKtr9qm12CwKMCAwEAAaNT\
    MFEwHQYDVR0OBBYEFCq1FQJEjyTm395+rDVT6lW024+FMB8GA1UdIwQYMBaAFCq1FQJEjyTm395+rDVT6lW024+FMA8G\
    A1UdEwEB/wQFMAMBAf8wPAYJKoZIhvcNAQEKMC+gDzANBglghkgBZQMEAgMFAKEcMBoGCSqGSIb3DQEBCDANBglghkgB\
    ZQMEAgMFAAOBgQC90c82/ugQk6OFwV7gEEhbv0jq4yQdOUE7EzS4iKiW6cRHrZTRJT1jMdohoPq8z+pw4KN7w1JAlkyC\
    kecfaYPnwZ6NXJ//WOyxSfAzriaxJabuIpx6Zi9ZyPTd92SnlHTLUy4fV5ocgeZ2RupbnsNq+4SM5JPSJbS6Wcn0v25C\
    nQ==";

const ED25519: &str = "\
    MIIBLjCB4aADAgECAhRJHjuJJgYhF1VWTgwIoYIG6leaVjAFBgMrZXAwDTELMAkGA1UEAwwCZGIwHhcNMjYxMTIzMTIz\
    MjUzWhcNMzYxMTIwMTIzMjUzWjANMQswCQYDVQQDDAJkYjAqMAUGAytlcAMhALRz2vj9mAYDxennyR/VOusJ9lqkGGhQ\
    Oo8nVfhjQyfEo1MwUTAdBgNVHQ4EFgQU0RfES4rqO9yHFhZfKS53+jdW+tMwHwYDVR0jBBgwFoAU0RfES4rqO9yHFhZf\
    KS53+jdW+tMwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQDDApkQCRMs/Vea40b19xfzXIckEdyc3m4O6MiO4Efv/iww\
    EPPxtljG9OYhnVPjLe4JHztVF29RBqDKwfRnU1YC";

const VERSION_1_SHA1: &str = "\
    MIIBLDCB1QIUOg0pX9iTbQDm40vYvhobr/O5EiQwCQYHKoZIzj0EATAoMQ0wCwYDVQQKDAR0ZXN0MRcwFQYDVQQDDA5k\
    Yi5leGFtcGxlLmNvbTAeFw0yNjExMjMxMjMyNTNaFw0zNjExMjAxMjMyNTNaMA0xCzAJBgNVBAMMAnYxMFkwEwYHKoZI\
    zj0CAQYIKoZIzj0DAQcDQgAErxmM0PAaXDIyuoaD+1tYrDaFii6/kJzRCQDEF6XXxZpyeyIv1MsMtw8espzBI87joOm4\
    Iv28TBUzQaM3x9H2KjAJBgcqhkjOPQQBA0cAMEQCIG3HVmuy29JluwQfEx9ciKarpEhJewkTBgDuxrajbWgPAiAcrC2p\
    LqUMvo/FsIFxYi0wNH5wLzI821edxENr43VoxA==";

fn der(text: &str) -> Vec<u8> {
    STANDARD.decode(text).expect("the constants are base64")
}

/// Compares the first bytes of the hash with those that `openssl dgst` prints.
#[track_caller]
fn check_hash(text: &str, length: usize, start: [u8; 4]) {
    let der = der(text);
    let hash = Certificate::parse(&der)
        .expect("a certificate")
        .end_point_hash();
    let hash = hash.expect("a hash");
    assert_eq!((hash.len(), &hash[..4]), (length, &start[..]));
}

#[test]
fn the_end_point_hash_is_the_one_of_the_signature() {
    check_hash(EC_SHA384, 48, [0xc3, 0x67, 0x44, 0x4e]);
    check_hash(WITH_ALTERNATIVE_NAME, 32, [0x5b, 0xf4, 0xc2, 0x54]);
    check_hash(PSS_SHA512, 64, [0x28, 0x58, 0x5a, 0x4a]);
}

#[test]
fn weak_signature_hashes_are_replaced_by_sha_256() {
    check_hash(VERSION_1_SHA1, 32, [0x8c, 0x63, 0x60, 0x4c]);
}

#[test]
fn a_signature_without_a_hash_has_no_binding() {
    let der = der(ED25519);
    let certificate = Certificate::parse(&der).expect("a certificate");
    assert_eq!(certificate.end_point_hash(), None);
}

#[test]
fn validity_is_read_from_both_kinds_of_time() {
    // 2026-11-23 12:32:53 to 2036-11-20, and to 2081, which is beyond UTCTime.
    for (text, end) in [
        (EC_SHA384, 2_110_797_173),
        (WITH_ALTERNATIVE_NAME, 3_523_437_173),
    ] {
        let der = der(text);
        let certificate = Certificate::parse(&der).expect("a certificate");
        let start = 1_795_437_173;
        let valid = [start - 1, start, end, end + 1].map(|at| certificate.is_valid_at(at));
        assert_eq!(valid, [false, true, true, false]);
    }
}

#[test]
fn days_are_counted_like_the_calendar() {
    assert_eq!(days_since_1970(1970, 1, 1), 0);
    assert_eq!(days_since_1970(2000, 2, 29), 11_016);
    assert_eq!(days_since_1970(2000, 3, 1), 11_017);
    assert_eq!(days_since_1970(1969, 12, 31), -1);
}

#[test]
fn the_common_name_counts_without_alternative_names_only() {
    let matches = |text: &str, host: &str| {
        let der = der(text);
        let certificate = Certificate::parse(&der).expect("a certificate");
        certificate.common_name_matches(host)
    };
    assert!(matches(EC_SHA384, "db.example.com"));
    assert!(matches(EC_SHA384, "DB.Example.Com"));
    assert!(!matches(EC_SHA384, "example.com"));
    assert!(!matches(EC_SHA384, "db.example.com."));
    assert!(!matches(WITH_ALTERNATIVE_NAME, "db.example.com"));
    assert!(matches(PSS_SHA512, "a.example.com"));
    assert!(!matches(PSS_SHA512, "a.b.example.com"));
    assert!(!matches(PSS_SHA512, ".example.com"));
    assert!(!matches(PSS_SHA512, "example.com"));
}

#[test]
fn no_cut_and_no_changed_byte_makes_the_walk_panic() {
    for text in [
        EC_SHA384,
        WITH_ALTERNATIVE_NAME,
        PSS_SHA512,
        ED25519,
        VERSION_1_SHA1,
    ] {
        let der = der(text);
        for end in 0..der.len() {
            assert!(Certificate::parse(&der[..end]).is_none(), "{end}");
        }
        for at in 0..der.len() {
            for value in [0x00, 0x7f, 0x80, 0x81, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                if let Some(certificate) = Certificate::parse(&changed) {
                    certificate.end_point_hash();
                    certificate.is_valid_at(0);
                    certificate.common_name_matches("db");
                }
            }
        }
    }
}
