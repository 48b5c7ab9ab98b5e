//! Functions of the dump. Overloads are beside each other, in the order in which errors list them,
//! too.

use super::name::Name;
use crate::catalog::{
    Catalog, IsolationLevel, ReturnType, ReturnedType, Routine, RoutineParameter, Volatility,
};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoutineDump<'a> {
    pd_description: Option<&'a str>,
    pd_func_settings: Vec<(&'a str, &'a str)>,
    pd_has_variadic: bool,
    pd_iso_lvl: Option<&'static str>,
    pd_name: &'a str,
    pd_params: Vec<ParameterDump<'a>>,
    pd_return_type: ReturnTypeDump<'a>,
    pd_schema: &'a str,
    pd_volatility: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParameterDump<'a> {
    pp_name: &'a str,
    pp_req: bool,
    pp_type: &'a str,
    pp_type_max_length: &'a str,
    pp_var: bool,
}

#[derive(Serialize)]
struct ReturnTypeDump<'a> {
    contents: ReturnedTypeDump<'a>,
    tag: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ReturnedTypeDump<'a> {
    Scalar {
        contents: Name<'a>,
        tag: &'static str,
    },
    Composite {
        contents: (Name<'a>, bool),
        tag: &'static str,
    },
}

pub(super) fn dump<'a>(
    catalog: &'a Catalog,
    hoisted_settings: &[String],
) -> Vec<(Name<'a>, Vec<RoutineDump<'a>>)> {
    let groups = catalog.all_routines().chunk_by(|a, b| a.name == b.name);
    let pairs = groups.map(|overloads| {
        let dumped = overloads.iter();
        let dumped = dumped.map(|routine| dump_routine(routine, hoisted_settings));
        (Name::from(&overloads[0].name), dumped.collect())
    });
    pairs.collect()
}

fn dump_routine<'a>(routine: &'a Routine, hoisted_settings: &[String]) -> RoutineDump<'a> {
    let Name {
        qi_name: pd_name,
        qi_schema: pd_schema,
    } = Name::from(&routine.name);
    RoutineDump {
        pd_description: routine.description.as_deref(),
        pd_func_settings: routine.hoisted_settings(hoisted_settings).collect(),
        pd_has_variadic: routine.has_variadic,
        pd_iso_lvl: routine.isolation_level.map(|level| match level {
            IsolationLevel::ReadCommitted => "ReadCommitted",
            IsolationLevel::RepeatableRead => "RepeatableRead",
            IsolationLevel::Serializable => "Serializable",
        }),
        pd_name,
        pd_params: routine.parameters.iter().map(dump_parameter).collect(),
        pd_return_type: dump_return_type(&routine.returns),
        pd_schema,
        pd_volatility: match routine.volatility {
            Volatility::Volatile => "Volatile",
            Volatility::Stable => "Stable",
            Volatility::Immutable => "Immutable",
        },
    }
}

fn dump_parameter(parameter: &RoutineParameter) -> ParameterDump<'_> {
    ParameterDump {
        pp_name: parameter.name.as_str(),
        pp_req: parameter.required,
        pp_type: parameter.data_type.as_str(),
        pp_type_max_length: parameter.cast_type.as_str(),
        pp_var: parameter.variadic,
    }
}

fn dump_return_type(returns: &ReturnType) -> ReturnTypeDump<'_> {
    let (tag, returned) = match returns {
        ReturnType::Single(returned) => ("Single", returned),
        ReturnType::SetOf(returned) => ("SetOf", returned),
    };
    let contents = match returned {
        ReturnedType::Scalar(name) => ReturnedTypeDump::Scalar {
            contents: name.into(),
            tag: "Scalar",
        },
        ReturnedType::Composite { name, is_alias, .. } => ReturnedTypeDump::Composite {
            contents: (name.into(), *is_alias),
            tag: "Composite",
        },
    };
    ReturnTypeDump { contents, tag }
}
