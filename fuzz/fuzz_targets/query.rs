#![no_main]
//! See `edr_fuzz::targets::query`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::query::run(data));
