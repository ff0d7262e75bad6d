#![no_main]
//! See `edr_fuzz::targets::falcon_events`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::falcon_events::run(data));
