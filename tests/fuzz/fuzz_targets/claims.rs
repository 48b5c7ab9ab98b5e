//! `scripts/fuzz 60 claims`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::claims(data));
