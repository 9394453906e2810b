//! The openssl command: how it calls things, and what its lines mean.

use std::ffi::OsStr;
use std::process::Command;
use std::sync::OnceLock;

use super::Trouble;
use super::authority::{Authority, KeyKind, Leaf};
use super::process::{Finished, Process};

/// `openssl` with these arguments, and without the configuration of the machine.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("openssl");
    command.args(args).env("OPENSSL_CONF", Authority::of_this_run().openssl_configuration());
    command
}

/// What `openssl version` says.
#[must_use]
pub fn version() -> String {
    let output = Command::new("openssl").arg("version").output();
    output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether openssl can show and read keys without certificates (RFC 7250): OpenSSL 3.2 is the first that can.
///
/// # Panics
/// If openssl does not even start.
#[must_use]
pub fn knows_bare_keys() -> bool {
    let output = command(["s_client", "-help"]).output().expect("openssl starts");
    [output.stdout, output.stderr].iter().any(|said| String::from_utf8_lossy(said).contains("-enable_server_rpk"))
}

/// Whether `s_server` can use a key of this kind with DTLS, which its own `s_client` finds out: OpenSSL 3.0 cannot use
/// Ed25519 there.
///
/// # Panics
/// If openssl does not even start.
#[must_use]
pub fn can_serve(kind: KeyKind) -> bool {
    static ED25519: OnceLock<bool> = OnceLock::new();
    match kind {
        KeyKind::Ecdsa | KeyKind::Rsa => true,
        KeyKind::Ed25519 => *ED25519.get_or_init(|| {
            let shaken = shake_hands_with_itself(kind);
            shaken.unwrap_or_else(|trouble| panic!("openssl cannot be asked about Ed25519: {trouble}"))
        }),
    }
}

fn shake_hands_with_itself(kind: KeyKind) -> Result<bool, Trouble> {
    let [cert, key] = Leaf::Server(kind).files();
    let ca = Authority::of_this_run().ca();
    let server = ["s_server", "-dtls1_2", "-accept", "127.0.0.1:0", "-naccept", "1", "-CAfile", &ca];
    let server = Process::start("openssl s_server", command(server.into_iter().chain(["-cert", &cert, "-key", &key])))?;
    let address = server.await_line("ACCEPT ")?;
    let client = ["s_client", "-dtls1_2", "-connect", &address, "-CAfile", &ca];
    let mut client = Process::start("openssl s_client", command(client))?;
    client.say("Q\n")?;
    let finished = client.finish()?;
    Ok(finished.line("New, ")?.starts_with("TLSv1.2, "))
}

/// A cipher suite by its two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// IANA's.
    pub name: &'static str,
    /// OpenSSL's.
    pub openssl_name: &'static str,
    /// The kinds of server keys it can be used with.
    pub keys: &'static [KeyKind],
}

/// All of ours.
pub const SUITES: [Suite; 6] = [
    Suite {
        name: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        openssl_name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        keys: ECDSA_KEYS,
    },
    Suite {
        name: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        openssl_name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        keys: ECDSA_KEYS,
    },
    Suite {
        name: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        openssl_name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        keys: ECDSA_KEYS,
    },
    Suite {
        name: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        openssl_name: "ECDHE-RSA-AES128-GCM-SHA256",
        keys: RSA_KEYS,
    },
    Suite {
        name: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        openssl_name: "ECDHE-RSA-AES256-GCM-SHA384",
        keys: RSA_KEYS,
    },
    Suite {
        name: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        openssl_name: "ECDHE-RSA-CHACHA20-POLY1305",
        keys: RSA_KEYS,
    },
];

const ECDSA_KEYS: &[KeyKind] = &[KeyKind::Ecdsa, KeyKind::Ed25519];
const RSA_KEYS: &[KeyKind] = &[KeyKind::Rsa];

/// The bytes that `-keymatexport` has printed.
///
/// # Errors
/// If it has printed none.
pub fn exported(theirs: &Finished) -> Result<Vec<u8>, Trouble> {
    let material = theirs.line(EXPORTED)?;
    hex::decode(material).map_err(|error| Trouble::new(format!("{EXPORTED}{material}: {error}")))
}

/// What stands before the bytes of `-keymatexport`: the last that is printed of a handshake.
pub const EXPORTED: &str = "Keying material: ";
