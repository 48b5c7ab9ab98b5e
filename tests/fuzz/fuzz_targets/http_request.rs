//! `scripts/fuzz 60 http_request`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::http_request(data));
