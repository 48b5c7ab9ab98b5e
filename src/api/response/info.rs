//! The responses to OPTIONS: which methods there are.
//!
//! They need no database: the catalog knows what can be written to a relation, and privileges do
//! not count.

use super::read::add_vary;
use super::{Body, Header, Response};
use crate::catalog::{Routine, Table, Volatility};
use crate::error::HeaderValue;

const ANY_ORIGIN: HeaderValue = HeaderValue::of_constant("*");
const READ: HeaderValue = HeaderValue::of_constant("OPTIONS,GET,HEAD");
const CALL: HeaderValue = HeaderValue::of_constant("OPTIONS,GET,HEAD,POST");
const CALL_VOLATILE: HeaderValue = HeaderValue::of_constant("OPTIONS,POST");

/// The methods of a table or view. PUT writes a row by its key, and may insert or update it.
pub(crate) fn relation_info(table: &Table) -> Response {
    let writable = table.writable;
    let has_key = !table.primary_key.is_empty();
    let optional = [
        (writable.insert, ",POST"),
        (writable.insert && writable.update && has_key, ",PUT"),
        (writable.update, ",PATCH"),
        (writable.delete, ",DELETE"),
    ];
    let mut methods = READ.as_bytes().to_vec();
    for (is_allowed, method) in optional {
        if is_allowed {
            methods.extend_from_slice(method.as_bytes());
        }
    }
    respond(HeaderValue::sanitized(methods))
}

/// The methods of a routine. Parity: which of the overloads it is has to be found as for a call by
/// GET, with its errors.
pub(crate) fn routine_info(routine: &Routine) -> Response {
    respond(match routine.volatility {
        Volatility::Volatile => CALL_VOLATILE,
        Volatility::Stable | Volatility::Immutable => CALL,
    })
}

/// The methods of the root.
pub(crate) fn schema_info() -> Response {
    respond(READ)
}

/// Parity: any origin may read this, even if `server-cors-allowed-origins` names others.
fn respond(allow: HeaderValue) -> Response {
    let mut headers = vec![
        Header::constant("Access-Control-Allow-Origin", ANY_ORIGIN),
        Header::constant("Allow", allow),
    ];
    add_vary(&mut headers);
    Response {
        status: 200,
        reason: None,
        headers,
        body: Body::Bytes(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ReturnType, ReturnedType, TableKind, Writable};
    use corerest_sql::{Ident, QualifiedName};

    fn name(name: &str) -> QualifiedName {
        QualifiedName::new(Ident::before_nul("api"), Ident::before_nul(name))
    }

    #[track_caller]
    fn check(response: &Response, allow: &str) {
        let headers = response.headers.iter();
        let headers: Vec<_> = headers.map(|h| (&*h.name, h.value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 3] = [
            ("Access-Control-Allow-Origin", b"*"),
            ("Allow", allow.as_bytes()),
            ("Vary", b"Accept, Prefer, Range"),
        ];
        assert_eq!(headers, expected);
        assert_eq!(response.status, 200);
        assert_eq!(response.body, Body::Bytes(Vec::new()));
    }

    #[track_caller]
    fn check_relation(letters: &str, primary_key: &[&str], allow: &str) {
        let table = Table {
            writable: Writable {
                insert: letters.contains('i'),
                update: letters.contains('u'),
                delete: letters.contains('d'),
            },
            primary_key: primary_key.iter().map(|k| Ident::before_nul(k)).collect(),
            ..Table::new(name("films"), TableKind::Table, Vec::new())
        };
        check(&relation_info(&table), allow);
    }

    #[test]
    fn relations_allow_what_can_be_written() {
        check_relation("iud", &["id"], "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE");
        check_relation("iud", &[], "OPTIONS,GET,HEAD,POST,PATCH,DELETE");
        check_relation("", &["id"], "OPTIONS,GET,HEAD");
        check_relation("i", &["id"], "OPTIONS,GET,HEAD,POST");
        check_relation("u", &["id"], "OPTIONS,GET,HEAD,PATCH");
        check_relation("d", &["id"], "OPTIONS,GET,HEAD,DELETE");
        check_relation("iu", &["id"], "OPTIONS,GET,HEAD,POST,PUT,PATCH");
    }

    #[test]
    fn routines_that_may_write_are_not_read() {
        let mut routine = Routine {
            name: name("add"),
            description: None,
            parameters: Vec::new(),
            returns: ReturnType::Single(ReturnedType::Scalar(name("int4"))),
            volatility: Volatility::Volatile,
            has_variadic: false,
            isolation_level: None,
            settings: Vec::new(),
        };
        check(&routine_info(&routine), "OPTIONS,POST");
        for volatility in [Volatility::Stable, Volatility::Immutable] {
            routine.volatility = volatility;
            check(&routine_info(&routine), "OPTIONS,GET,HEAD,POST");
        }
    }

    #[test]
    fn the_root_is_read() {
        check(&schema_info(), "OPTIONS,GET,HEAD");
    }
}
