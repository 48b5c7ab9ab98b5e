//! Names of relations in a statement, which are made of other names and must stay different.

use corerest_sql::Ident;

/// PostgreSQL cuts longer names off, which could make two of them the same.
const NAME_BYTES_MAX: usize = 63;

/// The name, or another one instead if it is too long.
pub(super) fn short_name(name: String, instead: impl FnOnce() -> String) -> Ident {
    if name.len() > NAME_BYTES_MAX {
        Ident::before_nul(&instead())
    } else {
        Ident::before_nul(&name)
    }
}
