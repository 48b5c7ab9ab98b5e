//! Measuring the server: a load generator, a baseline, and the scenarios that compare them.
//!
//! Nothing here is shipped. The generator shares the machine with what it measures, so it is
//! built to need little: few threads, one epoll each, no allocation per request. What a number
//! means, and which comparison is unfair, is written in `benchmark.md`.
//!
//! Counting instructions needs only a few of the modules; the others, and the packages they use,
//! are left out without the feature `contestants`.

pub mod callgrind;
pub mod ceiling;
#[cfg(feature = "contestants")]
pub mod contestant;
#[cfg(feature = "contestants")]
pub mod experiments;
#[cfg(feature = "contestants")]
pub mod figures;
#[cfg(feature = "contestants")]
pub mod generator;
pub mod growing;
#[cfg(feature = "contestants")]
pub mod histogram;
pub mod hot_path;
#[cfg(feature = "contestants")]
pub mod oha;
#[cfg(feature = "contestants")]
pub mod pgbench;
pub mod plot;
#[cfg(feature = "contestants")]
pub mod processes;
#[cfg(feature = "contestants")]
pub mod recorded;
#[cfg(feature = "contestants")]
pub mod report;
pub mod request;
pub mod response;
#[cfg(feature = "contestants")]
pub mod results;
pub mod scenario;
#[cfg(feature = "contestants")]
pub mod system_calls;
#[cfg(feature = "contestants")]
pub mod tables;
pub mod target;
#[cfg(feature = "contestants")]
pub mod transfer;
