//! The tests of the whole: the sources, the executable, and what lies between.
//!
//! One binary, a module for each subject; what they stand on is the library beside them.

mod cases;
mod cli;
mod cut_wire;
mod fuzz_smoke;
mod http_robustness;
mod isolation;
mod logs;
mod metrics;
mod parking;
mod plan_cases;
mod postgres_away;
mod reload;
mod service;
mod tidy;
mod write_outcome;
