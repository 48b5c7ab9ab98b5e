//! The response with the description of the API.
//!
//! It is the one response whose body is not what PostgreSQL answers: that says what the role may
//! use, and the document is made of it and the catalog. So the answer has to arrive completely
//! before the head is written, as an execution plan has.

use super::read::{add_vary, content_type};
use super::{Body, Header, Response};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::openapi::describe;
use crate::request::ApiRequest;
use crate::request::media_type::MediaType;
use corerest_config::{Config, OpenApiVersion};
use corerest_sql::Ident;

/// What is remembered of a request for the description until PostgreSQL has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenApiPending {
    form: Form,
    schema: Ident,
    headers_only: bool,
    content_profile: Option<String>,
}

/// The document that the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    version: OpenApiVersion,
    /// Whether it is asked for, and is called, by the type that is registered for OpenAPI 3.
    is_oai: bool,
}

impl Form {
    /// The one that a media type means, if it means any.
    fn of(wanted: &MediaType, default: OpenApiVersion) -> Option<Form> {
        let (version, is_oai) = match wanted {
            MediaType::OpenApi(version) => (version.unwrap_or(default), false),
            MediaType::ApplicationJson | MediaType::Any => (default, false),
            other => (other.oai_version()?, true),
        };
        Some(Form { version, is_oai })
    }

    fn content_type(self) -> Header {
        match (self.version, self.is_oai) {
            (OpenApiVersion::V2, false) => content_type(&MediaType::OpenApi(None)),
            (version, false) => {
                let value = format!("application/openapi+json;version={version}; charset=utf-8");
                Header::new("Content-Type", value)
            }
            (version, true) => {
                let value = format!("application/vnd.oai.openapi+json;version={version}");
                Header::new("Content-Type", value)
            }
        }
    }
}

impl OpenApiPending {
    /// The version that PostgreSQL is to be asked for.
    pub(crate) fn version(&self) -> OpenApiVersion {
        self.form.version
    }

    /// Takes from the request what its response needs.
    ///
    /// # Errors
    /// `PGRST107` if the client accepts neither OpenAPI nor JSON.
    pub(crate) fn new(
        config: &Config,
        request: &ApiRequest<'_>,
        schema: &Ident,
        headers_only: bool,
    ) -> Result<OpenApiPending, Error> {
        let mut accepted = request.accept.iter();
        let Some(form) = accepted.find_map(|wanted| Form::of(wanted, config.openapi_version))
        else {
            return Err(Error::MediaTypeNotAvailable {
                accepted: request.accept.iter().map(MediaType::to_string).collect(),
            });
        };
        Ok(OpenApiPending {
            form,
            schema: schema.clone(),
            headers_only,
            content_profile: request.content_profile(),
        })
    }

    /// The response, from the answer to the main statement, which is decoded in place.
    ///
    /// Parity: neither `response.status` nor `response.headers` changes it, and its type is OpenAPI
    /// if JSON was asked for, too.
    ///
    /// # Errors
    /// If the answer holds something else than the statement asks for.
    pub(crate) fn respond(
        &self,
        config: &Config,
        catalog: &Catalog,
        answer: &mut [u8],
    ) -> Result<Response, Error> {
        let body = if self.headers_only {
            Body::Absent
        } else {
            let document = describe(config, self.form.version, catalog, &self.schema, answer);
            Body::Bytes(document.map_err(|invalid| Error::Internal {
                details: invalid.to_string(),
            })?)
        };
        let mut headers = vec![self.form.content_type()];
        let profile = self.content_profile.iter();
        headers.extend(profile.map(|p| Header::new("Content-Profile", p.as_bytes())));
        add_vary(&mut headers);
        Ok(Response {
            status: 200,
            reason: None,
            headers,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::request::HttpRequest;

    const ANSWER: &[u8] = br#"{"comment": "A title", "tables": [], "routines": []}"#;

    /// The response to a request with that header, of a server with those schemas.
    fn respond(
        schemas: &[&str],
        header: (&str, &str),
        headers_only: bool,
        answer: &[u8],
    ) -> Result<Response, Error> {
        let config = Config {
            db_schemas: schemas.iter().map(|&schema| schema.to_owned()).collect(),
            ..Config::default()
        };
        let headers = [(header.0, header.1.as_bytes())];
        let http = HttpRequest {
            method: "GET",
            path: "/",
            headers: &headers,
            ..HttpRequest::default()
        };
        let request = ApiRequest::parse(&config, &http)?;
        let catalog = Catalog::new([]);
        let pending = OpenApiPending::new(&config, &request, &request.schema, headers_only)?;
        pending.respond(&config, &catalog, &mut answer.to_vec())
    }

    fn lines(response: &Response) -> Vec<String> {
        let headers = response.headers.iter();
        let line = |h: &Header| {
            format!(
                "{}: {}",
                h.name,
                String::from_utf8_lossy(h.value.as_bytes())
            )
        };
        headers.map(line).collect()
    }

    const TYPE: &str = "Content-Type: application/openapi+json; charset=utf-8";
    const VARY: &str = "Vary: Accept, Prefer, Range";

    #[test]
    fn the_document_is_the_body() {
        let response = respond(&["api"], ("Accept", "*/*"), false, ANSWER).unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(lines(&response), [TYPE, VARY]);
        let Body::Bytes(body) = response.body else {
            panic!("no body");
        };
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains(r#""title":"A title""#), "{body}");
    }

    #[test]
    fn a_head_has_no_body() {
        let response = respond(&["api"], ("Accept", "*/*"), true, b"").unwrap();
        assert_eq!((response.status, &response.body), (200, &Body::Absent));
        assert_eq!(lines(&response), [TYPE, VARY]);
    }

    #[test]
    fn the_schema_is_told_if_there_are_several() {
        let several = ["api", "other"];
        let response = respond(&several, ("Accept-Profile", "other"), false, ANSWER).unwrap();
        assert_eq!(lines(&response), [TYPE, "Content-Profile: other", VARY]);
    }

    #[test]
    fn openapi_and_json_are_accepted_and_nothing_else() {
        for accept in [
            "application/openapi+json",
            "application/json",
            "text/csv, */*;q=0.1",
        ] {
            let response = respond(&["api"], ("Accept", accept), false, ANSWER).unwrap();
            assert_eq!(lines(&response), [TYPE, VARY], "{accept}");
        }
        let error = respond(&["api"], ("Accept", "text/csv"), false, ANSWER).unwrap_err();
        let accepted = vec!["text/csv".to_owned()];
        assert_eq!(error, Error::MediaTypeNotAvailable { accepted });
    }

    #[test]
    fn an_answer_that_is_none_is_an_error_of_ours() {
        let error = respond(&["api"], ("Accept", "*/*"), false, b"[]").unwrap_err();
        assert!(matches!(error, Error::Internal { .. }), "{error:?}");
    }
}
