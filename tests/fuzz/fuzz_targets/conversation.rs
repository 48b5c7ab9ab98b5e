//! `scripts/fuzz 60 conversation`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::conversation(data));
