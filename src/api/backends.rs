//! Whether those sessions are at work whose server owes us something and has said nothing for long.
//!
//! It is asked over another connection to the same server.

use crate::catalog::DecodeError;
use crate::document::OneDocument;
use corerest_sql::{SystemBuf, system_sql};
use serde::Deserialize;

/// A session.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Backend {
    /// Its process id.
    pub pid: i32,
    /// Whether it is at work; `None` if the login role may not know, if nobody keeps count
    /// (`track_activities=off`), or if it has come to rest so shortly before that its answer may be
    /// on its way.
    pub works: Option<bool>,
}

/// Asks for the document for [`decode_backends`], about sessions with these process ids.
///
/// Who waits for its client is not at work, whatever its state: we would have taken what it has to
/// say, and have sent all that it needs.
///
/// Source: PostgreSQL's documentation, "The Cumulative Statistics System" (`pg_stat_activity`).
pub fn ask_backends(process_ids: &[i32]) -> OneDocument {
    let list: Vec<String> = process_ids.iter().map(i32::to_string).collect();
    let list = format!("{{{}}}", list.join(","));
    OneDocument::of(Vec::new(), |out: &mut SystemBuf| {
        system_sql!(
            out,
            "
SELECT coalesce(
  pg_catalog.json_agg(pg_catalog.json_build_object(
    'pid', activity.pid,
    'works', CASE
      WHEN activity.state = 'active'
        THEN coalesce(activity.wait_event, '') NOT IN ('ClientRead', 'ClientWrite')
      WHEN activity.state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)')
        AND pg_catalog.clock_timestamp() - activity.state_change > interval '4 seconds'
        THEN false
      END)),
  '[]')
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.pid = ANY("
        );
        out.param(Some(list.as_bytes()));
        system_sql!(out, "::pg_catalog.int4[])");
    })
}

/// Decodes the answer, and leaves its bytes in disorder.
///
/// # Errors
/// If it is not what the statement answers with.
pub fn decode_backends(document: &mut [u8]) -> Result<Vec<Backend>, DecodeError> {
    simd_json::serde::from_slice(document)
        .map_err(|error| DecodeError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_there_are_decoded() {
        let text = r#"[{"pid": 7, "works": true}, {"pid": 8, "works": null}]"#;
        let backend = |pid, works| Backend { pid, works };
        let expected = vec![backend(7, Some(true)), backend(8, None)];
        assert_eq!(decode_backends(&mut text.as_bytes().to_vec()), Ok(expected));
        assert!(decode_backends(&mut b"null".to_vec()).is_err());
    }

    #[test]
    fn process_ids_are_a_value() {
        let question = ask_backends(&[7, -8]);
        let statement = &question.statements()[question.asks()];
        assert_eq!(statement.params.len(), 1);
        assert!(statement.text.as_str().contains("ANY($1::"));
    }
}
