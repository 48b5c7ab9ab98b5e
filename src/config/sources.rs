//! What a configuration is made of: the contents of files, the environment, what the database
//! says. Files refer to variables and to other files, so evaluating them needs the sources, too.

use crate::secret::Secret;

/// Where settings come from. All of it is contents; nothing is looked up but `read_file`.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The configuration file, if one was named.
    pub file: Option<File<'a>>,
    /// The whole environment, because a file can refer to any variable in it.
    pub environment: &'a [(String, String)],
    /// What the database says, by full name (`pgrst.db_schemas`). Names that are not in
    /// [`in_database_names`](crate::in_database_names) are ignored.
    pub database: &'a [(String, String)],
    /// At a reload, the connection string in use: it stays, and its file is not read again.
    pub db_uri: Option<&'a Secret<String>>,
    /// Reads the file behind `@file` and `import`. An error says why it could not.
    pub read_file: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
}

/// A configuration file.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its path, for messages and for the imports relative to it.
    pub path: &'a str,
    /// What is in it.
    pub text: &'a str,
}

impl Default for Sources<'_> {
    /// No sources: every key has its default.
    fn default() -> Self {
        Sources {
            file: None,
            environment: &[],
            database: &[],
            db_uri: None,
            read_file: &|_| Err("there are no files here".to_owned()),
        }
    }
}

impl Sources<'_> {
    /// The last variable of that name, as `getenv` of a map has it.
    pub(crate) fn environment_variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.environment.iter().rev();
        variables
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}
