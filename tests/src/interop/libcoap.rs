//! libcoap's `coap-client` and `coap-server`: how they call things, and what their lines mean.
//!
//! Debian builds each of them over GnuTLS, over OpenSSL, and without TLS.

use core::net::{Ipv4Addr, SocketAddr};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use super::authority::{Authority, Leaf};
use super::encounter::words;
use super::process::Process;
use super::{Trouble, has_peer, is_at_hand, ports};

/// What a build does DTLS with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// GnuTLS.
    GnuTls,
    /// OpenSSL.
    OpenSsl,
    /// Nothing: CoAP in the clear.
    NoTls,
}

impl Build {
    /// Those that speak DTLS.
    pub const WITH_TLS: [Self; 2] = [Self::GnuTls, Self::OpenSsl];

    /// What its programs' names end with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GnuTls => "gnutls",
            Self::OpenSsl => "openssl",
            Self::NoTls => "notls",
        }
    }

    /// `coap-client` with these arguments. It gives up after some seconds.
    #[must_use]
    pub fn client(self, args: &[&str]) -> Command {
        let mut command = self.command("coap-client");
        // A line break behind what it prints.
        command.args(["-w", "-B", "10"]).args(args);
        command
    }

    /// Starts `coap-server` with these arguments; returns it, and where it speaks DTLS, or CoAP if it has no TLS.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_server(self, args: &[&str]) -> Result<(Process, SocketAddr), Trouble> {
        // CoAP has the port that it is told, and DTLS the next one.
        ports::at_free_ports(2, |port| {
            let mut command = self.command("coap-server");
            command.args(["-v", "7", "-A", "127.0.0.1", "-p", &port.to_string()]).args(args);
            let server = Process::start("coap-server", command)?;
            let (last, port) = match self {
                Self::GnuTls | Self::OpenSsl => (format!("created TLS  endpoint 127.0.0.1:{}\n", port + 1), port + 1),
                Self::NoTls => (format!("created TCP  endpoint 127.0.0.1:{port}\n"), port),
            };
            // Another of its kind may have the same port of UDP, but not of TCP.
            let is_there = server.await_one_of(&[&last, "cannot create "])? == last;
            Ok(is_there.then(|| (server, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))))
        })
    }

    /// One of its programs, without the policies of the machine.
    fn command(self, program: &str) -> Command {
        let mut command = Command::new(format!("{program}-{}", self.name()));
        command.env("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null").env("OPENSSL_CONF", openssl_configuration());
        command
    }
}

/// Whether this machine has them all, and openssl, which makes the certificates. If not, says so where it is seen.
///
/// # Panics
/// If one is missing and `DTLS_REQUIRE_PEERS=1` demands it.
#[must_use]
pub fn is_installed() -> bool {
    let programs = [Build::GnuTls, Build::OpenSsl, Build::NoTls]
        .into_iter()
        .flat_map(|build| ["coap-client", "coap-server"].map(|program| format!("{program}-{}", build.name())));
    // They exit with 1 even where they are asked for help.
    let is_there = |name: &String| Command::new(name).arg("-?").output().is_ok();
    let all = programs.into_iter().all(|name| is_at_hand(is_there(&name), &name, "libcoap3-bin"));
    all && has_peer("openssl", "version")
}

/// What they say of themselves.
#[must_use]
pub fn version() -> String {
    let said = |build: Build, start: &str| {
        let output = build.command("coap-client").arg("-?").output();
        let text = output.map_or_else(|error| error.to_string(), |out| String::from_utf8_lossy(&out.stderr).into());
        text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default().to_owned()
    };
    let [gnutls, openssl] = Build::WITH_TLS.map(|build| said(build, "TLS Library: "));
    format!("libcoap {}; {gnutls}; {openssl}", said(Build::GnuTls, "Build: "))
}

/// The tags of eight bytes that RFC 7252 asks for are below OpenSSL's usual level of security.
fn openssl_configuration() -> &'static str {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = Authority::of_this_run().file("libcoap.cnf");
        let text = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = default\n\
                    [default]\nCipherString = ALL:@SECLEVEL=0\n";
        fs::write(&file, text).expect("a file can be written");
        file
    })
}

/// The options for a bare key. There is none for whose to trust.
///
/// # Panics
/// If the key's files cannot be read, or its own not be written.
#[must_use]
pub fn bare_key_options(leaf: Leaf) -> Vec<String> {
    let [_, private] = leaf.files();
    let public = leaf.public_key();
    // It takes both halves from one file. Those who use one key at a time write the same.
    let both = format!("{public}-and-key");
    let content = [&public, &private].map(|file| fs::read_to_string(file).expect("the file of a key")).concat();
    fs::write(&both, content).expect("a file can be written");
    words(&["-M", &both])
}

/// The options for a certificate with its key, and for the root that the peer's must lead to.
#[must_use]
pub fn certificate_options(files: &[String; 2], ca: &str) -> Vec<String> {
    let [cert, key] = files;
    words(&["-c", cert, "-j", key, "-C", ca])
}
