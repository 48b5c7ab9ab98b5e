//! A fuzzer for poor people: a few thousand mutations of known inputs, always the same ones.
//!
//! It knows nothing about coverage. It is here so that every run of the tests tries the targets,
//! and so that a failure can be repeated: the same seeds give the same inputs everywhere.

use std::panic::{self, AssertUnwindSafe};

/// Runs the target on every seed, and on `rounds` inputs made from them.
///
/// # Panics
/// If the target does; the input is shown first.
pub fn smoke(target: fn(&[u8]), seeds: &[&[u8]], rounds: u32) {
    for seed in seeds {
        run(target, seed);
    }
    let mut random = Random::new();
    let mut input = Vec::new();
    for _ in 0..rounds {
        input.clear();
        input.extend_from_slice(random.pick::<&[u8]>(seeds));
        for _ in 0..=random.below(4) {
            mutate(&mut input, seeds, &mut random);
        }
        run(target, &input);
    }
}

impl crate::Target {
    /// Runs it on its corpus, and on as many inputs made from its seeds.
    ///
    /// # Panics
    /// If a property does not hold; the input is shown first.
    pub fn smoke(&self, rounds: u32) {
        crate::corpus::inputs(self.corpus).for_each(|input| run(self.run, &input));
        smoke(self.run, self.seeds, rounds);
    }
}

fn run(target: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("the input was b\"{}\"", input.escape_ascii());
        panic::resume_unwind(panic);
    }
}

/// Bytes that mean something to the grammars under test.
const TELLING_BYTES: &[u8] = b"\r\n\0\t :;,=/?#*\"'\\%+-0159afF\x7f\x80\xff$.&!|<>@()[]{}";

fn mutate(input: &mut Vec<u8>, seeds: &[&[u8]], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = at + random.below((input.len() - at).min(16) + 1);
    match random.below(7) {
        0 => input.insert(at, *random.pick(TELLING_BYTES)),
        1 => input.truncate(at),
        2 => drop(input.drain(at..end)),
        3 => input.extend_from_within(at..end),
        4 => {
            let repeated = input[at..end].to_vec();
            drop(input.splice(at..at, repeated));
        }
        5 => {
            let other = *random.pick::<&[u8]>(seeds);
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = match random.below(2) {
                    0 => *random.pick(TELLING_BYTES),
                    _ => *byte ^ 1 << random.below(8),
                };
            }
        }
    }
}

/// SplitMix64: tiny, and good enough to choose mutations with.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Random(0x5eed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below this one, which is not zero.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::smoke;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_target_sees_every_seed_and_every_round() {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        fn target(_: &[u8]) {
            CALLS.fetch_add(1, Ordering::Relaxed);
        }
        smoke(target, &[b"", b"one", b"two"], 100);
        assert_eq!(CALLS.load(Ordering::Relaxed), 103);
    }

    #[test]
    #[should_panic(expected = "found")]
    fn a_failure_is_passed_on() {
        smoke(
            |data| assert!(!data.contains(&0), "found"),
            &[b"abc"],
            10_000,
        );
    }
}
