#![no_main]
//! See `edr_fuzz::targets::config`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::config::run(data));
