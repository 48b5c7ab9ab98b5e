//! What only the fuzz targets see, with the feature `internals`.

use crate::connect::Session;
use std::os::fd::OwnedFd;

pub use crate::connect::find_password;

/// A session whose server is whoever holds the other end of this socket.
pub fn session(socket: OwnedFd) -> Session {
    Session::of_socket(socket)
}
