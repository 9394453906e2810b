//! The command as machines use it: options in, lines and exit codes out.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its run went wrong")]

mod bare_keys;
mod choices;
mod demo;
mod echo;
mod endings;
mod mistakes;
#[allow(dead_code, reason = "each directory of tests uses its part")]
#[path = "../process/mod.rs"]
mod process;
mod sessions;
#[cfg(unix)]
mod signals;
mod trust;
