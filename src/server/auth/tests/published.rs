//! Keys that others publish: which are taken, whose tokens they verify, and what is said where they
//! are lacking.

use super::*;
use corerest_config::Sources;

const A: &str = "https://a.example";
const B: &str = "https://b.example";
const NOBODY: &str = "https://nobody.example";

/// A configuration with these keys and an anonymous role.
fn configured(keys: &[(&str, &str)]) -> Config {
    let mut environment = vec![("PGRST_DB_ANON_ROLE".to_owned(), "anonymous".to_owned())];
    let named = keys.iter();
    environment.extend(named.map(|(name, value)| (format!("PGRST_{name}"), (*value).to_owned())));
    let sources = Sources {
        environment: &environment,
        ..Sources::default()
    };
    Config::load(sources).expect("the test's are right").config
}

/// Somebody who signs, and publishes what verifies it.
struct Signer {
    pair: ES256KeyPair,
    id: String,
}

impl Signer {
    fn new(id: &str) -> Signer {
        let pair = ES256KeyPair::generate().with_key_id(id);
        Signer {
            pair,
            id: id.to_owned(),
        }
    }

    fn jwk(&self) -> String {
        let point = self.pair.public_key().public_key().to_bytes_uncompressed();
        with_members(
            &point_jwk("P-256", &point),
            &format!(r#""kid":"{}""#, self.id),
        )
    }

    fn set(&self) -> Arc<PublishedKeys> {
        set(&[self.jwk()])
    }

    /// A token of this issuer with this role.
    fn token(&self, issuer: &str, role: &str) -> String {
        let mut claims = author();
        (claims.issued_at, claims.expires_at, claims.invalid_before) = (None, None, None);
        claims.custom.insert("role".to_owned(), role.to_owned());
        let claims = claims.with_issuer(issuer);
        let token = self.pair.sign(claims).expect("its claims can be written");
        format!("Bearer {token}")
    }
}

/// A key with more members.
fn with_members(jwk: &str, more: &str) -> String {
    let inside = jwk.strip_suffix('}').expect("it is an object");
    format!("{inside},{more}}}")
}

fn set(keys: &[String]) -> Arc<PublishedKeys> {
    let document = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    Arc::new(PublishedKeys::parse(document.as_bytes()).expect("it is a set"))
}

fn authenticator(config: &Config) -> Authenticator {
    Authenticator::new(config).expect("the configuration is right")
}

/// The same, when this has come from the source of that name.
fn fetched(authenticator: &Authenticator, name: &str, keys: &Arc<PublishedKeys>) -> Authenticator {
    let sources = authenticator.sources();
    let source = sources.iter().find(|source| source.name() == name);
    authenticator.with_fetched(source.expect("it is configured"), keys)
}

fn identify(
    verifier: &mut Verifier,
    config: &Config,
    authenticator: &Authenticator,
    header: &str,
) -> Result<String, Unidentified> {
    let identity = verifier.identify(config, authenticator, Some(header.as_bytes()), NOW);
    identity.map(|identity| identity.role.to_string())
}

/// The role of a token, or why there is none.
#[track_caller]
fn check_role(
    config: &Config,
    authenticator: &Authenticator,
    header: &str,
    expected: Result<&str, &str>,
) {
    let said = identify(&mut Verifier::new(), config, authenticator, header);
    let said = said.map_err(|unidentified| match unidentified {
        Unidentified::LacksKeys(lack) if lack.is_first => "never came".to_owned(),
        Unidentified::LacksKeys(_) => "unknown kid".to_owned(),
        Unidentified::Refused(Error::JwtInvalid(JwtFault::Key(details))) => details,
        Unidentified::Refused(error) => format!("{error:?}"),
    });
    assert_eq!(said.as_deref().map_err(|it| &**it), expected);
}

const NONE_FITS: &str = "No suitable key was found to decode the JWT";
const NONE_VERIFIES: &str = "None of the keys was able to decode the JWT";
const NO_ISSUER: &str = "The issuer of the JWT is not one of jwt-issuers";

#[test]
fn an_issuers_keys_verify_his_own_tokens_and_no_others() {
    let config = configured(&[("JWT_ISSUERS", &format!("{A},{B}"))]);
    let (a, b) = (Signer::new("1"), Signer::new("1"));
    let none = authenticator(&config);
    check_role(&config, &none, &a.token(A, "r"), Err("never came"));
    let only_a = fetched(&none, A, &a.set());
    check_role(&config, &only_a, &a.token(A, "r"), Ok("r"));
    check_role(&config, &only_a, &b.token(B, "r"), Err("never came"));
    let both = fetched(&only_a, B, &b.set());
    check_role(&config, &both, &a.token(A, "r"), Ok("r"));
    check_role(&config, &both, &b.token(B, "r"), Ok("r"));
    // Each has a key "1", and signs for the other.
    check_role(&config, &both, &a.token(B, "r"), Err(NONE_VERIFIES));
    check_role(&config, &both, &b.token(A, "r"), Err(NONE_VERIFIES));
    check_role(&config, &both, &a.token(NOBODY, "r"), Err(NO_ISSUER));
    // The names are the same to the byte.
    check_role(
        &config,
        &both,
        &a.token("https://a.example/", "r"),
        Err(NO_ISSUER),
    );
    check_role(
        &config,
        &both,
        &a.token("https://A.example", "r"),
        Err(NO_ISSUER),
    );
}

#[test]
fn the_secret_is_for_tokens_of_nobody_in_the_list() {
    let config = configured(&[("JWT_ISSUERS", A), ("JWT_SECRET", SECRET)]);
    let a = Signer::new("1");
    let both = fetched(&authenticator(&config), A, &a.set());
    let ours = |claims: &str| format!("Bearer {}", token(claims));
    check_role(&config, &both, &ours(r#"{"role":"r"}"#), Ok("r"));
    check_role(&config, &both, &ours(r#"{"role":"r","iss":"b"}"#), Ok("r"));
    check_role(&config, &both, &ours(r#"{"role":"r","iss":1}"#), Ok("r"));
    // Whoever knows the secret is still not the issuer.
    let stolen = ours(&format!(r#"{{"role":"r","iss":"{A}"}}"#));
    check_role(&config, &both, &stolen, Err(NONE_FITS));
    check_role(&config, &both, &a.token(NOBODY, "r"), Err(NONE_FITS));
    check_role(&config, &both, &a.token(A, "r"), Ok("r"));
}

#[test]
fn each_issuer_has_his_rules() {
    let issuers = format!(
        r#"[{{"issuer":"{A}","role_claim_key":"$.iss"}},{{"issuer":"{B}","audience":"us"}}]"#
    );
    let config = configured(&[("JWT_ISSUERS", &issuers)]);
    let (a, b) = (Signer::new("1"), Signer::new("2"));
    let both = fetched(&fetched(&authenticator(&config), A, &a.set()), B, &b.set());
    check_role(&config, &both, &a.token(A, "r"), Ok(A));
    let refused = "JwtClaims(NotInAudience)";
    check_role(&config, &both, &b.token(B, "r"), Err(refused));
    // Also when the tokens are known.
    let mut verifier = Verifier::new();
    for _ in 0..2 {
        let role = identify(&mut verifier, &config, &both, &a.token(A, "r"));
        assert_eq!(role.as_deref(), Ok(A));
    }
    assert_eq!(verifier.lookups().requests, 2);
}

#[test]
fn keys_by_their_url_count_beside_the_secret() {
    let urls = format!("{A}/keys, {B}/keys");
    let config = configured(&[("JWT_JWKS_URI", &urls), ("JWT_SECRET", SECRET)]);
    let (a, b) = (Signer::new("1"), Signer::new("2"));
    let none = authenticator(&config);
    let ours = format!("Bearer {}", token(r#"{"role":"r"}"#));
    check_role(&config, &none, &ours, Ok("r"));
    // Nobody publishes what would verify it.
    check_role(&config, &none, &forged(&ours), Err(NONE_VERIFIES));
    check_role(&config, &none, &a.token(NOBODY, "r"), Err("never came"));
    let only_a = fetched(&none, &format!("{A}/keys"), &a.set());
    check_role(&config, &only_a, &a.token(NOBODY, "r"), Ok("r"));
    check_role(&config, &only_a, &b.token(NOBODY, "r"), Err("never came"));
    let both = fetched(&only_a, &format!("{B}/keys"), &set(&[]));
    check_role(&config, &both, &b.token(NOBODY, "r"), Err("unknown kid"));
    check_role(
        &config,
        &both,
        &forged(&a.token(A, "r")),
        Err(NONE_VERIFIES),
    );
}

#[test]
fn only_an_unknown_kid_is_worth_a_fetch() {
    let config = configured(&[("JWT_ISSUERS", A)]);
    let (old, new) = (Signer::new("1"), Signer::new("2"));
    let first = fetched(&authenticator(&config), A, &old.set());
    check_role(&config, &first, &new.token(A, "r"), Err("unknown kid"));
    check_role(
        &config,
        &first,
        &forged(&old.token(A, "r")),
        Err(NONE_VERIFIES),
    );
    let hmac = hmac_token(
        r#"{"alg":"HS256","kid":"3"}"#,
        &format!(r#"{{"iss":"{A}"}}"#),
        SECRET.as_bytes(),
    );
    check_role(&config, &first, &format!("Bearer {hmac}"), Err(NONE_FITS));
    let second = fetched(&first, A, &set(&[new.jwk(), old.jwk()]));
    check_role(&config, &second, &new.token(A, "r"), Ok("r"));
}

#[test]
fn what_is_gone_from_a_set_verifies_nothing_any_more() {
    let config = configured(&[("JWT_ISSUERS", &format!("{A},{B}"))]);
    let (old, new, b) = (Signer::new("1"), Signer::new("2"), Signer::new("3"));
    let none = fetched(&authenticator(&config), B, &b.set());
    let before = fetched(&none, A, &set(&[old.jwk(), new.jwk()]));
    let mut verifier = Verifier::new();
    let mut role = |authenticator: &Authenticator, token: &str| {
        identify(&mut verifier, &config, authenticator, token).is_ok()
    };
    let tokens = [old.token(A, "r"), new.token(A, "r"), b.token(B, "r")];
    assert_eq!([0, 1, 2].map(|it| role(&before, &tokens[it])), [true; 3]);
    // The same set once more is no news.
    let same = fetched(&before, A, &set(&[old.jwk(), new.jwk()]));
    assert_eq!([0, 1, 2].map(|it| role(&same, &tokens[it])), [true; 3]);
    let after = fetched(&before, A, &new.set());
    let genuine = [false, true, true];
    assert_eq!([0, 1, 2].map(|it| role(&after, &tokens[it])), genuine);
    assert_eq!([0, 1, 2].map(|it| role(&after, &tokens[it])), genuine);
}

#[test]
fn a_reload_keeps_what_has_come_from_sources_that_stay() {
    let config = configured(&[("JWT_ISSUERS", A)]);
    let (a, b) = (Signer::new("1"), Signer::new("2"));
    let before = fetched(&authenticator(&config), A, &a.set());
    let more = configured(&[("JWT_ISSUERS", &format!("{B},{A}"))]);
    let after = authenticator(&more).with_keys_of(&before);
    check_role(&more, &after, &a.token(A, "r"), Ok("r"));
    check_role(&more, &after, &b.token(B, "r"), Err("never came"));
    // The same issuer with his keys elsewhere is another source.
    let moved = format!(r#"[{{"issuer":"{A}","jwks_uri":"{B}/keys"}}]"#);
    let moved = configured(&[("JWT_ISSUERS", &moved)]);
    let after = authenticator(&moved).with_keys_of(&before);
    check_role(&moved, &after, &a.token(A, "r"), Err("never came"));
    let none = configured(&[]);
    let after = authenticator(&none).with_keys_of(&before);
    check_role(&none, &after, &a.token(A, "r"), Err("JwtSecretMissing"));
}

/// Which of these keys are taken, and what is told of the others.
#[track_caller]
fn check_taken(keys: &[String], taken: usize, remarks: &[&str]) {
    let set = set(keys);
    assert_eq!(set.count(), taken, "{keys:?}");
    let told: Vec<&str> = set.remarks().iter().map(String::as_str).collect();
    assert_eq!(told, remarks, "{keys:?}");
}

#[test]
fn keys_that_everybody_could_sign_with_are_ignored() {
    let secret = "Key 1 is ignored: it is a secret, and everybody can read it";
    check_taken(&[octets_jwk(SECRET, "")], 0, &[secret]);
    check_taken(&[octets_jwk(SECRET, r#","kid":"1""#)], 0, &[secret]);
    let private = "Key 1 is ignored: it has parts of a private key, and everybody can read them";
    for part in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let jwk = with_members(&rsa_jwk(""), &format!(r#""{part}":"AQAB""#));
        check_taken(&[jwk], 0, &[private]);
    }
    let good = Signer::new("1");
    let private = "Key 2 is ignored: it has parts of a private key, and everybody can read them";
    let leaked = with_members(&Signer::new("2").jwk(), r#""d":"AQAB""#);
    check_taken(&[good.jwk(), leaked], 1, &[private]);
}

#[test]
fn the_secret_of_a_set_verifies_nothing() {
    let config = configured(&[("JWT_ISSUERS", A)]);
    let keys = set(&[octets_jwk(SECRET, ""), Signer::new("1").jwk()]);
    let fetched = fetched(&authenticator(&config), A, &keys);
    let claims = format!(r#"{{"iss":"{A}","role":"r"}}"#);
    check_role(
        &config,
        &fetched,
        &format!("Bearer {}", token(&claims)),
        Err(NONE_FITS),
    );
    // Nor does a public key, as a secret.
    let public = Signer::new("1").jwk();
    let confused = hmac_token(r#"{"alg":"HS256","kid":"1"}"#, &claims, public.as_bytes());
    check_role(
        &config,
        &fetched,
        &format!("Bearer {confused}"),
        Err(NONE_FITS),
    );
}

#[test]
fn keys_for_something_else_are_ignored() {
    let key = Signer::new("1").jwk();
    for more in [
        r#""use":"enc""#,
        r#""use":"tls""#,
        r#""use":7"#,
        r#""key_ops":["sign"]"#,
        r#""key_ops":"verify""#,
        r#""alg":"RSA-OAEP""#,
        r#""alg":"PS256""#,
        r#""alg":"ES256K""#,
        r#""alg":"none""#,
        r#""alg":7"#,
    ] {
        check_taken(&[with_members(&key, more)], 0, &[]);
    }
    for more in [
        r#""use":"sig""#,
        r#""use":null"#,
        r#""key_ops":["verify"]"#,
        r#""alg":"ES256""#,
        r#""x5c":["AQAB"],"x5t":"AQAB""#,
    ] {
        check_taken(&[with_members(&key, more)], 1, &[]);
    }
    for unknown in [
        r#"{"kty":"EC","crv":"secp256k1","x":"AQAB","y":"AQAB"}"#,
        r#"{"kty":"OKP","crv":"X25519","x":"AQAB"}"#,
        r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AQAB"}"#,
        "{}",
    ] {
        check_taken(&[unknown.to_owned()], 0, &[]);
    }
}

#[test]
fn an_algorithm_is_one_of_its_keys_type() {
    let told = "Key 1 is ignored: its \"alg\" is not one of its type";
    let point = Signer::new("1").jwk();
    for (key, algorithms) in [
        (&point, &["HS256", "RS256", "ES384", "ES512", "EdDSA"]),
        (&rsa_jwk(""), &["HS256", "HS512", "ES256", "ES384", "EdDSA"]),
    ] {
        for algorithm in algorithms {
            let jwk = with_members(key, &format!(r#""alg":"{algorithm}""#));
            check_taken(&[jwk], 0, &[told]);
        }
    }
}

#[test]
fn weak_and_broken_keys_are_ignored() {
    let told = |why: &str| format!("Key 1 is ignored: {why}");
    let check = |jwk: &str, why: &str| check_taken(&[jwk.to_owned()], 0, &[&told(why)]);
    let rsa = |bits: usize| {
        let modulus = encode(vec![0xFF; bits / 8]);
        format!(r#"{{"kty":"RSA","n":"{modulus}","e":"AQAB"}}"#)
    };
    let short = "it is a key of RSA with fewer than 2048 bits (RFC 7518 section 3.3)";
    check(&rsa(1024), short);
    check(&rsa(2040), short);
    check_taken(&[rsa(2048)], 1, &[]);
    check_taken(&[rsa(8192)], 1, &[]);
    check(&rsa(512), "the key of RSA has fewer than 1024 bits");
    check(&rsa(8200), "the key of RSA has more than 8192 bits");
    check(r#"{"kty":"RSA","n":"AQAB"}"#, "\"e\" is missing");
    check(
        r#"{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}"#,
        "\"x\" and \"y\" are not a point on the curve",
    );
    check(
        r#"{"kty":"rsa"}"#,
        "\"kty\" is \"RSA\" in just these letters",
    );
}

#[test]
fn of_keys_that_are_confused_the_first_one_counts() {
    let (one, two) = (Signer::new("1"), Signer::new("1"));
    let told = "Key 2 is ignored: one before it has the same \"kid\" and type";
    check_taken(&[one.jwk(), two.jwk()], 1, &[told]);
    check_taken(&[one.jwk(), one.jwk()], 1, &[told]);
    let with = |jwk: &str, algorithm: &str| {
        with_members(jwk, &format!(r#""kid":"1","alg":"{algorithm}""#))
    };
    // One key for two algorithms, and one name for keys of two types (RFC 7517 section 4.5).
    let rsa = rsa_jwk("");
    check_taken(&[with(&rsa, "RS256"), with(&rsa, "RS512")], 2, &[]);
    check_taken(&[with(&rsa, "RS256"), with(&rsa, "RS256")], 1, &[told]);
    check_taken(
        &[with_members(&rsa, r#""kid":"1""#), with(&rsa, "RS256")],
        1,
        &[told],
    );
    check_taken(&[with(&rsa, "RS256"), one.jwk()], 2, &[]);
    check_taken(&[Signer::new("1").jwk(), Signer::new("2").jwk()], 2, &[]);
    check_taken(&[rsa.clone(), rsa], 2, &[]);
}

#[test]
fn sets_are_equal_whatever_the_order_of_their_keys() {
    let [a, b, c] = ["a", "b", "c"].map(|kid| Signer::new(kid).jwk());
    let all = set(&[a.clone(), b.clone(), c.clone()]);
    assert_eq!(all, set(&[c.clone(), a.clone(), b.clone()]));
    assert_ne!(all, set(&[a.clone(), b.clone()]));
    assert_ne!(all, set(&[a.clone(), b.clone(), b.clone()]));
    assert_ne!(
        set(&[a.clone(), b.clone(), b.clone()]),
        set(&[a.clone(), a, b])
    );
}

#[test]
fn documents_that_are_no_sets_are_refused() {
    let many = vec![Signer::new("1").jwk(); 101].join(",");
    let jwk = Signer::new("1").jwk();
    for (document, told) in [
        ("", "it is not a JSON object"),
        ("<html>", "it is not a JSON object"),
        ("[]", "it is not a JSON object"),
        (&*jwk, "it has no array \"keys\""),
        (r#"{"keys":{}}"#, "it has no array \"keys\""),
        (
            &format!(r#"{{"keys":[{many}]}}"#),
            "101 keys, and 100 at most",
        ),
        (
            &format!("{}{}", "[".repeat(1000), "]".repeat(1000)),
            "it is not a JSON object",
        ),
    ] {
        let refused = PublishedKeys::parse(document.as_bytes()).expect_err(document);
        assert!(refused.contains(told), "{document}: {refused}");
    }
    check_taken(&[], 0, &[]);
    check_taken(
        &["7".to_owned()],
        0,
        &["Key 1 is ignored: it is not an object"],
    );
}

#[test]
fn a_token_without_a_kid_is_tried_with_few_of_the_keys() {
    let config = configured(&[("JWT_ISSUERS", A)]);
    let right = ES256KeyPair::generate();
    let point = right.public_key().public_key().to_bytes_uncompressed();
    let jwk = point_jwk("P-256", &point);
    let wrong = |count: usize| (0..count).map(|it| Signer::new(&it.to_string()).jwk());
    let mut claims = author();
    (claims.issued_at, claims.expires_at, claims.invalid_before) = (None, None, None);
    let token = right
        .sign(claims.with_issuer(A))
        .expect("they can be written");
    let header = format!("Bearer {token}");
    for (before, expected) in [(33, Ok("author")), (34, Err(NONE_VERIFIES))] {
        let keys: Vec<String> = wrong(before).chain([jwk.clone()]).collect();
        let fetched = fetched(&authenticator(&config), A, &set(&keys));
        check_role(&config, &fetched, &header, expected);
    }
}
