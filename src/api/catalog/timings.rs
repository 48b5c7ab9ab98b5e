//! How long PostgreSQL was at each part of the query of the catalog.
//!
//! The document is made from left to right, and a part of it is read when its turn has come, so
//! what the clock said between the parts stands in the document, too.

use corerest_sql::{SystemBuf, system_sql};
use std::fmt;

/// What the clock said, in milliseconds: at the beginning, and after each part.
pub(super) type Readings = [f64; Timings::NAMES.len() + 1];

/// How long the parts took, printed as the log tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timings([f64; Timings::NAMES.len()]);

impl Timings {
    /// Parity: PostgREST's names for its queries, in its order (SchemaCache.hs, `gucTbls` and
    /// following; io test `test_schema_cache_query_timings_log`).
    const NAMES: [&str; 7] = [
        "tables",
        "keydeps",
        "rels",
        "funcs",
        "comprels",
        "dreps",
        "mhandlers",
    ];

    pub(super) fn between(readings: &Readings) -> Timings {
        let mut timings = Timings::default();
        for (timing, pair) in timings.0.iter_mut().zip(readings.windows(2)) {
            *timing = pair[1] - pair[0];
        }
        timings
    }
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, timing)) in Timings::NAMES.iter().zip(self.0).enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}{name}: {timing:.3} ms")?;
        }
        Ok(())
    }
}

/// Appends what the clock says when PostgreSQL comes to this place.
pub(super) fn write_reading(out: &mut SystemBuf) {
    system_sql!(
        out,
        "EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_are_what_lies_between_the_readings() {
        let readings = [10.0, 11.5, 11.5, 14.0, 14.25, 15.25, 15.5, 16.0];
        assert_eq!(
            Timings::between(&readings).to_string(),
            "tables: 1.500 ms, keydeps: 0.000 ms, rels: 2.500 ms, funcs: 0.250 ms, \
             comprels: 1.000 ms, dreps: 0.250 ms, mhandlers: 0.500 ms"
        );
    }
}
