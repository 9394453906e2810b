//! Arbitrary bytes into one decoder; see `dtls_fuzz::decoders`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dtls_fuzz::decoders::run(data));
