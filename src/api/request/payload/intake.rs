//! Records that come in parts: lines of JSON, or rows of CSV, which become arrays of objects, or
//! [arrays of values](super::arrays).
//!
//! ```text
//! part ──cut──▶ whole records ──read──▶ checked and counted ──write──▶ [{…},{…}]
//!   │                             └───▶ … and gathered by columns ───▶ {…} {…}
//!   └── what is behind the last whole record waits for the next part
//! ```
//! A part begins where a record does. What the first record says is kept, and nothing of the
//! others: the keys that all of them must have, or the names of the header. So memory does not
//! depend on how many records there are.
//!
//! Invariant: whatever the parts are, the same records are read, and the first fault is found at
//! the same line and byte (fuzz target `intake`).

use super::arrays::{Arrays, Element};
use super::csv::{self, RowShapes};
use super::json;
use super::keys::{Escapes, FirstKeys, Key, KeyList, add_column, first_columns};
use super::mark::without_mark;
use crate::error::Error;
use crate::request::media_type::MediaType;
use corerest_sql::Ident;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::{ControlFlow, Range};

/// How much JSON is written at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Whether more follows a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartEnd {
    /// More follows.
    Open,
    /// It is the end of the body.
    Last,
}

/// What is kept of the records before.
#[derive(Clone)]
pub struct Intake {
    format: Format,
    columns: BTreeSet<Ident>,
    /// What becomes of the records, if it is not an array of objects.
    arrays: Option<Arrays>,
    /// How many lines have ended so far.
    lines: u64,
    /// How many bytes were read.
    bytes: u64,
}

#[derive(Clone)]
enum Format {
    /// A line of JSON for each record; `None` where the keys need not be equal.
    Lines(Option<Vec<(String, Escapes)>>),
    /// CSV, and how much of the first part is no row.
    Csv {
        /// The names of the header that the first row has values for …
        names: Vec<String>,
        /// … and all of them as keys, `"name":`.
        keys: Vec<Vec<u8>>,
        shapes: RowShapes,
        header_bytes: usize,
    },
}

/// Records that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// How many there are.
    pub count: usize,
    /// How long the parameter is that they become.
    pub parameter_bytes: usize,
    /// Their lines, the first of the body being 1.
    pub lines: Range<u64>,
    /// Their bytes, from the beginning of the body.
    pub bytes: Range<u64>,
    /// How much stands before the first of them in what was read.
    skipped: usize,
    /// How much was read, from there on.
    read: usize,
}

impl Records {
    /// How much of the text was read. What follows is to be read again: it would have become too
    /// long.
    pub fn text_bytes(&self) -> usize {
        self.skipped + self.read
    }
}

/// What was read of a text.
struct Read {
    /// How many records.
    count: usize,
    /// How long the parameter is that they become.
    parameter_bytes: usize,
    /// How much of the text.
    text_bytes: usize,
}

impl fmt::Debug for Intake {
    /// Shows no names, for they came from a client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake")
            .field("lines", &self.lines)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Records { lines, bytes, .. } = self;
        match lines.end - lines.start {
            1 => write!(f, "line {}", lines.start),
            _ => write!(f, "one of the lines {} to {}", lines.start, lines.end - 1),
        }?;
        write!(f, ", in the bytes {} to {}", bytes.start, bytes.end)
    }
}

impl Intake {
    /// Whether records of this type can come in parts.
    pub(crate) fn takes(content_type: &MediaType) -> bool {
        matches!(content_type, MediaType::JsonLines(_) | MediaType::TextCsv)
    }

    /// Begins with the first part of a body. `None` if it does not hold a whole record.
    ///
    /// # Errors
    /// `PGRST102` if it does not begin with a record.
    pub fn begin(
        content_type: &MediaType,
        columns: Option<&BTreeSet<Ident>>,
        part: &[u8],
        end: PartEnd,
    ) -> Result<Option<Intake>, Error> {
        match content_type {
            MediaType::TextCsv => begin_csv(part, end),
            _ => begin_lines(columns, part, end),
        }
    }

    /// The columns that records are for.
    pub(crate) fn columns(&self) -> &BTreeSet<Ident> {
        &self.columns
    }

