//! RFC 8725, "JSON Web Token Best Current Practices", section by section, and the attacks on
//! tokens that have become known since, as tables of tokens and what comes of them.
//!
//! | section | here |
//! |---|---|
//! | 2.1, 3.1, 3.2 | [`the_algorithm_is_the_keys`] |
//! | 2.2, 3.5 | `wrappings` (`weak_keys_are_warned_of_or_refused`) |
//! | 2.3, 3.3 | [`each_signature_is_checked`], [`signatures_have_one_form`] |
//! | 2.4, 3.6 | [`nothing_is_decompressed_or_decrypted`]; 2.5 is about encryption, too |
//! | 2.6, 3.7 | [`json_is_one_text_in_utf_8`] |
//! | 2.7, 2.8, 3.8, 3.9, 3.12 | [`tokens_for_others_are_refused`] |
//! | 2.9, 3.10 | [`what_a_header_brings_along_is_not_used`] |
//! | 3.4 | [`points_and_numbers_that_are_no_keys_are_refused`] |
//! | 3.11 | [`types_are_told_and_not_checked`], as in PostgREST |
//! | RFC 7515 4.1.11, RFC 7797 | [`extensions_that_must_be_understood_are_refused`] |

use base64::engine::general_purpose::STANDARD;
use jwt_simple::algorithms::{RS256KeyPair, RSAKeyPairLike};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::*;

const HS256: &str = r#"{"alg":"HS256"}"#;
const AUTHOR: &str = r#"{"role":"author"}"#;

/// Keys of each family, and who can sign with them.
struct World {
    p256: ES256KeyPair,
    ed25519: Ed25519KeyPair,
}

impl World {
    fn new() -> World {
        World {
            p256: ES256KeyPair::generate(),
            ed25519: Ed25519KeyPair::generate(),
        }
    }

    fn p256_jwk(&self) -> String {
        let point = self.p256.public_key().public_key().to_bytes_uncompressed();
        point_jwk("P-256", &point)
    }

    fn ed25519_jwk(&self) -> String {
        let x = encode(self.ed25519.public_key().to_bytes());
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)
    }

    /// A set with a secret and with public keys, in which a wrong one could be found.
    fn set(&self) -> String {
        let keys = [
            octets_jwk(SECRET, ""),
            rsa_jwk(""),
            self.p256_jwk(),
            self.ed25519_jwk(),
        ];
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    fn es256(&self) -> String {
        self.p256
            .sign(timeless())
            .expect("its claims can be written")
    }

    fn eddsa(&self) -> String {
        self.ed25519
            .sign(timeless())
            .expect("its claims can be written")
    }
}

/// Claims that hold at any time, also in that of these tests.
fn timeless() -> JWTClaims<BTreeMap<String, String>> {
    let mut claims = author();
    (claims.issued_at, claims.expires_at, claims.invalid_before) = (None, None, None);
    claims
}

/// What a request with the token gets where `us` is the audience, with that secret.
#[track_caller]
fn check_for_us(secret: &str, token: &str, expected: Result<&str, Error>, attack: &str) {
    let config = Config {
        jwt_aud: Some("us".to_owned()),
        ..config(Some(secret))
    };
    let authenticator = Authenticator::new(&config).expect("the secret is one");
    let header = format!("Bearer {token}");
    let identity = Verifier::new()
        .identify(&config, &authenticator, Some(header.as_bytes()), NOW)
        .map_err(Error::from);
    let role = identity.as_ref().map(|identity| &*identity.role);
    assert_eq!(role.map_err(Clone::clone), expected, "{attack}: {token}");
}

#[track_caller]
fn check_all(secret: &str, attacks: &[(&str, String, JwtFault)]) {
    for (attack, token, told) in attacks {
        check_for_us(secret, token, Err(fault(told.clone())), attack);
    }
}

/// Signed with the secret of these tests, as nobody but its owner can.
fn signed(header: &str, claims: impl AsRef<[u8]>) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let tag = HS256Key::from_bytes(SECRET.as_bytes()).authentication_tag(signed.as_bytes());
    format!("{signed}.{}", encode(tag))
}

