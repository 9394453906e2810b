//! A script against one endpoint; see `dtls_fuzz::many` and `dtls_fuzz::crowd`.
#![no_main]

use dtls_fuzz::many::Script;

libfuzzer_sys::fuzz_target!(|script: Script| dtls_fuzz::crowd::run(&script));
