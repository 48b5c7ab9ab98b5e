//! `scripts/fuzz 60 statements`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::statements(data));
