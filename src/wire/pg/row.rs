//! Rows and their description.
//!
//! They have their own file because a row is the one message that may be huge: its last column is
//! the response body. [`decode_row_prefix`] reads such a row before it has arrived, so that the
//! body can be passed on as it comes while memory stays bounded.
//! Invariant: a [`DataRow`] was walked once when it was decoded, so its columns cannot fail.

use super::decode_error::DecodeError;
use super::header::{HEADER_BYTES, check_length, peek_header};
use super::scan::Scan;

/// One row; iterate over it for the columns.
#[derive(Clone, Copy, Debug)]
pub struct DataRow<'a> {
    columns: Columns<'a>,
}

impl<'a> DataRow<'a> {
    /// A row is `count: u16, { length: i32, value: [u8; length] }`; length -1 is NULL.
    pub(super) fn decode(body: &'a [u8]) -> Result<DataRow<'a>, DecodeError> {
        let mut scan = Scan::new(body);
        let remaining = scan.count()?;
        let columns = Columns { remaining, scan };
        for _ in 0..remaining {
            if let Some(length) = column_length(&mut scan)? {
                scan.bytes(length)?;
            }
        }
        scan.end()?;
        Ok(DataRow { columns })
    }

    /// Number of columns.
    pub fn len(self) -> usize {
        usize::from(self.columns.remaining)
    }

    /// Whether the row has no columns at all, which `SELECT` without a list produces.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The columns in order; `None` is NULL.
    pub fn columns(self) -> Columns<'a> {
        self.columns
    }
}

impl<'a> IntoIterator for DataRow<'a> {
    type Item = Option<&'a [u8]>;
    type IntoIter = Columns<'a>;

    fn into_iter(self) -> Columns<'a> {
        self.columns
    }
}

/// Iterates over the columns of a row; `None` inside is NULL.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    remaining: u16,
    scan: Scan<'a>,
}

impl<'a> Iterator for Columns<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Option<&'a [u8]>> {
        self.remaining = self.remaining.checked_sub(1)?;
        // The row was walked before, so both reads succeed; `ok` keeps this free of panics.
        match column_length(&mut self.scan).ok()? {
            Some(length) => self.scan.bytes(length).ok().map(Some),
            None => Some(None),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = usize::from(self.remaining);
        (remaining, Some(remaining))
    }
}

impl ExactSizeIterator for Columns<'_> {}

fn column_length(scan: &mut Scan<'_>) -> Result<Option<usize>, DecodeError> {
    match scan.int()? {
        -1 => Ok(None),
        length => usize::try_from(length)
            .map(Some)
            .map_err(|_| DecodeError::BadLength),
    }
}

/// A row of which the last column may still be on its way.
#[derive(Clone, Copy, Debug)]
pub struct RowPrefix<'a> {
    /// All columns but the last.
    pub columns: Columns<'a>,
    /// The last column, or what is known of it.
    pub last: LastColumn,
    /// Size of the whole message in the stream, tag included.
    pub message_bytes: usize,
}

/// The last column of a row, which need not have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastColumn {
    /// The row has no columns.
    Missing,
    /// The column is NULL.
    Null,
    /// The column has a value.
    Value {
        /// Its full length, as declared and checked against the length of the message.
        length: usize,
        /// Where in the buffer it begins.
        offset: usize,
        /// How many of its bytes the buffer has, at most `length`.
        available: usize,
    },
}

/// Decodes a row as soon as everything but the content of its last column is there.
///
/// `Ok(None)` means that more bytes are needed. The next message begins `message_bytes` after the
/// start of `buf`: bytes beyond `offset + length` of the last column are not part of the row.
pub fn decode_row_prefix(buf: &[u8]) -> Result<Option<RowPrefix<'_>>, DecodeError> {
    match buf.first() {
        None => return Ok(None),
        Some(b'D') => {}
        Some(&other) => return Err(DecodeError::NotARow(other)),
    }
    let Some((tag, length)) = peek_header(buf) else {
        return Ok(None);
    };
    check_length(tag, length)?;
    let message_bytes = 1 + length;
    let arrived = &buf[..buf.len().min(message_bytes)];
    match walk_prefix(arrived, message_bytes) {
        Ok(prefix) => Ok(Some(prefix)),
        // Running out of bytes is the row's fault only if all of its bytes are there.
        Err(Stop::Exhausted) if arrived.len() < message_bytes => Ok(None),
        Err(Stop::Exhausted) => Err(DecodeError::BadLength),
        Err(Stop::Wrong(error)) => Err(error),
    }
}

