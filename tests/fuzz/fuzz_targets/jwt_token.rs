//! `scripts/fuzz 60 jwt_token`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::jwt_token(data));
