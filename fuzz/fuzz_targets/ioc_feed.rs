#![no_main]
//! See `edr_fuzz::targets::ioc_feed`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::ioc_feed::run(data));
