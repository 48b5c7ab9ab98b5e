//! Following `jwt-role-claim-key` through the claims of a token (RFC 9535, and the language that
//! PostgREST had before).
//!
//! A path finds any number of values; the first one is the role. Where the configuration's
//! language leaves room, PostgREST's library decides (aeson-jsonpath, regex-tdfa). Regular
//! expressions that stand in the path are compiled once, when the configuration is loaded.

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashMap;

use corerest_config::{
    Argument, Comparable, Comparison, Condition, Decimal, JsonPath, LegacyPath, LegacyStep,
    Literal, Reach, RoleClaimKey, Root, Search, Segment, Selection, Selector, SingularQuery,
    SingularSegment, StringTest,
};
use regex_lite::{Regex, RegexBuilder};

use crate::json::Json;

/// How large a regular expression may become. Patterns can also come from claims; those of
/// real configurations need less than a hundredth of it.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// How many steps are taken for one token. Each client with a token can have this work done, and a
/// path such as `$..*..*` finds a value as often as there are ways to it. Those of real
/// configurations take a hundred steps, and this many take a few milliseconds.
const STEPS_MAX: usize = 1 << 17;

/// So many bytes that are looked through, or members that are compared, count as a step.
const COMPARED_PER_STEP: usize = 16;

/// How many steps it takes to compile a pattern, whose size may multiply.
const COMPILING_STEPS: usize = 1 << 12;

/// The regular expressions of a path, by their text; `None` for what is none.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<String, Option<Regex>>);

impl Patterns {
    /// Compiles all that stand in a path.
    pub(super) fn of(path: &RoleClaimKey) -> Patterns {
        let mut patterns = Patterns::default();
        match path {
            RoleClaimKey::JsonPath(path) => patterns.add_path(path),
            RoleClaimKey::Legacy(_) => {}
        }
        patterns
    }

    fn add_path(&mut self, path: &JsonPath) {
        for segment in &path.segments {
            let Selection::Bracketed(selectors) = &segment.selection else {
                continue;
            };
            for selector in selectors {
                if let Selector::Filter(condition) = selector {
                    self.add_condition(condition);
                }
            }
        }
    }

    fn add_condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Any(conditions) | Condition::All(conditions) => {
                conditions
                    .iter()
                    .for_each(|condition| self.add_condition(condition));
            }
            Condition::Group(condition) | Condition::Not(condition) => {
                self.add_condition(condition);
            }
            Condition::Exists(path) => self.add_path(path),
            Condition::Search(Search { text, pattern }) => {
                for argument in [text, pattern] {
                    if let Argument::Query(path) = argument {
                        self.add_path(path);
                    }
                }
                if let Argument::Literal(Literal::Text(pattern)) = pattern {
                    self.0.insert(pattern.clone(), compile(pattern));
                }
            }
            Condition::Compare(..) => {}
        }
    }

    /// Parity: a pattern that is no regular expression fails the request in PostgREST; here it
    /// matches nothing, so that no role comes out of it.
    fn is_match(&self, pattern: &str, text: &str) -> bool {
        match self.0.get(pattern) {
            Some(regex) => regex.as_ref().is_some_and(|regex| regex.is_match(text)),
            None => compile(pattern).is_some_and(|regex| regex.is_match(text)),
        }
    }
}

/// `^` and `$` match at every line, as in regex-tdfa.
fn compile(pattern: &str) -> Option<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    builder
        .multi_line(true)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .ok()
}

/// What a path finds first. Nothing, if that takes more than [`STEPS_MAX`]: what is found with the
/// work half done may not be the first, and a `!` in a filter makes much of nothing.
pub(super) fn find_role<'a>(
    key: &'a RoleClaimKey,
    patterns: &'a Patterns,
    claims: &'a Json,
) -> Option<&'a Json> {
    match key {
        RoleClaimKey::JsonPath(path) => {
            let steps_left = Cell::new(STEPS_MAX);
            let walk = Walk {
                patterns,
                document: claims,
                steps_left: &steps_left,
            };
            let found = walk.find(path, claims).first().copied();
            found.filter(|_| steps_left.get() > 0)
        }
        RoleClaimKey::Legacy(path) => find_legacy(path, claims),
    }
}

fn find_legacy<'a>(path: &LegacyPath, claims: &'a Json) -> Option<&'a Json> {
    let mut value = claims;
    for step in path.steps() {
        value = match (step, value) {
            (LegacyStep::Key(name), Json::Object(members)) => members.find(name)?,
            (LegacyStep::Index(index), Json::Array(elements)) => elements.get(*index)?,
            (LegacyStep::Filter(test, expected), Json::Array(elements)) => {
                elements.iter().find(|element| {
                    element
                        .text()
                        .is_some_and(|text| passes(*test, text, expected))
                })?
            }
            (LegacyStep::Key(_) | LegacyStep::Index(_) | LegacyStep::Filter(..), _) => return None,
        };
    }
    Some(value)
}

