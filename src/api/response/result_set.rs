//! The row that a main statement answers with, without its body.
//!
//! The order of the columns is a contract with `query/body.rs`: the body comes last, so that the
//! rest is known when its first byte arrives.

use std::fmt;

/// The columns before the body, in the order in which `query` selects them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultSet<'a> {
    /// How many rows there would be without a limit, if it was asked; of an upsert, how many rows
    /// were new.
    pub(crate) total: Option<i64>,
    /// How many rows are in the body; 0 where nobody knows when the first one comes.
    pub(crate) page: i64,
    /// What SQL left in the setting `response.headers`.
    pub(crate) headers: Option<&'a [u8]>,
    /// What SQL left in the setting `response.status`.
    pub(crate) status: Option<&'a [u8]>,
    /// Of a write: the primary key of the only row, as a JSON array of names and values.
    pub(crate) location: Option<&'a [u8]>,
}

/// The row is not of the shape that the statement asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidResultSet;

impl fmt::Display for InvalidResultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the main statement answered with another row than it was asked for")
    }
}

/// What is known of rows that are sent one by one when the first row of the statement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRow {
    /// There are rows; how many is not known.
    Row,
    /// There are none.
    Nothing,
}

impl<'a> ResultSet<'a> {
    /// How many columns come before the body at most.
    pub const COLUMNS: usize = 5;

    /// Reads the columns, which are in PostgreSQL's binary format.
    ///
    /// # Errors
    /// If their number or a number's size is another one.
    pub(crate) fn decode(columns: &[Option<&'a [u8]>]) -> Result<ResultSet<'a>, InvalidResultSet> {
        let (total, page, headers, status, location) = match *columns {
            [total, page] => (total, page, None, None, None),
            [total, page, headers, status] => (total, page, headers, status, None),
            [total, page, headers, status, location] => (total, page, headers, status, location),
            _ => return Err(InvalidResultSet),
        };
        Ok(ResultSet {
            page: decode_int8(page.ok_or(InvalidResultSet)?)?,
            location,
            ..ResultSet::of_head(total, headers, status)?
        })
    }

    /// The same, of rows that are sent one by one, where nobody has counted the page. What may
    /// come behind stands before the rows.
    ///
    /// # Errors
    /// If the columns are others.
    pub(crate) fn decode_first(
        columns: &[Option<&'a [u8]>],
    ) -> Result<ResultSet<'a>, InvalidResultSet> {
        match *columns {
            [total, None, headers, status] | [total, None, headers, status, _] => {
                ResultSet::of_head(total, headers, status)
            }
            _ => Err(InvalidResultSet),
        }
    }

    fn of_head(
        total: Option<&[u8]>,
        headers: Option<&'a [u8]>,
        status: Option<&'a [u8]>,
    ) -> Result<ResultSet<'a>, InvalidResultSet> {
        Ok(ResultSet {
            total: total.map(decode_int8).transpose()?,
            page: 0,
            headers: headers.filter(|text| !text.is_empty()),
            status: status.filter(|text| !text.is_empty()),
            location: None,
        })
    }
}

fn decode_int8(bytes: &[u8]) -> Result<i64, InvalidResultSet> {
    bytes
        .try_into()
        .map(i64::from_be_bytes)
        .map_err(|_| InvalidResultSet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_decoded_and_others_are_refused() {
        let three = 3_i64.to_be_bytes();
        // A setting that was local to an earlier transaction is an empty text.
        let row = [None, Some(&three[..]), Some(&b""[..]), Some(&b"201"[..])];
        let decoded = ResultSet::decode(&row).unwrap();
        assert_eq!(
            decoded,
            ResultSet {
                page: 3,
                status: Some(b"201"),
                ..ResultSet::default()
            }
        );
        let without_settings = ResultSet::decode(&row[..2]).unwrap();
        assert_eq!((without_settings.page, without_settings.status), (3, None));
        assert!(ResultSet::decode(&row[..3]).is_err());
        assert!(ResultSet::decode(&[None, None, None, None]).is_err());
        assert!(ResultSet::decode(&[None, Some(b"3"), None, None]).is_err());
        let first = [
            Some(&three[..]),
            None,
            None,
            Some(&b"201"[..]),
            Some(b"a,b"),
        ];
        let decoded = ResultSet::decode_first(&first).unwrap();
        assert_eq!(
            (decoded.total, decoded.status),
            (Some(3), Some(&b"201"[..]))
        );
        assert!(ResultSet::decode_first(&first[..4]).is_ok());
        assert!(ResultSet::decode_first(&row).is_err());
    }
}