fn parts(token: &str) -> (&str, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').expect("a token has parts");
    (
        signed,
        URL_SAFE_NO_PAD.decode(signature).expect("it is base64"),
    )
}

fn with_signature(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", parts(token).0, encode(signature))
}

/// SubjectPublicKeyInfo, and in it PKCS #1, of the key of RSA.
fn rsa_der() -> (Vec<u8>, Vec<u8>) {
    let modulus = URL_SAFE_NO_PAD.decode(RSA_N).expect("it is base64");
    let inner = [
        &octets_of("3082010a0282010100"),
        &*modulus,
        &octets_of("0203010001"),
    ]
    .concat();
    let outer = octets_of("30820122300d06092a864886f70d01010105000382010f00");
    ([&*outer, &inner].concat(), inner)
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = (0..base64.len())
        .step_by(64)
        .map(|at| &base64[at..base64.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// Sections 2.1, 3.1 and 3.2: no algorithm, another one, and public keys as secrets.
#[test]
fn the_algorithm_is_the_keys() {
    let world = World::new();
    for none in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "none\\u0000",
        "\\u006eone",
        "no\\u0000ne",
        "n\u{43e}ne",
        "\u{ff4e}one",
        "",
        "null",
        "HS256,none",
        "hs256",
        "HS 256",
        "HS256\\n",
        "HS",
        "PS256",
        "RS1",
        "ES256K",
        "Ed25519",
        "ML-DSA-44",
        "A256KW",
        "dir",
        "PBES2-HS256+A128KW",
    ] {
        let header = format!(r#"{{"alg":"{none}"}}"#);
        let told = match none {
            "none" | "\\u006eone" => unsecured(),
            _ => JwtFault::Crypto,
        };
        for secret in [SECRET, &world.set()] {
            let unsigned = format!("{}.{}.", encode(&header), encode(AUTHOR));
            check_all(
                secret,
                &[
                    (none, unsigned.clone(), told.clone()),
                    (none, format!("{unsigned}AAAA"), told.clone()),
                    (none, signed(&header, AUTHOR), told.clone()),
                    (
                        none,
                        unsigned.trim_end_matches('.').to_owned(),
                        JwtFault::Parts(2),
                    ),
                ],
            );
        }
    }
    for header in [
        "{}",
        r#"{"typ":"JWT"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":256}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":{"alg":"HS256"}}"#,
        r#"{"Alg":"HS256"}"#,
        r#"{"alg ":"HS256"}"#,
    ] {
        check_all(
            SECRET,
            &[(header, signed(header, AUTHOR), JwtFault::Crypto)],
        );
    }
    // The text of a public key as the secret, in every form that somebody could have it in.
    let (spki, pkcs1) = rsa_der();
    let modulus = URL_SAFE_NO_PAD.decode(RSA_N).expect("it is base64");
    let pem = [pem("PUBLIC KEY", &spki), pem("RSA PUBLIC KEY", &pkcs1)];
    let jwk = rsa_jwk("");
    let set = format!(r#"{{"keys":[{jwk}]}}"#);
    let canonical = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{RSA_N}"}}"#);
    let crlf = pem[0].replace('\n', "\r\n");
    let texts: [&[u8]; 14] = [
        pem[0].as_bytes(),
        pem[1].as_bytes(),
        pem[0].trim_end().as_bytes(),
        crlf.as_bytes(),
        &spki,
        &pkcs1,
        &modulus,
        RSA_N.as_bytes(),
        jwk.as_bytes(),
        set.as_bytes(),
        canonical.as_bytes(),
        b"",
        b"\0",
        b"AQAB",
    ];
    for public in texts {
        let as_secret = |header: &str| hmac_token(header, AUTHOR, public);
        check_all(
            &jwk,
            &[
                ("RS256 as HS256", as_secret(HS256), no_key_fits()),
                (
                    "a tag as a signature",
                    as_secret(r#"{"alg":"RS256"}"#),
                    no_key_verifies(),
                ),
            ],
        );
        check_all(
            &world.set(),
            &[
                ("any key as HS256", as_secret(HS256), no_key_verifies()),
                (
                    "a tag for EdDSA",
                    as_secret(r#"{"alg":"EdDSA"}"#),
                    no_key_verifies(),
                ),
            ],
        );
    }
    check_for_us(&jwk, RS256, Ok("author"), "the key itself");
}

/// The orders of the groups and the prime of P-256; Ed25519's little-endian.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P256_PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const ED25519_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// The difference of two numbers, big-endian.
fn difference(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut digits: Vec<u8> = left
        .iter()
        .zip(right)
        .rev()
        .map(|(left, right)| {
            let digit = i16::from(*left) - i16::from(*right) - borrow;
            borrow = i16::from(digit < 0);
            digit.rem_euclid(256) as u8
        })
        .collect();
    digits.reverse();
    digits
}

/// The sum of two numbers, little-endian.
fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let digits = left.iter().zip(right).map(|(left, right)| {
        let digit = u16::from(*left) + u16::from(*right) + carry;
        carry = digit >> 8;
        digit as u8
    });
    digits.collect()
}

/// Section 3.3: empty signatures, zeros ("psychic signatures", CVE-2022-21449), parts of others.
#[test]
fn each_signature_is_checked() {
    let world = World::new();
    let [order, prime] = [P256_ORDER, P256_PRIME].map(octets_of);
    let es256 = world.es256();
    let signature = parts(&es256).1;
    let (r, s) = signature.split_at(32);
    let zero = [0; 32];
    let one = [&[0; 31][..], &[1]].concat();
    let pairs: [(&[u8], &[u8]); 14] = [
        (&zero, &zero),
        (&zero, s),
        (r, &zero),
        (&zero, &one),
        (&one, &zero),
        (&one, &one),
        (&order, &order),
        (&order, s),
        (r, &order),
        (&prime, &prime),
        (&one, &prime),
        (s, r),
        (r, r),
        (&[0xFF; 32], &[0xFF; 32]),
    ];
    for (r, s) in pairs {
        let token = with_signature(&es256, &[r, s].concat());
        check_all(&world.p256_jwk(), &[("psychic", token, no_key_verifies())]);
    }
    let mut modulus = URL_SAFE_NO_PAD.decode(RSA_N).expect("it is base64");
    let mut numbers = vec![vec![0; 256], modulus.clone(), vec![0xFF; 256]];
    modulus[255] -= 1;
    numbers.push(modulus);
    numbers.push([&[0; 255][..], &[1]].concat());
    let rs256 = parts(RS256).1;
    numbers.push([&[0], &*rs256].concat());
    numbers.push([&*rs256, &[0]].concat());
    numbers.push(rs256[1..].to_vec());
    numbers.push(rs256[..255].to_vec());
    for number in numbers {
        let token = with_signature(RS256, &number);
        check_all(
            &rsa_jwk(""),
            &[("a number of RSA", token, no_key_verifies())],
        );
    }
    let genuine = [
        es256,
        world.eddsa(),
        RS256.to_owned(),
        signed(HS256, AUTHOR),
    ];
    for (index, token) in genuine.iter().enumerate() {
        let signature = parts(token).1;
        for changed in [&[][..], &signature[..1], &signature[..signature.len() - 1]] {
            let token = with_signature(token, changed);
            check_all(&world.set(), &[("cut off", token, no_key_verifies())]);
        }
        for other in (0..genuine.len()).filter(|other| *other != index) {
            let token = with_signature(token, &parts(&genuine[other]).1);
            check_all(&world.set(), &[("another one's", token, no_key_verifies())]);
        }
    }
}

/// Cube roots of what begins like a signature and goes on as it likes (Bleichenbacher 2006): with
/// eight bytes of padding, and with none.
const CUBE_ROOTS: [&str; 2] = [
    "32cbfd4a7adc7905583d767520f51640759176d37826f2ef63ae3dc7a6305244035b6d0a02d55a229e927a522337\
    0c0a3da5a0be04dc4a5a1e0faa2e179fe72b6127964becf3569f9bbad0e9a2fd2388c5a679e2cd",
    "2853cd73e4d3f6855ad265cf866688d02cdb3e7b4ada5e7b130dc7c9e3db6391bd727d4cd673b507b1e843256ce9\
    67df70a346caf0fb601a03209386b5cc1f28dae40b834bd9a79c1f9191092c5609fc8bbac67471",
];

/// Section 3.3: other writings of the same signature, and signatures that need no key.
#[test]
fn signatures_have_one_form() {
    let world = World::new();
    let es256 = world.es256();
    let signature = parts(&es256).1;
    let (r, s) = signature.split_at(32);
    let integer = |number: &[u8]| [&[2, 33, 0], number].concat();
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    check_all(
        &world.p256_jwk(),
        &[
            (
                "DER instead of r and s",
                with_signature(&es256, &der),
                no_key_verifies(),
            ),
            (
                "leading zeros",
                with_signature(&es256, &[&[0], r, &[0], s].concat()),
                no_key_verifies(),
            ),
            (
                "more behind it",
                with_signature(&es256, &[r, s, &[0]].concat()),
                no_key_verifies(),
            ),
        ],
    );
    // (r, n - s) is a signature whenever (r, s) is: by the same signer, of the same message. It is
    // another token to the cache, and gives nobody anything.
    let mirrored = difference(&octets_of(P256_ORDER), s);
    let mirrored = with_signature(&es256, &[r, &*mirrored].concat());
    check_for_us(
        &world.p256_jwk(),
        &mirrored,
        Ok("author"),
        "the mirrored one",
    );

    let eddsa = world.eddsa();
    let signature = parts(&eddsa).1;
    let (r, s) = signature.split_at(32);
    let larger = sum(s, &octets_of(ED25519_ORDER));
    let identity = [&[1][..], &[0; 31]].concat();
    let not_canonical = [&[0xEE][..], &[0xFF; 30], &[0x7F]].concat();
    check_all(
        &world.ed25519_jwk(),
        &[
            (
                "S beyond the order",
                with_signature(&eddsa, &[r, &*larger].concat()),
                no_key_verifies(),
            ),
            (
                "R of a small order",
                with_signature(&eddsa, &[&identity, s].concat()),
                no_key_verifies(),
            ),
            (
                "R not canonical",
                with_signature(&eddsa, &[&not_canonical, s].concat()),
                no_key_verifies(),
            ),
            ("zeros", with_signature(&eddsa, &[0; 64]), no_key_verifies()),
            (
                "the neutral point",
                with_signature(&eddsa, &[&*identity, &[0; 32]].concat()),
                no_key_verifies(),
            ),
        ],
    );

    let cubes = format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"Aw"}}"#);
    for root in CUBE_ROOTS.map(octets_of) {
        let padded = [&vec![0; 256 - root.len()], &*root].concat();
        check_all(
            &cubes,
            &[
                (
                    "a cube root",
                    with_signature(RS256, &padded),
                    no_key_verifies(),
                ),
                (
                    "a short cube root",
                    with_signature(RS256, &root),
                    no_key_verifies(),
                ),
            ],
        );
    }
    let pair = RS256KeyPair::generate(2048).expect("there are random numbers");
    let components = pair.public_key().to_components();
    let jwk = |e: &[u8]| {
        format!(
            r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#,
            encode(&components.n),
            encode(e)
        )
    };
    let token = pair.sign(timeless()).expect("its claims can be written");
    check_for_us(
        &jwk(&components.e),
        &token,
        Ok("author"),
        "of this very key",
    );
    check_all(
        &jwk(&[3]),
        &[("for another exponent", token.clone(), no_key_verifies())],
    );
    let too_large = "A".repeat(token.len()) + &token;
    check_all(
        &jwk(&components.e),
        &[("of another message", too_large, JwtFault::Crypto)],
    );
}

/// Section 3.4: the inputs of cryptography are checked, those of the operator, too.
#[test]
fn points_and_numbers_that_are_no_keys_are_refused() {
    let world = World::new();
    let point = world.p256.public_key().public_key().to_bytes_uncompressed();
    let (x, y) = (&point[1..33], &point[33..]);
    let prime = octets_of(P256_PRIME);
    let zero = [0; 32];
    let on = |curve: &str, x: &[u8], y: &[u8]| {
        let [x, y] = [encode(x), encode(y)];
        format!(r#"{{"kty":"EC","crv":"{curve}","x":"{x}","y":"{y}"}}"#)
    };
    let ed =
        |curve: &str, x: &[u8]| format!(r#"{{"kty":"OKP","crv":"{curve}","x":"{}"}}"#, encode(x));
    let neutral_448 = [&[1][..], &[0; 56]].concat();
    for jwk in [
        on("P-256", y, x),
        on(
            "P-256",
            x,
            &difference(&prime, &difference(y, &[&[0; 31][..], &[1]].concat())),
        ),
        on("P-256", &zero, &zero),
        on("P-256", &prime, y),
        on("P-256", &[0xFF; 32], &[0xFF; 32]),
        on("P-256", &[x, &[0]].concat(), y),
        on("P-256", x, &[]),
        on("P-384", x, y),
        on("P-521", x, y),
        ed("Ed25519", &[0; 31]),
        ed("Ed25519", &[0; 33]),
        ed("Ed25519", &[0; 57]),
        ed("Ed448", &[0; 32]),
        ed("Ed448", &neutral_448),
        ed("Ed448", &[0xFF; 57]),
        rsa_jwk("").replace("AQAB", "AQ"),
        rsa_jwk("").replace("AQAB", "AA"),
        rsa_jwk("").replace("AQAB", "Ag"),
        rsa_jwk("").replace(RSA_N, "AQAB"),
    ] {
        assert!(Keys::parse(jwk.as_bytes()).is_err(), "{jwk}");
    }
    // Small orders of Ed25519 are found out when something is verified.
    let identity = [&[1][..], &[0; 31]].concat();
    let not_canonical = [&[0xEE][..], &[0xFF; 30], &[0x7F]].concat();
    for weak in [&identity, &vec![0; 32], &not_canonical] {
        let token = with_signature(&world.eddsa(), &[&*identity, &[0; 32]].concat());
        if let Ok(keys) = Keys::parse(ed("Ed25519", weak).as_bytes()) {
            assert!(keys.verify(token.as_bytes()).is_err(), "{weak:?}");
        }
    }
    // The curve that is named in the key is the only one.
    check_all(
        &world.p256_jwk(),
        &[
            (
                "ES384",
                ES384KeyPair::generate().sign(timeless()).expect("it signs"),
                no_key_fits(),
            ),
            ("EdDSA", world.eddsa(), no_key_fits()),
            ("RS256", RS256.to_owned(), no_key_fits()),
        ],
    );
}

/// Sections 2.4 and 3.6, and the bombs of compressed and encrypted tokens (CVE-2024-21319,
/// CVE-2023-50658): what comes in is not made larger, and no count of iterations is obeyed.
#[test]
fn nothing_is_decompressed_or_decrypted() {
    // `{"role":"author"}`, by zlib without a header.
    let deflated = octets_of("ab562acacf4955b2524a2c2dc9c82f52aa0500");
    for claims in [&deflated[..], AUTHOR.as_bytes()] {
        let token = signed(r#"{"alg":"HS256","zip":"DEF"}"#, claims);
        let expected = match claims == AUTHOR.as_bytes() {
            true => Ok("author"),
            false => Err(Error::JwtClaims(JwtClaimsFault::Unparsable)),
        };
        check_for_us(SECRET, &token, expected, "zip is a word like any other");
    }
    for header in [
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483647,"p2s":"AAAA"}"#,
        r#"{"alg":"ECDH-ES","enc":"A128GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}"#,
        r#"{"alg":"HS256","enc":"A256GCM"}"#,
    ] {
        let five = format!(
            "{}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA",
            encode(header)
        );
        check_all(
            SECRET,
            &[
                ("five parts", five, JwtFault::Parts(5)),
                ("in three parts", signed(header, AUTHOR), JwtFault::Crypto),
            ],
        );
    }
}

/// Sections 2.6 and 3.7, and whatever else could make two readers see two tokens.
#[test]
fn json_is_one_text_in_utf_8() {
    let unparsable = || Err(Error::JwtClaims(JwtClaimsFault::Unparsable));
    let utf_16: Vec<u8> = AUTHOR.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = format!(
        r#"{{"role":"author","a":{}1{}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    let claims: [&[u8]; 15] = [
        &utf_16,
        b"\xEF\xBB\xBF{\"role\":\"author\"}",
        b"{\"role\":\"auth\xF6r\"}",
        b"{\"role\":\"\xC1\xA1uthor\"}",
        b"{\"role\":\"\xED\xA0\x80\"}",
        br#"{"role":"\ud800"}"#,
        b"{\"role\":\"author\"}\0",
        b"{\"role\":\"author\"}{}",
        b"{\"role\":\"author\",}",
        b"{\"role\":\"author\"",
        b"/**/{\"role\":\"author\"}",
        b"{role:\"author\"}",
        b"",
        b"[]",
        deep.as_bytes(),
    ];
    for claims in claims {
        check_for_us(SECRET, &signed(HS256, claims), unparsable(), "claims");
    }
    for header in [
        "",
        "null",
        "[]",
        "\"HS256\"",
        r#"{"alg":"HS256"}x"#,
        r#"{"alg":"HS256"}{}"#,
        r#"{"alg":"HS256","a":01}"#,
        "\u{feff}{\"alg\":\"HS256\"}",
        r#"{"alg":"HS256","kid":7}"#,
        r#"{"alg":"HS256","typ":[]}"#,
        r#"{"alg":"HS256","cty":1}"#,
        &format!(
            r#"{{"alg":"HS256","a":{}{}}}"#,
            "[".repeat(500),
            "]".repeat(500)
        ),
    ] {
        check_all(
            SECRET,
            &[("header", signed(header, AUTHOR), JwtFault::Crypto)],
        );
    }
    // Parity: of two members with one name the first counts (aeson), in headers and claims; what
    // PostgreSQL gets to see has it once.
    for (header, claims, expected) in [
        (r#"{"alg":"HS256","alg":"none"}"#, AUTHOR, Ok("author")),
        (
            r#"{"alg":"none","alg":"HS256"}"#,
            AUTHOR,
            Err(fault(unsecured())),
        ),
        (HS256, r#"{"role":"author","role":"admin"}"#, Ok("author")),
        (
            HS256,
            r#"{"role":"author","\u0072ole":"admin"}"#,
            Ok("author"),
        ),
        (
            HS256,
            r#"{"role":"author","Role":"admin","data":{"role":"admin"}}"#,
            Ok("author"),
        ),
        (
            HS256,
            r#"{"exp":1,"exp":9e9}"#,
            Err(Error::JwtClaims(JwtClaimsFault::Expired)),
        ),
    ] {
        check_for_us(SECRET, &signed(header, claims), expected, "twice");
    }
}

/// The outer form of a token (RFC 7515 sections 3.1 and 7.1, RFC 4648 section 3.5).
#[test]
fn tokens_have_one_form() {
    let genuine = signed(HS256, AUTHOR);
    let [header, payload, signature] = genuine.split('.').collect::<Vec<_>>()[..] else {
        panic!("it has three parts");
    };
    let flattened =
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The last digit of 32 bytes has two bits that say nothing.
    let last = alphabet.find(&signature[42..]).expect("it is a digit");
    let same_bits = &alphabet[last + 1..][..1];
    let mut attacks = vec![
        ("one dot behind", format!("{genuine}."), JwtFault::Parts(4)),
        ("dots behind", format!("{genuine}..."), JwtFault::Parts(6)),
        ("a dot in front", format!(".{genuine}"), JwtFault::Parts(4)),
        ("dots only", "..".to_owned(), JwtFault::Crypto),
        (
            "a header and nothing else",
            format!("{header}.."),
            no_key_verifies(),
        ),
        (
            "two tokens",
            format!("{genuine},{genuine}"),
            JwtFault::Parts(5),
        ),
        (
            "not in base64's last bits",
            format!("{header}.{payload}.{}{same_bits}", &signature[..42]),
            JwtFault::Crypto,
        ),
        ("JSON", flattened, JwtFault::Parts(1)),
        (
            "too long",
            signed(
                HS256,
                format!(r#"{{"role":"author","a":"{}"}}"#, "a".repeat(60_000)),
            ),
            JwtFault::Crypto,
        ),
    ];
    // A token in a token is no JSON object, and nobody looks into it.
    let nested = signed(r#"{"alg":"HS256","cty":"JWT"}"#, &genuine);
    let unparsable = Error::JwtClaims(JwtClaimsFault::Unparsable);
    check_for_us(SECRET, &nested, Err(unparsable), "a nested token");
    for foreign in [
        "=", "==", " ", "\t", "%3D", "+", "/", "\u{e9}", "\"", "\0", "~",
    ] {
        for token in [
            format!("{genuine}{foreign}"),
            format!("{header}{foreign}.{payload}.{signature}"),
            format!("{header}.{payload}{foreign}.{signature}"),
            format!("{foreign}{header}.{payload}.{signature}"),
        ] {
            // White space between the scheme and the token belongs to neither.
            if !token.starts_with([' ', '\t']) {
                attacks.push(("base64", token, JwtFault::Crypto));
            }
        }
    }
    check_all(SECRET, &attacks);
    check_for_us(SECRET, &genuine, Ok("author"), "none");
}

/// Sections 2.7, 2.8, 3.8, 3.9 and 3.12: tokens of the same issuer that are for somebody else, or
/// for another time. Who has issued one is told by its key; PostgREST has no setting for `iss`.
#[test]
fn tokens_for_others_are_refused() {
    let claims = |fault| Err(Error::JwtClaims(fault));
    use JwtClaimsFault as Fault;
    for (written, expected) in [
        (r#"{"role":"author","aud":"us"}"#, Ok("author")),
        (r#"{"role":"author","aud":["them","us"]}"#, Ok("author")),
        (
            r#"{"role":"author","iss":"https://evil.example","sub":"x"}"#,
            Ok("author"),
        ),
        (
            r#"{"role":"author","aud":"them"}"#,
            claims(Fault::NotInAudience),
        ),
        (
            r#"{"role":"author","aud":["them"]}"#,
            claims(Fault::NotInAudience),
        ),
        (
            r#"{"role":"author","aud":"US"}"#,
            claims(Fault::NotInAudience),
        ),
        (
            r#"{"role":"author","aud":"us "}"#,
            claims(Fault::NotInAudience),
        ),
        (
            r#"{"role":"author","aud":"u"}"#,
            claims(Fault::NotInAudience),
        ),
        (
            r#"{"role":"author","aud":"us,them"}"#,
            claims(Fault::NotInAudience),
        ),
        (
            r#"{"role":"author","aud":""}"#,
            claims(Fault::NotInAudience),
        ),
        (
            r#"{"role":"author","aud":["us",1]}"#,
            claims(Fault::AudNotStrings),
        ),
        (
            r#"{"role":"author","aud":[["us"]]}"#,
            claims(Fault::AudNotStrings),
        ),
        (
            r#"{"role":"author","aud":{"us":true}}"#,
            claims(Fault::AudNotStrings),
        ),
        (
            r#"{"role":"author","aud":true}"#,
            claims(Fault::AudNotStrings),
        ),
        (
            r#"{"role":"author","exp":1699999969.9}"#,
            claims(Fault::Expired),
        ),
        (
            r#"{"role":"author","exp":"9999999999"}"#,
            claims(Fault::ExpNotNumber),
        ),
        (
            r#"{"role":"author","nbf":1700000030.5}"#,
            claims(Fault::NotYetValid),
        ),
        (
            r#"{"role":"author","nbf":1e300}"#,
            claims(Fault::NotYetValid),
        ),
        (
            r#"{"role":"author","nbf":true}"#,
            claims(Fault::NbfNotNumber),
        ),
        (
            r#"{"role":"author","iat":18446744073709551616}"#,
            claims(Fault::IssuedInFuture),
        ),
        (r#"{"role":"author","iat":[]}"#, claims(Fault::IatNotNumber)),
    ] {
        check_for_us(SECRET, &signed(HS256, written), expected, "claims");
    }
}

/// Sections 2.9 and 3.10: a header names keys, and is not asked for any.
#[test]
fn what_a_header_brings_along_is_not_used() {
    let world = World::new();
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let theirs = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
        .ok()
        .and_then(|pkcs8| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).ok())
        .expect("there are random numbers");
    let sign = |header: &str| {
        let message = format!("{}.{}", encode(header), encode(AUTHOR));
        let signature = theirs.sign(&random, message.as_bytes());
        format!("{message}.{}", encode(signature.expect("it signs")))
    };
    let jwk = point_jwk("P-256", theirs.public_key().as_ref());
    let secret = "a secret that the attacker has chosen himself";
    for brought in [
        format!(r#""jwk":{jwk}"#),
        format!(r#""jwk":{}"#, octets_jwk(secret, "")),
        r#""jku":"https://evil.example/jwks.json""#.to_owned(),
        r#""jku":"file:///dev/stdin""#.to_owned(),
        r#""x5u":"https://evil.example/cert.pem""#.to_owned(),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""x5t":"AAAA","x5t#S256":"AAAA""#.to_owned(),
        format!(r#""k":"{}","kty":"oct""#, encode(secret)),
    ] {
        let header = format!(r#"{{"alg":"HS256",{brought}}}"#);
        let token = hmac_token(&header, AUTHOR, secret.as_bytes());
        check_all(&world.set(), &[("brought along", token, no_key_verifies())]);
        let header = format!(r#"{{"alg":"ES256",{brought}}}"#);
        let token = sign(&header);
        check_for_us(&jwk, &token, Ok("author"), "their own server's");
        check_all(&world.set(), &[("brought along", token, no_key_verifies())]);
        // Whoever has the secret may say so, and is not believed more for it.
        let header = format!(r#"{{"alg":"HS256",{brought}}}"#);
        check_for_us(
            &world.set(),
            &signed(&header, AUTHOR),
            Ok("author"),
            "ignored",
        );
    }
    for kid in [
        "../../../../dev/null",
        "/dev/null",
        "' UNION SELECT 'a' --",
        "|id",
        "$(id)",
        "%00",
        "a\\u0000",
        "https://evil.example",
        "0",
        "*",
        "",
    ] {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        for key in [SECRET.as_bytes(), b"", b"a", b"\0"] {
            let token = hmac_token(&header, AUTHOR, key);
            check_all(&world.set(), &[(kid, token, no_key_fits())]);
        }
    }
    let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(30_000));
    check_all(
        SECRET,
        &[("a long name", signed(&long, AUTHOR), no_key_fits())],
    );
}

/// Section 3.11 leaves it to applications to have types of tokens. PostgREST has none, so a type
/// must be a string, and is not looked at.
#[test]
fn types_are_told_and_not_checked() {
    for typ in [
        "JWT",
        "jwt",
        "at+jwt",
        "application/at+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "JOSE",
        "",
    ] {
        let header = format!(r#"{{"typ":"{typ}","alg":"HS256"}}"#);
        check_for_us(SECRET, &signed(&header, AUTHOR), Ok("author"), typ);
    }
}

/// RFC 7515 section 4.1.11: none is understood here, so none may be critical, and the other forms
/// are not allowed at all. RFC 7797: a payload that is not in base64 is another message.
#[test]
fn extensions_that_must_be_understood_are_refused() {
    for extension in [
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":["https://example.com/x"],"https://example.com/x":1"#,
        r#""crit":["x"]"#,
        r#""crit":["alg"]"#,
        r#""crit":["kid","typ"]"#,
        r#""crit":["crit"]"#,
        r#""crit":["b64","b64"]"#,
        r#""crit":[]"#,
        r#""crit":[1]"#,
        r#""crit":[""]"#,
        r#""crit":"b64""#,
        r#""crit":{}"#,
        r#""crit":null"#,
        r#""crit":false"#,
        r#""b64":false"#,
        r#""b64":"false""#,
        r#""b64":null"#,
        r#""b64":0"#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{extension}}}"#);
        check_all(
            SECRET,
            &[(extension, signed(&header, AUTHOR), JwtFault::Crypto)],
        );
        let message = format!("{}.{AUTHOR}", encode(&header));
        let tag = HS256Key::from_bytes(SECRET.as_bytes()).authentication_tag(message.as_bytes());
        let token = format!("{message}.{}", encode(tag));
        check_all(SECRET, &[(extension, token, JwtFault::Crypto)]);
    }
    let harmless = r#"{"alg":"HS256","b64":true,"exp":1,"Crit":["x"]}"#;
    check_for_us(
        SECRET,
        &signed(harmless, AUTHOR),
        Ok("author"),
        "of no consequence",
    );
}
