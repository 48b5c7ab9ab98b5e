//! How much of a request's target is logged (`log-query-string`).
//!
//! The path says what was asked for. The query has the values of filters and arguments in it, which
//! may be nobody's business who reads a log; so it can be left out, and the query of the page that
//! a browser comes from with it.

use std::sync::atomic::{AtomicBool, Ordering};

static ARE_QUERIES_SHOWN: AtomicBool = AtomicBool::new(true);

/// Shows queries from now on, or hides them.
pub(super) fn show_queries(are_shown: bool) {
    ARE_QUERIES_SHOWN.store(are_shown, Ordering::Relaxed);
}

/// Whether queries are logged.
pub(crate) fn are_queries_shown() -> bool {
    ARE_QUERIES_SHOWN.load(Ordering::Relaxed)
}

/// A URL up to its query or its fragment.
pub(super) fn before_query(url: &[u8]) -> &[u8] {
    let mut bytes = url.iter();
    match bytes.position(|byte| matches!(byte, b'?' | b'#')) {
        Some(end) => &url[..end],
        None => url,
    }
}
