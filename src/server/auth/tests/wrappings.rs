//! Keys in a wrapping that is not read, which must not become secrets, and secrets that only look
//! odd, which must stay ones.

use base64::engine::general_purpose::STANDARD;

use super::*;

/// Made by OpenSSL, as were the others here.
const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEknOtgkVq7uggYVdelKqe956t6Q+MrzZH30vNupwmD\
    wdNwpicwmC0tWswd3WOPSeBAF0gQ3SrH4O3Xv5iZ4rMqQ==";
const PKCS1: &str = "MIGJAoGBANv2G+n/nCF02qr+A+EFL0Ksz3AxetMoar3A61P4N5Ge5IVJu2YPvY3OSJXf18NjO/0k\
    fLP7TBi0mk3nuozIT3xX/JKs9L9BjZGNueGijbjG438lLDGzQUAehHtVwe5EJ1tz88hXpOnaAIurs4RWeNZNa5hCwU/Cw\
    tPa2LP+ZGfpAgMBAAE=";
const RSA_SPKI: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDb9hvp/5whdNqq/gPhBS9CrM9wMXrTKGq9w\
    OtT+DeRnuSFSbtmD72NzkiV39fDYzv9JHyz+0wYtJpN57qMyE98V/ySrPS/QY2Rjbnhoo24xuN/JSwxs0FAHoR7VcHuRC\
    dbc/PIV6Tp2gCLq7OEVnjWTWuYQsFPwsLT2tiz/mRn6QIDAQAB";
const ED25519: &str = "MCowBQYDK2VwAyEA/LQ9cV5P6/yhBXFgJlCWpNhR/8VKPh7QDCsJPRgz0PE=";
const PKCS8: &str = "MC4CAQAwBQYDK2VwBCIEICIfHTz76M4Ifg7+Tr8zGvmUZB0FpODJ1WvJXffhKvJe";
const SEC1: &str = "MHcCAQEEIE4HFvx+1eq+Kqk//XlTMndmc9Munia2XzS2AhGLx+RioAoGCCqGSM49AwEHoUQDQgAEknO\
    tgkVq7uggYVdelKqe956t6Q+MrzZH30vNupwmDwdNwpicwmC0tWswd3WOPSeBAF0gQ3SrH4O3Xv5iZ4rMqQ==";
const X509: &str = "MIIBbjCCAROgAwIBAgIUeZCgS6qGew2ciX5lKiWUZoBXPjwwCgYIKoZIzj0EAwIwDDEKMAgGA1UEA\
    wwBYTAeFw0yNjExMjkxNDQ5NTlaFw0zNjExMjYxNDQ5NTlaMAwxCjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQ\
    MBBwNCAASSc62CRWru6CBhV16Uqp73nq3pD4yvNkffS826nCYPB03CmJzCYLS1azB3dY49J4EAXSBDdKsfg7de/mJnisy\
    po1MwUTAdBgNVHQ4EFgQUZYYiFoS5PTQmY/G0bToCz1P+zFwwHwYDVR0jBBgwFoAUZYYiFoS5PTQmY/G0bToCz1P+zFww\
    DwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAr2sTED9gM1CDLd6vzuDEIPZBb6V09GMYfyTuD6ISefUCI\
    QCj12X2SKS29wgrlj/GfJm+DKO8vJHqmWbzqOOCVrT6Jg==";
const SSH_ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIPy0PXFeT+v8oQVxYCZQlqTYUf/FSj4e0AwrCT0YM9Dx";
const DERS: [&str; 7] = [SPKI, PKCS1, RSA_SPKI, ED25519, PKCS8, SEC1, X509];

/// The text stops the start, for that reason, and nobody can sign with it.
#[track_caller]
fn check_refused(secret: impl AsRef<[u8]>, reason: &str) {
    let secret = secret.as_ref();
    let config = Config {
        jwt_secret: Some(Secret::new(secret.to_vec())),
        ..Config::default()
    };
    let shown = secret.escape_ascii();
    let error = Authenticator::new(&config)
        .map(drop)
        .expect_err(&shown.to_string());
    assert!(
        error.starts_with("The JWT secret is not a valid JSON Web Key: "),
        "{error}"
    );
    assert!(error.contains(reason), "{error}, for {shown}");
}

