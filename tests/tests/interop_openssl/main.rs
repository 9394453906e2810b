//! Our command and the openssl command line, both roles, over loopback.
//!
//! Each test says in one line on standard error what it has run; `--nocapture` shows the tables. Where there is no
//! openssl the tests say so and skip; with `DTLS_REQUIRE_PEERS=1` that is a failure. So it is with tshark, where that is
//! needed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod endings;
mod extensions;
mod handshakes;
mod keys;
mod many;
mod names;
mod resumption;

use dtls_core::Role;
use dtls_tests::interop::authority::KeyKind;
use dtls_tests::interop::{has_peer, openssl};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn has_openssl() -> bool {
    has_peer("openssl", "version")
}

/// Whether openssl can take the other role, where the server has a key of this kind.
fn can_be_met(role: Role, server_key: KeyKind) -> bool {
    role == Role::Server || openssl::can_serve(server_key)
}

fn role_word(role: Role) -> String {
    match role {
        Role::Client => "client".to_owned(),
        Role::Server => "server".to_owned(),
    }
}

fn role_words(role: &Role) -> Vec<String> {
    vec![role_word(*role)]
}
