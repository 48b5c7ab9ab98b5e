//! Leaving a port to another process that listens on it, too (`server-reuseport`).
//!
//! Whatever the kernel has begun to connect to a listening socket when that is closed, it resets:
//! clients in its queue, and those whose handshake is under way. So the socket that is left gets
//! no new clients at first, then time for the handshakes, and is closed when nobody is behind.
//! Measured with 8 clients that connect 30,000 times a second, over 600 hand-overs: 25 lost when
//! the queue was emptied and closed, 2 with `net.ipv4.tcp_migrate_req=1`, none of 1.6 million here.
//!
//! The kernel asks a program of the group which of its sockets gets a client, counting from the
//! one that has listened for the longest time; when the program names none of them, the kernel
//! chooses by a hash, as it does without a program.

use nix::libc::{BPF_K, BPF_RET, sock_filter, sock_fprog};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use rustix::fs::fstat;
use std::fs;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long a handshake may take that has begun: longer than bytes need around the world.
pub(crate) const HANDSHAKES_MAX: Duration = Duration::from_millis(500);

/// The newer one of two.
const NEWER: u32 = 1;

/// No socket: the kernel chooses.
const NONE: u32 = u32::MAX;

/// Leaves the choice to the kernel, whatever a process that is gone has asked for.
pub(super) fn share(listener: &impl AsFd) {
    // A kernel that cannot do this has not been asked for anything else either.
    let _ = choose(listener, NONE);
}

/// Lets the newer one of two processes have all new clients, and says whether it does. Of more
/// processes nobody can tell which is which, and none is favoured.
pub(super) fn leave(listener: &impl AsFd) -> bool {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let inode = fstat(listener).map_or(0, |stat| stat.st_ino);
    let sharing = tables.iter().map(|table| {
        let table = fs::read_to_string(table).unwrap_or_default();
        count_sharing(&table, inode)
    });
    sharing.sum::<usize>() == 2 && choose(listener, NEWER)
}

/// How many sockets listen where the one with this inode does; none if that is not in the table.
fn count_sharing(table: &str, inode: u64) -> usize {
    let listening = || {
        table.lines().filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (address, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
            (*state == "0A").then_some((*address, inode.parse::<u64>().ok()?))
        })
    };
    let Some((own, _)) = listening().find(|(_, of)| *of == inode) else {
        return 0;
    };
    listening().filter(|(address, _)| *address == own).count()
}

/// A program of one instruction: always this socket.
fn choose(listener: &impl AsFd, index: u32) -> bool {
    let mut program = [sock_filter {
        code: (BPF_RET | BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: index,
    }];
    let program = sock_fprog {
        len: 1,
        filter: program.as_mut_ptr(),
    };
    setsockopt(listener, AttachReusePortCbpf, &program).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::{Listener, ReusePort, bind_tcp};
    use super::*;
    use std::net::TcpStream;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0
   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12 1 0
   2: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0
   3: 0100007F:0BB8 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 14 1 0
   4: cut off";

    #[test]
    fn sockets_that_listen_on_the_same_address_are_counted() {
        assert_eq!(count_sharing(TABLE, 11), 2);
        assert_eq!(count_sharing(TABLE, 12), 1);
        assert_eq!(count_sharing(TABLE, 14), 0, "it does not listen");
        assert_eq!(count_sharing(TABLE, 99), 0);
    }

    fn listen(port: u16) -> Listener {
        bind_tcp("127.0.0.1", port, ReusePort::Yes).unwrap()
    }

    /// How many of so many clients this one gets.
    fn clients_of(listener: &Listener, connections: usize) -> usize {
        let address = ("127.0.0.1", listener.port().unwrap());
        let clients = (0..connections).map(|_| TcpStream::connect(address).unwrap());
        let clients: Vec<TcpStream> = clients.collect();
        let accepted = std::iter::from_fn(|| listener.accept().unwrap());
        let count = accepted.count();
        drop(clients);
        count
    }

    #[test]
    fn the_newer_one_of_two_gets_all_clients_and_is_alone_afterwards() {
        let older = listen(0);
        assert!(!older.leave(), "there is nobody to leave it to");
        let newer = listen(older.port().unwrap());
        assert!(older.leave());
        assert_eq!(clients_of(&newer, 64), 64);
        drop(older);
        assert_eq!(clients_of(&newer, 64), 64);
        // The next one to come finds no trace of it.
        let newest = listen(newer.port().unwrap());
        let some = clients_of(&newest, 64);
        assert!((1..64).contains(&some), "{some}");
    }

    #[test]
    fn of_three_none_is_favoured() {
        let first = listen(0);
        let others = [(); 2].map(|()| listen(first.port().unwrap()));
        assert!(!first.leave());
        let some = clients_of(&others[0], 64);
        assert!((1..64).contains(&some), "{some}");
    }
}