fn pem(label: &str, base64: &str) -> String {
    let lines: Vec<&str> = (0..base64.len())
        .step_by(64)
        .map(|at| &base64[at..base64.len().min(at + 64)])
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn hexadecimal(octets: &[u8], between: &str) -> String {
    let digits: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    digits.join(between)
}

#[test]
fn pem_is_refused_wherever_it_stands() {
    for label in [
        "PUBLIC KEY",
        "RSA PUBLIC KEY",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "CERTIFICATE",
    ] {
        let pem = pem(label, SPKI);
        for text in [
            pem.clone(),
            format!("# the key of our issuer\n{pem}"),
            format!("\n\n  {pem}"),
            format!("Bag Attributes\n    localKeyID: 01\n{pem}"),
            pem.replace('\n', "\\n"),
            pem.replace('\n', "\r\n"),
            pem.replace('\n', " "),
            pem.to_lowercase(),
            pem[..60].to_owned(),
            format!(
                r#"{{"type":"service_account","private_key":"{}"}}"#,
                pem.replace('\n', "\\n")
            ),
            format!(r#""{}""#, pem.replace('\n', "\\n")),
            format!("\u{feff}{pem}"),
        ] {
            check_refused(&text, "in PEM; write it as a JSON Web Key");
        }
        check_refused(STANDARD.encode(&pem), "a key in base64; decode it");
        check_refused(encode(&pem), "a key in base64; decode it");
        let units: Vec<u8> = pem.encode_utf16().flat_map(u16::to_le_bytes).collect();
        check_refused([&[0xFF, 0xFE], &*units].concat(), "in PEM");
        let units: Vec<u8> = pem.encode_utf16().flat_map(u16::to_be_bytes).collect();
        check_refused([&[0xFE, 0xFF], &*units].concat(), "in PEM");
    }
}

#[test]
fn der_is_refused_in_every_writing() {
    for der in DERS {
        let octets = STANDARD.decode(der).expect("it is base64");
        check_refused(&octets, "in DER; write it as a JSON Web Key");
        for text in [
            der.to_owned(),
            der.trim_end_matches('=').to_owned(),
            encode(&octets),
            format!("{der}\n"),
            pem("", der)
                .lines()
                .filter(|line| !line.starts_with('-'))
                .collect::<Vec<_>>()
                .join("\n"),
            STANDARD.encode(der),
        ] {
            check_refused(&text, "a key in base64");
        }
        check_refused(hexadecimal(&octets, ""), "a key in hexadecimal digits");
        check_refused(
            hexadecimal(&octets, ":").to_uppercase(),
            "a key in hexadecimal digits",
        );
        check_refused(hexadecimal(&octets, " "), "a key in hexadecimal digits");
        for mark in ["0x", "\\x"] {
            check_refused(
                format!("{mark}{}", hexadecimal(&octets, "")),
                "a key in hexadecimal digits",
            );
        }
        let of_url = pem("PUBLIC KEY", der).replace('\n', "%0A");
        check_refused(of_url.replace("-----", "%2D%2D%2D%2D%2D"), "in a URL");
        check_refused(der.replace('+', "%2B").replace('=', "%3D"), "in ");
    }
    // Cut off at the end of any line, or in its middle.
    for length in [40, 50, 64, 100, 128, 333] {
        check_refused(&X509[..length], "a key in base64");
        let octets = STANDARD
            .decode(&X509[..length / 4 * 4])
            .expect("it is base64");
        check_refused(octets, "in DER");
    }
}

#[test]
fn keys_of_ssh_are_refused() {
    for text in [
        format!("ssh-ed25519 {SSH_ED25519} joe@example.com"),
        format!("ssh-ed25519\t{SSH_ED25519}"),
        format!("{SSH_ED25519} joe@example.com"),
        format!("# mine\nssh-ed25519 {SSH_ED25519}\n"),
        format!("from=\"10.0.0.*\",no-pty ssh-ed25519 {SSH_ED25519}"),
        format!("example.com,10.0.0.1 ssh-ed25519 {SSH_ED25519}"),
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDb9hvp".to_owned(),
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTY".to_owned(),
        "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t".to_owned(),
        "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n".to_owned(),
        "---- BEGIN SSH2 PUBLIC KEY ----\nComment: joe\nAAAAB3NzaC1yc2E".to_owned(),
    ] {
        check_refused(text, "; write it as a JSON Web Key");
    }
    check_refused(SSH_ED25519, "a key in base64");
    check_refused("AAAAB3NzaC1yc2EAAAADAQABAAAAgQDb9hvp", "a key in base64");
    let private = "openssh-key-v1\0\0\0\0\u{4}none\0\0\0\u{4}none\0\0\0\0\0\0\0\u{1}";
    check_refused(private, "a key of SSH");
    check_refused(STANDARD.encode(private), "a key in base64");
}

/// Half of a key is none, and its parts are known to everybody.
#[test]
fn a_key_without_its_type_is_refused() {
    for text in [
        r#"{"n":"2_YS","e":"AQAB","alg":"RS256"}"#,
        r#"{"crv":"P-256","x":"knOt","y":"cDB3"}"#,
    ] {
        check_refused(text, r#"without "kty""#);
        let of_url = text.replace('"', "%22").replace('{', "%7B");
        check_refused(of_url, "in a URL");
    }
}

/// `key` in JSON that is not a key itself.
#[test]
fn a_key_in_the_wrong_place_of_json_is_refused() {
    let private = r#"{"kty":"oct","k":"YSBzZWNyZXQgb2YgbW9yZSB0aGFuIDMyIGNoYXJhY3RlcnM"}"#;
    for key in [&*rsa_jwk(""), private] {
        let escaped = key.replace('"', "\\\"");
        for (text, reason) in [
            (
                format!("[{key}]"),
                "inside of an array; write {\"keys\":[…]} around it",
            ),
            (format!("[[1,{key}]]"), "inside of an array"),
            (format!(r#"["{escaped}"]"#), "inside of an array"),
            (
                format!(r#"{{"data":{{"keys":[{key}]}}}}"#),
                "inside of another object",
            ),
            (format!(r#"{{"Keys":[{key}]}}"#), "inside of another object"),
            (
                format!(r#"{{"jwks":[{{"public":{key}}}]}}"#),
                "inside of another object",
            ),
            (
                format!(r#"{{"data":"{escaped}"}}"#),
                "inside of another object",
            ),
            (
                format!(r#"{{"data":"{}"}}"#, encode(key)),
                "inside of another object",
            ),
            (
                format!(r#""{escaped}""#),
                "inside of a string; write it without",
            ),
            (
                format!(r#"{{"key":"{}"}}"#, encode(format!("[{key}]"))),
                "inside of another object",
            ),
            (
                key.replace("kty", "Kty"),
                "the name of \"kty\" is in small letters",
            ),
            (
                key.replace("kty", "KTY"),
                "the name of \"kty\" is in small letters",
            ),
            (
                key.replace("kty", " kty"),
                "the name of \"kty\" is in small letters",
            ),
            (
                format!(r#"{{"keys":[{}]}}"#, key.replace("kty", "Kty")),
                "is in small letters",
            ),
            (
                format!(r#"{{"keys":["{escaped}"]}}"#),
                "an element of \"keys\" is not an object",
            ),
            (
                STANDARD.encode(key),
                "a key in base64; decode it, or set jwt-secret-is-base64",
            ),
            (encode(key), "a key in base64"),
            (
                STANDARD.encode(format!(r#"{{"keys":[{key}]}}"#)),
                "a key in base64",
            ),
            (STANDARD.encode(format!("[{key}]")), "a key in base64"),
            (STANDARD.encode(STANDARD.encode(key)), "a key in base64"),
            (
                hexadecimal(key.as_bytes(), ""),
                "a key in hexadecimal digits",
            ),
        ] {
            check_refused(text, reason);
        }
    }
    for (written, right) in [
        ("rsa", "RSA"),
        ("Rsa", "RSA"),
        ("OCT", "oct"),
        ("ec", "EC"),
        ("okp", "OKP"),
    ] {
        let key = format!(r#"{{"kty":"{written}","n":"{RSA_N}","e":"AQAB"}}"#);
        let reason = format!("\"kty\" is \"{right}\" in just these letters");
        check_refused(&key, &reason);
        check_refused(format!(r#"{{"keys":[{key}]}}"#), &reason);
    }
}

#[test]
fn a_key_that_is_no_json_is_refused() {
    let key = rsa_jwk("");
    let set = format!(r#"{{"keys":[{key}]}}"#);
    let cut_off = "it is cut off or not JSON";
    for text in [
        format!("{key},"),
        format!("{key}}}"),
        format!("jwk = {key}"),
        format!("// of our issuer\n{key}"),
        format!("\u{feff}{key},"),
        format!("'{key}'"),
        key.replace('"', "'"),
        key.replace("{\"kty\"", "{kty"),
        key.replace("\"n\"", "n"),
        key.replace(",\"e\"", ",,\"e\""),
        key.replace('"', "\\\""),
        key.replacen("\"kty\"", "\"Kty\"", 1).replace("\"e\"", "e"),
        format!("kty: RSA\nn: {RSA_N}\ne: AQAB\n"),
        format!("---\nissuer: x\nkty : RSA\nn: {RSA_N}\n"),
        format!("{{{}", "[".repeat(200)) + &key,
    ] {
        check_refused(text, cut_off);
    }
    for length in 32..key.len() {
        check_refused(&key[..length], cut_off);
    }
    for length in 32..set.len() {
        check_refused(&set[..length], cut_off);
    }
    check_refused(STANDARD.encode(&set[..100]), "a key in base64");
    check_refused(format!("\u{feff}{key}"), "write it alone");
    check_refused(
        "<RSAKeyValue><Modulus>2/Yb6f+cIXTaqv4D4Q==</Modulus></RSAKeyValue>",
        "a key in XML",
    );
    for address in [
        "https://example.com/.well-known/jwks.json",
        " HTTPS://example.com/realms/x/.well-known/openid-configuration\n",
        "http://localhost:8080/oauth2/v1/jwks?x=1",
    ] {
        check_refused(address, "the address of a set of keys");
    }
}

/// What people and programs make secrets of.
#[test]
fn ordinary_secrets_stay_secrets() {
    let [json, list] = [
        r#"{"this":"is only JSON, not a key, thus a secret"}"#,
        r#"["this","is","a","list","of","words","and","no","key"]"#,
    ];
    for secret in [
        SECRET,
        json,
        list,
        r#""a string of JSON with 32 characters at least""#,
        "123456789012345678901234567890123",
        "{ this begins like an object but is none",
        "[ this begins like an array, but is none",
        "----- this begins like PEM but is none -----",
        "ssh-rsa is not the beginning of this secret",
        "ssh-keygen AAA makes keys, this is not one of them",
        "MII is how DER begins in base64, and so does this",
        "MIIBeginsLikeDerButItIsNoneOfItAtAllReallyNot",
        "https://example.com/this-is-nobodys-business",
        "kty is the name of a member, and here a word: x",
        "my kty: this is in the middle of a line, so what",
        "monkty:0123456789012345678901234567",
        "-----------------------------------",
        "00000000000000000000000000000000000000000000",
        &format!("0f{}", "0".repeat(102)),
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "==================================",
        " a blank in front, and one behind it ",
        "\"quotation mark in front of it, and none behind",
        "@ and more; but as a file it was read long ago",
        "é is not ASCII, and neither are ü, 花 and 😀",
        "\\u0022kty is not written like that in any JSON",
        "100% of it is a secret, and 50%25 of that, too",
        r#"{"n":"is the name of a member, and so is m"}"#,
    ] {
        assert!(secret.len() >= 32, "{secret}");
        let token = hmac_token(
            r#"{"alg":"HS256"}"#,
            r#"{"role":"author"}"#,
            secret.as_bytes(),
        );
        check_genuine(secret, &token);
    }
}

/// Secrets of every kind that is made by chance.
#[test]
fn secrets_made_by_chance_stay_secrets() {
    let mut state = 1_u64;
    let mut octets = |count: usize| -> Vec<u8> {
        let next = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..count).map(next).collect()
    };
    for round in 0..5_000 {
        let random = octets(32 + round % 64);
        let printable: Vec<u8> = random.iter().map(|octet| b' ' + octet % 95).collect();
        // The worst there is: it begins as DER does.
        let like_der = [&[0x30], &random[1..]].concat();
        let like_hexadecimal_der = format!("30{}", hexadecimal(&random[1..], ""));
        for secret in [
            random.clone(),
            STANDARD.encode(&random).into_bytes(),
            encode(&random).into_bytes(),
            hexadecimal(&random, "").into_bytes(),
            printable,
            like_der,
            like_hexadecimal_der.into_bytes(),
        ] {
            let keys = Keys::parse(&secret);
            assert!(keys.is_ok(), "{}: {keys:?}", secret.escape_ascii());
        }
    }
}

#[track_caller]
fn check_weak(secret: &str, weakness: &str) {
    let lenient = config(Some(secret));
    let strict = Config {
        jwt_strict_keys: true,
        ..config(Some(secret))
    };
    let authenticator = Authenticator::new(&lenient).expect("it is a key");
    let expected = [format!("{weakness}.")];
    assert_eq!(authenticator.warnings(), expected, "{secret}");
    let error = Authenticator::new(&strict).map(drop).expect_err(weakness);
    assert_eq!(error, format!("{weakness}; jwt-strict-keys refuses that."));
}

#[test]
fn weak_keys_are_warned_of_or_refused() {
    let short = |bytes: usize, more: &str| octets_jwk(&"a".repeat(bytes), more);
    let hash = "bytes long, and shorter than the hash (RFC 7518 section 3.2)";
    let alone = "The JWT secret is only";
    check_weak(&short(1, ""), &format!("{alone} 1 {hash}"));
    check_weak(
        &short(31, r#","alg":"HS256""#),
        &format!("{alone} 31 {hash}"),
    );
    check_weak(
        &short(47, r#","alg":"HS384""#),
        &format!("{alone} 47 {hash}"),
    );
    check_weak(
        &short(63, r#","alg":"HS512""#),
        &format!("{alone} 63 {hash}"),
    );
    let second = format!(r#"{{"keys":[{},{}]}}"#, rsa_jwk(""), short(31, ""));
    check_weak(
        &second,
        &format!("Key 2 of the JWT secret is only 31 {hash}"),
    );
    let rsa = format!(r#"{{"kty":"RSA","n":"{RSA_1024_N}","e":"AQAB"}}"#);
    let told = "is a key of RSA with fewer than 2048 bits (RFC 7518 section 3.3)";
    check_weak(&rsa, &format!("The JWT secret {told}"));
    let operations = "The JWT secret is used, although its \"key_ops\" have no \"verify\"";
    for more in [
        r#"["sign"]"#,
        r#"["encrypt","Verify"]"#,
        "[]",
        r#""verify""#,
        "{}",
        "[1]",
    ] {
        check_weak(&rsa_jwk(&format!(r#","key_ops":{more}"#)), operations);
    }
    let none = "The JWT secret has no key that tokens can be verified with";
    for unusable in [
        r#"{"keys":[]}"#,
        r#"{"kty":"AKP","pub":"AAAA"}"#,
        &rsa_jwk(r#","use":"enc""#),
        &format!(r#"{{"keys":[{}]}}"#, rsa_jwk(r#","alg":"PS256""#)),
    ] {
        check_weak(unusable, none);
    }
}

#[test]
fn other_keys_are_neither_warned_of_nor_refused() {
    let long = "a".repeat(64);
    for secret in [
        SECRET,
        &octets_jwk(&long[..32], ""),
        &octets_jwk(&long[..48], r#","alg":"HS384""#),
        &octets_jwk(
            &long,
            r#","alg":"HS512","use":"sig","key_ops":["sign","verify"]"#,
        ),
        &rsa_jwk(r#","key_ops":null"#),
        // Those that are passed over verify nothing: identity providers have them in their sets.
        &format!(
            r#"{{"keys":[{},{}]}}"#,
            rsa_jwk(""),
            rsa_jwk(r#","use":"enc","key_ops":[]"#)
        ),
    ] {
        for jwt_strict_keys in [false, true] {
            let config = Config {
                jwt_strict_keys,
                ..config(Some(secret))
            };
            let authenticator = Authenticator::new(&config).expect(secret);
            assert_eq!(authenticator.warnings(), [] as [String; 0], "{secret}");
        }
    }
}
