//! The tests of the whole: the sources, the executable, and what lies between.
//!
//! One binary, a module for each subject; what they stand on is the library beside them.

mod alerts;
mod cancel;
mod cases;
mod catalog;
mod cli;
mod cut_wire;
mod differences;
mod framing;
mod fuzz_smoke;
mod hostile_path;
mod http_robustness;
mod install;
mod isolation;
mod jwks;
mod lent_connections;
mod limits;
mod logs;
mod memory;
mod metrics;
mod old_postgres;
mod one_answer_each;
mod outdated;
mod package;
mod parity;
mod parking;
mod plan_cases;
mod pool_limits;
mod pooler;
mod postgres_away;
mod prepared;
mod reload;
mod replica;
mod scripts;
mod service;
mod session_reset;
mod silence;
mod slow_readers;
mod soak;
mod tidy;
mod two_way_talk;
mod whole_numbers;
mod write_outcome;
