//! Errors and notices of the server.
//!
//! On the wire they are a list of one-letter fields. [`ErrorFields`] reads them where they lie;
//! [`ServerError`] is the owned form that outlives the buffer. The bytes need not be UTF-8: before
//! `client_encoding` is agreed on, the server answers in whatever encoding it was set up with.
//! Invariant: an `ErrorFields` was checked as a whole, so iterating over it cannot fail.

use super::decode_error::DecodeError;
use super::scan::Scan;

/// The fields of an ErrorResponse or a NoticeResponse.
#[derive(Clone, Copy, Debug)]
pub struct ErrorFields<'a> {
    list: Scan<'a>,
}

impl<'a> ErrorFields<'a> {
    /// The list is `{ letter string NUL } NUL`.
    pub(super) fn decode(body: &'a [u8]) -> Result<ErrorFields<'a>, DecodeError> {
        let list = Scan::new(body);
        let mut walk = list;
        while walk.byte()? != 0 {
            walk.string()?;
        }
        walk.end()?;
        Ok(ErrorFields { list })
    }

    /// The value of the field with this letter.
    pub fn field(self, letter: u8) -> Option<&'a [u8]> {
        self.into_iter()
            .find(|&(found, _)| found == letter)
            .map(|(_, value)| value)
    }

    /// How bad it is, in English whatever `lc_messages` says, if the server tells (since 9.6).
    pub fn severity(self) -> &'a [u8] {
        self.field(b'V').or(self.field(b'S')).unwrap_or_default()
    }

    /// The five characters of the SQLSTATE.
    pub fn code(self) -> &'a [u8] {
        self.field(b'C').unwrap_or_default()
    }

    /// The primary message.
    pub fn message(self) -> &'a [u8] {
        self.field(b'M').unwrap_or_default()
    }

    /// More about the problem.
    pub fn detail(self) -> Option<&'a [u8]> {
        self.field(b'D')
    }

    /// What to do about the problem.
    pub fn hint(self) -> Option<&'a [u8]> {
        self.field(b'H')
    }

    /// Where in the statement the problem is, in characters from 1.
    pub fn position(self) -> Option<u32> {
        std::str::from_utf8(self.field(b'P')?).ok()?.parse().ok()
    }

    /// Which function of PostgreSQL's source says so. Never translated; poolers' own errors, and
    /// other servers', may have none.
    pub fn routine(self) -> Option<&'a [u8]> {
        self.field(b'R')
    }

    /// What was being done, the innermost first: functions of the user, most often. Translated.
    pub fn context(self) -> Option<&'a [u8]> {
        self.field(b'W')
    }

    /// An owned copy of the fields that clients get to see.
    pub fn to_server_error(self) -> ServerError {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ServerError {
            severity: text(self.severity()),
            code: text(self.code()),
            message: text(self.message()),
            detail: self.detail().map(text),
            hint: self.hint().map(text),
        }
    }
}

impl<'a> IntoIterator for ErrorFields<'a> {
    type Item = (u8, &'a [u8]);
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        Fields { list: self.list }
    }
}

/// Iterates over letter and value of each field.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    list: Scan<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let letter = self.list.byte().ok().filter(|&letter| letter != 0)?;
        Some((letter, self.list.string().ok()?))
    }
}

/// What the server said when it refused something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`; of notices `WARNING`, `NOTICE` and so on.
    pub severity: String,
    /// The SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// More about the problem.
    pub detail: Option<String>,
    /// What to do about the problem.
    pub hint: Option<String>,
}

impl ServerError {
    /// Whether the server ends the session after this.
    pub fn ends_session(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }
}

/// Worded like libpq's default verbosity, which clients of our error bodies know.
impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity.as_str() {
            "" => "ERROR",
            named => named,
        };
        write!(f, "{severity}:  {}", self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL:  {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT:  {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &[u8]) -> ErrorFields<'_> {
        ErrorFields::decode(body).expect("the test writes a complete list")
    }

    #[test]
    fn fields_are_found_by_their_letter() {
        let error = fields(b"SFEHLER\0VERROR\0C42P01\0Mno table\0Hlook again\0P15\0\0");
        assert_eq!(error.severity(), b"ERROR");
        assert_eq!(error.code(), b"42P01");
        assert_eq!(error.message(), b"no table");
        assert_eq!(error.detail(), None);
        assert_eq!(error.hint(), Some(&b"look again"[..]));
        assert_eq!(error.position(), Some(15));
        assert_eq!(error.into_iter().count(), 6);
    }

    #[test]
    fn where_an_error_comes_from_is_known_if_the_server_tells() {
        let error = fields(b"C0A000\0Wfunction f()\0RRevalidateCachedQuery\0\0");
        assert_eq!(error.routine(), Some(&b"RevalidateCachedQuery"[..]));
        assert_eq!(error.context(), Some(&b"function f()"[..]));
        assert_eq!(fields(b"C0A000\0\0").routine(), None);
    }

    #[test]
    fn bytes_that_are_not_utf_8_survive_as_replacement_characters() {
        let error = fields(b"SFATAL\0C28P01\0Mfalsch\xe4\0\0").to_server_error();
        assert_eq!(error.message, "falsch\u{fffd}");
        assert!(error.ends_session());
    }

    #[test]
    fn an_empty_list_is_an_error_without_words() {
        assert_eq!(fields(b"\0").to_server_error(), ServerError::default());
        assert_eq!(ServerError::default().to_string(), "ERROR:  ");
    }

    #[test]
    fn the_text_is_the_one_of_libpq() {
        let error = fields(b"VFATAL\0C3D000\0Mno database\0Dwhy\0Hhow\0\0").to_server_error();
        assert_eq!(
            error.to_string(),
            "FATAL:  no database\nDETAIL:  why\nHINT:  how"
        );
    }

    #[test]
    fn lists_without_end_or_with_bytes_after_it_are_refused() {
        let check = |body: &[u8], expected| {
            assert_eq!(ErrorFields::decode(body).map(|_| ()), Err(expected));
        };
        check(b"", DecodeError::BadLength);
        check(b"SERROR\0", DecodeError::BadLength);
        check(b"SERROR", DecodeError::UnterminatedString);
        check(b"SERROR\0\0x", DecodeError::TrailingBytes);
    }
}
