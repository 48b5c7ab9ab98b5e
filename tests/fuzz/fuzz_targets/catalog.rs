//! `scripts/fuzz 60 catalog`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::catalog(data));
