//! Whether an error is the answer, or a statement that was prepared once no longer fits.
//!
//! PostgreSQL looks at a prepared statement again when it is bound: tables may have changed since
//! it was parsed, and the types of its parameters, which were inferred then, do not change with
//! them. A pooler may have given the session another server, or a function may have discarded it.
//! That server may also have one of the name already, prepared for another session: Parse fails.
//! Nothing of the statement has run then, and the transaction is rolled back, so the batch may be
//! sent again with the statement parsed anew, whether it reads or writes.
//!
//! The SQLSTATE alone does not tell: Bind reads values, and plans, which runs immutable functions
//! of users. Both put a context into the error, and what looks at the statement itself does not.
//! (What comes when was found out by asking PostgreSQL 15.)
//!
//! Invariant: a batch is not sent again for what its second attempt would fail with as well; that
//! one parses the statements itself, and its errors are the answer.

use crate::prepared::StatementName;
use corerest_wire::pg::{ErrorFields, Expected, StatementIndex};

/// The server has no statement of that name.
const UNKNOWN_STATEMENT: &[u8] = b"26000";

/// The server has one of that name already.
const DUPLICATE_STATEMENT: &[u8] = b"42P05";

/// What an error says of the statements that are prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing: it is the answer.
    Answer,
    /// The answer, too. It was about a value for the statement that is reused at this place in the
    /// list.
    Misfit(usize),
    /// The statement that is reused at this place in the list may no longer fit the database.
    Outdated(usize),
    /// The server does not have what we have prepared, or has what we have not.
    MixedUp,
}

/// Judges an error, given the reply that was due instead, and the statements of the batch that
/// earlier batches have prepared.
pub(super) fn judge(
    error: ErrorFields<'_>,
    due: Option<(Expected, StatementIndex)>,
    reused: &[(StatementIndex, StatementName)],
) -> Judgement {
    if matches!(error.severity(), b"FATAL" | b"PANIC") {
        return Judgement::Answer;
    }
    match due {
        Some((Expected::ParseComplete, _)) if is_of(error, DUPLICATE_STATEMENT) => {
            Judgement::MixedUp
        }
        Some((Expected::BindComplete, index)) => {
            let place = reused.iter().position(|(reused, _)| *reused == index);
            match place {
                None => Judgement::Answer,
                Some(_) if is_of(error, UNKNOWN_STATEMENT) => Judgement::MixedUp,
                Some(place) if may_be_outdated(error) => Judgement::Outdated(place),
                Some(place) if error.code().starts_with(b"22") => Judgement::Misfit(place),
                Some(_) => Judgement::Answer,
            }
        }
        _ => Judgement::Answer,
    }
}

/// Whether the error has this code, and it was no function of the user that has given it.
fn is_of(error: ErrorFields<'_>, code: &[u8]) -> bool {
    error.code() == code && !is_from_within(error)
}

/// Whether a statement that was fine when it was parsed can fail with this because of what has
/// changed since.
///
/// Class 42 is what parsing finds, but 42501: privileges are looked at each time. `0A000` is a
/// cached plan that must not change its result type, and `XX000` a plan or a parameter with an
/// object that is gone. A value that does not fit a type which its parameter has had is not here:
/// that is what clients do wrong most often, and nobody can tell the two apart.
fn may_be_outdated(error: ErrorFields<'_>) -> bool {
    match error.code() {
        b"42501" => false,
        b"0A000" | b"XX000" => !is_from_within(error),
        code => code.starts_with(b"42") && !is_from_within(error),
    }
}

/// Whether the error comes from a value, or from a function, and not from the statement.
fn is_from_within(error: ErrorFields<'_>) -> bool {
    match error.routine() {
        // The cached plan; and the type of a parameter, of whose name there is a context.
        Some(b"RevalidateCachedQuery" | b"getTypeInputInfo") => false,
        _ => error
            .context()
            .is_some_and(|context| !lists_parameters(context)),
    }
}

