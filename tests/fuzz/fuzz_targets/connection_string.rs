//! `scripts/fuzz 60 connection_string`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::connection_string(data));
