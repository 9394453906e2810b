//! Our command and the commands of GnuTLS, both roles, over loopback.
//!
//! Each test says in one line on standard error what it has run; `--nocapture` shows the tables. Where there is no GnuTLS the
//! tests say so and skip; with `DTLS_REQUIRE_PEERS=1` that is a failure. What GnuTLS cannot do is told in `docs/interop.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod endings;
mod extensions;
mod handshakes;
mod keys;
mod resumption;

use dtls_core::Role;
use dtls_tests::interop::cells::run_all_against;
use dtls_tests::interop::{Trouble, gnutls};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn run_all<C: Sync>(
    title: &str,
    columns: &[&str],
    cells: &[C],
    words: impl Fn(&C) -> Vec<String>,
    run: impl Fn(&C) -> Result<(), Trouble> + Sync,
) {
    if gnutls::is_installed() {
        run_all_against(&gnutls::version(), title, columns, cells, words, run);
    }
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
