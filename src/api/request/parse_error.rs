//! Parse errors in the words of Parsec.
//!
//! What was unexpected and what was expected, at the furthest place that was reached, and how
//! that is written down. Characters are shown as Haskell's `show` does, because PostgREST's
//! clients and tests compare these texts.

use super::parse_log::{Log, Message, Outcome};

/// Everything that is known about the furthest place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    offset: usize,
    messages: Vec<Message>,
}

impl Log for ParseError {
    const KEEPS: bool = true;

    fn unknown(offset: usize) -> ParseError {
        ParseError {
            offset,
            messages: Vec::new(),
        }
    }

    fn add(&mut self, offset: usize, message: Message) {
        let mut latest = ParseError {
            offset,
            messages: vec![message],
        };
        std::mem::swap(self, &mut latest);
        self.join_after(latest);
    }

    fn join_after(&mut self, mut earlier: ParseError) {
        // An error that says something is better than one that got further and says nothing.
        let key = |error: &ParseError| (!error.messages.is_empty(), error.offset);
        match key(&earlier).cmp(&key(self)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Greater => *self = earlier,
            std::cmp::Ordering::Equal => {
                earlier.messages.append(&mut self.messages);
                *self = earlier;
            }
        }
    }

    fn relabel(&mut self, label: &'static str, outcome: Outcome) {
        if outcome == Outcome::Accepted && self.messages.is_empty() {
            return;
        }
        self.messages.retain(|message| !message.is_expectation());
        self.messages.insert(0, Message::Expected(label));
    }
}

impl ParseError {
    /// Line and column, from one. Tabs go to the next multiple of eight.
    pub(crate) fn position(&self, text: &str) -> (usize, usize) {
        let (mut line, mut column) = (1, 1);
        for c in text[..self.offset].chars() {
            match c {
                '\n' => (line, column) = (line + 1, 1),
                '\t' => column += 8 - (column - 1) % 8,
                _ => column += 1,
            }
        }
        (line, column)
    }

    /// `unexpected "x" expecting "a", "b" or end of input`
    pub(crate) fn details(&self) -> String {
        if self.messages.is_empty() {
            return "unknown parse error".to_owned();
        }
        let mut parts = Vec::new();
        let forbidden = self.unexpected_chars();
        let unexpected = self.unexpected();
        if !forbidden.is_empty() {
            parts.push(format!("unexpected {}", join(&forbidden)));
        } else if let Some(unexpected) = unexpected {
            let shown = unexpected.map_or("end of input".to_owned(), |c| show(c, '"'));
            parts.push(format!("unexpected {shown}"));
        }
        let at_end = forbidden.is_empty() && unexpected == Some(None);
        let expected = self.expectations(at_end);
        if !expected.is_empty() {
            parts.push(format!("expecting {}", join(&expected)));
        }
        let sentences = self.sentences();
        if !sentences.is_empty() {
            parts.push(join(&sentences));
        }
        parts.join(" ")
    }

    fn unexpected_chars(&self) -> Vec<String> {
        distinct(self.messages.iter().filter_map(|message| match message {
            Message::UnexpectedChar(c) => Some(show(*c, '\'')),
            _ => None,
        }))
    }

    fn unexpected(&self) -> Option<Option<char>> {
        self.messages.iter().find_map(|message| match message {
            Message::Unexpected(c) => Some(*c),
            _ => None,
        })
    }

    /// At the end of the input it is of no use to say that the end was expected.
    fn expectations(&self, at_end: bool) -> Vec<String> {
        let expected = self.messages.iter().filter_map(|message| match message {
            Message::Expected("end of input") if at_end => None,
            Message::Expected(label) => Some((*label).to_owned()),
            Message::ExpectedText(text) => Some(show_text(text)),
            _ => None,
        });
        distinct(expected)
    }

    fn sentences(&self) -> Vec<String> {
        distinct(self.messages.iter().filter_map(|message| match message {
            Message::Sentence(sentence) => Some((*sentence).to_owned()),
            _ => None,
        }))
    }
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}

/// `a, b or c`
fn join(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A constant text between quotes; our constants are printable ASCII.
fn show_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        push_shown(&mut out, c, '"');
    }
    out.push('"');
    out
}

fn show(c: char, quote: char) -> String {
    let mut out = String::from(quote);
    push_shown(&mut out, c, quote);
    out.push(quote);
    out
}

/// The names that Haskell gives to the control characters that have no letter of their own.
const CONTROL_NAMES: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "a", "b", "t", "n", "v", "f", "r", "SO", "SI",
    "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS",
    "RS", "US",
];

fn push_shown(out: &mut String, c: char, quote: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\u{7f}' => out.push_str("\\DEL"),
        c if c == quote => {
            out.push('\\');
            out.push(c);
        }
        ' '..='~' => out.push(c),
        c if c < ' ' => {
            out.push('\\');
            out.push_str(CONTROL_NAMES[c as usize]);
        }
        c => out.push_str(&format!("\\{}", c as u32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_shown_as_haskell_shows_them() {
        for (c, text, char) in [
            ('a', r#""a""#, "'a'"),
            ('"', r#""\"""#, r#"'"'"#),
            ('\'', r#""'""#, r"'\''"),
            ('\\', r#""\\""#, r"'\\'"),
            ('\n', r#""\n""#, r"'\n'"),
            ('\0', r#""\NUL""#, r"'\NUL'"),
            ('\u{b}', r#""\v""#, r"'\v'"),
            ('\u{e}', r#""\SO""#, r"'\SO'"),
            ('\u{7f}', r#""\DEL""#, r"'\DEL'"),
            ('é', r#""\233""#, r"'\233'"),
            ('日', r#""\26085""#, r"'\26085'"),
        ] {
            assert_eq!(show(c, '"'), text);
            assert_eq!(show(c, '\''), char);
        }
    }

    #[test]
    fn an_error_without_reasons_says_so() {
        assert_eq!(ParseError::unknown(0).details(), "unknown parse error");
    }
}