/// The columns but the last of a row whose prefix was decoded before, from the bytes of that
/// prefix. Of other bytes it makes some columns or none.
pub fn decoded_columns(prefix: &[u8]) -> Columns<'_> {
    let mut scan = Scan::new(prefix.get(HEADER_BYTES..).unwrap_or_default());
    let remaining = scan.count().unwrap_or(0).saturating_sub(1);
    Columns { remaining, scan }
}

/// Why walking over a partial row ended early.
enum Stop {
    Exhausted,
    Wrong(DecodeError),
}

fn walk_prefix(arrived: &[u8], message_bytes: usize) -> Result<RowPrefix<'_>, Stop> {
    let exhausted = |_| Stop::Exhausted;
    let mut scan = Scan::new(&arrived[HEADER_BYTES..]);
    let count = scan.count().map_err(exhausted)?;
    let columns = Columns {
        remaining: count.saturating_sub(1),
        scan,
    };
    let position = |scan: &Scan<'_>| arrived.len() - scan.rest().len();
    for _ in 0..columns.remaining {
        let Some(length) = declared_length(&mut scan)? else {
            continue;
        };
        // What is left of the declared message must hold this column and the next length.
        if length > message_bytes - position(&scan) {
            return Err(Stop::Wrong(DecodeError::BadLength));
        }
        scan.bytes(length).map_err(exhausted)?;
    }
    let last = if count == 0 {
        LastColumn::Missing
    } else {
        match declared_length(&mut scan)? {
            None => LastColumn::Null,
            Some(length) => LastColumn::Value {
                length,
                offset: position(&scan),
                available: scan.rest().len().min(length),
            },
        }
    };
    let end = match last {
        LastColumn::Value { length, offset, .. } => offset + length,
        LastColumn::Missing | LastColumn::Null => position(&scan),
    };
    match end.cmp(&message_bytes) {
        std::cmp::Ordering::Equal => Ok(RowPrefix {
            columns,
            last,
            message_bytes,
        }),
        std::cmp::Ordering::Less => Err(Stop::Wrong(DecodeError::TrailingBytes)),
        std::cmp::Ordering::Greater => Err(Stop::Wrong(DecodeError::BadLength)),
    }
}

/// Like [`column_length`], but told apart: bytes that are missing, and a length that is wrong.
fn declared_length(scan: &mut Scan<'_>) -> Result<Option<usize>, Stop> {
    if scan.rest().len() < 4 {
        return Err(Stop::Exhausted);
    }
    column_length(scan).map_err(Stop::Wrong)
}

/// The columns that the rows of a statement have.
#[derive(Clone, Copy, Debug)]
pub struct RowDescription<'a> {
    fields: FieldDescriptions<'a>,
}

impl<'a> RowDescription<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<RowDescription<'a>, DecodeError> {
        let mut scan = Scan::new(body);
        let remaining = scan.count()?;
        let fields = FieldDescriptions { remaining, scan };
        for _ in 0..remaining {
            decode_field(&mut scan)?;
        }
        scan.end()?;
        Ok(RowDescription { fields })
    }

    /// Number of columns.
    pub fn len(self) -> usize {
        usize::from(self.fields.remaining)
    }

    /// Whether rows have no columns.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The columns in order.
    pub fn fields(self) -> FieldDescriptions<'a> {
        self.fields
    }
}

/// One column of a [`RowDescription`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDescription<'a> {
    /// Name of the column.
    pub name: &'a [u8],
    /// Table it comes from, 0 if it is computed.
    pub table_oid: u32,
    /// Its number in that table, 0 if it is computed.
    pub table_column: i16,
    /// Its type.
    pub type_oid: u32,
    /// Size of the type, negative if it varies.
    pub type_size: i16,
    /// The type's modifier.
    pub type_modifier: i32,
    /// Whether values come in the binary format rather than as text.
    pub binary: bool,
}

fn decode_field<'a>(scan: &mut Scan<'a>) -> Result<FieldDescription<'a>, DecodeError> {
    Ok(FieldDescription {
        name: scan.string()?,
        table_oid: scan.oid()?,
        table_column: scan.short()?,
        type_oid: scan.oid()?,
        type_size: scan.short()?,
        type_modifier: scan.int()?,
        binary: match scan.short()? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::InvalidValue),
        },
    })
}

/// Iterates over the columns of a [`RowDescription`].
#[derive(Clone, Copy, Debug)]
pub struct FieldDescriptions<'a> {
    remaining: u16,
    scan: Scan<'a>,
}

impl<'a> Iterator for FieldDescriptions<'a> {
    type Item = FieldDescription<'a>;

    fn next(&mut self) -> Option<FieldDescription<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        decode_field(&mut self.scan).ok() // Walked before: it does not fail.
    }
}

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
