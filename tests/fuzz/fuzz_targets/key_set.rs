//! `scripts/fuzz 60 key_set`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::key_set(data));