fn passes(test: StringTest, text: &str, expected: &str) -> bool {
    match test {
        StringTest::Equals => text == expected,
        StringTest::Differs => text != expected,
        StringTest::StartsWith => text.starts_with(expected),
        StringTest::EndsWith => text.ends_with(expected),
        StringTest::Contains => text.contains(expected),
    }
}

/// What every part of a JSONPath may need.
#[derive(Clone, Copy)]
struct Walk<'a, 'w> {
    patterns: &'a Patterns,
    document: &'a Json,
    steps_left: &'w Cell<usize>,
}

impl<'a> Walk<'a, '_> {
    /// Takes so many steps, and says whether there are any left.
    fn step(self, count: usize) -> bool {
        let left = self.steps_left.get().saturating_sub(count);
        self.steps_left.set(left);
        left > 0
    }

    fn find(self, path: &JsonPath, current: &'a Json) -> Vec<&'a Json> {
        let mut values = vec![self.start(path.root, current)];
        for segment in &path.segments {
            let mut found = Vec::new();
            for value in values {
                self.apply(segment, value, &mut found);
            }
            values = found;
        }
        values
    }

    fn start(self, root: Root, current: &'a Json) -> &'a Json {
        match root {
            Root::Document => self.document,
            Root::Current => current,
        }
    }

    fn apply(self, segment: &Segment, value: &'a Json, found: &mut Vec<&'a Json>) {
        if !self.step(1 + size(value) / COMPARED_PER_STEP) {
            return;
        }
        let found_before = found.len();
        match &segment.selection {
            Selection::Name(name) => found.extend(member(value, name)),
            Selection::Wildcard => found.extend(children(value)),
            Selection::Bracketed(selectors) => {
                for selector in selectors {
                    self.select(selector, value, found);
                }
            }
        }
        self.step(found.len() - found_before);
        match segment.reach {
            Reach::Children => {}
            Reach::Descendants => {
                for child in children(value) {
                    self.apply(segment, child, found);
                }
            }
        }
    }

    fn select(self, selector: &Selector, value: &'a Json, found: &mut Vec<&'a Json>) {
        match selector {
            Selector::Name(name) => found.extend(member(value, name)),
            Selector::Index(index) => found.extend(element(value, *index)),
            Selector::Slice(start, end, step) => {
                if let Json::Array(elements) = value {
                    slice(elements, *start, *end, *step, found);
                }
            }
            Selector::Wildcard => found.extend(children(value)),
            Selector::Filter(condition) => {
                found.extend(children(value).filter(|child| self.holds(condition, child)));
            }
        }
    }

    fn holds(self, condition: &Condition, current: &'a Json) -> bool {
        if !self.step(1) {
            return false;
        }
        match condition {
            Condition::Any(any) => any.iter().any(|condition| self.holds(condition, current)),
            Condition::All(all) => all.iter().all(|condition| self.holds(condition, current)),
            Condition::Group(condition) => self.holds(condition, current),
            Condition::Not(condition) => !self.holds(condition, current),
            Condition::Exists(path) => !self.find(path, current).is_empty(),
            Condition::Search(search) => self.is_found(search, current),
            Condition::Compare(left, comparison, right) => {
                let left = self.compared(left, current);
                let right = self.compared(right, current);
                self.step(
                    [&left, &right]
                        .map(|side| weight(side.as_deref()))
                        .into_iter()
                        .sum(),
                );
                compare(left.as_deref(), *comparison, right.as_deref())
            }
        }
    }

    fn is_found(self, search: &Search, current: &'a Json) -> bool {
        let text = self.argument(&search.text, current);
        let pattern = self.argument(&search.pattern, current);
        match (text, pattern) {
            (Some(text), Some(pattern)) => {
                let compiling = match self.patterns.0.contains_key(&*pattern) {
                    true => 0,
                    false => COMPILING_STEPS,
                };
                self.step(compiling + text.len() / COMPARED_PER_STEP)
                    && self.patterns.is_match(&pattern, &text)
            }
            _ => false,
        }
    }

    /// A string: written out, or the only value that a query finds.
    fn argument(self, argument: &Argument, current: &'a Json) -> Option<Cow<'a, str>> {
        match argument {
            Argument::Literal(Literal::Text(text)) => Some(Cow::Owned(text.clone())),
            Argument::Literal(Literal::Number(_) | Literal::Boolean(_) | Literal::Null) => None,
            Argument::Query(path) => match self.find(path, current).as_slice() {
                [value] => value.text().map(Cow::Borrowed),
                _ => None,
            },
        }
    }

    fn compared(self, side: &Comparable, current: &'a Json) -> Option<Cow<'a, Json>> {
        match side {
            Comparable::Literal(literal) => Some(Cow::Owned(match literal {
                Literal::Text(text) => Json::Text(text.clone()),
                Literal::Number(number) => Json::Number(number.to_string()),
                Literal::Boolean(boolean) => Json::Boolean(*boolean),
                Literal::Null => Json::Null,
            })),
            Comparable::Query(query) => self.single(query, current).map(Cow::Borrowed),
        }
    }

    fn single(self, query: &SingularQuery, current: &'a Json) -> Option<&'a Json> {
        let mut value = self.start(query.root, current);
        for segment in &query.segments {
            self.step(1 + size(value) / COMPARED_PER_STEP);
            value = match segment {
                SingularSegment::Name(name) => member(value, name)?,
                // Parity: in a comparison a negative index finds nothing (aeson-jsonpath).
                SingularSegment::Index(index) if *index < 0 => return None,
                SingularSegment::Index(index) => element(value, *index)?,
            };
        }
        Some(value)
    }
}

/// How many children a value has.
fn size(value: &Json) -> usize {
    match value {
        Json::Array(elements) => elements.len(),
        Json::Object(members) => members.iter().len(),
        _ => 0,
    }
}

/// How many steps it may take to compare a value.
fn weight(value: Option<&Json>) -> usize {
    match value {
        None | Some(Json::Null | Json::Boolean(_) | Json::Number(_)) => 1,
        Some(Json::Text(text)) => 1 + text.len() / COMPARED_PER_STEP,
        Some(of) => children(of).fold(1, |sum, child| sum + weight(Some(child))),
    }
}

fn member<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    match value {
        Json::Object(members) => members.find(name),
        _ => None,
    }
}

/// An element of an array; from its end if the index is negative.
fn element(value: &Json, index: i64) -> Option<&Json> {
    let Json::Array(elements) = value else {
        return None;
    };
    let distance = usize::try_from(index.unsigned_abs()).ok()?;
    let at = if index < 0 {
        elements.len().checked_sub(distance)?
    } else {
        distance
    };
    elements.get(at)
}

fn children(value: &Json) -> Box<dyn Iterator<Item = &Json> + '_> {
    match value {
        Json::Array(elements) => Box::new(elements.iter()),
        Json::Object(members) => Box::new(members.iter().map(|(_, value)| value)),
        _ => Box::new(std::iter::empty()),
    }
}

/// RFC 9535, section 2.3.4.2.2.
fn slice<'a>(
    elements: &'a [Json],
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
    found: &mut Vec<&'a Json>,
) {
    let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    let from_front = |bound: i64| {
        if bound < 0 {
            length.saturating_add(bound)
        } else {
            bound
        }
    };
    let (mut at, end) = if step > 0 {
        let start = start.map_or(0, from_front).clamp(0, length);
        (start, end.map_or(length, from_front).clamp(0, length))
    } else {
        let start = start.map_or(length - 1, from_front).clamp(-1, length - 1);
        (start, end.map_or(-1, from_front).clamp(-1, length - 1))
    };
    while (step > 0 && at < end) || (step < 0 && at > end) {
        found.extend(usize::try_from(at).ok().and_then(|at| elements.get(at)));
        at = at.saturating_add(step);
    }
}

fn compare(left: Option<&Json>, comparison: Comparison, right: Option<&Json>) -> bool {
    match comparison {
        Comparison::Equal => is_equal(left, right),
        Comparison::NotEqual => !is_equal(left, right),
        Comparison::Less => is_less(left, right),
        Comparison::LessOrEqual => is_less(left, right) || is_equal(left, right),
        Comparison::Greater => is_less(right, left),
        Comparison::GreaterOrEqual => is_less(right, left) || is_equal(left, right),
    }
}

/// Nothing equals nothing.
fn is_equal(left: Option<&Json>, right: Option<&Json>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => is_same(left, right),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn is_same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            left == right || Decimal::parse(left) == Decimal::parse(right)
        }
        (Json::Array(left), Json::Array(right)) => {
            let same = left
                .iter()
                .zip(right)
                .all(|(left, right)| is_same(left, right));
            left.len() == right.len() && same
        }
        (Json::Object(left), Json::Object(right)) => {
            let mut pairs = left.iter().zip(right.iter());
            let same = pairs.all(|(left, right)| left.0 == right.0 && is_same(left.1, right.1));
            left.iter().count() == right.iter().count() && same
        }
        _ => left == right,
    }
}

fn is_less(left: Option<&Json>, right: Option<&Json>) -> bool {
    match (left, right) {
        (Some(Json::Text(left)), Some(Json::Text(right))) => left < right,
        (Some(Json::Number(left)), Some(Json::Number(right))) => {
            !is_same(&Json::Number(left.clone()), &Json::Number(right.clone()))
                && order(left, right) == Some(Ordering::Less)
        }
        _ => false,
    }
}

/// Whole numbers are compared exactly, others as floats: nobody compares roles by the
/// seventeenth digit.
fn order(left: &str, right: &str) -> Option<Ordering> {
    let whole = |number: &str| Decimal::parse(number).and_then(|number| number.integer());
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return Some(left.cmp(&right));
    }
    let [left, right]: [f64; 2] = [left.parse().ok()?, right.parse().ok()?];
    left.partial_cmp(&right)
}
