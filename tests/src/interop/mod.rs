//! Our `dtls` command and somebody else's stack, as processes on loopback that talk through a relay of ours.
//!
//! ```text
//!   dtls client ── datagrams ──▶ Relay ── datagrams ──▶ openssl s_server      and with the roles swapped
//!        │                         │ keeps a copy                │            and with gnutls-serv, coap-server
//!        └─ lines on stdout ──▶ Encounter ◀── lines on stdout ───┘
//! ```
//!
//! | what | where |
//! |---|---|
//! | a process that is heard, spoken to, and killed when it is dropped | [`process`] |
//! | a CA and the certificates of both sides, made by openssl | [`authority`] |
//! | our command: where it is, what its lines mean | [`dtls`] |
//! | our engine on a socket, where the command has no words for it | [`engine`] |
//! | theirs: how they call things, what their lines mean | [`openssl`], [`gnutls`], [`libcoap`] |
//! | ports for servers that cannot say which one they got | [`ports`] |
//! | a little CoAP, to have something to say to [`libcoap`] | [`coap`] |
//! | the datagrams on their way, and what is in them | [`relay`] |
//! | the datagrams as a file, opened by tshark with our key log | [`capture`] |
//! | one of ours meets one of theirs | [`encounter`] |
//! | many encounters, a few at a time, and the table of them | [`cells`] |
//!
//! Time is real here: other people's processes know no other. Every wait is for a line, a datagram or an exit, and ends
//! as [`Trouble`] after [`process::PATIENCE`] at the latest.

use core::fmt::{self, Display};
use std::env;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

pub mod authority;
pub mod capture;
pub mod cells;
pub mod coap;
pub mod dtls;
pub mod encounter;
pub mod engine;
pub mod gnutls;
pub mod libcoap;
pub mod openssl;
pub mod ports;
pub mod process;
pub mod relay;

/// What went otherwise than it should, in words, with what the processes said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(String);

impl Trouble {
    /// From words.
    pub fn new(words: impl Display) -> Self {
        Self(words.to_string())
    }

    /// With what else is worth knowing.
    #[must_use]
    pub fn and(self, more: impl Display) -> Self {
        Self(format!("{}\n{more}", self.0))
    }
}

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Trouble unless `left` and `right` are equal.
///
/// # Errors
/// If they are not: both, and what they are.
pub fn same<T: PartialEq + fmt::Debug>(what: &str, left: T, right: T) -> Result<(), Trouble> {
    if left == right { Ok(()) } else { Err(Trouble::new(format!("{what}: {left:?}, but expected {right:?}"))) }
}

/// Whether this machine has the foreign program `name`; `argument` makes it say its version. If not, says so where it
/// is seen.
///
/// # Panics
/// If it is missing and `DTLS_REQUIRE_PEERS=1` demands it.
pub fn has_peer(name: &str, argument: &str) -> bool {
    let asked = Command::new(name).arg(argument).stdin(Stdio::null()).output();
    is_at_hand(asked.is_ok_and(|output| output.status.success()), name, name)
}

/// Passes on whether a foreign program was `found`. If not, says so where it is seen, and which `package` has it.
///
/// # Panics
/// If it is missing and `DTLS_REQUIRE_PEERS=1` demands it.
pub fn is_at_hand(found: bool, name: &str, package: &str) -> bool {
    if !found {
        let required = env::var("DTLS_REQUIRE_PEERS").is_ok_and(|value| value == "1");
        assert!(!required, "{name} is not installed, and DTLS_REQUIRE_PEERS=1 demands it; install {package}");
        announce(&format!("SKIPPED: {name} is not installed; install {package} to run these tests"));
    }
    found
}

/// Says something even where the output of tests that pass is swallowed.
pub fn announce(words: &str) {
    // Whoever closed standard error does not want to know.
    let _ = writeln!(io::stderr(), "{words}");
}
