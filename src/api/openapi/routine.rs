//! Routines as they are described: what a client has to know to call them.
//!
//! They come from the catalog, or from PostgreSQL's answer about what the role may execute.

use crate::catalog::{Routine, Volatility};

/// A routine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DescribedRoutine<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// The comment on it.
    pub(super) comment: Option<&'a str>,
    /// Its input parameters in their order.
    pub(super) parameters: Vec<DescribedParameter<'a>>,
    /// Whether it can be called by GET.
    pub(super) volatility: Volatility,
    /// What it returns, where that was asked for.
    pub(super) returned: Option<DescribedReturn<'a>>,
}

/// What a routine returns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DescribedReturn<'a> {
    /// The type, as `format_type` prints it.
    pub(super) data_type: &'a str,
    /// Whether it returns any number of them.
    pub(super) is_set: bool,
    /// The columns that it declares, by name and type.
    pub(super) columns: Vec<(&'a str, &'a str)>,
}

/// A parameter of a routine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DescribedParameter<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its type, as `format_type` prints it.
    pub(super) data_type: &'a str,
    /// Whether it has no default.
    pub(super) required: bool,
    /// Whether it is the variadic one.
    pub(super) variadic: bool,
    /// The expression of its default, where that was asked for.
    pub(super) default: Option<&'a str>,
}

/// Puts them in order: by name, overloads with fewer parameters first.
///
/// Parity: of overloads, which share a path, the last one in this order is described.
pub(super) fn sort(routines: &mut [DescribedRoutine<'_>]) {
    routines.sort_by(|a, b| {
        let by_length = a.parameters.len().cmp(&b.parameters.len());
        a.name.cmp(b.name).then(by_length).then_with(|| a.cmp(b))
    });
}

impl<'a> DescribedRoutine<'a> {
    /// Its parameters, of those with the same name the first: all that have none are called alike.
    pub(super) fn distinct_parameters(&self) -> impl Iterator<Item = &DescribedParameter<'a>> {
        let all = self.parameters.iter().enumerate();
        all.filter(|(place, parameter)| {
            let mut before = self.parameters[..*place].iter();
            !before.any(|other| other.name == parameter.name)
        })
        .map(|(_, parameter)| parameter)
    }
}

impl<'a> From<&'a Routine> for DescribedRoutine<'a> {
    fn from(routine: &'a Routine) -> DescribedRoutine<'a> {
        let parameters = routine.parameters.iter();
        let parameters = parameters.map(|parameter| DescribedParameter {
            name: parameter.name.as_str(),
            data_type: parameter.data_type.as_str(),
            required: parameter.required,
            variadic: parameter.variadic,
            default: None,
        });
        DescribedRoutine {
            name: routine.name.name.as_str(),
            comment: routine.description.as_deref(),
            parameters: parameters.collect(),
            volatility: routine.volatility,
            returned: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routine(name: &'static str, parameters: &[&'static str]) -> DescribedRoutine<'static> {
        let parameters = parameters.iter().map(|name| DescribedParameter {
            name,
            data_type: "integer",
            required: true,
            variadic: false,
            default: None,
        });
        DescribedRoutine {
            name,
            comment: None,
            parameters: parameters.collect(),
            volatility: Volatility::Stable,
            returned: None,
        }
    }

    #[test]
    fn overloads_with_more_parameters_come_later() {
        let commented = DescribedRoutine {
            comment: Some("zero"),
            ..routine("b", &["c", "d"])
        };
        let [none, one] = [routine("b", &[]), routine("b", &["z"])];
        let [two, other] = [routine("b", &["x", "y"]), routine("a", &["a", "b", "c"])];
        let mut routines = [commented, two, one, other, none];
        let [commented, two, one, other, none] = routines.clone();
        sort(&mut routines);
        assert_eq!(routines, [other, none, one, two, commented]);
    }
}
