//! `scripts/fuzz 60 postgres_messages`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corerest_fuzz::postgres_messages(data));
