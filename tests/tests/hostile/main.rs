//! Dishonest peers and strangers, case by case: what once went wrong in a stack somewhere must not go wrong here.
//!
//! | file | what is attacked |
//! |---|---|
//! | `framing.rs` | datagrams, records, message forms |
//! | `fragments.rs` | reassembly |
//! | `records.rs` | protection, epochs, replay, alerts, after the handshake |
//! | `states.rs` | the order of messages, and what a handshake proves |
//! | `credentials.rs` | certificates, bare keys and OCSP responses |
//! | `proofs.rs` | whether a peer holds what it shows |
//! | `crypto.rs` | cryptography that fails or tells too much |
//! | `psk.rs` | suites with a pre-shared key |
//! | `resumption.rs` | tickets, session IDs, and who has them |
//! | `owners.rs` | nothing: those who decide fail by themselves |
//! | `cookies.rs` | the cookie exchange, from both sides |
//! | `timers.rs` | retransmission |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

mod cookies;
mod credentials;
mod crypto;
mod fragments;
mod framing;
mod owners;
mod play;
mod proofs;
mod psk;
mod records;
mod resumption;
mod states;
mod timers;
