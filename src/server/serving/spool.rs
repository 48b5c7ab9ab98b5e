//! Files for the answers to clients that read slowly.
//!
//! An answer that PostgreSQL is still sending holds a connection, and a transaction, for as long as
//! its client takes. Brought into a file, it holds neither, and no memory. Whose answer comes here,
//! and when, is decided elsewhere ([`crate::cores`]); here is where the bytes lie, and how many.
//!
//! The files have no names (or lose them at once, where the file system knows no nameless files),
//! and their mode is 0600. Space is reserved for a whole answer before it is begun.
//!
//! Invariant: the files together are never larger than `server-max-spool-bytes`, nor are there more
//! of them than file descriptors are kept for them ([`files_possible`]): each has a [`Room`]. An
//! error of the disk is a spool without room for a while, and nothing worse.

use crate::log;
use crate::net::{Sent, Socket};
use crate::sync::Instant;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use corerest_config::Config;
use rustix::process::{Resource, getrlimit};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long no answer is begun after the disk has refused one: it is full, most probably.
const HELD_BACK: Duration = Duration::from_secs(10);

/// So many files there may be in any case.
const FILES_MIN: usize = 8;

/// All files, or the place where they would be.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    bytes_max: u64,
    bytes: AtomicU64,
    files_max: usize,
    files: AtomicUsize,
    made: Instant,
    /// Until when nothing is begun, in milliseconds since `made`.
    held_back_until: AtomicU64,
}

/// Room for an answer. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    spool: Arc<Spool>,
    bytes: u64,
}

/// The file of one answer: written from the front, then sent from the front.
#[derive(Debug)]
pub(crate) struct SpoolFile {
    file: File,
    sent: u64,
    written: u64,
    room: Room,
}

impl Spool {
    /// A spool as it is configured, or one without any room if no file can be made there.
    pub(crate) fn open(config: &Config) -> Spool {
        let mut spool = Spool {
            directory: PathBuf::from(&config.server_spool_directory),
            // The kernel ends a process that writes a file beyond this limit.
            bytes_max: config.server_max_spool_bytes.min(file_bytes_max()),
            bytes: AtomicU64::new(0),
            files_max: files_possible(),
            files: AtomicUsize::new(0),
            made: Instant::now(),
            held_back_until: AtomicU64::new(0),
        };
        if spool.bytes_max > 0
            && let Err(error) = make_file(&spool.directory)
        {
            log::warn(&format!(
                "Cannot make files in {} (server-spool-directory): {error}. Clients that read \
                 slowly will keep their connections to PostgreSQL.",
                spool.directory.display()
            ));
            spool.bytes_max = 0;
        }
        spool
    }

    /// How many bytes there may be at most; none without a folder for them.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// How many bytes are reserved.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Reserves room for an answer, if there is so much.
    pub(crate) fn reserve(self: &Arc<Spool>, bytes: u64) -> Option<Room> {
        let after = |files: usize| Some(files + 1).filter(|sum| *sum <= self.files_max);
        let relaxed = Ordering::Relaxed;
        self.files.fetch_update(relaxed, relaxed, after).ok()?;
        let mut room = Room {
            spool: Arc::clone(self),
            bytes: 0,
        };
        room.extend(bytes).then_some(room)
    }

    fn is_held_back(&self) -> bool {
        let until = u128::from(self.held_back_until.load(Ordering::Relaxed));
        self.made.elapsed().as_millis() < until
    }

    fn on_error(&self, error: &io::Error) {
        let until = self.made.elapsed() + HELD_BACK;
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.held_back_until.store(until, Ordering::Relaxed);
        log::warn(&format!(
            "Cannot write an answer to {}: {error}",
            self.directory.display()
        ));
    }
}

impl Room {
    /// Reserves so many bytes more, if there are so many.
    fn extend(&mut self, bytes: u64) -> bool {
        let spool = &*self.spool;
        if spool.is_held_back() {
            return false;
        }
        let after = |used: u64| {
            used.checked_add(bytes)
                .filter(|sum| *sum <= spool.bytes_max)
        };
        let relaxed = Ordering::Relaxed;
        let reserved = spool.bytes.fetch_update(relaxed, relaxed, after).is_ok();
        if reserved {
            self.bytes += bytes;
        }
        reserved
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.spool.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.spool.files.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SpoolFile {
    /// An empty file with this room; `None` if it cannot be made, which is logged.
    pub(crate) fn new(room: Room) -> Option<SpoolFile> {
        match make_file(&room.spool.directory) {
            Ok(file) => Some(SpoolFile {
                file,
                sent: 0,
                written: 0,
                room,
            }),
            Err(error) => {
                room.spool.on_error(&error);
                None
            }
        }
    }

    /// Writes behind what is there, and returns how many of the bytes: if not all of them, the
    /// disk has refused the others, which is logged.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        while count < bytes.len() {
            match write_some(&mut self.file, &bytes[count..]) {
                Ok(more) => count += more,
                Err(error) => {
                    self.room.spool.on_error(&error);
                    break;
                }
            }
        }
        self.written += count as u64;
        count
    }

