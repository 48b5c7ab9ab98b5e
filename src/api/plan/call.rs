//! The plan of a call: where a function's arguments come from, and which columns of what it
//! returns are read.
//!
//! Source: PostgREST's documentation, `references/api/functions`.

use super::mutate::{columns_needed, columns_ordered, is_everything};
use super::read_plan::{Condition, ReadPlan};
use crate::catalog::{Routine, RoutineParameter};
use crate::request::payload::Content;
use crate::request::{ApiRequest, Invocation};
use corerest_sql::Ident;
use std::collections::{BTreeSet, HashMap};

/// A call of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallPlan<'a> {
    /// The function.
    pub routine: &'a Routine,
    /// Its arguments.
    pub arguments: Arguments<'a>,
    /// The columns that are read of what it returns; empty for all of them.
    pub columns: BTreeSet<&'a Ident>,
}

/// Where the arguments of a function come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arguments<'a> {
    /// There are none.
    None,
    /// The body is the only one.
    Body(&'a RoutineParameter, &'a Content<'a>),
    /// The body is a JSON object whose members they are.
    Members(Vec<&'a RoutineParameter>, &'a Content<'a>),
    /// They are texts of the query string or of a form.
    Texts(Vec<(&'a RoutineParameter, Argument<'a>)>),
}

/// A text, or several for a variadic parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Argument<'a> {
    /// The last one, if there were more.
    One(&'a str),
    /// All, in their order.
    Variadic(Vec<&'a str>),
}

/// The names of the arguments, by which the function is found.
pub(crate) fn argument_names<'a>(
    request: &'a ApiRequest<'_>,
    invocation: Invocation,
) -> Vec<&'a str> {
    match invocation {
        Invocation::Read { .. } => {
            let arguments = request.query.arguments.iter();
            arguments.map(|(name, _)| name.as_str()).collect()
        }
        Invocation::Post => {
            let columns = request.payload.iter().flat_map(|payload| &payload.columns);
            columns.map(Ident::as_str).collect()
        }
    }
}

/// Plans a call, whose rows are read by `read` after.
pub(crate) fn plan_call<'a>(
    request: &'a ApiRequest<'_>,
    routine: &'a Routine,
    read: &ReadPlan<'a>,
) -> CallPlan<'a> {
    CallPlan {
        routine,
        arguments: plan_arguments(request, routine),
        columns: columns_read(read),
    }
}

fn plan_arguments<'a>(request: &'a ApiRequest<'_>, routine: &'a Routine) -> Arguments<'a> {
    let parameters = routine.parameters.as_slice();
    let Some(payload) = &request.payload else {
        let arguments = request.query.arguments.iter();
        let texts = arguments.map(|(name, text)| (name.as_str(), text.as_str()));
        return plan_texts(parameters, texts);
    };
    match (parameters, &payload.content) {
        ([only], content) if only.name.as_str().is_empty() => Arguments::Body(only, content),
        (_, Content::Form(form)) => plan_texts(
            parameters,
            form.pairs.iter().map(|(name, text)| (&**name, &**text)),
        ),
        (_, content) => {
            let given = parameters
                .iter()
                .filter(|p| payload.columns.contains(&p.name));
            let given: Vec<_> = given.collect();
            if given.is_empty() {
                Arguments::None
            } else {
                Arguments::Members(given, content)
            }
        }
    }
}

/// For so many parameters, looking through all texts takes less time than hashing their names.
const FEW: usize = 8;

/// Parity: of several texts for one parameter the last counts, unless it is variadic.
fn plan_texts<'a>(
    parameters: &'a [RoutineParameter],
    texts: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Arguments<'a> {
    let of_names = (parameters.len() > FEW).then(|| texts_of_names(parameters, texts.clone()));
    let given = parameters.iter().filter_map(|parameter| {
        let name = parameter.name.as_str();
        let argument = match &of_names {
            Some(of_names) => argument(parameter, of_names[name].iter().copied()),
            None => {
                let of_parameter = texts.clone().filter(|(key, _)| *key == name);
                argument(parameter, of_parameter.map(|(_, text)| text))
            }
        };
        Some((parameter, argument?))
    });
    let given: Vec<_> = given.collect();
    if given.is_empty() {
        Arguments::None
    } else {
        Arguments::Texts(given)
    }
}

fn texts_of_names<'a>(
    parameters: &'a [RoutineParameter],
    texts: impl Iterator<Item = (&'a str, &'a str)>,
) -> HashMap<&'a str, Vec<&'a str>> {
    let names = parameters.iter().map(|parameter| parameter.name.as_str());
    let mut of_names: HashMap<_, Vec<_>> = names.map(|name| (name, Vec::new())).collect();
    for (name, text) in texts {
        if let Some(of_name) = of_names.get_mut(name) {
            of_name.push(text);
        }
    }
    of_names
}

fn argument<'a>(
    parameter: &RoutineParameter,
    mut texts: impl Iterator<Item = &'a str>,
) -> Option<Argument<'a>> {
    if parameter.variadic {
        let all: Vec<&str> = texts.collect();
        (!all.is_empty()).then_some(Argument::Variadic(all))
    } else {
        let first = texts.next()?;
        Some(Argument::One(texts.last().unwrap_or(first)))
    }
}

/// The columns that the answer needs, so that the others need not be computed.
fn columns_read<'a>(read: &ReadPlan<'a>) -> BTreeSet<&'a Ident> {
    let mut columns = columns_needed(read, &[]);
    if columns.is_empty() || is_everything(&columns) {
        return BTreeSet::new();
    }
    read.conditions
        .iter()
        .for_each(|condition| add_filtered(&mut columns, condition));
    columns.extend(columns_ordered(read));
    columns
}

fn add_filtered<'a>(columns: &mut BTreeSet<&'a Ident>, condition: &Condition<'a>) {
    match condition {
        Condition::Filter(filter) => {
            columns.insert(filter.field.name);
        }
        Condition::Group(_, _, members) => {
            members
                .iter()
                .for_each(|member| add_filtered(columns, member));
        }
        Condition::Embedded(..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Argument, Arguments, FEW, plan_texts};
    use crate::catalog::{RoutineParameter, decode_catalog};
    use corerest_sql::Ident;

    #[test]
    fn of_several_texts_the_last_counts_however_many_parameters_there_are() {
        let document = include_bytes!("../../../tests/cases/plan/catalog.json");
        let catalog = decode_catalog(&mut document.to_vec()).unwrap();
        let mut parameters = catalog.all_routines().iter().flat_map(|it| &it.parameters);
        let template = parameters.next().unwrap();
        for others in [0, FEW - 2, FEW - 1, 50] {
            let parameter = |name: &str, variadic| RoutineParameter {
                name: Ident::before_nul(name),
                variadic,
                ..template.clone()
            };
            let mut parameters = vec![parameter("a", false), parameter("b", true)];
            parameters.extend((0..others).map(|index| parameter(&format!("o{index}"), false)));
            let texts = [("b", "1"), ("a", "2"), ("z", "3"), ("b", "4"), ("a", "5")];
            let expected = vec![
                (&parameters[0], Argument::One("5")),
                (&parameters[1], Argument::Variadic(vec!["1", "4"])),
            ];
            let found = plan_texts(&parameters, texts.into_iter());
            assert_eq!(found, Arguments::Texts(expected));
            let none = plan_texts(&parameters, [("z", "3")].into_iter());
            assert_eq!(none, Arguments::None);
        }
    }
}
