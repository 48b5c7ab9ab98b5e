//! CSV with a header line, as an array of objects. The field `NULL` is null, quoted or not.
//!
//! Read twice: once to check it and to know how long the JSON will be, once to write that, piece
//! by piece, on its way to PostgreSQL. So a header of long names, which each row repeats, costs
//! nothing before the names are known to be columns, and the JSON never lies in memory as a whole.
//!
//! Source: RFC 4180. The usual packages also take what PostgREST refuses, such as a quote inside a
//! field, and need each row in a buffer of its own.

use super::keys::{COLUMNS_MAX, first_columns};
use super::mark::without_mark;
use super::pieces::{Pieces, json_string_bytes};
use crate::json::write_json_string;
use corerest_sql::Ident;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;
use std::ops::ControlFlow;

/// PostgreSQL allocates no value as long as 1 GiB (`MaxAllocSize`).
const JSON_BYTES_MAX: usize = 0x3fff_ffff;

/// CSV that can be written as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csv<'a> {
    /// The names of the header line as keys, `"name":`.
    keys: Vec<Vec<u8>>,
    /// What follows the header line.
    rows: &'a str,
    /// How long the JSON is.
    json_bytes: usize,
}

/// How long all names of a header may be. Those of 1,664 columns have 105 KB at the most. They are
/// kept as keys, which can be six times as long.
const NAMES_BYTES_MAX: usize = 256 << 10;

impl<'a> Csv<'a> {
    /// Checks the text and finds its columns: the names of the header, as far as the first row has
    /// values for them.
    ///
    /// Parity: values without a name are dropped, and of two columns with the same name the last
    /// one counts, for so it does in PostgreSQL. Names are taken as they are, with their blanks.
    pub(super) fn parse(body: &'a [u8]) -> Result<(Csv<'a>, BTreeSet<Ident>), String> {
        let (mut csv, names) = Csv::header(body)?;
        let mut shape = RowShapes::new(&names);
        csv.json_bytes = measure(&csv.keys, csv.rows, &mut shape).map_err(|it| it.message)?;
        if shape.unequal.is_some() {
            return Err(UNEQUAL.to_owned());
        }
        if csv.json_bytes > JSON_BYTES_MAX {
            return Err("The lines are too long for PostgreSQL when written as json".to_owned());
        }
        let width = shape.first_width.unwrap_or_default();
        Ok((csv, first_columns(names[..width].iter())))
    }

    /// The names of the header, and the rows, which are not looked at.
    fn header(body: &'a [u8]) -> Result<(Csv<'a>, Vec<Cow<'a, str>>), String> {
        let body = without_mark(body);
        let text = std::str::from_utf8(body);
        let text = text.map_err(|error| invalid_utf8(&body[error.valid_up_to()..]))?;
        let (names, rows) = parse_header(text)?;
        let csv = Csv {
            keys: names.iter().map(|name| key(name)).collect(),
            rows,
            json_bytes: 0,
        };
        Ok((csv, names))
    }

    /// How long the JSON is, in bytes.
    pub(crate) fn json_bytes(&self) -> usize {
        self.json_bytes
    }

    /// Writes the JSON of the text that `body` is, which was parsed before: an array of objects
    /// with strings and nulls. Stops when `sink` has had enough.
    pub(crate) fn convert(body: &[u8], sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
        let (csv, _) = Csv::header(body).expect("it has been read before");
        csv.write_json(sink);
    }

    /// Writes an array of objects with strings and nulls, piece by piece.
    pub(super) fn write_json(&self, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
        write_rows(&self.keys, self.rows, sink);
    }
}

/// Looks at all rows, and adds up how long they are as JSON.
///
/// # Errors
/// If they are no CSV.
pub(super) fn measure(
    keys: &[Vec<u8>],
    rows: &str,
    shapes: &mut RowShapes,
) -> Result<usize, Misread> {
    let mut bytes = "[]".len();
    let count = read_rows(rows, shapes, |column, value, _| {
        if let Some(key) = keys.get(column) {
            bytes += "{".len() + key.len() + value_bytes(value);
        }
    })?;
    let commas = usize::saturating_sub(count, 1);
    Ok(bytes + "}".len() * count + commas)
}

