#![no_main]
//! See `edr_fuzz::targets::body`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::body::run(data));
