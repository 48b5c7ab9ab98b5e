//! The tables of faults, by where they happen.

mod backend;
mod ddl;
mod events;
mod fleet;
mod pooler;
mod postmaster;
mod process;
mod refusal;
mod sessions;
mod silence;
mod standby;
mod streams;
mod uploads;
mod wire;

use crate::fault::Fault;

/// All of them, in the order of the report.
pub fn all() -> Vec<Fault> {
    let tables = [
        backend::FAULTS,
        postmaster::FAULTS,
        sessions::FAULTS,
        refusal::FAULTS,
        ddl::FAULTS,
        process::FAULTS,
        wire::FAULTS,
        silence::FAULTS,
        pooler::FAULTS,
        standby::FAULTS,
        fleet::FAULTS,
        uploads::FAULTS,
        streams::FAULTS,
        events::FAULTS,
    ];
    tables.concat()
}
