//! PostgreSQL's own types: what they are in JSON, which operators filter them, and a value that can
//! be sent as it is. One row for each, in one table.

use super::filter::Filter::{self, Array, Boolean, Json, JsonB, Network, Nothing, Ordered, Range};
use super::filter::Filter::{Search, Text, Unknown};

/// What is said of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Builtin {
    /// Its name, as `format_type` prints it without a modifier.
    pub(super) name: &'static str,
    /// The word of JSON Schema; none where anything may stand.
    pub(super) json_type: Option<&'static str>,
    /// A format that JSON Schema or OpenAPI defines, where the answers really have it.
    pub(super) format: Option<&'static str>,
    /// How a column of it is filtered.
    pub(super) filter: Filter,
    /// A value, as JSON.
    pub(super) example: &'static str,
}

const STRING: Option<&str> = Some("string");

const fn string(name: &'static str, filter: Filter, example: &'static str) -> Builtin {
    Builtin {
        name,
        json_type: STRING,
        format: None,
        filter,
        example,
    }
}

const fn formatted(
    name: &'static str,
    json_type: &'static str,
    format: &'static str,
    example: &'static str,
) -> Builtin {
    Builtin {
        name,
        json_type: Some(json_type),
        format: Some(format),
        filter: Ordered,
        example,
    }
}

/// The types. A timestamp without a time zone is no `date-time`, and a time no `time`: RFC 3339
/// wants an offset there. An interval is in the style that the session asks for.
const TABLE: [Builtin; 66] = [
    Builtin {
        name: "boolean",
        json_type: Some("boolean"),
        format: None,
        filter: Boolean,
        example: "true",
    },
    formatted("smallint", "integer", "int32", "1"),
    formatted("integer", "integer", "int32", "1"),
    formatted("bigint", "integer", "int64", "1"),
    Builtin {
        name: "numeric",
        json_type: Some("number"),
        format: None,
        filter: Ordered,
        example: "1",
    },
    formatted("real", "number", "float", "1.5"),
    formatted("double precision", "number", "double", "1.5"),
    string("money", Ordered, "\"1.00\""),
    string("text", Text, "\"text\""),
    string("character varying", Text, "\"text\""),
    string("character", Text, "\"text\""),
    string("bpchar", Text, "\"text\""),
    string("name", Text, "\"text\""),
    string("\"char\"", Ordered, "\"x\""),
    formatted(
        "uuid",
        "string",
        "uuid",
        "\"00000000-0000-4000-8000-000000000000\"",
    ),
    formatted("date", "string", "date", "\"2024-01-31\""),
    formatted(
        "timestamp with time zone",
        "string",
        "date-time",
        "\"2024-01-31T12:00:00+00:00\"",
    ),
    string(
        "timestamp without time zone",
        Ordered,
        "\"2024-01-31T12:00:00\"",
    ),
    string("time without time zone", Ordered, "\"12:00:00\""),
    string("time with time zone", Ordered, "\"12:00:00+00\""),
    string("interval", Ordered, "\"1 day\""),
    string("bytea", Ordered, "\"\\\\x00\""),
    Builtin {
        name: "json",
        json_type: None,
        format: None,
        filter: Json,
        example: "{}",
    },
    Builtin {
        name: "jsonb",
        json_type: None,
        format: None,
        filter: JsonB,
        example: "{}",
    },
    string("jsonpath", Nothing, "\"$.a\""),
    string("xml", Nothing, "\"<a/>\""),
    string("bit", Ordered, "\"1\""),
    string("bit varying", Ordered, "\"1\""),
    string("inet", Network, "\"192.0.2.1\""),
    string("cidr", Network, "\"192.0.2.0/24\""),
    string("macaddr", Ordered, "\"08:00:2b:01:02:03\""),
    string("macaddr8", Ordered, "\"08:00:2b:01:02:03:04:05\""),
    string("int4range", Range, "\"[1,2)\""),
    string("int8range", Range, "\"[1,2)\""),
    string("numrange", Range, "\"[1,2)\""),
    string("daterange", Range, "\"[2024-01-01,2024-02-01)\""),
    string("tsrange", Range, "\"[2024-01-01,2024-02-01)\""),
    string("tstzrange", Range, "\"[2024-01-01,2024-02-01)\""),
    string("int4multirange", Range, "\"{[1,2)}\""),
    string("int8multirange", Range, "\"{[1,2)}\""),
    string("nummultirange", Range, "\"{[1,2)}\""),
    string("datemultirange", Range, "\"{[2024-01-01,2024-02-01)}\""),
    string("tsmultirange", Range, "\"{[2024-01-01,2024-02-01)}\""),
    string("tstzmultirange", Range, "\"{[2024-01-01,2024-02-01)}\""),
    string("tsvector", Search, "\"word\""),
    string("tsquery", Ordered, "\"word\""),
    string("point", Unknown, "\"(1,2)\""),
    string("line", Unknown, "\"{1,2,3}\""),
    string("lseg", Unknown, "\"[(1,2),(3,4)]\""),
    string("box", Unknown, "\"(3,4),(1,2)\""),
    string("path", Unknown, "\"[(1,2),(3,4)]\""),
    string("polygon", Unknown, "\"((1,2),(3,4),(5,6))\""),
    string("circle", Unknown, "\"<(1,2),3>\""),
    string("oid", Ordered, "\"1\""),
    string("regclass", Ordered, "\"pg_catalog.pg_class\""),
    string("regtype", Ordered, "\"integer\""),
    string("regproc", Ordered, "\"pg_catalog.now\""),
    string("regprocedure", Ordered, "\"pg_catalog.now()\""),
    string("regrole", Ordered, "\"pg_monitor\""),
    string("regnamespace", Ordered, "\"pg_catalog\""),
    string("regconfig", Ordered, "\"simple\""),
    string("pg_lsn", Ordered, "\"0/1\""),
    string("xid", Unknown, "\"1\""),
    string("tid", Unknown, "\"(0,1)\""),
    // A row of which nothing is declared.
    Builtin {
        name: "record",
        json_type: Some("object"),
        format: None,
        filter: Unknown,
        example: "{}",
    },
    // What functions of any type say that they take or return.
    Builtin {
        name: "anyelement",
        json_type: None,
        format: None,
        filter: Unknown,
        example: "1",
    },
];

/// What an array is filtered by, whatever its elements are.
pub(super) const OF_ARRAYS: Filter = Array;

/// The type of that name. What extensions bring along is text to clients, and may have any of the
/// operators.
pub(super) fn builtin(name: &str) -> Builtin {
    let known = TABLE.iter().find(|builtin| builtin.name == name);
    match known {
        Some(builtin) => *builtin,
        // It may say which units it has: `interval day to second`.
        None if name.starts_with("interval ") => builtin("interval"),
        None => string("", Unknown, "\"text\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_a_name_of_its_own_and_an_example_of_its_kind() {
        for (place, row) in TABLE.iter().enumerate() {
            let before = &TABLE[..place];
            assert!(
                before.iter().all(|other| other.name != row.name),
                "{}",
                row.name
            );
            let is_text = row.example.starts_with('"');
            assert_eq!(is_text, row.json_type == STRING, "{}", row.name);
            let mut example = row.example.as_bytes().to_vec();
            assert!(
                simd_json::to_owned_value(&mut example).is_ok(),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn others_are_text() {
        assert_eq!(builtin("interval day to second").name, "interval");
        assert_eq!(builtin("public.citext").json_type, STRING);
    }
}
