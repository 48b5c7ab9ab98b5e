//! What can be said of a request before its body has come: everything that planning finds out
//! without it. So nobody's memory is taken for a body that nobody will read.
//!
//! Parity: PostgREST looks at the token first, too, and at the body before the catalog. Of a
//! request with two faults, a table that is not there and a body that is not JSON, a small body is
//! named first, as there; of a large one the table, for the body is not waited for.

use super::asked::Asked;
use super::context::Context;
use crate::auth::Identity;
use crate::error::Error;
use crate::plan::{RoutineCall, argument_names, find_routine};
use crate::request::media_type::MediaType;
use crate::request::{Action, ApiRequest, HttpRequest, Invocation};
use crate::response::{Response, preflight};
use corerest_sql::{Ident, QualifiedName};

/// The response to a request that will be refused whatever its body is; `None` to take the body.
/// Who asks was found out before. `http.body` is not looked at.
pub fn refuse_by_head(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
) -> Option<Response> {
    if preflight(context.config, http).is_some() {
        return None;
    }
    let looked = look_at_head(context, http, caller);
    let error = looked.err()?;
    Some(error.response(context.config.client_error_verbosity).into())
}

fn look_at_head(
    context: &Context<'_>,
    http: &HttpRequest<'_>,
    caller: Result<Identity, Error>,
) -> Result<(), Error> {
    let identity = caller?;
    let catalog = context.catalog.ok_or(Error::NoSchemaCache)?;
    let request = ApiRequest::parse_head(context.config, http)?;
    let asked = Asked::new(context, catalog, &request, &identity);
    match &request.action {
        Action::CallRoutine {
            name,
            invocation: Invocation::Post,
        } => asked.refuse_unknown_routine(name),
        _ => asked.prepare().map(drop),
    }
}

impl Asked<'_, '_> {
    /// Which function it is depends on the keys of the body, unless the head tells them.
    fn refuse_unknown_routine(&self, name: &QualifiedName) -> Result<(), Error> {
        let request = self.request;
        let is_told = match request.content_type {
            MediaType::ApplicationJson => request.query.columns.is_some(),
            MediaType::TextCsv | MediaType::UrlEncoded => false,
            _ => true,
        };
        if is_told {
            let call = RoutineCall {
                name,
                arguments: &argument_names(request, Invocation::Post),
                content_type: &request.content_type,
                invocation: Invocation::Post,
            };
            return find_routine(self.catalog, &call).map(drop);
        }
        if !self.catalog.routines(name).is_empty() {
            return Ok(());
        }
        Err(Error::NoRoutineOfName {
            schema: name.schema.as_ref().map_or("", Ident::as_str).to_owned(),
            name: name.name.as_str().to_owned(),
            hint: self.catalog.routine_hint(name, &[]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::decode_catalog;
    use crate::role_settings::RoleSettings;
    use corerest_config::{Config, Sources};

    /// The status and the code, or nothing.
    #[track_caller]
    fn check(request: &str, headers: &[(&str, &[u8])], expected: Option<(u16, &str)>) {
        let document = include_bytes!("../../../tests/cases/plan/catalog.json");
        let catalog = decode_catalog(&mut document.to_vec()).unwrap();
        let environment = [
            ("PGRST_DB_SCHEMAS", "api"),
            ("PGRST_DB_ANON_ROLE", "anyone"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let loaded = Config::load(Sources {
            environment: &environment,
            ..Sources::default()
        });
        let context = Context {
            config: &loaded.unwrap().config,
            catalog: Some(&catalog),
            role_settings: &RoleSettings::default(),
            shapes: None,
        };
        let (method, target) = request.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let http = HttpRequest {
            method,
            path,
            query,
            headers,
            body: b"",
        };
        let caller = Identity {
            role: "anyone".into(),
            claims: "{}".into(),
        };
        let refused = refuse_by_head(&context, &http, Ok(caller));
        let refused = refused.map(|response| {
            let crate::response::Body::Bytes(body) = response.body else {
                panic!("an error has a body");
            };
            (response.status, String::from_utf8(body).unwrap())
        });
        match (refused, expected) {
            (None, None) => {}
            (Some((status, body)), Some((expected, code))) if status == expected => {
                assert!(body.contains(&format!("\"code\":\"{code}\"")), "{body}");
            }
            (refused, expected) => panic!("{request}: {refused:?} and not {expected:?}"),
        }
    }

    #[test]
    fn what_no_body_can_save_is_refused() {
        check("POST /nowhere", &[], Some((404, "PGRST205")));
        check("POST /rpc/nowhere", &[], Some((404, "PGRST202")));
        check("POST /a/b/c", &[], Some((404, "PGRST125")));
        check("BREW /plants", &[], Some((405, "PGRST117")));
        check("PUT /rpc/add", &[], Some((405, "PGRST101")));
        check(
            "POST /plants?select=nothing(*)",
            &[],
            Some((400, "PGRST200")),
        );
        check("POST /plants?columns=nothing", &[], Some((400, "PGRST204")));
        check("PUT /plants?name=eq.a", &[], Some((405, "PGRST105")));
        let brotli: (&str, &[u8]) = ("Content-Type", b"image/png");
        check("POST /plants", &[brotli], Some((400, "PGRST102")));
        let profile: (&str, &[u8]) = ("Content-Profile", b"nowhere");
        check("POST /plants", &[profile], Some((406, "PGRST106")));
        let strict: (&str, &[u8]) = ("Prefer", b"handling=strict, what=ever");
        check("POST /plants", &[strict], Some((400, "PGRST122")));
    }

    #[test]
    fn the_others_wait_for_their_bodies() {
        for request in [
            "POST /plants",
            "PATCH /plants?id=eq.1",
            "DELETE /plants",
            "GET /plants",
        ] {
            check(request, &[], None);
        }
        check("PUT /plants?id=eq.1", &[], None);
        check("POST /plants", &[("Content-Type", b"text/csv")], None);
        let origin: (&str, &[u8]) = ("Origin", b"http://a");
        let preflight: (&str, &[u8]) = ("Access-Control-Request-Method", b"POST");
        check("OPTIONS /nowhere", &[origin, preflight], None);
    }

    #[test]
    fn who_asks_comes_first() {
        let context = Context {
            config: &Config::default(),
            catalog: None,
            role_settings: &RoleSettings::default(),
            shapes: None,
        };
        let http = HttpRequest {
            method: "POST",
            path: "/nowhere",
            ..HttpRequest::default()
        };
        let refused = refuse_by_head(&context, &http, Err(Error::JwtRequired));
        assert_eq!(refused.unwrap().status, 401);
    }
}
