//! Protocol crates take only core and alloc.

use std::collections::BTreeSet;
use std::io;

use proc_macro2::TokenTree;

use crate::assert_no_faults;
use crate::repository::{root, rust_files};
use crate::rust::{RustFile, core_file, is_ident, is_path_separator, trees};

#[test]
fn protocol_crates_do_not_mention_std() -> io::Result<()> {
    for crate_name in ["dtls-core", "dtls-endpoint"] {
        if !root().join("crates").join(crate_name).join("Cargo.toml").exists() {
            assert_ne!(crate_name, "dtls-core", "dtls-core has moved");
            continue;
        }
        let files = rust_files(&format!("crates/{crate_name}/src"))?;
        assert!(files.iter().any(|file| file.module.is_empty()), "{crate_name} has no lib.rs");
        assert_no_faults(std_faults(&files));
    }
    Ok(())
}

/// Every mention of std as a crate, and a `lib.rs` that does not renounce it.
pub(crate) fn std_faults(files: &[RustFile]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut test_modules = BTreeSet::new();
    let mut parsed = Vec::new();
    for file in files {
        match file.tokens_without_tests(&mut test_modules) {
            Ok(tokens) => parsed.push((file, tokens)),
            Err(fault) => faults.push(fault),
        }
    }
    for (file, tokens) in parsed {
        let name = &file.name;
        let renounces =
            |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.stream().to_string() == "no_std");
        if file.module.is_empty() && !tokens.iter().any(renounces) {
            faults.push(format!("{name} lacks `#![no_std]`: protocol crates take only core and alloc"));
        }
        if !file.is_below(&test_modules) {
            let mut lines = BTreeSet::new();
            collect_std_lines(&tokens, &mut lines);
            faults.extend(
                lines.iter().map(|line| format!("{name}:{line} uses std: protocol crates take only core and alloc")),
            );
        }
    }
    faults
}

fn collect_std_lines(tokens: &[TokenTree], lines: &mut BTreeSet<usize>) {
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => collect_std_lines(&trees(group), lines),
            TokenTree::Ident(ident) if ident == "std" => {
                let imported = at.checked_sub(1).and_then(|before| tokens.get(before));
                let imported = imported.is_some_and(|token| is_ident(token, "use") || is_ident(token, "crate"));
                if imported || is_path_separator(tokens, at + 1) {
                    lines.insert(ident.span().start().line);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn std_is_found_in_every_spelling() {
    let spellings = [
        "use std::vec::Vec;",
        "use ::std::vec::Vec;",
        "use {core::fmt, std::vec::Vec};",
        "extern crate std;",
        "use std as base;",
        "fn f() -> std::time::Duration { ::core::todo!() }",
        "#[cfg(feature = \"std\")] extern crate std;",
        "macro_rules! m { () => { std::vec![] } }",
    ];
    for spelling in spellings {
        assert_eq!(std_faults(&[core_file("record.rs", spelling)]).len(), 1, "{spelling}");
    }
    assert_eq!(std_faults(&[core_file("lib.rs", "extern crate alloc;")]).len(), 1, "no_std was missing");
}

#[test]
fn std_in_tests_comments_and_names_is_no_fault() {
    let lawful = "
        #![no_std]
        //! Unlike `std::net`.
        use dtls_std::Endpoint; // std::io
        #[cfg(feature = \"std\")]
        fn std() {}
        #[cfg(test)]
        extern crate std;
        #[cfg(test)]
        mod tests { use std::vec; }
    ";
    assert_eq!(std_faults(&[core_file("lib.rs", lawful)]), Vec::<String>::new());
}
