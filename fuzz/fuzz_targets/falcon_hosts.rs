#![no_main]
//! See `edr_fuzz::targets::falcon_hosts`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| edr_fuzz::targets::falcon_hosts::run(data));
