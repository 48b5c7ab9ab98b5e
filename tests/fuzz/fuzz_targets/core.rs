//! `scripts/fuzz 60 core`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz_server::core_script(data));
