#![no_main]
//! See `edr_fuzz::targets::cortex_endpoints`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::cortex_endpoints::run(data));
