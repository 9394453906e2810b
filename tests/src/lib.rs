//! Tests that no single crate can hold: they need both sides, a network, or somebody else's stack.
//!
//! This library is what those tests share. A test beside the code it tests is a unit test and lives there; it comes here when
//! it needs more than one crate, more than one endpoint, or a look at the repository itself.
//!
//! | what | where | with |
//! |---|---|---|
//! | layering, no-std, manifests, documentation facts | `tests/architecture/` | |
//! | every fault on every datagram of a handshake | `tests/fault_grid.rs` | [`scenario`], [`sim`], [`remembered`] |
//! | bad weather for hundreds of seeds | `tests/storm.rs` | [`scenario`], [`sim`] |
//! | what holds for every input | `tests/invariants/`, `tests/memory.rs`, `tests/wiped.rs` | [`observe`] |
//! | dishonest peers and strangers, case by case | `tests/hostile/` | [`peer`], [`raw`] |
//! | every suite, group, certificate and policy | `tests/suites.rs` | [`certificates`] |
//! | handshakes byte for byte, known answers | `tests/golden/`, `tests/vectors.rs` | [`seeded`] |
//! | many sessions on one socket | `tests/endpoint/` | [`sockets`], [`quick`] |
//! | what must take as many instructions | `tests/instructions.rs`, `src/bin/steps.rs` | valgrind |
//! | openssl, GnuTLS | `tests/interop_openssl/`, `tests/interop_gnutls/` | [`interop`] |
//! | libcoap | `tests/interop_coap.rs` | [`interop`] |
//! | Mbed TLS and wolfSSL, for connection IDs | `tests/interop_cids.rs`, `peers/` | [`interop`] |
//! | the snippets of `docs/identities.md` and `docs/sessions.md` | their own text | [`exhibit`] |
//! | a program that cannot link std, outside the workspace | `no-std/` | |
//!
//! Nothing here sleeps. Time is an argument that jumps to the deadlines the code returned, and every seed is printed;
//! only in [`interop`], where other programs take part, does it pass by itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

pub mod certificates;
pub mod dice;
pub mod exhibit;
pub mod interop;
pub mod observe;
pub mod owner;
pub mod peer;
#[path = "../../crates/dtls-endpoint/benches/quick/mod.rs"]
pub mod quick;
pub mod raw;
pub mod remembered;
pub mod scenario;
pub mod seeded;
pub mod sim;
pub mod sockets;
