//! The parser of JSONPath; its grammar stands above.
//!
//! It is recursive descent with one place of choice: whether a condition begins with a
//! comparison or with a query is known only at the operator, so the comparison is tried first.
//! A query inside of a filter may have filters again, hence the limit.

use super::super::cursor::{Cursor, Refusal};
use super::path::{
    Argument, Comparable, Comparison, Condition, JsonPath, Literal, Reach, Root, Search, Segment,
    Selection, Selector, SingularQuery, SingularSegment, is_name_part, is_name_start,
};
use crate::value::Decimal;

/// Filters and parentheses inside of each other. The limit keeps the stack.
const DEPTH_MAX: usize = 32;

/// Integers that every JSON implementation represents exactly (RFC 9535, section 2.1).
const INTEGER_MAX: i64 = 9_007_199_254_740_991;

pub(super) fn parse(text: &str) -> Result<JsonPath, Refusal> {
    let mut parser = Parser {
        cursor: Cursor::new(text),
        depth: 0,
    };
    parser.cursor.expect("$", "$ or .")?;
    let path = JsonPath {
        root: Root::Document,
        segments: parser.segments()?,
    };
    match parser.cursor.peek() {
        None => Ok(path),
        Some(_) => Err(parser.cursor.refusal(". or [ or the end")),
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    depth: usize,
}

impl Parser<'_> {
    fn segments(&mut self) -> Result<Vec<Segment>, Refusal> {
        let mut segments = Vec::new();
        loop {
            let before = self.cursor;
            self.skip_blanks();
            let reach = match self.cursor.eat("..") {
                true => Reach::Descendants,
                false => Reach::Children,
            };
            let dotted = reach == Reach::Children && self.cursor.eat(".");
            if dotted && self.cursor.peek() == Some('[') {
                return Err(self.cursor.refusal("a name or *"));
            }
            if dotted || reach == Reach::Descendants || self.cursor.peek() == Some('[') {
                let selection = self.selection()?;
                segments.push(Segment { reach, selection });
            } else {
                // Blanks belong to a segment only if there is one.
                self.cursor = before;
                return Ok(segments);
            }
        }
    }

    fn selection(&mut self) -> Result<Selection, Refusal> {
        if self.cursor.eat("*") {
            return Ok(Selection::Wildcard);
        }
        if !self.cursor.eat("[") {
            return self.name().map(Selection::Name);
        }
        let mut selectors = Vec::new();
        loop {
            self.skip_blanks();
            selectors.push(self.selector()?);
            self.skip_blanks();
            if self.cursor.eat("]") {
                return Ok(Selection::Bracketed(selectors));
            }
            self.cursor.expect(",", ", or ]")?;
        }
    }

    fn name(&mut self) -> Result<String, Refusal> {
        if !self.cursor.peek().is_some_and(is_name_start) {
            return Err(self.cursor.refusal("a name or * or ["));
        }
        Ok(self.cursor.eat_while(is_name_part).to_owned())
    }

    fn selector(&mut self) -> Result<Selector, Refusal> {
        match self.cursor.peek() {
            Some('"' | '\'') => self.string().map(Selector::Name),
            Some('*') => {
                self.cursor.next();
                Ok(Selector::Wildcard)
            }
            Some('?') => {
                self.cursor.next();
                self.skip_blanks();
                self.condition().map(Selector::Filter)
            }
            _ => self.index_or_slice(),
        }
    }

    fn index_or_slice(&mut self) -> Result<Selector, Refusal> {
        let start = self.bound()?;
        let after_start = self.cursor;
        self.skip_blanks();
        if !self.cursor.eat(":") {
            self.cursor = after_start;
            let expected = "a string, an index, a slice, * or ?";
            return start
                .map(Selector::Index)
                .ok_or_else(|| after_start.refusal(expected));
        }
        self.skip_blanks();
        let end = self.bound()?;
        let after_end = self.cursor;
        self.skip_blanks();
        if !self.cursor.eat(":") {
            self.cursor = after_end;
            return Ok(Selector::Slice(start, end, 1));
        }
        self.skip_blanks();
        let step = self.bound()?.unwrap_or(1);
        Ok(Selector::Slice(start, end, step))
    }

    fn bound(&mut self) -> Result<Option<i64>, Refusal> {
        match self.cursor.peek() {
            Some(c) if c == '-' || c.is_ascii_digit() => self.integer().map(Some),
            _ => Ok(None),
        }
    }

    /// An integer without leading zeros; there is no minus zero.
    fn integer(&mut self) -> Result<i64, Refusal> {
        let start = self.cursor;
        let negative = self.cursor.eat("-");
        let digits = self.cursor.eat_while(|c| c.is_ascii_digit());
        let is_plain = digits == "0" && !negative || !digits.starts_with('0');
        let number = digits
            .parse()
            .ok()
            .filter(|n| is_plain && *n <= INTEGER_MAX);
        let number: i64 = number.ok_or_else(|| start.refusal("an integer in range"))?;
        Ok(if negative { -number } else { number })
    }

    fn condition(&mut self) -> Result<Condition, Refusal> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.cursor.refusal("less nesting"));
        }
        let condition = self.chain("||", Condition::Any, |parser| {
            parser.chain("&&", Condition::All, Parser::basic)
        })?;
        self.depth -= 1;
        Ok(condition)
    }

    /// One or more items with an operator between them; one item stays itself.
    fn chain(
        &mut self,
        operator: &str,
        join: fn(Vec<Condition>) -> Condition,
        item: impl Fn(&mut Self) -> Result<Condition, Refusal>,
    ) -> Result<Condition, Refusal> {
        let first = item(self)?;
        let mut items = vec![first];
        loop {
            let before = self.cursor;
            self.skip_blanks();
            if !self.cursor.eat(operator) {
                self.cursor = before;
                break;
            }
            self.skip_blanks();
            items.push(item(self)?);
        }
        match items.pop() {
            Some(only) if items.is_empty() => Ok(only),
            last => {
                items.extend(last);
                Ok(join(items))
            }
        }
    }

    fn basic(&mut self) -> Result<Condition, Refusal> {
        if self.cursor.eat("!") {
            self.skip_blanks();
            let negated = match self.cursor.peek() {
                Some('(') => self.group()?,
                _ => self.test()?,
            };
            return Ok(Condition::Not(Box::new(negated)));
        }
        if self.cursor.peek() == Some('(') {
            return self.group();
        }
        let start = self.cursor;
        let comparison = self.comparison();
        if comparison.is_ok() || !start.rest().starts_with(['$', '@', 's']) {
            return comparison;
        }
        self.cursor = start;
        self.test()
    }

    fn group(&mut self) -> Result<Condition, Refusal> {
        self.cursor.expect("(", "(")?;
        self.skip_blanks();
        let condition = self.condition()?;
        self.skip_blanks();
        self.cursor.expect(")", ")")?;
        Ok(Condition::Group(Box::new(condition)))
    }

    fn test(&mut self) -> Result<Condition, Refusal> {
        if !self.cursor.eat("search(") {
            return self.query().map(Condition::Exists);
        }
        self.skip_blanks();
        let text = self.argument()?;
        self.skip_blanks();
        self.cursor.expect(",", ",")?;
        self.skip_blanks();
        let pattern = self.argument()?;
        self.skip_blanks();
        self.cursor.expect(")", ")")?;
        Ok(Condition::Search(Search { text, pattern }))
    }

    fn query(&mut self) -> Result<JsonPath, Refusal> {
        let root = self.root()?;
        Ok(JsonPath {
            root,
            segments: self.segments()?,
        })
    }

    fn root(&mut self) -> Result<Root, Refusal> {
        if self.cursor.eat("@") {
            return Ok(Root::Current);
        }
        self.cursor
            .expect("$", "a literal, a query from @ or $, search(, ! or (")?;
        Ok(Root::Document)
    }

    fn argument(&mut self) -> Result<Argument, Refusal> {
        match self.literal()? {
            Some(literal) => Ok(Argument::Literal(literal)),
            None => self.query().map(Argument::Query),
        }
    }

    fn comparison(&mut self) -> Result<Condition, Refusal> {
        let left = self.comparable()?;
        self.skip_blanks();
        // "<=" stands before its beginning "<".
        let comparisons = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let found = comparisons
            .into_iter()
            .find(|(operator, _)| self.cursor.eat(operator));
        let Some((_, comparison)) = found else {
            return Err(self.cursor.refusal("==, !=, <, <=, > or >="));
        };
        self.skip_blanks();
        Ok(Condition::Compare(left, comparison, self.comparable()?))
    }

    fn comparable(&mut self) -> Result<Comparable, Refusal> {
        if let Some(literal) = self.literal()? {
            return Ok(Comparable::Literal(literal));
        }
        let root = self.root()?;
        let mut segments = Vec::new();
        loop {
            let before = self.cursor;
            self.skip_blanks();
            let Some(segment) = self.singular_segment() else {
                // The caller knows whether something else may follow.
                self.cursor = before;
                return Ok(Comparable::Query(SingularQuery { root, segments }));
            };
            segments.push(segment);
        }
    }

    fn singular_segment(&mut self) -> Option<SingularSegment> {
        if self.cursor.eat(".") {
            return self.name().ok().map(SingularSegment::Name);
        }
        if !self.cursor.eat("[") {
            return None;
        }
        let segment = match self.cursor.peek() {
            Some('"' | '\'') => SingularSegment::Name(self.string().ok()?),
            _ => SingularSegment::Index(self.integer().ok()?),
        };
        self.cursor.eat("]").then_some(segment)
    }

    fn literal(&mut self) -> Result<Option<Literal>, Refusal> {
        for (word, literal) in [
            ("true", Literal::Boolean(true)),
            ("false", Literal::Boolean(false)),
            ("null", Literal::Null),
        ] {
            if self.cursor.eat(word) {
                return Ok(Some(literal));
            }
        }
        match self.cursor.peek() {
            Some('"' | '\'') => self.string().map(Literal::Text).map(Some),
            Some(c) if c == '-' || c.is_ascii_digit() => self.number().map(Some),
            _ => Ok(None),
        }
    }

    fn number(&mut self) -> Result<Literal, Refusal> {
        let start = self.cursor;
        let is_part = |c: char| c.is_ascii_digit() || ".eE+-".contains(c);
        let text = self.cursor.eat_while(is_part);
        let whole = text.strip_prefix('-').unwrap_or(text);
        let fraction = whole.strip_prefix('0').unwrap_or("");
        Decimal::parse(text)
            .filter(|_| !fraction.starts_with(|c: char| c.is_ascii_digit()))
            .map(Literal::Number)
            .ok_or_else(|| start.refusal("a number"))
    }

    /// A string in single or double quotes; the other kind of quote stands for itself in it.
    fn string(&mut self) -> Result<String, Refusal> {
        let Some(quote @ ('"' | '\'')) = self.cursor.next() else {
            return Err(self.cursor.refusal("a string"));
        };
        let mut string = String::new();
        loop {
            let at = self.cursor;
            match self.cursor.next() {
                Some(c) if c == quote => return Ok(string),
                Some('\\') if self.cursor.eat(quote.encode_utf8(&mut [0; 4])) => string.push(quote),
                Some('\\') => string.push(self.escape().ok_or_else(|| at.refusal("an escape"))?),
                Some(c) if c >= ' ' => string.push(c),
                _ => return Err(at.refusal("a closing quote")),
            }
        }
    }

    /// A character after a backslash; above U+FFFF it is two escapes of UTF-16 (RFC 8259).
    fn escape(&mut self) -> Option<char> {
        match self.cursor.next()? {
            'b' => Some('\x08'),
            'f' => Some('\x0C'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            c @ ('/' | '\\') => Some(c),
            'u' => {
                let first = self.hexadecimal_unit()?;
                let mut units = vec![first];
                if (0xD800..0xDC00).contains(&first) && self.cursor.eat("\\u") {
                    units.push(self.hexadecimal_unit()?);
                }
                char::decode_utf16(units).next()?.ok()
            }
            _ => None,
        }
    }

    fn hexadecimal_unit(&mut self) -> Option<u16> {
        let digits = self.cursor.rest().get(..4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.cursor.offset += 4;
        u16::from_str_radix(digits, 16).ok()
    }

    fn skip_blanks(&mut self) {
        self.cursor.eat_while(|c| " \n\r\t".contains(c));
    }
}
