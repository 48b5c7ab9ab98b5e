//! `scripts/fuzz 60 config_file`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::config_file(data));
