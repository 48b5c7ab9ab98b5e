//! The `Prefer` header.
//!
//! Source: RFC 7240; PostgREST's documentation, `references/api/preferences`.
//!
//! All `Prefer` headers count as one list. Of each kind of preference the first one that is known
//! counts; what is not known is kept for `handling=strict`.

use super::{HttpRequest, Mutation};

/// What the client prefers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// `resolution=`
    pub resolution: Option<ResolutionPreference>,
    /// `return=`
    pub representation: Option<RepresentationPreference>,
    /// `count=`
    pub count: Option<CountPreference>,
    /// `tx=`, where the configuration lets clients choose.
    pub transaction: Option<TransactionPreference>,
    /// `missing=`
    pub missing: Option<MissingPreference>,
    /// `handling=`
    pub handling: Option<HandlingPreference>,
    /// `timezone=`
    pub timezone: Option<String>,
    /// `max-affected=`
    pub max_affected: Option<i64>,
    /// `consistency=`, where there are replicas.
    pub consistency: Option<ConsistencyPreference>,
    /// `stream`: the rows are to be sent as they come.
    pub stream: bool,
    /// What is not a preference.
    pub invalid: Vec<String>,
}

/// A kind of preference: an enum, and the texts that stand for its values.
macro_rules! preference {
    (
        $(#[$doc:meta])* $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            fn parse(text: &str) -> Option<$name> {
                match text {
                    $($text => Some($name::$variant),)*
                    _ => None,
                }
            }

            /// The preference as the client writes it.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }
    };
}

preference! {
    /// What an insert does with rows that are there already.
    ResolutionPreference {
        /// It updates them.
        MergeDuplicates = "resolution=merge-duplicates",
        /// It leaves them.
        IgnoreDuplicates = "resolution=ignore-duplicates",
    }
}

preference! {
    /// What a write answers with.
    RepresentationPreference {
        /// The rows.
        Full = "return=representation",
        /// Nothing.
        Minimal = "return=minimal",
        /// Their location.
        HeadersOnly = "return=headers-only",
    }
}

preference! {
    /// How the total number of rows is found.
    CountPreference {
        /// By counting.
        Exact = "count=exact",
        /// By the planner's estimate.
        Planned = "count=planned",
        /// By counting up to `db-max-rows`, and the estimate beyond.
        Estimated = "count=estimated",
    }
}

preference! {
    /// How the transaction ends.
    TransactionPreference {
        /// With its changes.
        Commit = "tx=commit",
        /// Without them.
        Rollback = "tx=rollback",
    }
}

preference! {
    /// What must be visible to a read.
    ConsistencyPreference {
        /// Of a write: the response tells what to ask for to see it.
        Session = "consistency=session",
        /// Everything: the primary answers.
        Strong = "consistency=strong",
    }
}

preference! {
    /// What columns get that the payload does not have.
    MissingPreference {
        /// Their default.
        Default = "missing=default",
        /// NULL.
        Null = "missing=null",
    }
}

preference! {
    /// What happens about preferences that are not known.
    HandlingPreference {
        /// The request is refused.
        Strict = "handling=strict",
        /// Nothing.
        Lenient = "handling=lenient",
    }
}

/// The preference that has no value.
const STREAM: &str = "stream";

/// Whether `tx=` counts, which `db-tx-end` decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionChoice {
    /// It does.
    Client,
    /// It does not.
    Server,
}

/// Whether `consistency=` counts: without replicas there is nothing to prefer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    /// It does not.
    One,
    /// It does.
    Several,
}