/// Calls for each value of each row, with its column and how much of the text is left then. How
/// many rows there are.
///
/// # Errors
/// If they are no CSV.
pub(super) fn read_rows(
    rows: &str,
    shapes: &mut RowShapes,
    mut on_value: impl FnMut(usize, &str, usize),
) -> Result<usize, Misread> {
    let before = shapes.rows;
    each_value(rows, |column, value, end, left| {
        on_value(column, value, left);
        if end != End::Comma {
            shapes.rows += 1;
            shapes.see(column + 1, left);
        }
    })?;
    Ok(shapes.rows - before)
}

/// Writes rows that were measured before as an array of objects, piece by piece.
pub(super) fn write_rows(
    keys: &[Vec<u8>],
    rows: &str,
    sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) {
    let mut out = Pieces::new(2 * rows.len(), sink);
    out.push(b"[");
    let mut between_rows: &[u8] = b"";
    let read = each_value(rows, |column, value, end, _| {
        if out.is_over() {
            return;
        }
        if column == 0 {
            out.push(between_rows);
            between_rows = b",";
        }
        if let Some(key) = keys.get(column) {
            out.push(if column == 0 { b"{" } else { b"," });
            out.push(key);
            match value {
                "NULL" => out.push(b"null"),
                text => out.push_string(text),
            }
        }
        if end != End::Comma {
            out.push(b"}");
        }
    });
    read.map_err(|it| it.message)
        .expect("the rows have been read before");
    out.push(b"]");
    out.finish();
}

/// What is said of rows with another number of values than the first.
pub(super) const UNEQUAL: &str = "All lines must have same number of fields";

/// Why rows are no CSV.
pub(super) struct Misread {
    pub(super) message: String,
    /// How much was left of them.
    pub(super) left: usize,
}

pub(super) fn key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 3);
    write_json_string(&mut key, name);
    key.push(b':');
    key
}

/// How long a value is as JSON.
fn value_bytes(value: &str) -> usize {
    match value {
        "NULL" => "null".len(),
        text => json_string_bytes(text),
    }
}

/// Whether all rows have values for the same names.
#[derive(Clone, Debug)]
pub(super) struct RowShapes {
    /// How many different names there are among the first 0, 1, 2, …
    names: Vec<usize>,
    /// How many of the names the first row has values for.
    pub(super) first_width: Option<usize>,
    /// How much was left of the text behind the first row that has not.
    pub(super) unequal: Option<usize>,
    /// How many there were.
    pub(super) rows: usize,
}

impl RowShapes {
    pub(super) fn new(names: &[Cow<'_, str>]) -> RowShapes {
        let mut known = HashSet::new();
        let mut counts = vec![0];
        for name in names {
            known.insert(name.as_ref());
            counts.push(known.len());
        }
        RowShapes {
            names: counts,
            first_width: None,
            unequal: None,
            rows: 0,
        }
    }

    /// Whether no name is there twice.
    pub(super) fn are_names_distinct(&self) -> bool {
        self.names.last() == Some(&(self.names.len() - 1))
    }

    fn see(&mut self, width: usize, left: usize) {
        let width = width.min(self.names.len() - 1);
        let first = *self.first_width.get_or_insert(width);
        if self.names[width] != self.names[first] && self.unequal.is_none() {
            self.unequal = Some(left);
        }
    }
}

/// What follows a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Comma,
    Line,
    Text,
}

/// The names, and what follows their line.
pub(super) fn parse_header(text: &str) -> Result<(Vec<Cow<'_, str>>, &str), String> {
    let mut reader = Reader { rest: text };
    let mut names = Vec::new();
    let mut bytes = 0;
    loop {
        let (name, end) = reader.field()?;
        bytes += name.len();
        if bytes > NAMES_BYTES_MAX {
            return Err(format!(
                "The names of a header have at most {NAMES_BYTES_MAX} bytes"
            ));
        }
        names.push(name);
        match end {
            End::Comma if names.len() < COLUMNS_MAX => {}
            End::Comma => return Err(format!("A header has at most {COLUMNS_MAX} names")),
            End::Line => return Ok((names, reader.rest)),
            End::Text => return Err(parse_error("not enough input", b"")),
        }
    }
}

