//! Media type handlers: functions that turn rows, or what a function returned, into a document.
//!
//! PostgREST's own handlers are not in here: a custom one comes before them.

use corerest_sql::QualifiedName;
use std::collections::HashMap;

/// A handler that the database defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaHandler {
    /// What is called.
    pub function: QualifiedName,
    /// Whether that takes all rows or one.
    pub kind: HandlerKind,
    /// The relation whose rows it takes, or the function whose value; `None` is any row.
    pub target: Option<QualifiedName>,
    /// What is sent as `Content-Type`, as the domain is named; `application/octet-stream` for
    /// the handler of `*/*`.
    pub media_type: String,
}

/// What a handler is called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandlerKind {
    /// An aggregate: it is called on all rows.
    Aggregate,
    /// A domain, called like a cast on the one value that a function returns.
    Cast,
}

/// The media types that PostgREST handles by itself, for any row.
const BUILT_IN: [&str; 4] = [
    "*/*",
    "application/geo+json",
    "application/json",
    "text/csv",
];

/// The handlers, as negotiation looks for them.
#[derive(Debug, Default)]
pub(super) struct MediaHandlers {
    pub(super) by_target: HashMap<QualifiedName, HashMap<String, MediaHandler>>,
    pub(super) of_any: HashMap<String, MediaHandler>,
}

impl MediaHandlers {
    /// Adds a handler for the domain of that name; it replaces one for the same.
    pub(super) fn insert(&mut self, domain: &str, handler: MediaHandler) {
        let handlers = match &handler.target {
            Some(target) => self.by_target.entry(target.clone()).or_default(),
            None => &mut self.of_any,
        };
        handlers.insert(accepted(domain), handler);
    }

    /// Those that the database defines, each with the media type that a request accepts.
    pub(super) fn custom(&self) -> impl Iterator<Item = (&str, &MediaHandler)> {
        let of_one = self.by_target.values().flatten();
        let all = of_one.chain(&self.of_any);
        all.map(|(accepted, handler)| (accepted.as_str(), handler))
    }

    /// How many there are, with PostgREST's own that are not overridden.
    pub(super) fn len_with_built_in(&self) -> usize {
        let built_in = BUILT_IN.iter();
        let custom: usize = self.by_target.values().map(HashMap::len).sum();
        let own = built_in.filter(|&&name| !self.of_any.contains_key(name));
        custom + self.of_any.len() + own.count()
    }
}

/// The media type that a request must accept.
///
/// Parity: an array whose nulls are not stripped is plain JSON, even as a domain.
fn accepted(domain: &str) -> String {
    let name = domain.to_ascii_lowercase();
    match name.as_str() {
        "application/vnd.pgrst.array" | "application/vnd.pgrst.array+json" => {
            "application/json".to_owned()
        }
        _ => name,
    }
}
