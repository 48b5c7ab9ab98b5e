//! How settings that a statement makes for its transaction can be made for the session instead.

use crate::{Params, SqlText, Statement};

/// What belongs to a statement that makes settings for its transaction, so that they need not be
/// made each time: the same for the session, and for some of them by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guise {
    /// Makes all of them for the session. It has the parameters of the statement.
    pub for_session: SqlText,
    /// The first parameter, from 0, of those that can be made by themselves, one after the other.
    pub single_from: usize,
    /// Statements that make those whose bits are in the place, for a transaction: the first and the
    /// third at 0b101. There is none at 0.
    pub singles: &'static [SqlText],
}

impl Guise {
    /// What a settings statement would make and another one has not made; `None` if that cannot be
    /// made by itself, or the other one has another text.
    pub fn difference(&self, settings: &Statement, made: &Statement) -> Option<Difference> {
        if settings.text != made.text {
            return None;
        }
        let mut places = 0;
        let singles = self.singles.len().trailing_zeros() as usize;
        let both = settings.params.iter().zip(made.params.iter()).enumerate();
        for (place, _) in both.filter(|(_, (own, made))| own != made) {
            let single = place.checked_sub(self.single_from)?;
            if single >= singles {
                return None;
            }
            places |= 1 << single;
        }
        Some(Difference(places))
    }

    /// The statement that makes the difference up; `None` where there is none.
    pub fn make_up(&self, settings: &Statement, difference: Difference) -> Option<Statement> {
        let Difference(places) = difference;
        if places == 0 {
            return None;
        }
        let mut params = Params::new();
        for (single, param) in settings.params.iter().skip(self.single_from).enumerate() {
            if places & (1 << single) != 0 {
                params.push_param(param);
            }
        }
        Some(Statement {
            text: self.singles[places].clone(),
            params,
        })
    }

    /// Its text.
    pub fn difference_text(&self, Difference(places): Difference) -> Option<&SqlText> {
        self.singles.get(places).filter(|_| places != 0)
    }
}

/// Which settings are not as they are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference(usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SqlBuf, sql};
    use std::sync::LazyLock;

    fn text(number: usize) -> SqlText {
        let mut out = SqlBuf::new();
        sql!(out, "SELECT ");
        out.place(number);
        out.finish().text
    }

    fn settings(values: [&str; 4]) -> Statement {
        let mut params = Params::new();
        for value in values {
            params.push(Some(value.as_bytes()));
        }
        Statement {
            text: text(9),
            params,
        }
    }

    #[test]
    fn what_differs_is_made_up_for_where_it_can_be_made_by_itself() {
        static SINGLES: LazyLock<Vec<SqlText>> = LazyLock::new(|| (0..4).map(text).collect());
        let guise = Guise {
            for_session: text(8),
            single_from: 1,
            singles: &SINGLES,
        };
        let made = settings(["role", "a", "b", "z"]);
        let made_up = |values| {
            let wanted = settings(values);
            let difference = guise.difference(&wanted, &made)?;
            let statement = guise.make_up(&wanted, difference);
            let text = statement.as_ref().map(|statement| &statement.text);
            assert_eq!(guise.difference_text(difference), text);
            Some(statement)
        };
        assert_eq!(made_up(["role", "a", "b", "z"]), Some(None));
        for (values, number, params) in [
            (["role", "A", "b", "z"], 1, vec!["A"]),
            (["role", "a", "B", "z"], 2, vec!["B"]),
            (["role", "A", "B", "z"], 3, vec!["A", "B"]),
        ] {
            let statement = made_up(values).flatten().expect("it can be made up for");
            assert_eq!(statement.text, text(number));
            let mut expected = Params::new();
            for value in params {
                expected.push(Some(value.as_bytes()));
            }
            assert_eq!(statement.params, expected);
        }
        assert_eq!(made_up(["other", "a", "b", "z"]), None);
        assert_eq!(made_up(["role", "a", "b", "y"]), None);
    }
}