    /// Whether there is room for so many bytes more; if not, some is reserved at once.
    pub(crate) fn has_room(&mut self, bytes: u64, at_once: u64) -> bool {
        let is_there = |file: &SpoolFile| file.room.bytes.saturating_sub(file.written) >= bytes;
        is_there(self) || self.room.extend(at_once) && is_there(self)
    }

    /// How many bytes are still to be sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.written - self.sent
    }

    /// Sends what the client takes, at most so many bytes.
    pub(crate) fn send(&mut self, socket: &Socket, bytes_max: u64) -> Sent {
        let count = self.unsent().min(bytes_max);
        let sent = socket.send_file(&self.file, self.sent, count as usize);
        if let Sent::Bytes(count) = sent {
            self.sent += count as u64;
        }
        sent
    }
}

/// A nameless file that nobody else may read, not even through `/proc`.
fn make_file(directory: &Path) -> io::Result<File> {
    let file = tempfile::tempfile_in(directory)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Writes at least one byte; an interrupted write is tried again.
fn write_some(file: &mut File, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

/// For how many files there are descriptors: a sixteenth of what this process may have, which
/// clients do not get.
pub(crate) fn files_possible() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 16)
        .unwrap_or(usize::MAX)
        .max(FILES_MIN)
}

fn file_bytes_max() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    fn spool(directory: &str, bytes_max: u64) -> Arc<Spool> {
        Arc::new(Spool::open(&Config {
            server_spool_directory: directory.to_owned(),
            server_max_spool_bytes: bytes_max,
            ..Config::default()
        }))
    }

    fn temporary() -> Arc<Spool> {
        let directory = std::env::temp_dir();
        spool(directory.to_str().unwrap(), 100)
    }

    #[test]
    fn room_is_bounded_and_given_back() {
        let spool = temporary();
        let first = spool.reserve(60).unwrap();
        assert!(spool.reserve(41).is_none());
        let second = spool.reserve(40).unwrap();
        assert!(spool.reserve(1).is_none());
        drop(first);
        assert_eq!(spool.bytes(), 40);
        assert!(spool.reserve(u64::MAX).is_none(), "the sum would overflow");
        drop(SpoolFile::new(second).unwrap());
        assert_eq!(spool.bytes(), 0);
    }

    #[test]
    fn there_are_no_more_files_than_descriptors_for_them() {
        let spool = Arc::new(Spool {
            files_max: 2,
            ..Arc::into_inner(temporary()).unwrap()
        });
        let first = spool.reserve(1).unwrap();
        let second = spool.reserve(1).unwrap();
        assert!(spool.reserve(1).is_none());
        let mut file = SpoolFile::new(second).unwrap();
        assert!(file.has_room(10, 20), "one that is there may grow");
        drop(first);
        assert!(spool.reserve(1).is_some());
    }

    #[test]
    fn what_is_written_is_sent_in_pieces() {
        let spool = temporary();
        let mut file = SpoolFile::new(spool.reserve(10).unwrap()).unwrap();
        assert_eq!(file.append(b"01234"), 5);
        assert_eq!(file.append(b"56789"), 5);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = Socket::new(ours.into());
        assert_eq!(file.send(&ours, 4), Sent::Bytes(4));
        assert_eq!(file.unsent(), 6);
        assert_eq!(file.send(&ours, 100), Sent::Bytes(6));
        assert_eq!(file.unsent(), 0);
        let mut received = [0; 10];
        theirs.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"0123456789");
        drop(theirs);
        file.append(b"!");
        assert_eq!(file.send(&ours, 1), Sent::Closed);
    }

    #[test]
    fn files_have_no_name_and_are_nobody_elses() {
        let spool = temporary();
        let file = SpoolFile::new(spool.reserve(1).unwrap()).unwrap();
        let metadata = file.file.metadata().unwrap();
        assert_eq!(metadata.nlink(), 0);
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_takes_no_files_has_no_room() {
        for directory in ["/nowhere/at/all", "/proc"] {
            assert!(spool(directory, 100).reserve(1).is_none(), "{directory:?}");
        }
        assert!(spool("/nowhere/at/all", 0).reserve(1).is_none());
    }

    #[test]
    fn a_disk_that_refuses_gets_a_rest() {
        let spool = temporary();
        let mut full = SpoolFile {
            file: File::options().write(true).open("/dev/full").unwrap(),
            sent: 0,
            written: 0,
            room: spool.reserve(10).unwrap(),
        };
        assert_eq!(full.append(b"01234"), 0);
        assert_eq!(full.unsent(), 0);
        assert!(spool.reserve(1).is_none());
    }
}
