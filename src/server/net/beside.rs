//! What comes first while a client waits for somebody else, in any world.

/// What has come first while a client waits for somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The other one has said something, or is gone.
    OtherSpeaks,
    /// The client is gone.
    ClientGone,
    /// Nothing.
    Silence,
}

/// Whether somebody is at the other end of a socket, as far as the kernel knows. Whoever has only
/// finished sending is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherSide {
    /// Somebody is, or it is no socket.
    There,
    /// The connection was reset: nothing can be sent any more.
    Gone,
}
