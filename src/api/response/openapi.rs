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
use corerest_config::Config;
use corerest_sql::Ident;

/// What is remembered of a request for the description until PostgreSQL has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApiPending {
    schema: Ident,
    headers_only: bool,
    content_profile: Option<String>,
}

impl OpenApiPending {
    /// Takes from the request what its response needs.
    ///
    /// # Errors
    /// `PGRST107` if the client accepts neither OpenAPI nor JSON.
    pub fn new(
        request: &ApiRequest<'_>,
        schema: &Ident,
        headers_only: bool,
    ) -> Result<OpenApiPending, Error> {
        let is_produced = |wanted: &MediaType| {
            let produced = [
                MediaType::OpenApi,
                MediaType::ApplicationJson,
                MediaType::Any,
            ];
            produced.contains(wanted)
        };
        if !request.accept.iter().any(is_produced) {
            return Err(Error::MediaTypeNotAvailable {
                accepted: request.accept.iter().map(MediaType::to_string).collect(),
            });
        }
        Ok(OpenApiPending {
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
    pub fn respond(
        &self,
        config: &Config,
        catalog: &Catalog,
        answer: &mut [u8],
    ) -> Result<Response, Error> {
        let body = if self.headers_only {
            Body::Absent
        } else {
            let document = describe(config, catalog, &self.schema, answer);
            Body::Bytes(document.map_err(|invalid| Error::Internal {
                details: invalid.to_string(),
            })?)
        };
        let mut headers = vec![content_type(&MediaType::OpenApi)];
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
