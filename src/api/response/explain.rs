//! The response with an execution plan, which is text or JSON as PostgreSQL writes it, and all that
//! is told of the request.

use super::read::{add_vary, content_type};
use super::{Body, Header, Response};
use crate::request::ApiRequest;
use crate::request::media_type::MediaType;

/// What is remembered of a request for an execution plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExplainPending {
    media_type: MediaType,
    content_profile: Option<String>,
}

impl ExplainPending {
    /// Takes from the request what its response needs.
    pub(crate) fn new(request: &ApiRequest<'_>, media_type: MediaType) -> ExplainPending {
        ExplainPending {
            media_type,
            content_profile: request.content_profile(),
        }
    }

    /// The response, from the lines of the plan.
    pub(crate) fn respond(&self, lines: Vec<u8>) -> Response {
        let mut headers = vec![content_type(&self.media_type)];
        let profile = self.content_profile.iter();
        headers.extend(profile.map(|p| Header::new("Content-Profile", p.as_bytes())));
        add_vary(&mut headers);
        Response {
            status: 200,
            reason: None,
            headers,
            body: Body::Bytes(lines),
        }
    }
}
