//! Secrets in a file, for a protocol analyser.

use core::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use dtls_core::config::KeyLog;

/// Appends one line a handshake to a file, in the form that Wireshark and others read (RFC 9850).
///
/// Whoever reads the file reads the traffic. Nothing makes one unless it is put into
/// [`Settings::key_log`](dtls_core::Settings::key_log); only [`from_env`](Self::from_env) asks the environment. The line is written while the
/// sessions of the socket wait, as with all [callbacks](crate#callbacks): a file that blocks, such as a pipe, stops them.
#[derive(Debug)]
pub struct KeyLogFile {
    file: Mutex<File>,
}

impl KeyLogFile {
    /// Opens the file for appending; makes it, readable by its owner only, if it is not there.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn append(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: Mutex::new(options.open(path)?) })
    }

    /// As [`append`](Self::append), to the file that the environment variable `SSLKEYLOGFILE` names, as other libraries
    /// do unasked; `None` where it is not set or empty.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn from_env() -> io::Result<Option<Self>> {
        let path = std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty());
        path.map(Self::append).transpose()
    }
}

impl KeyLog for KeyLogFile {
    /// A line that cannot be written is left out: a full disk must not end a connection.
    fn log(&self, label: &str, client_random: &[u8; 32], secret: &[u8]) {
        let mut line = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(line, "{label} {} {}", Hex(client_random), Hex(secret));
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}

struct Hex<'a>(&'a [u8]);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
