//! What the number of rows must be, or the transaction ends without a trace.
//!
//! It is checked in SQL: a wrong number is made an error of PostgreSQL, which
//! rolls back whatever was done. So a write needs no second round trip to be decided upon, and the
//! response is never about something that could still be undone.

use crate::error::{DatabaseError, Error};
use crate::request::Mutation;
use crate::request::media_type::MediaType;
use crate::request::preferences::{HandlingPreference, Preferences};

/// What the number of rows must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowsCheck {
    /// One, because …
    pub one: Option<OneBecause>,
    /// `max-affected`, with `handling=strict`.
    pub at_most: Option<i64>,
}

/// Why there must be one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OneBecause {
    /// … the answer is to be one object.
    Singular,
    /// … a PUT names the row, whose key must be that of the body.
    Put,
}

/// What a wrong number is called in the message of PostgreSQL, which is the number, and this
/// before it, in quotes.
pub(crate) const WRONG_ROWS: &str = "corerest: wrong number of rows: ";

/// `invalid_text_representation`: the text with the number is no number.
const CODE: &str = "22P02";

impl RowsCheck {
    /// For a call, which may affect rows like an update or a deletion.
    pub(crate) fn of_affected(media_type: &MediaType, preferences: &Preferences) -> RowsCheck {
        let strict = preferences.handling == Some(HandlingPreference::Strict);
        RowsCheck {
            at_most: preferences.max_affected.filter(|_| strict),
            ..RowsCheck::of_singular(media_type)
        }
    }

    /// For a write.
    pub(crate) fn of_write(
        mutation: Mutation,
        media_type: &MediaType,
        preferences: &Preferences,
    ) -> RowsCheck {
        match mutation {
            Mutation::Create => RowsCheck::of_singular(media_type),
            Mutation::SingleUpsert => RowsCheck {
                one: Some(OneBecause::Put),
                at_most: None,
            },
            Mutation::Update | Mutation::Delete => RowsCheck::of_affected(media_type, preferences),
        }
    }

    fn of_singular(media_type: &MediaType) -> RowsCheck {
        let is_singular = matches!(media_type, MediaType::SingularJson(_));
        RowsCheck {
            one: is_singular.then_some(OneBecause::Singular),
            at_most: None,
        }
    }

    /// Whether any number will do.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == RowsCheck::default()
    }

    /// What is wrong with the number of rows, if that is what PostgreSQL complains about.
    pub(crate) fn explain(&self, error: &DatabaseError) -> Option<Error> {
        if self.is_nothing() || error.code != CODE {
            return None;
        }
        let (_, rest) = error.message.split_once(WRONG_ROWS)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let rows: i64 = rest[..digits].parse().ok()?;
        Some(self.wrong(rows))
    }

    /// What is wrong with the number of rows, if anything is.
    pub(crate) fn refuse(&self, rows: i64) -> Option<Error> {
        let is_one = self.one.is_none() || rows == 1;
        let is_allowed = self.at_most.is_none_or(|at_most| rows <= at_most);
        (!is_one || !is_allowed).then(|| self.wrong(rows))
    }

    /// What a number is that is wrong.
    fn wrong(&self, rows: i64) -> Error {
        match self.one {
            Some(OneBecause::Singular) if rows != 1 => Error::NotSingular { rows },
            Some(OneBecause::Put) if rows != 1 => Error::PutKeyMismatch,
            _ => Error::MaxAffectedExceeded { rows },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(check: RowsCheck, code: &str, message: &str) -> Option<Error> {
        check.explain(&DatabaseError {
            code: code.to_owned(),
            message: message.to_owned(),
            detail: None,
            hint: None,
            authenticated: false,
        })
    }

    #[test]
    fn a_wrong_number_is_told_from_other_errors() {
        let message = r#"ungültig: »corerest: wrong number of rows: 3«"#;
        let put = RowsCheck {
            one: Some(OneBecause::Put),
            at_most: None,
        };
        assert_eq!(explain(put, CODE, message), Some(Error::PutKeyMismatch));
        assert_eq!(explain(put, "23505", message), None);
        assert_eq!(explain(RowsCheck::default(), CODE, message), None);
        assert_eq!(explain(put, CODE, r#"invalid input: "abc""#), None);
        let at_most = RowsCheck {
            one: None,
            at_most: Some(2),
        };
        let exceeded = Error::MaxAffectedExceeded { rows: 3 };
        assert_eq!(explain(at_most, CODE, message), Some(exceeded));
        let singular = RowsCheck {
            one: Some(OneBecause::Singular),
            at_most: Some(2),
        };
        let not_singular = Error::NotSingular { rows: 3 };
        assert_eq!(explain(singular, CODE, message), Some(not_singular));
    }
}
