//! Records as one array for each column, which PostgreSQL reads three times as fast as objects:
//! their keys are not looked for there, row after row.
//!
//! ```text
//! {"id":1,"name":"a \"b\""}      {1,2} ⟨mark⟩ {"a \"b\"",NULL}
//! {"id":2,"name":null}
//! ```
//! An element is what `json_to_recordset` would give to the type's input function, so it becomes
//! the same value, and the same error. That is so for types whose elements are told from each
//! other by commas, and of which no element is an array or a row of its own.
//!
//! Source: PostgreSQL, "Array Input and Output Syntax".

use super::keys::{Escapes, Key, unescape};
use corerest_sql::{ConstSql, Ident, sql_text};
use std::ops::ControlFlow;

/// What stands between two arrays. Where the first of its characters is a part of a value, a
/// backslash stands before it, so that it is never there twice.
const MARK: &str = "\u{1e}\u{1e}";

/// The same in SQL.
pub(crate) const ARRAYS_MARK: ConstSql = sql_text!("E'\\x1e\\x1e'");

const MARK_CHARACTER: char = '\u{1e}';

/// How long the parameter may become before no more records are added. A record names only the
/// values that it has, and the others become `NULL`, each, so records of two bytes could become
/// arrays of any length.
const ARRAYS_BYTES_MAX: usize = 4 << 20;

/// What is said of a string with a character that no text of PostgreSQL has.
const NO_TEXT: &str = "\\u0000 cannot be converted to text";

/// What an element of a column's array says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// The text of a value.
    Text,
    /// JSON as it is written.
    Json,
}

/// A column, and the elements that were read for it.
#[derive(Clone)]
struct Array {
    column: Ident,
    element: Element,
    /// What stands in the braces.
    elements: Vec<u8>,
}

/// The values of an object by their arrays; none is an empty text.
pub(super) struct Row<'t> {
    values: Vec<&'t str>,
    /// How many members there were.
    place: usize,
    /// Whether a key cannot be the text of a name.
    has_wrong_key: bool,
}

/// The records that were read last, by columns.
#[derive(Clone)]
pub(super) struct Arrays {
    /// In the order of their columns' names.
    arrays: Vec<Array>,
    /// The array that the key at each place of an object was for.
    expected: Vec<usize>,
    /// How long the elements are.
    bytes: usize,
}

impl Arrays {
    /// None has an element.
    pub(super) fn new(columns: Vec<(Ident, Element)>) -> Arrays {
        let arrays = columns.into_iter().map(|(column, element)| Array {
            column,
            element,
            elements: Vec::new(),
        });
        let mut arrays: Vec<Array> = arrays.collect();
        arrays.sort_by(|a, b| a.column.cmp(&b.column));
        Arrays {
            expected: (0..arrays.len()).collect(),
            arrays,
            bytes: 0,
        }
    }

    /// Forgets the records that were read before.
    pub(super) fn clear(&mut self) {
        self.bytes = 0;
        // Each has as much room as its longest elements needed, but all together have not.
        let room = self.arrays.iter().map(|array| array.elements.capacity());
        let is_kept = room.sum::<usize>() <= 2 * ARRAYS_BYTES_MAX;
        for array in &mut self.arrays {
            match is_kept {
                true => array.elements.clear(),
                false => array.elements = Vec::new(),
            }
        }
    }

    /// Whether they are long enough: records that were not added are for another parameter.
    pub(super) fn are_full(&self) -> bool {
        self.bytes >= ARRAYS_BYTES_MAX
    }

    /// How long the parameter is.
    pub(super) fn bytes(&self) -> usize {
        let arrays = self.arrays.len();
        self.bytes + "{}".len() * arrays + MARK.len() * arrays.saturating_sub(1)
    }

    /// Writes the parameter, until `sink` has had enough.
    pub(super) fn write(&self, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut open = "{".as_bytes().to_vec();
        for array in &self.arrays {
            sink(&open)?;
            sink(&array.elements)?;
            open = ["}", MARK, "{"].concat().into_bytes();
        }
        sink(b"}")
    }

    /// Says in which order the columns are in a row of CSV. `false` if one is for JSON, which a
    /// field is not, or has a name that no column has.
    pub(super) fn come_in_order(&mut self, names: &[String]) -> bool {
        let of_name = |name: &String| {
            let by_name = |array: &Array| array.column.as_str().cmp(name);
            self.arrays.binary_search_by(by_name).ok()
        };
        self.expected = names.iter().filter_map(of_name).collect();
        let mut elements = self.arrays.iter().map(|array| array.element);
        self.expected.len() == names.len() && elements.all(|element| element == Element::Text)
    }

