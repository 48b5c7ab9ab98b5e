//! Standard output and standard error: what is behind them, and writing to them.
//!
//! Two things are looked at once, at the start: whether both are the same file, for then the lines
//! of both have to stay in order; and whether it is the journal of systemd, which notes the time
//! itself and wants each line to begin with its priority.
//!
//! The descriptors are written to as they are. The standard library has a lock for each, which a
//! write that blocks would hold, and a buffer that it empties when the process ends.
//!
//! Source: systemd's manuals, `systemd.exec(5)` (`JOURNAL_STREAM`), `sd-daemon(3)`.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::fstat;
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard error.
    Diagnostics,
    /// Standard output.
    Access,
}

/// Device and inode, which no two open files share.
type Place = (u64, u64);

/// How much is written at a time, so that it shows whether somebody reads.
const WRITTEN_AT_ONCE_BYTES: usize = 16 << 10;

static WRITES: AtomicU64 = AtomicU64::new(0);
static ARE_ONE: AtomicBool = AtomicBool::new(false);
static IS_JOURNAL: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

/// Looks at what is behind the streams. `journal` is `JOURNAL_STREAM`.
pub(super) fn inspect(journal: Option<&str>) {
    let streams = [Stream::Diagnostics, Stream::Access];
    let [diagnostics, access] = streams.map(Stream::place);
    let are_one = diagnostics.is_some() && diagnostics == access;
    ARE_ONE.store(are_one, Ordering::Relaxed);
    let journal = journal.and_then(parse_place);
    for (is_journal, place) in IS_JOURNAL.iter().zip([diagnostics, access]) {
        is_journal.store(place.is_some() && place == journal, Ordering::Relaxed);
    }
}

/// Whether both streams are the same file, such as a terminal.
pub(super) fn are_one() -> bool {
    ARE_ONE.load(Ordering::Relaxed)
}

/// How many writes have come to their end. Only whether it changes matters.
pub(super) fn writes() -> u64 {
    WRITES.load(Ordering::Relaxed)
}

/// `device:inode`, both decimal.
fn parse_place(text: &str) -> Option<Place> {
    let (device, inode) = text.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

impl Stream {
    /// Whether it is systemd's journal.
    pub(super) fn is_journal(self) -> bool {
        IS_JOURNAL[self as usize].load(Ordering::Relaxed)
    }

    /// Writes all of it, however long that takes. Where nobody reads the log there is nobody to
    /// tell either.
    pub(super) fn write(self, bytes: &[u8]) {
        match self {
            Stream::Diagnostics => write_all(std::io::stderr(), bytes),
            Stream::Access => write_all(std::io::stdout(), bytes),
        }
    }

    fn place(self) -> Option<Place> {
        let status = match self {
            Stream::Diagnostics => fstat(std::io::stderr()),
            Stream::Access => fstat(std::io::stdout()),
        };
        status.ok().map(|status| (status.st_dev, status.st_ino))
    }
}

/// Another process that has the same pipe or terminal may have made it non-blocking.
fn write_all(descriptor: impl AsFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let piece = &bytes[..bytes.len().min(WRITTEN_AT_ONCE_BYTES)];
        match rustix::io::write(&descriptor, piece) {
            Ok(0) => return,
            Ok(written) => {
                bytes = &bytes[written..];
                WRITES.fetch_add(1, Ordering::Relaxed);
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&descriptor, PollFlags::OUT)], None);
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_place_is_a_device_and_an_inode() {
        assert_eq!(parse_place("8:1234"), Some((8, 1234)));
        for wrong in ["", ":", "8", "8:", ":1", "8:x", "8:1:2", "-8:1"] {
            assert_eq!(parse_place(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for_and_a_closed_one_is_not() {
        let (mut reader, writer) = std::io::pipe().expect("there can be a pipe");
        rustix::io::ioctl_fionbio(&writer, true).expect("it is a pipe");
        let bytes = vec![b'x'; 1 << 20];
        let writing = std::thread::spawn(move || write_all(&writer, &bytes));
        let mut read = Vec::new();
        reader.read_to_end(&mut read).expect("it is a pipe");
        writing.join().expect("it only writes");
        assert_eq!(read.len(), 1 << 20);
        let (reader, writer) = std::io::pipe().expect("there can be a pipe");
        drop(reader);
        write_all(&writer, b"nobody reads this");
    }
}