impl Preferences {
    /// Reads all `Prefer` headers.
    pub(crate) fn parse(
        choice: TransactionChoice,
        servers: Servers,
        http: &HttpRequest<'_>,
    ) -> Preferences {
        let mut preferences = Preferences::default();
        let values = http
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("prefer"));
        for (_, value) in values.filter(|(_, value)| !value.is_empty()) {
            for preference in value.split(|&byte| byte == b',') {
                let preference = String::from_utf8_lossy(preference);
                preferences.add(choice, servers, preference.trim_matches(is_space));
            }
        }
        preferences
    }

    fn add(&mut self, choice: TransactionChoice, servers: Servers, text: &str) {
        if let Some(value) = ResolutionPreference::parse(text) {
            self.resolution.get_or_insert(value);
        } else if let Some(value) = RepresentationPreference::parse(text) {
            self.representation.get_or_insert(value);
        } else if let Some(value) = CountPreference::parse(text) {
            self.count.get_or_insert(value);
        } else if let Some(value) = TransactionPreference::parse(text) {
            if choice == TransactionChoice::Client {
                self.transaction.get_or_insert(value);
            }
        } else if let Some(value) = MissingPreference::parse(text) {
            self.missing.get_or_insert(value);
        } else if let Some(value) = HandlingPreference::parse(text) {
            self.handling.get_or_insert(value);
        } else if text == STREAM {
            self.stream = true;
        } else if servers == Servers::Several
            && let Some(value) = ConsistencyPreference::parse(text)
        {
            self.consistency.get_or_insert(value);
        } else if let Some(value) = text.strip_prefix("timezone=") {
            self.timezone.get_or_insert_with(|| value.to_owned());
        } else if let Some(value) = text.strip_prefix("max-affected=") {
            self.max_affected = self.max_affected.or_else(|| parse_number(value));
        } else {
            self.invalid.push(text.to_owned());
        }
    }

    /// Whether a read must see everything.
    pub(crate) fn is_strong(&self) -> bool {
        self.consistency == Some(ConsistencyPreference::Strong)
    }

    /// The value of `Preference-Applied`, if these are the preferences that were applied.
    pub(crate) fn applied(&self) -> Option<String> {
        let strict = self.handling == Some(HandlingPreference::Strict);
        let timezone = self
            .timezone
            .as_ref()
            .map(|timezone| format!("timezone={timezone}"));
        let max_affected = self.max_affected.filter(|_| strict);
        let max_affected = max_affected.map(|rows| format!("max-affected={rows}"));
        let applied: Vec<&str> = [
            self.resolution.map(ResolutionPreference::as_str),
            self.missing.map(MissingPreference::as_str),
            self.representation.map(RepresentationPreference::as_str),
            self.count.map(CountPreference::as_str),
            self.transaction.map(TransactionPreference::as_str),
            self.handling.map(HandlingPreference::as_str),
            timezone.as_deref(),
            max_affected.as_deref(),
            self.consistency.map(ConsistencyPreference::as_str),
            self.stream.then_some(STREAM),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!applied.is_empty()).then(|| applied.join(", "))
    }

    /// The same for a write. What to do with duplicates is applied where there are columns that
    /// can tell what a duplicate is.
    pub(crate) fn applied_to_write(
        &self,
        mutation: Mutation,
        has_conflict_columns: bool,
    ) -> Option<String> {
        let inserts = mutation == Mutation::Create;
        let takes_values = matches!(mutation, Mutation::Create | Mutation::Update);
        let affects = matches!(mutation, Mutation::Update | Mutation::Delete);
        Preferences {
            resolution: self.resolution.filter(|_| inserts && has_conflict_columns),
            missing: self.missing.filter(|_| takes_values),
            max_affected: self.max_affected.filter(|_| affects),
            stream: false,
            ..self.clone()
        }
        .applied()
    }

    /// The same for a call.
    pub(crate) fn applied_to_call(&self, sends_row_by_row: bool) -> Option<String> {
        Preferences {
            resolution: None,
            missing: None,
            representation: None,
            stream: self.stream && sends_row_by_row,
            ..self.clone()
        }
        .applied()
    }

    /// The value of `Preference-Applied` for a read, which knows nothing of writes.
    pub(crate) fn applied_to_read(&self, sends_row_by_row: bool) -> Option<String> {
        Preferences {
            stream: self.stream && sends_row_by_row,
            count: self.count,
            transaction: self.transaction,
            handling: self.handling,
            timezone: self.timezone.clone(),
            consistency: self.consistency.filter(|_| self.is_strong()),
            ..Preferences::default()
        }
        .applied()
    }
}

