//! Security: a token, and where it comes from.

use crate::openapi::json::Object;
use corerest_config::{Config, Issuer};

const BEARER: &str = "bearer";

/// Writes the ways to be allowed something, of which one is enough.
pub(super) fn write_requirements(document: &mut Object<'_>, config: &Config) {
    document.array("security", |requirements| {
        let open_id = providers(config).map(|(name, _)| name);
        for name in [BEARER.to_owned()].into_iter().chain(open_id) {
            requirements.object(|requirement| requirement.array(&name, |_| {}));
        }
        // Without a token a request has a role, too.
        if config.db_anon_role.is_some() {
            requirements.object(|_| {});
        }
    });
}

/// Writes what the requirements name.
pub(super) fn write_schemes(components: &mut Object<'_>, config: &Config) {
    components.object("securitySchemes", |schemes| {
        schemes.object(BEARER, |scheme| {
            scheme.string("type", "http");
            scheme.string("scheme", "bearer");
            scheme.string("bearerFormat", "JWT");
            scheme.string("description", &description(config.jwt_issuers.list()));
        });
        for (name, url) in providers(config) {
            schemes.object(&name, |scheme| {
                scheme.string("type", "openIdConnect");
                scheme.string("openIdConnectUrl", &url);
            });
        }
    });
}

fn description(issuers: &[Issuer]) -> String {
    let mut text = "A token, whose role the request has.".to_owned();
    if !issuers.is_empty() {
        text.push_str(" It is taken from these issuers:");
    }
    for Issuer {
        issuer, audience, ..
    } in issuers
    {
        text.push_str(&format!("\n- `{issuer}`"));
        if let Some(audience) = audience {
            text.push_str(&format!(", for the audience `{audience}`"));
        }
    }
    text
}

/// The issuers that are OpenID providers, with a name for each and where they tell about
/// themselves: those whose keys are asked for there. Others need not have such a page.
fn providers(config: &Config) -> impl Iterator<Item = (String, String)> {
    let issuers = config.jwt_issuers.list().iter();
    let discovered = issuers.filter(|issuer| issuer.jwks_uri.is_none());
    discovered.enumerate().map(|(index, issuer)| {
        let name = match index {
            0 => "openId".to_owned(),
            _ => format!("openId{}", index + 1),
        };
        let base = issuer.issuer.trim_end_matches('/');
        (name, format!("{base}/.well-known/openid-configuration"))
    })
}
