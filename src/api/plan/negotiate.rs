//! Chooses the representation of the answer from what the client accepts.
//!
//! Source: RFC 9110, section 12.5.1; PostgREST's documentation, `resource_representation`.

use crate::error::Error;
use crate::request::media_type::MediaType;

/// How the rows become a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// A JSON array of the rows.
    JsonArray,
    /// No body: the answer to HEAD.
    ///
    /// Parity: such an answer still has the Content-Type that a body would have had.
    Nothing,
}

/// The first media type of the client's list that can be produced, in the client's order.
///
/// # Errors
/// `PGRST107` if there is none.
pub fn negotiate(accept: &[MediaType]) -> Result<(Representation, MediaType), Error> {
    accept
        .iter()
        .find_map(produce)
        .ok_or_else(|| Error::MediaTypeNotAvailable {
            accepted: accept.iter().map(MediaType::to_string).collect(),
        })
}

fn produce(wanted: &MediaType) -> Option<(Representation, MediaType)> {
    match wanted {
        MediaType::Any | MediaType::ApplicationJson => {
            Some((Representation::JsonArray, MediaType::ApplicationJson))
        }
        _ => None,
    }
}