/// Numbers that do not fit are brought to the nearest that does.
fn parse_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nearest = if digits.len() == text.len() {
        i64::MAX
    } else {
        i64::MIN
    };
    Some(text.parse().unwrap_or(nearest))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r' | '\u{a0}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(choice: TransactionChoice, headers: &[&str]) -> Preferences {
        let headers: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|value| ("pReFer", value.as_bytes()))
            .collect();
        let http = HttpRequest {
            headers: &headers,
            ..HttpRequest::default()
        };
        Preferences::parse(choice, Servers::Several, &http)
    }

    /// The headers, what is said to be applied, and what is not known.
    #[track_caller]
    fn check(headers: &[&str], applied: &str, invalid: &[&str]) {
        let preferences = parse(TransactionChoice::Client, headers);
        assert_eq!(
            preferences.applied().unwrap_or_default(),
            applied,
            "{headers:?}"
        );
        assert_eq!(preferences.invalid, invalid, "{headers:?}");
    }

    #[test]
    fn preferences_are_listed_in_a_fixed_order() {
        check(
            &[
                "handling=strict,max-affected=5, timezone=Asia/Tokyo,tx=rollback , count=exact",
                "return=minimal",
                "missing=default,resolution=ignore-duplicates",
            ],
            "resolution=ignore-duplicates, missing=default, return=minimal, count=exact, \
             tx=rollback, handling=strict, timezone=Asia/Tokyo, max-affected=5",
            &[],
        );
    }

    #[test]
    fn the_first_of_a_kind_counts() {
        check(&["tx=commit, tx=rollback", "tx=rollback"], "tx=commit", &[]);
        check(&["timezone=A", "timezone=B"], "timezone=A", &[]);
        check(
            &["count=wrong,count=planned"],
            "count=planned",
            &["count=wrong"],
        );
    }

    #[test]
    fn unknown_preferences_are_kept() {
        check(
            &["invalid, count=exact ,return=", "Count=exact"],
            "count=exact",
            &["invalid", "return=", "Count=exact"],
        );
        check(&["a,,b,"], "", &["a", "", "b", ""]);
        check(&[""], "", &[]);
        check(&[" "], "", &[""]);
    }

    #[test]
    fn the_greatest_number_of_affected_rows_is_applied_only_if_handling_is_strict() {
        check(&["max-affected=5"], "", &[]);
        check(
            &["max-affected=5, handling=lenient"],
            "handling=lenient",
            &[],
        );
        check(&["max-affected=x, handling=strict"], "handling=strict", &[]);
        let huge = format!("max-affected={}, handling=strict", "9".repeat(30));
        check(
            &[&huge],
            "handling=strict, max-affected=9223372036854775807",
            &[],
        );
    }

    #[test]
    fn the_end_of_the_transaction_may_not_be_the_clients_choice() {
        let preferences = parse(TransactionChoice::Server, &["tx=rollback"]);
        assert_eq!(preferences, Preferences::default());
    }

    #[test]
    fn reads_apply_nothing_of_writes() {
        let all = "return=minimal, missing=null, count=planned, max-affected=1, handling=strict";
        let preferences = parse(TransactionChoice::Client, &[all]);
        let applied = preferences.applied_to_read(true);
        assert_eq!(applied.as_deref(), Some("count=planned, handling=strict"));
    }

    #[test]
    fn rows_that_come_as_one_are_no_stream() {
        let preferences = parse(
            TransactionChoice::Client,
            &["count=exact, stream, stream=1"],
        );
        let applied = |applied: Option<String>| applied.unwrap_or_default();
        assert_eq!(
            applied(preferences.applied_to_read(true)),
            "count=exact, stream"
        );
        assert_eq!(applied(preferences.applied_to_read(false)), "count=exact");
        assert_eq!(
            applied(preferences.applied_to_call(true)),
            "count=exact, stream"
        );
        assert_eq!(applied(preferences.applied_to_call(false)), "count=exact");
        let of_write = preferences.applied_to_write(Mutation::Create, true);
        assert_eq!(applied(of_write), "count=exact");
        assert_eq!(preferences.invalid, ["stream=1"]);
    }
}
