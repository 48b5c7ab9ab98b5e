//! Filters: which operators the columns of a type have, and how they are written.

use crate::openapi::json::Object;

/// A kind of column, as far as filters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// `boolean`
    Boolean,
    /// What has an order: numbers, times, and most other types.
    Ordered,
    /// Text.
    Text,
    /// An enum.
    Enum,
    /// An array.
    Array,
    /// A range or a multirange.
    Range,
    /// `tsvector`
    Search,
    /// `json`, which cannot be compared.
    Json,
    /// `jsonb`
    JsonB,
    /// `inet` and `cidr`
    Network,
    /// A type that has no operators that could be asked for.
    Nothing,
    /// A type of which is not known what operators it has.
    Unknown,
}

const COMPARING: [&str; 8] = ["eq", "neq", "gt", "gte", "lt", "lte", "in", "isdistinct"];
const MATCHING: [&str; 4] = ["like", "ilike", "match", "imatch"];
const SEARCHING: [&str; 4] = ["fts", "plfts", "phfts", "wfts"];
const CONTAINING: [&str; 2] = ["cs", "cd"];
const POSITION: [&str; 6] = ["ov", "sl", "sr", "nxr", "nxl", "adj"];

impl Filter {
    /// All of them, in the order of the document.
    pub(super) const ALL: [Filter; 12] = [
        Filter::Boolean,
        Filter::Ordered,
        Filter::Text,
        Filter::Enum,
        Filter::Array,
        Filter::Range,
        Filter::Search,
        Filter::Json,
        Filter::JsonB,
        Filter::Network,
        Filter::Nothing,
        Filter::Unknown,
    ];

    /// The end of its name among the schemas.
    pub(super) fn word(self) -> &'static str {
        match self {
            Filter::Boolean => "boolean",
            Filter::Ordered => "ordered",
            Filter::Text => "text",
            Filter::Enum => "enum",
            Filter::Array => "array",
            Filter::Range => "range",
            Filter::Search => "search",
            Filter::Json => "json",
            Filter::JsonB => "jsonb",
            Filter::Network => "network",
            Filter::Nothing => "null",
            Filter::Unknown => "any",
        }
    }

    /// The operators, besides `is`, which every column has.
    fn operators(self) -> Vec<&'static str> {
        let groups: &[&[&'static str]] = match self {
            Filter::Boolean => &[&["eq", "neq", "in", "isdistinct"]],
            Filter::Ordered | Filter::Enum => &[&COMPARING],
            Filter::Text => &[&COMPARING, &MATCHING, &SEARCHING],
            Filter::Array => &[&COMPARING, &CONTAINING, &["ov"]],
            Filter::Range => &[&COMPARING, &CONTAINING, &POSITION],
            Filter::Search => &[&COMPARING, &SEARCHING],
            Filter::Json => &[&SEARCHING],
            Filter::JsonB => &[&COMPARING, &CONTAINING, &SEARCHING],
            Filter::Network => &[&COMPARING, &["ov", "sl", "sr"]],
            Filter::Nothing => &[],
            Filter::Unknown => &[&COMPARING, &MATCHING, &SEARCHING, &CONTAINING, &POSITION],
        };
        groups.concat()
    }

    /// A condition, and perhaps another one.
    fn examples(self) -> &'static [&'static str] {
        match self {
            Filter::Boolean => &["is.true", "eq.false"],
            Filter::Ordered => &["gte.1", "not.in.(1,2)"],
            Filter::Text => &["eq.text", "ilike.*text*"],
            Filter::Enum => &["eq.label", "in.(label,other)"],
            Filter::Array => &["cs.{a,b}", "ov.{a}"],
            Filter::Range => &["cs.5", "ov.[1,10)"],
            Filter::Search => &["wfts(english).words or others", "plfts.words"],
            Filter::Json => &["is.null"],
            Filter::JsonB => &["cs.{\"a\":1}", "not.is.null"],
            Filter::Network => &["eq.192.0.2.1", "sl.192.0.2.0/24"],
            Filter::Nothing => &["is.null", "not.is.null"],
            Filter::Unknown => &["eq.value", "is.null"],
        }
    }

    /// Writes the schema of such conditions.
    pub(super) fn write(self, schema: &mut Object<'_>) {
        let operators = self.operators();
        let words: Vec<&str> = operators.iter().copied().chain(["is"]).collect();
        let mut description = format!(
            "A condition: an operator, a dot and a value, perhaps with `not.` before it. \
             Operators: `{}`.",
            words.join("`, `")
        );
        if operators.contains(&"eq") && self != Filter::Boolean {
            description
                .push_str(" A list is written `in.(a,b)`; `eq(any).{a,b}` and its like, too.");
        }
        if matches!(self, Filter::Json | Filter::JsonB) {
            description.push_str(" A value inside is filtered by `column->key` or `column->>key`.");
        }
        schema.string("type", "string");
        schema.string("description", &description);
        // The words in parentheses are `any`, `all`, or the configuration of a search.
        let pattern = format!(r"^(not\.)?({})(\([^)]*\))?\.", words.join("|"));
        schema.string("pattern", &pattern);
        schema.strings("examples", self.examples().iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_use_the_operators() {
        for filter in Filter::ALL {
            let mut operators = filter.operators();
            operators.push("is");
            for example in filter.examples() {
                let condition = example.strip_prefix("not.").unwrap_or(example);
                let operator = condition.split(['.', '(']).next().unwrap();
                assert!(operators.contains(&operator), "{filter:?}: {example}");
            }
        }
    }

    #[test]
    fn kinds_have_words_of_their_own() {
        let mut words = Filter::ALL.map(Filter::word);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
