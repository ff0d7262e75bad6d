#![no_main]
//! See `edr_fuzz::targets::fql`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::fql::run(data));
