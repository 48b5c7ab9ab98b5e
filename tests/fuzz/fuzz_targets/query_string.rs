//! `scripts/fuzz 60 query_string`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::query_string(data));
