//! A script against one connection; see `dtls_fuzz::script` and `dtls_fuzz::world`.
#![no_main]

use dtls_fuzz::script::Script;

libfuzzer_sys::fuzz_target!(|script: Script| dtls_fuzz::world::run(&script));