    /// Adds a field of a row. What is behind those that have names is nothing.
    ///
    /// # Errors
    /// The message, if it cannot be the text of a value.
    pub(super) fn add_field(&mut self, place: usize, field: &str) -> Result<(), &'static str> {
        let Some(&index) = self.expected.get(place) else {
            return Ok(());
        };
        let array = &mut self.arrays[index];
        let before = array.elements.len();
        array.begin_element();
        array.push_field(field)?;
        self.bytes += array.elements.len() - before;
        Ok(())
    }

    /// Begins with other objects: the values of one, of which there are none yet.
    pub(super) fn begin<'t>(&mut self) -> Row<'t> {
        self.clear();
        Row {
            values: vec![""; self.arrays.len()],
            place: 0,
            has_wrong_key: false,
        }
    }

    /// Takes a member of an object. The last one of a name counts.
    pub(super) fn note<'t>(&mut self, row: &mut Row<'t>, key: Key<'_>, value: &'t str) {
        let place = row.place;
        row.place += 1;
        let expected = self.expected.get(place).copied();
        let is_expected = |index: &usize| {
            key.escapes == Escapes::No && self.arrays[*index].column.as_str() == key.written
        };
        let index = expected.filter(is_expected).or_else(|| {
            let name = key.text();
            row.has_wrong_key |= name.contains('\0');
            let by_name = |array: &Array| array.column.as_str().cmp(name.as_ref());
            let found = self.arrays.binary_search_by(by_name).ok()?;
            if let Some(expected) = self.expected.get_mut(place) {
                *expected = found;
            }
            Some(found)
        });
        if let Some(index) = index {
            row.values[index] = value;
        }
    }

    /// Adds the values of an object, and empties it for the next one.
    ///
    /// # Errors
    /// The message, if one of them cannot be the text of a value, or a key that of a name.
    pub(super) fn add(&mut self, row: &mut Row<'_>) -> Result<(), &'static str> {
        if row.has_wrong_key {
            return Err(NO_TEXT);
        }
        for (array, value) in self.arrays.iter_mut().zip(&mut row.values) {
            let before = array.elements.len();
            array.begin_element();
            array.push_json(std::mem::take(value))?;
            self.bytes += array.elements.len() - before;
        }
        row.place = 0;
        Ok(())
    }
}

impl Array {
    /// Appends a field of CSV.
    fn push_field(&mut self, field: &str) -> Result<(), &'static str> {
        match field {
            "NULL" => self.elements.extend_from_slice(b"NULL"),
            field if is_number(field) => self.elements.extend_from_slice(field.as_bytes()),
            field => return self.push_quoted(field.chars()),
        }
        Ok(())
    }

    fn begin_element(&mut self) {
        if !self.elements.is_empty() {
            self.elements.push(b',');
        }
    }

    /// Appends a value, which is JSON; none at all is null.
    fn push_json(&mut self, value: &str) -> Result<(), &'static str> {
        match (value.as_bytes().first(), self.element) {
            (None | Some(b'n'), _) => self.elements.extend_from_slice(b"NULL"),
            (Some(b'"'), Element::Text) => return self.push_string(value),
            (Some(b'"' | b'{' | b'['), _) => return self.push_quoted(value.chars()),
            // Numbers and booleans.
            (Some(_), _) => self.elements.extend_from_slice(value.as_bytes()),
        }
        Ok(())
    }

    /// Appends a string, which has its quotes. Without escapes it is an element as it is.
    fn push_string(&mut self, written: &str) -> Result<(), &'static str> {
        if !written.contains('\\') {
            self.elements.extend_from_slice(written.as_bytes());
            return Ok(());
        }
        self.push_quoted(unescape(&written[1..written.len() - 1]))
    }

    fn push_quoted(&mut self, characters: impl Iterator<Item = char>) -> Result<(), &'static str> {
        self.elements.push(b'"');
        for character in characters {
            match character {
                '\0' => return Err(NO_TEXT),
                '"' | '\\' | MARK_CHARACTER => self.elements.push(b'\\'),
                _ => {}
            }
            let mut utf8 = [0; 4];
            let utf8 = character.encode_utf8(&mut utf8);
            self.elements.extend_from_slice(utf8.as_bytes());
        }
        self.elements.push(b'"');
        Ok(())
    }
}

/// Whether it needs no quotes, for it is made of what numbers are made of.
fn is_number(field: &str) -> bool {
    let is_of_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'-');
    !field.is_empty() && field.bytes().all(is_of_number)
}

#[cfg(test)]
mod tests;
