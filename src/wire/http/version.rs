//! The versions of HTTP, on which the meaning of some fields depends.

/// The versions that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: the connection closes unless the client asks to keep it.
    Http10,
    /// HTTP/1.1.
    Http11,
}
