//! `scripts/fuzz 60 access_line`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::access_line(data));
