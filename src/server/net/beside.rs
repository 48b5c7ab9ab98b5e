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
