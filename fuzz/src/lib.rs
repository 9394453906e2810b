//! Fuzz targets for `dtls-core`.
//!
//! ```text
//!   bytes ─▶ decoders::run          every decoder of `wire`, and what we read out of certificates
//!   bytes ─▶ Script ─▶ world::run   one connection under attack, an honest peer beside it, invariants after each step
//! ```
//!
//! Both are plain functions, so that `cargo test` can run the seeds through them on a stable toolchain.

pub mod checks;
pub mod decoders;
pub mod forge;
pub mod null_provider;
pub mod script;
pub mod seeds;
pub mod world;
