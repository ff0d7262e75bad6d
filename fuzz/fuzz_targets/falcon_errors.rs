#![no_main]
//! See `edr_fuzz::targets::falcon_errors`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::falcon_errors::run(data));