    /// Makes an array for each column of what is read from now on; these are all of its
    /// [columns](Intake::columns). `false` if that cannot be.
    pub(crate) fn gather(&mut self, columns: Vec<(Ident, Element)>) -> bool {
        if columns.is_empty() {
            return false;
        }
        let mut arrays = Arrays::new(columns);
        let can_be = match &self.format {
            Format::Lines(_) => true,
            Format::Csv { names, shapes, .. } => {
                shapes.are_names_distinct() && arrays.come_in_order(names)
            }
        };
        self.arrays = can_be.then_some(arrays);
        can_be
    }

    /// How much of a part is whole records.
    pub fn cut(&self, part: &[u8], end: PartEnd) -> usize {
        match (end, &self.format) {
            (PartEnd::Last, _) => part.len(),
            (PartEnd::Open, Format::Lines(_)) => end_of_lines(part),
            (PartEnd::Open, Format::Csv { .. }) => end_of_rows(part),
        }
    }

    /// Reads the whole records of a part, or as many as become a parameter that is not too long.
    ///
    /// # Errors
    /// `PGRST102`, with the line and the byte of what is wrong.
    pub fn read(&mut self, text: &[u8]) -> Result<Records, Error> {
        let skipped = match (&self.format, self.bytes) {
            (Format::Csv { header_bytes, .. }, 0) => *header_bytes,
            (Format::Lines(_), 0) => text.len() - without_mark(text).len(),
            _ => 0,
        };
        let own = &text[skipped..];
        let found = match str::from_utf8(own) {
            Ok(own) => self.format.read(own, self.arrays.as_mut()),
            Err(error) => {
                let at = error.valid_up_to();
                // What is wrong before it was there first, whatever came with it. It is no line
                // feed, so a carriage return before it ends a row.
                let before = &own[..self.cut(&own[..=at], PartEnd::Open)];
                let before = str::from_utf8(before).expect("it is, up to there");
                let found = self.format.read(before, self.arrays.as_mut());
                found.and_then(|read| match read.text_bytes < before.len() {
                    true => Ok(read),
                    false => Err((self.format.not_text(&own[at..]), at)),
                })
            }
        };
        let found = found.map_err(|(message, at)| {
            let before = &text[..skipped + at];
            Error::InvalidRecord {
                message,
                line: self.lines + 1 + count_lines(before),
                byte: self.bytes + before.len() as u64,
            }
        })?;
        let text = &text[..skipped + found.text_bytes];
        let before = count_lines(&text[..skipped]);
        let ended = count_lines(text);
        let is_open = text.last().is_some_and(|byte| *byte != b'\n');
        let first = self.lines + 1;
        let records = Records {
            count: found.count,
            parameter_bytes: found.parameter_bytes,
            lines: first + before..first + ended + u64::from(is_open),
            bytes: self.bytes + skipped as u64..self.bytes + text.len() as u64,
            skipped,
            read: found.text_bytes,
        };
        self.lines += ended;
        self.bytes += text.len() as u64;
        Ok(records)
    }

    /// Writes what the records become that were read last, piece by piece, until `sink` has had
    /// enough.
    pub fn write(
        &self,
        text: &[u8],
        records: &Records,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) {
        if let Some(arrays) = &self.arrays {
            let _ = arrays.write(sink);
            return;
        }
        let text = &text[records.skipped..records.text_bytes()];
        match &self.format {
            Format::Lines(_) => write_lines(text, sink),
            Format::Csv { keys, .. } => {
                let text = str::from_utf8(text).expect("it has been read before");
                csv::write_rows(keys, text, sink);
            }
        }
    }

    /// That there is a record of which so many bytes have come, and no end.
    pub fn too_long(&self, bytes: usize) -> Error {
        Error::InvalidRecord {
            message: format!("A record is longer than {bytes} bytes"),
            line: self.lines + 1,
            byte: self.bytes,
        }
    }
}

impl Format {
    /// Reads records, or says what is wrong, and where.
    fn read(&mut self, text: &str, arrays: Option<&mut Arrays>) -> Result<Read, (String, usize)> {
        match self {
            Format::Lines(keys) => read_lines(keys.as_deref(), text, arrays),
            Format::Csv { keys, shapes, .. } => read_rows(keys, shapes, text, arrays),
        }
    }

    fn not_text(&self, rest: &[u8]) -> String {
        match self {
            Format::Lines(_) => INVALID.to_owned(),
            Format::Csv { .. } => csv::invalid_utf8(rest),
        }
    }
}

const INVALID: &str = "Empty or invalid json";

