//! What is said of a configuration key. How values are made is in [`entry`](super::entry), and the
//! keys themselves are in [`table`](super::table).

use crate::config::Config;

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The name in the file, and the base of all other names.
    pub name: &'static str,
    /// Older names that are still accepted.
    pub aliases: Aliases,
    /// What a value looks like.
    pub kind: Kind,
    /// Whether a reload of the configuration changes it in a running server.
    pub reloadable: bool,
    /// Whether it can be set in the database.
    pub in_database: bool,
    /// Who invented it.
    pub origin: Origin,
    /// What it is for, in a few sentences.
    pub doc: &'static str,
    /// A value to show where there is no default, as it is written in a file.
    pub sample: &'static str,
    pub(crate) apply: Apply,
    /// The value in the format of the dump: quoted if it is text.
    pub(crate) show: fn(&Config) -> String,
}

/// Older names of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aliases {
    /// It always had this name.
    None,
    /// Looked at if the key itself is not set.
    After(&'static str),
    /// Looked at before the key itself.
    Before(&'static str),
}

/// What the values of a key look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Names with commas between them.
    List,
    /// The name of a function, perhaps with its schema.
    Function,
    /// An octal number, in quotes.
    Octal,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Not one key but all that begin like this one, up to its `*`.
    Prefix,
}

/// Who invented a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// PostgREST: always in the dump.
    PostgRest,
    /// PostgREST, for its own tests: never in the dump.
    PostgRestTests,
    /// This server: in the dump only if it is not at its default, so that the dumps of the two
    /// servers can be compared.
    CoreRest,
}

/// How a value gets into a [`Config`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Apply {
    /// Empty text counts as not set. An error is the message for the user.
    Text(fn(&mut Config, String) -> Result<(), String>),
    /// Empty text is a value like any other.
    TextOrEmpty(fn(&mut Config, String)),
    /// A number, and the least and the greatest that make sense.
    Integer {
        min: i64,
        max: i64,
        set: fn(&mut Config, i64),
    },
    Boolean(fn(&mut Config, bool)),
    /// All keys of the prefix; loading has its own code for them.
    AppSettings,
}

impl Key {
    /// The environment variable that sets the key.
    #[must_use]
    pub fn environment_name(&self) -> String {
        environment_name(self.name)
    }

    /// The name under which PostgreSQL knows the key, if it can be set there.
    #[must_use]
    pub fn in_database_name(&self) -> Option<String> {
        self.in_database
            .then(|| format!("pgrst.{}", self.name.replace('-', "_")))
    }

    /// The default as the dump prints it; `""` if there is none.
    #[must_use]
    pub fn default_value(&self) -> String {
        (self.show)(&Config::default())
    }

    /// The names to look for, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let (before, after) = match self.aliases {
            Aliases::None => (None, None),
            Aliases::After(alias) => (None, Some(alias)),
            Aliases::Before(alias) => (Some(alias), None),
        };
        before.into_iter().chain([self.name]).chain(after)
    }
}

/// The environment variable for a key or an older name of it.
pub(crate) fn environment_name(name: &str) -> String {
    format!(
        "PGRST_{}",
        name.replace(['-', '.'], "_").to_ascii_uppercase()
    )
}
