#![no_main]
//! See `edr_fuzz::targets::download`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::download::run(data));
