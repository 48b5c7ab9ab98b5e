//! The differential mode of `scripts/parity`: two servers, each on its own copy of a database, are
//! asked the same, and what differs is shown to whoever wants to change from one to the other.
//!
//! [`catalog`] reads what there is, [`requests`] makes questions of it, [`connection`] asks,
//! [`comparison`] says what differs, [`listed`] which row of `docs/differences.md` says so, too,
//! and [`report`] tells. The same seed and the same database give the same requests.

pub mod catalog;
pub mod cli;
pub mod comparison;
pub mod connection;
pub mod json;
pub mod listed;
pub mod page;
pub mod report;
pub mod requests;
pub mod run;
pub mod seed;
pub mod values;
