//! `scripts/fuzz 60 payload`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::payload(data));