/// The first record is missing, or has no end after so many bytes.
pub(crate) fn no_first_record(content_type: &MediaType, bytes_max: usize) -> Error {
    Error::InvalidRecord {
        message: match content_type {
            MediaType::TextCsv => format!("There is no row in the first {bytes_max} bytes"),
            _ => format!("There is no object in the first {bytes_max} bytes"),
        },
        line: 1,
        byte: 0,
    }
}

/// All lines of a body that is here as a whole: how long they are as an array, and their columns.
/// `None` if there is none.
///
/// # Errors
/// As [`Intake::read`].
pub(super) fn read_whole_lines(
    columns: Option<&BTreeSet<Ident>>,
    body: &[u8],
) -> Result<Option<(usize, BTreeSet<Ident>)>, Error> {
    let Some(mut intake) = begin_lines(columns, body, PartEnd::Last)? else {
        return Ok(None);
    };
    let records = intake.read(body)?;
    Ok(Some((records.parameter_bytes, intake.columns)))
}

/// Writes lines of JSON that were read before as an array.
pub(super) fn write_lines(text: &[u8], sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) {
    let mut piece = Vec::with_capacity(PIECE_BYTES.min(text.len() + 2));
    piece.push(b'[');
    let mut between: &[u8] = b"";
    for line in lines(text) {
        if piece.len() + line.len() > PIECE_BYTES {
            if sink(&piece).is_break() {
                return;
            }
            piece.clear();
        }
        piece.extend_from_slice(between);
        piece.extend_from_slice(line);
        between = b",";
    }
    piece.push(b']');
    let _ = sink(&piece);
}

/// The lines that are not blank, without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter(|line| !is_blank(line))
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| json::is_blank(*byte))
}

/// How many lines end in there.
fn count_lines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn begin_lines(
    columns: Option<&BTreeSet<Ident>>,
    part: &[u8],
    end: PartEnd,
) -> Result<Option<Intake>, Error> {
    let whole = match end {
        PartEnd::Open => &part[..end_of_lines(part)],
        PartEnd::Last => part,
    };
    let text = without_mark(whole);
    let Some(first) = lines(text).next() else {
        return Ok(None);
    };
    let mut intake = Intake {
        format: Format::Lines(None),
        columns: columns.cloned().unwrap_or_default(),
        arrays: None,
        lines: 0,
        bytes: 0,
    };
    if columns.is_some() {
        return Ok(Some(intake));
    }
    let mut keys = KeyList::new();
    let first = str::from_utf8(first).unwrap_or_default();
    let checked = json::check_object(first, |key, _| {
        add_column(&mut intake.columns, &key.name());
        keys.push(key);
    });
    if checked.is_err() {
        // What is wrong with it is found, and told, when it is read.
        intake.columns.clear();
        keys = KeyList::new();
    }
    let owned = |key: &Key<'_>| (key.written.to_owned(), key.escapes);
    let keys = keys.finish();
    intake.format = Format::Lines(keys.map(|keys| keys.iter().map(owned).collect()));
    Ok(Some(intake))
}

/// Checks lines of JSON, and says what is wrong, and where.
fn read_lines(
    keys: Option<&[(String, Escapes)]>,
    text: &str,
    mut arrays: Option<&mut Arrays>,
) -> Result<Read, (String, usize)> {
    let mut first = keys.map(|keys| {
        let keys: Vec<Key<'_>> = keys
            .iter()
            .map(|(written, escapes)| Key {
                written,
                escapes: *escapes,
            })
            .collect();
        let columns = first_columns(keys.iter().map(Key::name));
        FirstKeys::new(keys, &columns)
    });
    let mut row = arrays.as_deref_mut().map(Arrays::begin);
    let (mut count, mut bytes) = (0, 0);
    let mut at = 0;
    for line in text.split('\n') {
        if !is_blank(line.as_bytes()) {
            let checked = json::check_object(line, |key, value| {
                if let Some(first) = &mut first {
                    first.see(key);
                }
                if let (Some(arrays), Some(row)) = (&mut arrays, &mut row) {
                    arrays.note(row, key, line[value].trim_start());
                }
            });
            checked.map_err(|(message, within)| (message.to_owned(), at + within))?;
            if !first.as_mut().is_none_or(FirstKeys::finish_object) {
                return Err((json::MIXED.to_owned(), at));
            }
            if let (Some(arrays), Some(row)) = (&mut arrays, &mut row) {
                let added = arrays.add(row);
                added.map_err(|message| (message.to_owned(), at))?;
            }
            count += 1;
            bytes += line.len() + ",".len();
        }
        at += line.len() + 1;
        if arrays.as_ref().is_some_and(|arrays| arrays.are_full()) {
            break;
        }
    }
    let parameter_bytes = match arrays {
        Some(arrays) => arrays.bytes(),
        None => bytes.max(1) + 1,
    };
    Ok(Read {
        count,
        parameter_bytes,
        // There is no line feed behind the last line.
        text_bytes: at.min(text.len()),
    })
}

