//! Some thousand hostile inputs for every fuzz target, and its corpus, in each run of the tests.

/// As many as take seconds; `scripts/fuzz` is the long run.
const ROUNDS: u32 = 3_000;

#[test]
fn every_fuzz_target_keeps_its_properties() {
    for target in corerest_fuzz::TARGETS {
        target.smoke(ROUNDS);
    }
}
