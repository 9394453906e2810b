//! Reading the files of the repository.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::rust::RustFile;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(root().join(path)).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
}

/// Every Rust file below a folder of the repository, in order.
pub(crate) fn rust_files(folder: &str) -> io::Result<Vec<RustFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                let inside = path.strip_prefix(root().join(folder)).unwrap_or(&path);
                files.push(RustFile::new(name, inside, fs::read_to_string(&path)?));
            }
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}
