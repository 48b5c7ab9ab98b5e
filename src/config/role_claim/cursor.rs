//! The place that has been read to in a path of either language, and how one is refused there.
//! Clients of PostgREST compare these messages, so both languages count alike.

/// Why a path was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// In characters, from 1.
    column: usize,
    expected: &'static str,
}

impl Refusal {
    pub(super) fn message(&self, text: &str) -> String {
        let Refusal { column, expected } = self;
        format!(
            "\"failed to parse role-claim-key value ({text})\" (line 1, column {column}): \
             expected {expected}"
        )
    }
}

/// The unread rest of a path.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    pub(super) offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, offset: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.offset += next.len_utf8();
        Some(next)
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    pub(super) fn eat_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let (eaten, _) = rest.split_at(rest.find(|c| !fits(c)).unwrap_or(rest.len()));
        self.offset += eaten.len();
        eaten
    }

    pub(super) fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), Refusal> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(self.refusal(expected))
        }
    }

    pub(super) fn refusal(&self, expected: &'static str) -> Refusal {
        let column = self.text[..self.offset].chars().count() + 1;
        Refusal { column, expected }
    }
}
