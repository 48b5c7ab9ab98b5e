//! Times of CPUs, as the kernel and the simulation tell them.

/// Times of some CPUs together since the machine began, in ticks of the kernel's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks {
    pub(crate) idle: u64,
    pub(crate) all: u64,
}
