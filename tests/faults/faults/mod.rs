//! The tables of faults, by where they happen.

mod backend;
mod postmaster;
mod sessions;

use crate::fault::Fault;

/// All of them, in the order of the report.
pub fn all() -> Vec<Fault> {
    [backend::FAULTS, postmaster::FAULTS, sessions::FAULTS].concat()
}
