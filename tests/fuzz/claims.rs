//! `jwt-role-claim-key` and the claims of a token: any path through any claims.
//!
//! Properties: nothing panics and nothing takes long; a path that is accepted is shown as the path
//! that it is; a role that is found is in the claims that PostgreSQL gets to see, which are JSON;
//! and rules that were made ready once decide as ones that are made anew.

use corerest_api::{ClaimRules, Claims, Json};
use corerest_config::{Config, Sources};

/// Paths, and behind a line break the claims to start from.
pub(crate) const CLAIM_SEEDS: &[&[u8]] = &[
    b"$.role\n{\"role\":\"author\",\"exp\":1700000100,\"nbf\":1.7e9,\"iat\":1,\"aud\":[\"a\"]}",
    b"$.realm_access.roles[0]\n{\"realm_access\":{\"roles\":[\"a\",\"b\"]},\"aud\":\"us\"}",
    b"$['a b'][\"c\\u0041\"]\n{\"a b\":{\"cA\":\"x\"}}",
    b"$..roles[?search(@, '^(a|b)+c{1,3}$')]\n{\"x\":[{\"roles\":[\"aababcc\",\"n\"]}]}",
    b"$.roles[?match(@, \"[a-z]*[0-9]?\")]\n{\"roles\":[\"A\",\"ab7\"]}",
    b"$[?@.id == 1 && (@.on == true || !@.off)].role\n[{\"id\":1}]",
    b"$.a[-1:0:-2]\n{\"a\":[1,2,3,4,5]}",
    b"$.a[?length(@.b) >= 2 || count(@.*) < 3 && value(@.c) != null]\n{\"a\":[{\"b\":\"xyz\"}]}",
    b"$.a[?@ > 1.5e3, 'b', *, 1]\n{\"a\":[1e999,-0,{}],\"nbf\":\"x\"}",
    b"$..*\n{\"a\":{\"b\":[[[\"deep\"]]]},\"exp\":1e99}",
    b".role\n{\"role\":null}",
    b".a.\"b c\"[0]\n{\"a\":{\"b c\":[{\"d\":[1,true]}]}}",
    b".roles[?(@ ^== \"ad\")]\n{\"roles\":[\"user\",\"admin\"]}",
    b".roles[?(@ *== \"\\\"\")]\n{\"roles\":[\"\\\"\",\"\\ud83d\\ude00\"]}",
];

/// When the tokens come; within the times of the first seed.
const NOW_UNIX_SECONDS: i64 = 1_700_000_000;

/// Steps through all descendants that a path may have here. Each of them can visit all that the
/// one before it found, so that the work doubles; who writes the path wants that.
const DESCENDANTS_MAX: usize = 3;

/// A path, a line break, claims.
pub fn claims(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (path, json) = data.split_at(end.unwrap_or(data.len()));
    let Ok(path) = std::str::from_utf8(path) else {
        return;
    };
    if path.matches("..").count() > DESCENDANTS_MAX {
        return;
    }
    let Some(mut config) = load(path) else {
        return;
    };
    let shown = config.jwt_role_claim_key.to_string();
    if shown != path {
        let again = load(&shown).unwrap_or_else(|| panic!("{path} is shown as {shown}"));
        assert_eq!(
            again.jwt_role_claim_key, config.jwt_role_claim_key,
            "{shown}"
        );
        assert_eq!(again.jwt_role_claim_key.to_string(), shown);
    }
    for anonymous in [None, Some("anonymous")] {
        config.db_anon_role = anonymous.map(str::to_owned);
        check(&config, json.get(1..).unwrap_or_default());
    }
}

fn load(path: &str) -> Option<Config> {
    let environment = [
        ("PGRST_JWT_ROLE_CLAIM_KEY".to_owned(), path.to_owned()),
        ("PGRST_JWT_AUD".to_owned(), "us".to_owned()),
    ];
    let loaded = Config::load(Sources {
        environment: &environment,
        ..Sources::default()
    });
    loaded.ok().map(|loaded| loaded.config)
}

fn check(config: &Config, json: &[u8]) {
    let Ok(claims) = Claims::parse(json) else {
        return;
    };
    let identity = ClaimRules::new(config).identify(config, &claims, NOW_UNIX_SECONDS);
    let rules = ClaimRules::new(config);
    for _ in 0..2 {
        assert_eq!(rules.identify(config, &claims, NOW_UNIX_SECONDS), identity);
    }
    let Ok(identity) = identity else {
        return;
    };
    let Some(Json::Object(members)) = Json::parse(identity.claims.as_bytes()) else {
        panic!("{} is no object", identity.claims);
    };
    assert_eq!(
        members.find("role").and_then(Json::text),
        Some(&*identity.role)
    );
}

#[cfg(test)]
mod tests {
    use super::{CLAIM_SEEDS, claims};

    #[test]
    fn any_path_goes_through_any_claims() {
        crate::smoke(claims, CLAIM_SEEDS, 50_000);
    }
}
