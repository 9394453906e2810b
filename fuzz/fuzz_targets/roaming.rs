//! A script against an endpoint whose sessions have connection IDs; see `dtls_fuzz::roaming`.
#![no_main]

use dtls_fuzz::roaming::Script;

libfuzzer_sys::fuzz_target!(|script: Script| dtls_fuzz::roaming::run(&script));
