//! `scripts/fuzz 60 answers`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::answers(data));
