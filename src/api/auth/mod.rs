//! Who makes a request.

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The database role that the request runs as.
    pub role: String,
    /// The claims of its token as JSON, with the role among them.
    pub claims: String,
}
