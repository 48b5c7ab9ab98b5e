//! `scripts/fuzz 60 intake`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::intake(data));
