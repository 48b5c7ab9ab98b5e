//! What a configuration key is. The keys themselves stand in one table, [`KEYS`].
//!
//! An entry says everything about its key: its names, its documentation, how a value gets into
//! the [`Config`](crate::Config) and how it is printed. Loading, the dump, the example and the
//! warnings go through the table, so a new key is one entry and one field. Defaults are not
//! repeated here: they are what [`Config::default`](crate::Config::default) prints.

#[macro_use]
mod entry;
mod key;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use self::entry::quoted;
pub use self::key::{Aliases, Key, Kind, Origin};
pub(crate) use self::key::{Apply, environment_name};
pub use self::table::KEYS;

/// The names of all keys that can be set in the database, for the query that reads them.
pub fn in_database_names() -> impl Iterator<Item = String> {
    KEYS.iter().filter_map(Key::in_database_name)
}
