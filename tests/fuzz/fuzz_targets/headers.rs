//! `scripts/fuzz 60 headers`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::headers(data));
