//! Who goes where: how many cores, threads and connections there are, which core a new client
//! joins, and how threads share the CPUs with other programs.
//!
//! Pinned beside PostgreSQL's processes, which are not, one core was left without CPU time for up
//! to a second, and its clients with it: p99 320 ms instead of 5 ms, and no more throughput. The
//! same happens beside other processes that are pinned to the same CPUs. So threads are pinned only
//! to CPUs that somebody has chosen for this process.

use crate::net::{pin_to, wait_for_turn};
use std::fmt;
use std::io;

/// How a server is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Division {
    /// The shares, one per core.
    pub(crate) cores: Vec<Share>,
}

/// What belongs to a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The CPU that its threads are pinned to.
    pub(crate) cpu: usize,
    /// Its connections to PostgreSQL.
    pub(crate) connections: usize,
    /// Its threads: more than connections, so that one is always free for the clients.
    pub(crate) threads: usize,
}

/// How many connections a core has at least, if there are so many.
const CONNECTIONS_MIN: usize = 2;

/// Divides connections over cores.
///
/// `cores` and `threads` are what the configuration asks for, if it does. There are never more
/// cores than connections, since a core without one could answer nothing, and half as many unless
/// the configuration says so: with a single connection a core would park every second request, and
/// what is parked goes through one queue for all cores. A core whose threads are limited leaves
/// connections unused rather than let all of its threads block at once.
pub(crate) fn divide(
    cpus: &[usize],
    cores: Option<usize>,
    threads: Option<usize>,
    connections: usize,
) -> Division {
    let connections = connections.max(1);
    let count = cores.unwrap_or(cpus.len().min(connections / CONNECTIONS_MIN));
    let count = count.clamp(1, connections);
    let share = |index: usize| {
        let evenly = connections / count + usize::from(index < connections % count);
        let threads = threads.map_or(evenly + 1, |threads| threads.max(2));
        Share {
            cpu: cpus[index % cpus.len()],
            connections: evenly.min(threads - 1),
            threads,
        }
    };
    Division {
        cores: (0..count).map(share).collect(),
    }
}

/// The core with the fewest clients; the first of several.
pub(crate) fn emptiest(clients: impl Iterator<Item = usize>) -> usize {
    clients
        .enumerate()
        .min_by_key(|&(_, count)| count)
        .map_or(0, |(core, _)| core)
}

/// Where threads run, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Footing {
    /// Each stays on the CPU of its core.
    Pinned,
    /// They run where the kernel puts them, when it is their turn: PostgreSQL, if it is on the same
    /// machine, is not interrupted by its own replies.
    InTurn,
}

impl Footing {
    /// Puts the calling thread of the core of this CPU on it.
    pub(super) fn take(self, cpu: usize) -> io::Result<()> {
        match self {
            Footing::Pinned => pin_to(cpu),
            Footing::InTurn => wait_for_turn(),
        }
    }
}

impl fmt::Display for Footing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Footing::Pinned => "pinned to its CPU",
            Footing::InTurn => "kept from interrupting others",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        (cpus, cores, threads, connections): (&[usize], Option<usize>, Option<usize>, usize),
        expected: &[(usize, usize, usize)],
    ) {
        let division = divide(cpus, cores, threads, connections);
        let got: Vec<_> = division
            .cores
            .iter()
            .map(|s| (s.cpu, s.connections, s.threads))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn connections_are_divided_evenly() {
        check((&[0, 1], None, None, 10), &[(0, 5, 6), (1, 5, 6)]);
        check((&[0, 1], None, None, 11), &[(0, 6, 7), (1, 5, 6)]);
        check((&[2, 5, 7], None, None, 4), &[(2, 2, 3), (5, 2, 3)]);
        let many: Vec<usize> = (0..64).collect();
        assert_eq!(divide(&many, None, None, 10).cores.len(), 5);
        assert_eq!(divide(&many, Some(64), None, 10).cores.len(), 10);
    }

    #[test]
    fn there_are_no_cores_without_a_connection() {
        check((&[0, 1, 2, 3], None, None, 2), &[(0, 2, 3)]);
        check((&[0, 1, 2, 3], Some(4), None, 2), &[(0, 1, 2), (1, 1, 2)]);
        check((&[0, 1], None, None, 1), &[(0, 1, 2)]);
        check((&[0, 1], None, None, 0), &[(0, 1, 2)]);
    }

    #[test]
    fn cores_and_threads_can_be_set() {
        check((&[0, 1], Some(1), None, 10), &[(0, 10, 11)]);
        check((&[0], Some(2), None, 4), &[(0, 2, 3), (0, 2, 3)]);
        check((&[0, 1], None, Some(3), 10), &[(0, 2, 3), (1, 2, 3)]);
        check((&[0], None, Some(1), 10), &[(0, 1, 2)]);
        check((&[0], None, Some(20), 4), &[(0, 4, 20)]);
    }

    #[test]
    fn new_clients_join_the_emptiest_core() {
        assert_eq!(emptiest([3, 1, 2].into_iter()), 1);
        assert_eq!(emptiest([1, 1].into_iter()), 0);
        assert_eq!(emptiest([].into_iter()), 0);
    }
}