/// Whether the innermost context is the one that a server with
/// `log_parameter_max_length_on_error` gives to every error: `unnamed portal with parameters:
/// $1 = '…'`. It is translated, but for its end. That of a bad value has no colon.
fn lists_parameters(context: &[u8]) -> bool {
    let mut lines = context.split(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    first.windows(7).any(|part| part == b": $1 = ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use corerest_sql::{SqlBuf, sql};
    use corerest_wire::pg::{Message, decode};

    const BIND: Option<(Expected, StatementIndex)> =
        Some((Expected::BindComplete, StatementIndex(1)));
    const PARSE: Option<(Expected, StatementIndex)> =
        Some((Expected::ParseComplete, StatementIndex(1)));

    /// The fields are `letter` and value, with commas between them.
    fn judged(fields: &str, due: Option<(Expected, StatementIndex)>) -> Judgement {
        let body = format!("VERROR\0{}\0\0", fields.replace('|', "\0"));
        let length = u32::try_from(body.len() + 4).expect("it is short");
        let mut bytes = vec![b'E'];
        bytes.extend(length.to_be_bytes());
        bytes.extend(body.as_bytes());
        let (message, _) = decode(&bytes).expect("valid").expect("complete");
        let Message::ErrorResponse(error) = message else {
            panic!("it is an error");
        };
        let mut text = SqlBuf::new();
        sql!(text, "SELECT 1");
        let name = StatementName::of(&text.finish().text);
        judge(error, due, &[(StatementIndex(1), name)])
    }

    #[test]
    fn what_looks_at_a_statement_again_finds_that_it_is_outdated() {
        for fields in [
            "C42703|RerrorMissingColumn",
            "C42P01|RparserOpenTable",
            "C42883|Rop_error",
            "C42804|RtransformAssignedExpr",
            "C42P10|Rinfer_arbiter_indexes",
            "C0A000|RRevalidateCachedQuery",
            "C0A000|Wunnamed portal with parameters: $1 = '1'|RRevalidateCachedQuery",
            "CXX000|Wunnamed portal parameter $1|RgetTypeInputInfo",
            "C42703|Wunbenanntes Portal mit Parametern: $1 = 'a'|RerrorMissingColumn",
            "C42703",
        ] {
            assert_eq!(judged(fields, BIND), Judgement::Outdated(0), "{fields}");
        }
    }

    #[test]
    fn what_values_functions_and_privileges_cause_is_the_answer() {
        for fields in [
            "C42883|WPL/pgSQL function g(text) line 1 at RAISE|Rexec_stmt_raise",
            "C0A000|WPL/pgSQL-Funktion g(text) Zeile 1 bei RAISE|Rexec_stmt_raise",
            "CXX000|WPL/pgSQL function g(text) line 1 at RAISE|Rexec_stmt_raise",
            "C26000|WPL/pgSQL function g(text) line 1 at RAISE|Rexec_stmt_raise",
            "C42P01|WSQL function \"g\" during startup|RparserOpenTable",
            "C42704|Wunnamed portal parameter $1 = '...'|Rget_ts_config_oid",
            "C42601|Wunnamed portal parameter $1 = '...'|Rjsonpath_yyerror",
            "C42501|Raclcheck_error",
            "C23505",
            "CP0001",
            "C57014",
            "C",
        ] {
            assert_eq!(judged(fields, BIND), Judgement::Answer, "{fields}");
        }
        for fields in ["C22P02|Rpg_strtoint32", "C22003", "C2201B"] {
            assert_eq!(judged(fields, BIND), Judgement::Misfit(0), "{fields}");
        }
    }

    #[test]
    fn statements_that_are_missing_or_there_already_are_mixed_up() {
        let missing = "C26000|RFetchPreparedStatement";
        assert_eq!(judged(missing, BIND), Judgement::MixedUp);
        assert_eq!(judged("C42P05", PARSE), Judgement::MixedUp);
        assert_eq!(judged("C42703", PARSE), Judgement::Answer);
    }

    #[test]
    fn what_the_batch_has_parsed_itself_and_what_was_executed_has_answered() {
        let first = Some((Expected::BindComplete, StatementIndex(0)));
        let rows = Some((Expected::Rows, StatementIndex(1)));
        for due in [first, rows, None] {
            assert_eq!(judged("C42703", due), Judgement::Answer);
        }
    }
}
