//! `target_session_attrs`: which of several servers will do.
//!
//! Since PostgreSQL 14 a server reports what is needed when the session starts; older ones, and
//! poolers in between, are asked with a query. The decision is a pure function of the two facts.

use std::str::FromStr;

/// What the session must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetSessionAttributes {
    /// Any session will do.
    #[default]
    Any,
    /// It must accept writes by default.
    ReadWrite,
    /// It must not accept writes by default.
    ReadOnly,
    /// The server must not be a standby.
    Primary,
    /// The server must be a standby.
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

impl FromStr for TargetSessionAttributes {
    type Err = ();

    fn from_str(text: &str) -> Result<TargetSessionAttributes, ()> {
        match text {
            "any" => Ok(TargetSessionAttributes::Any),
            "read-write" => Ok(TargetSessionAttributes::ReadWrite),
            "read-only" => Ok(TargetSessionAttributes::ReadOnly),
            "primary" => Ok(TargetSessionAttributes::Primary),
            "standby" => Ok(TargetSessionAttributes::Standby),
            "prefer-standby" => Ok(TargetSessionAttributes::PreferStandby),
            _ => Err(()),
        }
    }
}

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionFacts {
    pub(crate) read_only: bool,
    pub(crate) standby: bool,
}

impl TargetSessionAttributes {
    /// The demands to go through the list of hosts with, one after the other.
    pub(super) fn passes(self) -> &'static [TargetSessionAttributes] {
        match self {
            TargetSessionAttributes::Any => &[TargetSessionAttributes::Any],
            TargetSessionAttributes::ReadWrite => &[TargetSessionAttributes::ReadWrite],
            TargetSessionAttributes::ReadOnly => &[TargetSessionAttributes::ReadOnly],
            TargetSessionAttributes::Primary => &[TargetSessionAttributes::Primary],
            TargetSessionAttributes::Standby => &[TargetSessionAttributes::Standby],
            TargetSessionAttributes::PreferStandby => &[
                TargetSessionAttributes::Standby,
                TargetSessionAttributes::Any,
            ],
        }
    }

    /// Whether the session will do; if not, libpq's words for it.
    pub(super) fn check(self, facts: SessionFacts) -> Result<(), &'static str> {
        match self {
            TargetSessionAttributes::ReadWrite if facts.read_only || facts.standby => {
                Err("session is read-only")
            }
            TargetSessionAttributes::ReadOnly if !facts.read_only && !facts.standby => {
                Err("session is not read-only")
            }
            TargetSessionAttributes::Primary if facts.standby => {
                Err("server is in hot standby mode")
            }
            TargetSessionAttributes::Standby if !facts.standby => {
                Err("server is not in hot standby mode")
            }
            TargetSessionAttributes::Any
            | TargetSessionAttributes::ReadWrite
            | TargetSessionAttributes::ReadOnly
            | TargetSessionAttributes::Primary
            | TargetSessionAttributes::Standby
            | TargetSessionAttributes::PreferStandby => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_demand_accepts_the_sessions_it_names() {
        let facts = |read_only, standby| SessionFacts { read_only, standby };
        let writable = facts(false, false);
        let read_only = facts(true, false);
        let standby = facts(true, true);
        let check = |text: &str, accepted: [bool; 3]| {
            let demand: TargetSessionAttributes = text.parse().expect("a demand");
            let found = [writable, read_only, standby].map(|facts| demand.check(facts).is_ok());
            assert_eq!(found, accepted, "{text}");
        };
        check("any", [true, true, true]);
        check("read-write", [true, false, false]);
        check("read-only", [false, true, true]);
        check("primary", [true, true, false]);
        check("standby", [false, false, true]);
        check("prefer-standby", [true, true, true]);
    }

    #[test]
    fn prefer_standby_looks_twice() {
        let passes = TargetSessionAttributes::PreferStandby.passes();
        assert_eq!(
            passes,
            [
                TargetSessionAttributes::Standby,
                TargetSessionAttributes::Any
            ]
        );
    }

    #[test]
    fn other_words_are_refused() {
        assert_eq!("readonly".parse::<TargetSessionAttributes>(), Err(()));
    }
}
