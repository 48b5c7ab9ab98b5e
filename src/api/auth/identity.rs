//! Who a request is made by, once that is known.

use std::sync::Arc;

/// Who makes a request. Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The database role that the request runs as.
    pub role: Arc<str>,
    /// The claims of its token as JSON, with the role among them.
    pub claims: Arc<str>,
}