/// Calls for each value of each row, with its column, what follows it, and how much of the text is
/// left then.
fn each_value(
    rows: &str,
    mut on_value: impl FnMut(usize, &str, End, usize),
) -> Result<(), Misread> {
    let mut reader = Reader { rest: rows };
    let mut column = 0;
    loop {
        let (value, end) = reader.field().map_err(|message| Misread {
            message,
            left: reader.rest.len(),
        })?;
        let is_blank_line = column == 0 && value.is_empty() && end != End::Comma;
        if !is_blank_line {
            on_value(column, &value, end, reader.rest.len());
        }
        column = match end {
            End::Comma => column + 1,
            End::Line => 0,
            End::Text => return Ok(()),
        };
    }
}

/// ```text
/// csv    = record end (record end)* record?     end = LF | CR LF | CR
/// record = field ("," field)*                   a record of one empty field is no record
/// field  = '"' (any but '"' | '""')* '"' | (any but '"', ',', LF and CR)*
/// ```
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn field(&mut self) -> Result<(Cow<'a, str>, End), String> {
        let field = match self.rest.strip_prefix('"') {
            Some(quoted) => self.quoted(quoted)?,
            None => {
                let bytes = self.rest.bytes();
                let plain = bytes.take_while(|byte| !matches!(byte, b'"' | b',' | b'\n' | b'\r'));
                Cow::Borrowed(self.take(plain.count()))
            }
        };
        Ok((field, self.end()?))
    }

    /// What is in quotes, without them.
    ///
    /// Parity: PostgREST takes a field without a closing quote, and loses its last byte. Here it
    /// is an error, with PostgREST's words for a text that ends behind the opening quote.
    fn quoted(&mut self, quoted: &'a str) -> Result<Cow<'a, str>, String> {
        self.rest = quoted;
        let mut end = 0;
        let mut has_doubled = false;
        loop {
            let Some(length) = quoted[end..].find('"') else {
                return Err(parse_error("Failed reading: trailing double quote", b""));
            };
            end += length;
            if !quoted[end + 1..].starts_with('"') {
                break;
            }
            has_doubled = true;
            end += 2;
        }
        let text = self.take(end);
        self.take(1);
        Ok(match has_doubled {
            true => Cow::Owned(text.replace("\"\"", "\"")),
            false => Cow::Borrowed(text),
        })
    }

    fn end(&mut self) -> Result<End, String> {
        let (length, end) = match self.rest.as_bytes() {
            [] => (0, End::Text),
            [b',', ..] => (1, End::Comma),
            [b'\r', b'\n', ..] => (2, End::Line),
            [b'\n' | b'\r', ..] => (1, End::Line),
            other => return Err(parse_error("Failed reading: satisfy", other)),
        };
        self.take(length);
        Ok(end)
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}

/// Parity: PostgREST answers 500, unless the byte is in the header.
pub(super) fn invalid_utf8(rest: &[u8]) -> String {
    let byte = rest.first().copied().unwrap_or_default();
    let reason = format!(
        "Failed reading: conversion error: Cannot decode byte '\\x{byte:x}': \
         Data.Text.Encoding: Invalid UTF-8 stream"
    );
    parse_error(&reason, rest)
}

/// The message of PostgREST's CSV parser, with what it had before it.
fn parse_error(reason: &str, rest: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 100;
    if rest.len() <= SHOWN_BYTES_MAX {
        return format!("parse error ({reason}) at {}", show(rest));
    }
    let shown = String::from_utf8_lossy(&rest[..SHOWN_BYTES_MAX]);
    format!("parse error ({reason}) at {shown} (truncated)")
}

/// Bytes as Haskell's `show` writes a string of them; only control characters that are neither tab
/// nor line end, which have names there, are numbers here.
fn show(bytes: &[u8]) -> String {
    let mut shown = String::from("\"");
    let mut is_number_open = false;
    for &byte in bytes {
        if is_number_open && byte.is_ascii_digit() {
            shown.push_str("\\&");
        }
        is_number_open = false;
        match byte {
            b'"' | b'\\' => shown.extend(['\\', char::from(byte)]),
            b'\n' => shown.push_str("\\n"),
            b'\r' => shown.push_str("\\r"),
            b'\t' => shown.push_str("\\t"),
            b' '..=b'~' => shown.push(char::from(byte)),
            _ => {
                is_number_open = true;
                write!(shown, "\\{byte}").expect("a string takes all");
            }
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests;
