//! `--session-out` and `--session-in`: what a client needs to resume a session, in a file of its owner's alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::process;

use dtls_core::{ClientConfig, ResumptionState};
use dtls_std::{ServerName, Session};

use crate::output::note;
use crate::usage::UsageError;

const IN: &str = "--session-in";
const OUT: &str = "--session-out";

/// The session to offer, if the file has one that suits the other options. Says so if it does not.
pub(crate) fn read(
    file: &Path,
    config: &ClientConfig,
    server_name: Option<&ServerName<'_>>,
) -> Result<Option<ResumptionState>, UsageError> {
    let problem = |problem: String| UsageError::new(IN, format!("{}: {problem}", file.display()));
    let bytes = fs::read(file).map_err(|error| problem(format!("{error}; give a file that --session-out wrote")))?;
    let state = ResumptionState::from_bytes(&bytes).map_err(|_| {
        problem("there is no session in it, or one of another version; give what --session-out wrote".into())
    })?;
    Ok(match state.fits(config, server_name) {
        Ok(()) => Some(state),
        Err(misfit) => {
            note(&format!("{IN}: {}: {misfit}; making a full handshake", file.display()));
            None
        }
    })
}

/// Says if the session that was offered does not go on.
pub(crate) fn tell_outcome(file: &Path, session: &Session) {
    if !session.resumed() {
        note(&format!("{IN}: {}: the server does not go on with it; this was a full handshake", file.display()));
    }
}

/// Writes what is needed to resume a session that is over in good order; says if there is nothing.
pub(crate) fn write(file: &Path, session: &Session) -> Result<(), UsageError> {
    let Some(state) = session.take_resumption_state() else {
        note(&format!("{OUT}: {}: not written; the server keeps no session, and gave no ticket", file.display()));
        return Ok(());
    };
    write_anew(file, &state.to_bytes())
        .map_err(|error| UsageError::new(OUT, format!("{}: {error}; name a file that can be written", file.display())))
}

/// All of it or nothing, and never readable for others: what was there before is replaced, unless it is no file.
fn write_anew(file: &Path, content: &[u8]) -> io::Result<()> {
    if fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        return OpenOptions::new().write(true).open(file)?.write_all(content);
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside)?.write_all(content).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        // What is left of it is of no use.
        let _ = fs::remove_file(&beside);
    }
    written
}
