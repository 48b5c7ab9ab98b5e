//! How the threads of cores share the CPUs with other programs.
//!
//! Pinned beside PostgreSQL's processes, which are not, one core was left without CPU time for up
//! to a second, and its clients with it: p99 320 ms instead of 5 ms, and no more throughput.

use crate::net::{pin_to, wait_for_turn};
use std::fmt;
use std::io;

/// Where threads run, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Footing {
    /// Each stays on the CPU of its core.
    Pinned,
    /// They run where the kernel puts them.
    Anywhere,
    /// The same, and PostgreSQL, on the same machine, is not interrupted by its own replies.
    BesidePostgresql,
}

impl Footing {
    /// Puts the calling thread of the core of this CPU on it.
    pub(super) fn take(self, cpu: usize) -> io::Result<()> {
        match self {
            Footing::Pinned => pin_to(cpu),
            Footing::Anywhere => Ok(()),
            Footing::BesidePostgresql => wait_for_turn(),
        }
    }
}

impl fmt::Display for Footing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Footing::Pinned => "pinned to its CPU",
            Footing::Anywhere => "left to the kernel",
            Footing::BesidePostgresql => "kept from interrupting PostgreSQL",
        })
    }
}