/// The end of the last whole line.
fn end_of_lines(part: &[u8]) -> usize {
    let end = part.iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |at| at + 1)
}

/// The end of the last row that is whole: the last line end that is not in quotes. Quotes in a
/// field are doubled, so it is enough to count them.
fn end_of_rows(part: &[u8]) -> usize {
    let (mut end, mut is_quoted) = (0, false);
    for (at, byte) in part.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => end = at + 1,
            // A line feed may follow, and belong to it.
            b'\r' if !is_quoted && at + 1 < part.len() && part[at + 1] != b'\n' => end = at + 1,
            _ => {}
        }
    }
    end
}

fn begin_csv(part: &[u8], end: PartEnd) -> Result<Option<Intake>, Error> {
    let whole = match end {
        PartEnd::Open => &part[..end_of_rows(part)],
        PartEnd::Last => part,
    };
    let text = without_mark(whole);
    let mark = whole.len() - text.len();
    let failed = |message: String, left: usize| {
        let before = &whole[..whole.len() - left];
        Error::InvalidRecord {
            message,
            line: 1 + count_lines(before),
            byte: before.len() as u64,
        }
    };
    // What is no text behind the header is found, and told, when it is read.
    let valid = match str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default(),
    };
    if valid.is_empty() && end == PartEnd::Open {
        return Ok(None);
    }
    let (names, rows) = csv::parse_header(valid).map_err(|message| failed(message, text.len()))?;
    let keys: Vec<Vec<u8>> = names.iter().map(|name| csv::key(name)).collect();
    let shapes = RowShapes::new(&names);
    let mut first = shapes.clone();
    // Only its width counts here; what is wrong with others is found when they are read.
    let first_row = &rows[..end_of_first_row(rows)];
    if csv::measure(&keys, first_row, &mut first).is_ok()
        && first.first_width.is_none()
        && end == PartEnd::Open
    {
        return Ok(None);
    }
    let width = first.first_width.unwrap_or_default();
    Ok(Some(Intake {
        columns: first_columns(names[..width].iter()),
        format: Format::Csv {
            names: names[..width].iter().map(Cow::to_string).collect(),
            keys,
            shapes,
            header_bytes: mark + valid.len() - rows.len(),
        },
        arrays: None,
        lines: 0,
        bytes: 0,
    }))
}

/// Up to where the first row goes that is not blank.
fn end_of_first_row(rows: &str) -> usize {
    let mut is_quoted = false;
    let mut is_blank = true;
    for (at, byte) in rows.bytes().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted && !is_blank => return at + 1,
            _ => {}
        }
        is_blank &= matches!(byte, b'\n' | b'\r');
    }
    rows.len()
}

/// The same for rows of CSV.
fn read_rows(
    keys: &[Vec<u8>],
    shapes: &mut RowShapes,
    rows: &str,
    arrays: Option<&mut Arrays>,
) -> Result<Read, (String, usize)> {
    let before = shapes.rows;
    let mut refused = None;
    let read = match arrays {
        None => csv::measure(keys, rows, shapes),
        Some(arrays) => {
            arrays.clear();
            let read = csv::read_rows(rows, shapes, |column, value, left| {
                if let Err(message) = arrays.add_field(column, value) {
                    refused.get_or_insert((message, left));
                }
            });
            read.map(|_| arrays.bytes())
        }
    };
    let unequal = shapes.unequal.map(|left| (csv::UNEQUAL, left));
    let first = unequal
        .into_iter()
        .chain(refused)
        .max_by_key(|(_, left)| *left);
    if let Some((message, left)) = first {
        // The line is told on which the row ends, and not the one behind it.
        let at = (rows.len() - left).saturating_sub(1);
        return Err((message.to_owned(), at));
    }
    match read {
        Ok(parameter_bytes) => Ok(Read {
            count: shapes.rows - before,
            parameter_bytes,
            text_bytes: rows.len(),
        }),
        Err(misread) => Err((misread.message, rows.len() - misread.left)),
    }
}

#[cfg(test)]
mod tests;
