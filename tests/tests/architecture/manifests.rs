//! What all packages have in common is stated once.

use std::collections::BTreeSet;
use std::{fs, io};

use crate::assert_no_faults;
use crate::repository::{read, root};

#[test]
fn every_package_inherits_its_facts_from_the_workspace() -> io::Result<()> {
    let mut manifests = vec!["tests/Cargo.toml".to_owned()];
    for entry in fs::read_dir(root().join("crates"))? {
        let manifest = format!("crates/{}/Cargo.toml", entry?.file_name().to_string_lossy());
        manifests.extend(root().join(&manifest).exists().then_some(manifest));
    }
    assert!(manifests.len() > 1, "no crates found");
    for manifest in manifests {
        assert_no_faults(manifest_faults(&manifest, &read(&manifest)?));
    }
    Ok(())
}

/// What a manifest states itself, or not at all, although the workspace states it for all.
fn manifest_faults(name: &str, text: &str) -> Vec<String> {
    let mut section = String::new();
    let mut present = BTreeSet::new();
    for line in text.lines() {
        let line: String = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(heading) => heading.clone_into(&mut section),
            None => _ = present.insert(format!("[{section}] {line}")),
        }
    }
    let missing = INHERITED.iter().filter(|line| !present.contains(**line));
    missing.map(|line| format!("{name} lacks `{line}`: it is stated once, in the workspace")).collect()
}

const INHERITED: [&str; 5] = [
    "[package] version.workspace=true",
    "[package] edition.workspace=true",
    "[package] rust-version.workspace=true",
    "[package] license.workspace=true",
    "[lints] workspace=true",
];

#[test]
fn a_manifest_that_states_a_fact_itself_or_drops_the_lints_is_found() {
    let lawful = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true # ours\n\
                  rust-version.workspace = true\nlicense.workspace = true\n[lints]\nworkspace = true\n";
    assert_eq!(manifest_faults("x", lawful), Vec::<String>::new());
    let unlawful = [
        lawful.replace("version.workspace = true\nedition", "version = \"1.0.0\"\nedition"),
        lawful.replace("edition.workspace = true", "edition = \"2021\""),
        lawful.replace("rust-version.workspace", "# rust-version.workspace"),
        lawful.replace("license.workspace = true", ""),
        lawful.replace("[lints]\nworkspace = true", ""),
        lawful.replace("[lints]", "[lints.rust]"),
    ];
    for manifest in unlawful {
        assert_eq!(manifest_faults("x", &manifest).len(), 1, "{manifest}");
    }
}
