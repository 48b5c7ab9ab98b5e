//! Names: what the things of a schema are called in the document, and how addresses spell them.
//!
//! A component may be called only by letters, digits, `.`, `_` and `-`; and whoever generates code
//! makes identifiers and file names of the names. So a name is made of the one in the database that
//! is plain ASCII, and no two differ in case or punctuation only: the second one gets a number.
//! References need no escapes then.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// Which number comes next for a name that was wanted before.
    next_numbers: HashMap<String, usize>,
}

impl Names {
    /// A name for something that is called like this in the database, and that is free with each
    /// of the endings, which are taken with it.
    pub(super) fn claim(&mut self, wanted: &str, endings: &[&str]) -> String {
        let plain = plain(wanted);
        let mut name = plain.clone();
        while !self.is_free(&name, endings) {
            let number = self.next_numbers.entry(comparable(&plain)).or_insert(1);
            *number += 1;
            name = format!("{plain}_{number}");
        }
        for ending in endings {
            self.taken.insert(comparable(&format!("{name}{ending}")));
        }
        name
    }

    fn is_free(&self, name: &str, endings: &[&str]) -> bool {
        let mut names = endings.iter().map(|ending| format!("{name}{ending}"));
        names.all(|name| !self.taken.contains(&comparable(&name)))
    }
}

/// What is left of a name when case and punctuation do not count.
fn comparable(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// The name in ASCII: other letters become their number, and everything else an underscore.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' || c == '.' => plain.push(c),
            c if c.is_ascii() => plain.push('_'),
            c => write!(plain, "u{:04x}", u32::from(c)).expect("a string takes everything"),
        }
    }
    if comparable(&plain).is_empty() {
        return "unnamed".to_owned();
    }
    plain
}

/// A name of a component as the end of an identifier: `film_actors` becomes `FilmActors`.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

/// A name as a segment of a path. RFC 3986: all but what is unreserved is encoded, and so are the
/// braces that mean a parameter in OpenAPI.
pub(super) fn path_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                segment.push(char::from(byte));
            }
            _ => write!(segment, "%{byte:02X}").expect("a string takes everything"),
        }
    }
    segment
}

/// A name as the grammar of the query string reads it: in quotes, if it is not of words with single
/// dashes between them.
pub(super) fn in_query(name: &str) -> String {
    let is_word =
        |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '$');
    let has_outer_blanks = name.trim() != name;
    let mut parts = name.split('-');
    if !has_outer_blanks && parts.all(|part| !part.is_empty() && part.chars().all(is_word)) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_in_more_than_case_and_punctuation() {
        let mut names = Names::default();
        let mut claim = |wanted| names.claim(wanted, &["", ".insert"]);
        assert_eq!(claim("films"), "films");
        assert_eq!(claim("Films"), "Films_2");
        assert_eq!(claim("fil-ms"), "fil_ms_3");
        assert_eq!(claim("films_insert"), "films_insert_2");
        assert_eq!(claim("a/b~c \"d\""), "a_b_c__d_");
        assert_eq!(claim("日本"), "u65e5u672c");
        assert_eq!(claim("!"), "unnamed");
        assert_eq!(claim("_"), "unnamed_2");
        assert_eq!(claim(""), "unnamed_3");
        assert_eq!(claim("enum"), "enum");
        assert_eq!(claim("films_2"), "films_2_2");
    }

    #[test]
    fn many_names_that_are_alike_are_found_in_linear_time() {
        let mut names = Names::default();
        for _ in 0..50_000 {
            names.claim("a", &["", ".insert", ".update"]);
        }
        assert_eq!(names.claim("a", &[""]), "a_50001");
    }

    #[test]
    fn identifiers_are_words_with_capitals() {
        assert_eq!(pascal("film_actors"), "FilmActors");
        assert_eq!(pascal("films.args"), "FilmsArgs");
        assert_eq!(pascal("_x__y"), "XY");
    }

    #[test]
    fn paths_are_encoded() {
        assert_eq!(path_segment("a-b.c_d~e"), "a-b.c_d~e");
        assert_eq!(path_segment("a/b {c}%"), "a%2Fb%20%7Bc%7D%25");
        assert_eq!(path_segment("é"), "%C3%A9");
    }

    #[test]
    fn queries_quote_what_is_no_word() {
        for plain in ["id", "with space", "Größe", "$1", "a-b", "select"] {
            assert_eq!(in_query(plain), plain);
        }
        for quoted in [
            "a.b", "a,b", "(x)", ":colon:", " a", "a->b", "-a", "a--b", "",
        ] {
            assert_eq!(in_query(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(in_query(r#"quo"te\"#), r#""quo\"te\\""#);
    }
}
