//! Measuring the server: a load generator, a baseline, and the scenarios that compare them.
//!
//! Nothing here is shipped. The generator shares the machine with what it measures, so it is
//! built to need little: few threads, one epoll each, no allocation per request. What a number
//! means, and which comparison is unfair, is written in `benchmark.md`.

pub mod ceiling;
pub mod contestant;
pub mod experiments;
pub mod figures;
pub mod generator;
pub mod histogram;
pub mod oha;
pub mod pgbench;
pub mod plot;
pub mod processes;
pub mod recorded;
pub mod report;
pub mod request;
pub mod response;
pub mod results;
pub mod scenario;
pub mod system_calls;
pub mod tables;
pub mod target;
pub mod transfer;
