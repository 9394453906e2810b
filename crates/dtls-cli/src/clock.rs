//! The one place of the command that asks what time it is: for what `--delay` holds back and how long `--wait` waits.
//! The engine has its own, in dtls-std.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "waits of the command itself; the engine sees none of it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
