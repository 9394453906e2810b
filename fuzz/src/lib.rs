//! Fuzz targets for `dtls-core` and `dtls-endpoint`.
//!
//! ```text
//!   bytes ─▶ decoders::run          every decoder of `wire`, and what we read out of certificates
//!   bytes ─▶ Script ─▶ world::run   one connection under attack, an honest peer beside it, invariants after each step
//!   bytes ─▶ many::Script ─▶ crowd::run      one endpoint with eight addresses, honest and not, limits kept
//!   bytes ─▶ roaming::Script ─▶ roaming::run one endpoint with connection IDs, clients that may be anywhere
//! ```
//!
//! All are plain functions, so that `cargo test` can run the seeds through them on a stable toolchain.

pub mod checks;
pub mod crowd;
pub mod decoders;
pub mod forge;
pub mod many;
pub mod null_provider;
pub mod resumed;
pub mod roaming;
pub mod script;
pub mod seeds;
pub mod world;
