#![no_main]
//! See `edr_fuzz::targets::delay`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::delay::run(data));
