//! What a JSONPath is once it has been read, and how it is written. Conditions have queries in
//! them again, so the types stand together.

use std::fmt::{self, Display, Formatter};

use crate::value::Decimal;

/// A JSONPath query.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    /// Where it starts.
    pub root: Root,
    /// The steps from there, each applied to all that the step before found.
    pub segments: Vec<Segment>,
}

/// Where a query starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `$`: the whole document.
    Document,
    /// `@`: the node that a filter looks at.
    Current,
}

/// One step of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// How far it looks.
    pub reach: Reach,
    /// What it takes.
    pub selection: Selection,
}

/// How far a segment looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At the children of a node.
    Children,
    /// `..`: at the node and all that is below it.
    Descendants,
}

/// What a segment takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    /// `.name`
    Name(String),
    /// `.*`
    Wildcard,
    /// `[…]`: what any of the selectors takes, in their order.
    Bracketed(Vec<Selector>),
}

/// One choice in brackets.
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    /// A member of an object.
    Name(String),
    /// An element of an array; from its end if negative.
    Index(i64),
    /// Elements of an array: `start:end:step`.
    Slice(Option<i64>, Option<i64>, i64),
    /// All members or elements.
    Wildcard,
    /// The members or elements for which a condition holds.
    Filter(Condition),
}

/// What a filter demands.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `a || b`
    Any(Vec<Condition>),
    /// `a && b`
    All(Vec<Condition>),
    /// `(a)`
    Group(Box<Condition>),
    /// `!a`, where `a` is a group, a query or a function.
    Not(Box<Condition>),
    /// A query that finds something.
    Exists(JsonPath),
    /// A text in which a pattern is found.
    Search(Search),
    /// `a < b`
    Compare(Comparable, Comparison, Comparable),
}

/// `search(text, pattern)`
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Where to look.
    pub text: Argument,
    /// The regular expression to look for (RFC 9485).
    pub pattern: Argument,
}

/// An argument of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A constant.
    Literal(Literal),
    /// What a query finds.
    Query(JsonPath),
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparable {
    /// A constant.
    Literal(Literal),
    /// The one value that a query finds, if any.
    Query(SingularQuery),
}

/// A query that finds at most one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingularQuery {
    /// Where it starts.
    pub root: Root,
    /// The steps from there.
    pub segments: Vec<SingularSegment>,
}

/// One step to at most one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SingularSegment {
    /// Into a member of an object.
    Name(String),
    /// Into an element of an array; from its end if negative.
    Index(i64),
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A string, in either kind of quotes.
    Text(String),
    /// A number.
    Number(Decimal),
    /// `true` or `false`
    Boolean(bool),
    /// `null`
    Null,
}

impl JsonPath {
    /// `$.role`, the default of `jwt-role-claim-key`.
    #[must_use]
    pub fn role() -> JsonPath {
        let selection = Selection::Name("role".to_owned());
        JsonPath {
            root: Root::Document,
            segments: vec![Segment {
                reach: Reach::Children,
                selection,
            }],
        }
    }
}

/// Whether a character can begin a name without quotes; digits may follow.
pub(super) fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

pub(super) fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit()
}

impl Display for JsonPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)?;
        self.segments.iter().try_for_each(|segment| segment.fmt(f))
    }
}

impl Display for Root {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Root::Document => "$",
            Root::Current => "@",
        })
    }
}

impl Display for Segment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let dots = match (self.reach, &self.selection) {
            (Reach::Descendants, _) => "..",
            (Reach::Children, Selection::Bracketed(_)) => "",
            (Reach::Children, Selection::Name(_) | Selection::Wildcard) => ".",
        };
        f.write_str(dots)?;
        match &self.selection {
            Selection::Name(name) => f.write_str(name),
            Selection::Wildcard => f.write_str("*"),
            Selection::Bracketed(selectors) => {
                f.write_str("[")?;
                write_joined(f, selectors, ",")?;
                f.write_str("]")
            }
        }
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Name(name) => write_quoted(f, name),
            Selector::Index(index) => write!(f, "{index}"),
            Selector::Slice(start, end, step) => {
                let shown = |bound: &Option<i64>| bound.map(|n| n.to_string()).unwrap_or_default();
                write!(f, "{}:{}:{step}", shown(start), shown(end))
            }
            Selector::Wildcard => f.write_str("*"),
            Selector::Filter(condition) => write!(f, "?{condition}"),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Any(conditions) => write_joined(f, conditions, " || "),
            // PostgREST's dump writes " || " here, which reads as another path.
            Condition::All(conditions) => write_joined(f, conditions, " && "),
            Condition::Group(condition) => write!(f, "({condition})"),
            Condition::Not(condition) => write!(f, "!{condition}"),
            Condition::Exists(query) => query.fmt(f),
            Condition::Search(Search { text, pattern }) => write!(f, "search({text}, {pattern})"),
            Condition::Compare(left, comparison, right) => {
                write!(f, "{left} {comparison} {right}")
            }
        }
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Literal(literal) => literal.fmt(f),
            Argument::Query(query) => query.fmt(f),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        })
    }
}

impl Display for Comparable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Comparable::Literal(literal) => literal.fmt(f),
            Comparable::Query(query) => {
                query.root.fmt(f)?;
                query.segments.iter().try_for_each(|segment| segment.fmt(f))
            }
        }
    }
}

impl Display for SingularSegment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            SingularSegment::Name(name) if name.starts_with(is_name_start) => {
                match name.chars().all(is_name_part) {
                    true => write!(f, ".{name}"),
                    false => write_bracketed(f, name),
                }
            }
            SingularSegment::Name(name) => write_bracketed(f, name),
            SingularSegment::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Text(text) => write_quoted(f, text),
            Literal::Number(number) => number.fmt(f),
            Literal::Boolean(boolean) => boolean.fmt(f),
            Literal::Null => f.write_str("null"),
        }
    }
}

fn write_joined<T: Display>(f: &mut Formatter<'_>, items: &[T], between: &str) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

fn write_bracketed(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    f.write_str("[")?;
    write_quoted(f, name)?;
    f.write_str("]")
}

/// A string in single quotes; what cannot stand in one is escaped.
fn write_quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    for c in text.chars() {
        match c {
            '\'' | '\\' => write!(f, "\\{c}")?,
            '\0'..='\x1F' => write!(f, "\\u{:04X}", u32::from(c))?,
            _ => write!(f, "{c}")?,
        }
    }
    f.write_str("'")
}
