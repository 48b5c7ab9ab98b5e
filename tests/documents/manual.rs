//! The manual pages, in the macros of man(7), which all formatters know.

use crate::command_line::{CommandOption, description, file, options};
use crate::facts;
use corerest_config::Key;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Sources of manual pages have short lines, says mandoc.
const LINE_BYTES_MAX: usize = 78;

/// A page that is being written.
struct Page(String);

impl Page {
    /// Begins one: `corerest(1)`, and what it is.
    fn new(name: &str, section: u8, date: &str, what: &str) -> Page {
        let title = name.to_uppercase();
        let mut page = Page(format!(
            ".\\\" Made by corerest-documents.\n\
             .TH {title} {section} {date} \"CoreREST {VERSION}\" \"CoreREST\"\n\
             .ad l\n"
        ));
        page.section("NAME");
        page.0
            .push_str(&format!("{} \\- {}\n", plain(name), plain(what)));
        page
    }

    fn section(&mut self, title: &str) {
        self.0.push_str(&format!(".SH {title}\n"));
    }

    /// Running text; what stands between two backticks is bold.
    fn text(&mut self, text: &str) {
        let mut marked = String::new();
        for (index, piece) in text.split('`').enumerate() {
            match index % 2 {
                0 => marked.push_str(&plain(piece)),
                _ => marked.push_str(&format!("\\fB{}\\fP", plain(piece))),
            }
        }
        let mut line = String::new();
        for word in marked.split(' ') {
            if !line.is_empty() && line.len() + word.len() >= LINE_BYTES_MAX {
                self.line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }

    /// A line that is text, whatever it begins with.
    fn line(&mut self, line: &str) {
        if line.starts_with('.') {
            self.0.push_str("\\&");
        }
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn paragraph(&mut self, text: &str) {
        self.0.push_str(".PP\n");
        self.text(text);
    }

    /// A term, and what it means.
    fn term(&mut self, term: &str, meaning: &str) {
        self.0.push_str(".TP\n");
        self.text(term);
        self.text(meaning);
    }

    fn more_of_term(&mut self, text: &str) {
        self.0.push_str(".IP\n");
        self.text(text);
    }

    /// Lines that are not filled.
    fn lines(&mut self, lines: &[&str]) {
        self.0.push_str(".RS 4\n.nf\n");
        for line in lines {
            self.line(&plain(line));
        }
        self.0.push_str(".fi\n.RE\n");
    }
}

/// Text in which nothing is a request or an escape.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let text = text
        .replace('\'', "\\(aq")
        .replace('^', "\\(ha")
        .replace('~', "\\(ti");
    text.replace('~', "\\(ti")
}

fn option_term(option: &CommandOption) -> String {
    let mut term = String::new();
    if let Some(short) = option.short {
        term.push_str(&format!("`-{short}`, "));
    }
    term.push_str(&format!("`{}`", option.long));
    if let Some((name, _)) = &option.value {
        term.push_str(&format!(" {name}"));
    }
    term
}

/// `corerest(1)`.
pub(crate) fn program(date: &str) -> String {
    let what = "a REST API for a PostgreSQL database";
    let mut page = Page::new("corerest", 1, date, what);
    let (file, about_file) = file();
    page.section("SYNOPSIS");
    page.text(&format!("`corerest` [option ...] [{file}]"));
    page.section("DESCRIPTION");
    page.text(&description());
    page.paragraph(
        "It is a drop-in replacement for PostgREST 16: the same requests, answers, configuration \
         and signals. It stays in the foreground. Requests are logged to standard output, and \
         everything else to standard error.",
    );
    page.section("OPTIONS");
    for option in options() {
        page.term(&option_term(&option), &sentence(&option.description));
    }
    page.term(&file, &sentence(&about_file));
    page.section("ENVIRONMENT");
    page.term(
        "`PGRST_`...",
        "Each key of corerest.conf(5) in capitals, with underscores. It wins over the file.",
    );
    page.term(
        "`PGHOST`, `PGUSER`, `PGPASSFILE`, ...",
        "What db-uri does not say, as with psql(1).",
    );
    page.section("SIGNALS");
    page.term(
        "`SIGUSR2`, `SIGHUP`",
        "The configuration is read again. What the new one cannot change takes a restart.",
    );
    page.term("`SIGUSR1`", "The schema cache is loaded again.");
    page.term(
        "`SIGTERM`, `SIGINT`",
        "Requests that have begun are finished, and the server ends. A second one ends it at once.",
    );
    page.section("EXIT STATUS");
    page.term(
        "`0`",
        "It was told to end, or has shown what it was asked for.",
    );
    page.term(
        "`1`",
        "The configuration is wrong, `--check` has found errors, or `--ready` has found a server \
         that is not ready.",
    );
    page.term(
        "`2`",
        "What `--check` has found could not be written to the standard output.",
    );
    page.section("EXAMPLES");
    page.lines(&[
        "corerest --example > corerest.conf",
        "corerest --check corerest.conf",
        "corerest corerest.conf",
    ]);
    page.section("SEE ALSO");
    page.text("`corerest.conf`(5), `psql`(1)");
    page.0
}

/// `corerest.conf(5)`.
pub(crate) fn configuration_file(date: &str) -> String {
    let mut page = Page::new("corerest.conf", 5, date, "the configuration of corerest(1)");
    page.section("DESCRIPTION");
    page.text(
        "The file is named on the command line of corerest(1). Its syntax is that of PostgREST's \
         file: a key, an equals sign and a value on each line. Text is in double quotes, in which \
         a backslash stands before a quote or another backslash, and `$(NAME)` is the value of an \
         environment variable or of an earlier key; a dollar sign is written twice. Numbers, \
         `true` and `false` need no quotes. A `#` begins a comment.",
    );
    page.lines(&[
        "db-uri = \"postgres://authenticator@localhost/app\"",
        "db-schemas = \"api\"",
        "db-anon-role = \"web_anon\"",
    ]);
    page.paragraph(
        "A key may also be set by its environment variable, which wins over the file, and some by \
         the database (`ALTER ROLE ... SET pgrst....`), which wins over both. `corerest \
         --dump-config` shows what is in effect. Keys that are none are mentioned in the log.",
    );
    page.section("KEYS");
    for key in facts::keys() {
        page.term(&format!("`{}`", key.name), &key_facts(key));
        page.more_of_term(key.doc);
    }
    page.section("SEE ALSO");
    page.text("`corerest`(1)");
    page.0
}

fn key_facts(key: &Key) -> String {
    let mut facts = vec![facts::kind(key)];
    facts.push(match facts::default(key) {
        Some(value) => format!("default {value}"),
        None => "no default".to_owned(),
    });
    facts.push(key.environment_name());
    facts.extend(key.in_database_name());
    facts.extend(facts::older_name(key).map(|older| format!("also called {older}")));
    if key.reloadable {
        facts.push("a reload changes it".to_owned());
    }
    if facts::is_ours(key) {
        facts.push("not known to PostgREST".to_owned());
    }
    sentence(&facts.join("; "))
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase());
    let rest = letters.as_str();
    let end = if text.ends_with('.') { "" } else { "." };
    format!(
        "{}{rest}{end}",
        first.into_iter().flatten().collect::<String>()
    )
}
