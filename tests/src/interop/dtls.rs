//! Our command: where it is, and what its lines mean.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Trouble;
use super::process::Finished;

/// `dtls` with these arguments, built beside the test that runs.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command.args(args).env_remove("SSLKEYLOGFILE");
    command
}

/// The value of `key` on a line of `key=value` items.
///
/// # Errors
/// If there is no such key.
pub fn value<'a>(line: &'a str, key: &str) -> Result<&'a str, Trouble> {
    let of_item = |item: &'a str| item.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value);
    line.split(' ').find_map(of_item).ok_or_else(|| Trouble::new(format!("no {key}= on the line {line:?}")))
}

/// The bytes of the EXPORT line for `label`.
///
/// # Errors
/// If there is none.
pub fn exported(ours: &Finished, label: &str) -> Result<Vec<u8>, Trouble> {
    let material = ours.line(&format!("EXPORT label={label} "))?;
    hex::decode(material).map_err(|error| Trouble::new(format!("EXPORT {material}: {error}")))
}

/// Where cargo puts what it builds for this run.
///
/// # Panics
/// If the test does not run from there.
#[must_use]
pub fn target_directory() -> PathBuf {
    let directory = profile_directory();
    directory.parent().expect("the directory of a profile is in the target directory").to_owned()
}

/// The executable of this test is in `target/PROFILE/deps`.
fn profile_directory() -> PathBuf {
    let executable = env::current_exe().expect("this test has an executable");
    executable.ancestors().nth(2).expect("a test is in target/PROFILE/deps").to_owned()
}

/// Where the command is; it is built first.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(build)
}

fn build() -> PathBuf {
    let directory = profile_directory();
    let profile = match directory.file_name().and_then(OsStr::to_str) {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace");
    let mut command = Command::new(env!("CARGO"));
    // What cargo tells this test of its package is not for the build scripts of others: ring would be built anew, and all
    // that stands on it, each time that a build by hand and one from here take turns.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command.current_dir(workspace).args(["build", "--quiet", "-p", "dtls-cli", "--profile", profile, "--target-dir"]);
    let output = command.arg(target_directory()).output().expect("cargo starts");
    assert!(output.status.success(), "the dtls command does not build: {}", String::from_utf8_lossy(&output.stderr));
    directory.join(format!("dtls{}", env::consts::EXE_SUFFIX))
}
