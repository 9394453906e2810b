//! Tests that no single crate can hold: they need both sides, a network, or somebody else's stack.
//!
//! This library is what those tests share. A test beside the code it tests is a unit test and lives there; it comes here when
//! it needs more than one crate, more than one endpoint, or a look at the repository itself.
//!
//! | what | where |
//! |---|---|
//! | layering, no-std, manifests, documentation facts | `tests/architecture.rs` |
//! | a program that cannot link std, outside the workspace | `no-std/` |
//!
//! Nothing here sleeps. Time is an argument that jumps to the deadlines the code returned, and every seed is printed.
