#![no_main]
//! See `edr_fuzz::targets::addresses`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::addresses::run(data));
