//! What the repository promises about itself: layers, no std, one set of package facts, documentation that names what exists.
//!
//! A checker takes text and returns sentences: what is wrong, where, and by which rule. No sentence, no fault. So each
//! checker is itself tested on a few lines that break its rule, and then applied to the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

// --- layers ---

#[test]
fn imports_in_dtls_core_never_point_up() -> io::Result<()> {
    let files = rust_files("crates/dtls-core/src")?;
    assert!(files.len() > 1, "dtls-core has no source files: has it moved?");
    assert_no_faults(layer_faults(&files));
    Ok(())
}

/// The picture of CONTRIBUTING.md, bottom first. A module of dtls-core that is not in it may neither import nor be imported.
const LAYERS: [&[&str]; 5] = [
    &["wire", "error", "discard", "time"],
    &["crypto"],
    &["record"],
    &["handshake", "config", "event", "decision", "resumption"],
    &["connection", "cookie", "exporter"],
];

/// Every path from one top-level module to another, against [`LAYERS`]. `lib.rs` is exempt: it holds no logic.
fn layer_faults(files: &[RustFile]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut test_modules = BTreeSet::new();
    let mut reexports = BTreeMap::new();
    let mut parsed = Vec::new();
    for file in files {
        let tokens = match file.tokens_without_tests(&mut test_modules) {
            Ok(tokens) => tokens,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        if file.module.is_empty() {
            collect_reexports(&tokens, &mut reexports);
        } else {
            parsed.push((file, tokens));
        }
    }
    for (file, tokens) in parsed {
        if file.is_below(&test_modules) {
            continue;
        }
        let mut paths = Vec::new();
        collect_paths(&tokens, &file.module, &mut paths);
        let Some(from) = file.module.first() else { continue };
        for path in paths {
            let to = path.segments.first().map_or("", String::as_str);
            let to = reexports.get(to).map_or(to, String::as_str);
            if let Some(rule) = broken_layer_rule(from, to) {
                let (name, line, segments) = (&file.name, path.line, path.segments.join("::"));
                faults.push(format!("{name}:{line} uses `crate::{segments}`: {rule}"));
            }
        }
    }
    faults
}

/// Why a module may not use another one, if so.
fn broken_layer_rule(from: &str, to: &str) -> Option<String> {
    let layer_of = |name: &str| LAYERS.iter().position(|modules| modules.contains(&name));
    if from == to {
        return None;
    }
    let Some(low) = layer_of(from) else {
        return Some(format!("`{from}` has no layer; give it one in LAYERS of tests/tests/architecture.rs"));
    };
    let Some(high) = layer_of(to) else {
        return Some(format!(
            "`{to}` has no layer; import from the module that defines it, or give the module a layer"
        ));
    };
    if matches!((from, to), ("record", "handshake") | ("handshake", "record")) {
        return Some("`record` and `handshake` meet only in `connection`".to_owned());
    }
    (high > low).then(|| {
        format!(
            "an import may point down or sideways within a layer, never up, and `{from}` is in layer {low}, `{to}` in {high}"
        )
    })
}

#[test]
fn an_import_that_points_up_is_found_in_every_spelling() {
    let spellings = [
        "use crate::connection::Connection;",
        "use crate::{wire, connection::{Received}};",
        "use {core::fmt, crate::connection::Connection};",
        "use super::connection::Connection;",
        "use super::{wire::Reader, connection::Connection};",
        "pub(crate) fn f(c: &crate::connection::Connection) {}",
        "mod inner { fn f() { super::super::connection::f(); } }",
        "macro_rules! m { () => { $crate::connection::f() } }",
        "use crate::Connection;",
        "use self::super::connection::Connection;",
        "#[cfg(not(test))] use crate::connection::Connection;",
    ];
    for spelling in spellings {
        let files =
            [core_file("lib.rs", "pub use connection::{Connection, Received};"), core_file("record.rs", spelling)];
        let faults = layer_faults(&files);
        assert_eq!(faults.len(), 1, "{spelling}: {faults:?}");
        assert!(faults[0].contains("record.rs:1") && faults[0].contains("never up"), "{spelling}: {faults:?}");
    }
    let nested = core_file("record/inbound.rs", "use super::super::connection::Connection;");
    assert_eq!(layer_faults(&[nested]).len(), 1);
}

#[test]
fn record_and_handshake_may_not_use_each_other_in_either_direction() {
    let upwards = layer_faults(&[core_file("record/mod.rs", "use crate::handshake::Flight;")]);
    let downwards = layer_faults(&[core_file("handshake/flight.rs", "\nuse crate::record::Epoch;")]);
    assert_eq!(upwards.len(), 1);
    assert_eq!(
        downwards,
        ["handshake/flight.rs:2 uses `crate::record::Epoch`: `record` and `handshake` meet only in `connection`"]
    );
}

#[test]
fn a_module_without_a_layer_may_neither_import_nor_be_imported() {
    let importer = layer_faults(&[core_file("helpers.rs", "use crate::wire::Reader;")]);
    let imported = layer_faults(&[core_file("record.rs", "use crate::helpers::Bag;")]);
    let glob = layer_faults(&[core_file("record.rs", "use crate::*;")]);
    assert_eq!((importer.len(), imported.len(), glob.len()), (1, 1, 1));
}

#[test]
fn downward_imports_tests_comments_and_strings_are_no_fault() {
    let lawful = "
        //! See [`crate::connection::Connection`].
        use core::fmt;
        use crate::{crypto::Suite, wire::{self, codec::Reader}};
        use super::time::Instant;
        use self::replay::ReplayWindow;
        pub(crate) const TEXT: &str = \"crate::connection\"; // crate::connection
        #[cfg(test)]
        use crate::connection::Connection;
        #[cfg(test)]
        #[expect(dead_code)]
        mod tests { use super::*; use crate::connection::Connection; }
        #[cfg(test)]
        mod more;
        #[cfg(all(test, feature = \"ring\"))]
        mod yet_more { use crate::connection::Connection; }
    ";
    let files = [core_file("record/mod.rs", lawful), core_file("record/more.rs", "use crate::connection::Connection;")];
    assert_eq!(layer_faults(&files), Vec::<String>::new());
}

#[test]
fn source_that_cannot_be_read_as_tokens_is_a_fault() {
    assert_eq!(layer_faults(&[core_file("record.rs", "fn f() { (")]).len(), 1);
    assert_eq!(std_faults(&[core_file("record.rs", "fn f() { (")]).len(), 1);
}

// --- no std ---

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
fn std_faults(files: &[RustFile]) -> Vec<String> {
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

// --- RFC coverage ---

#[test]
fn rfc_coverage_names_files_and_tests_that_exist() -> io::Result<()> {
    let mut tests = BTreeSet::new();
    for folder in ["crates", "tests/src", "tests/tests"] {
        for file in rust_files(folder)? {
            let tokens: TokenStream = file.text.parse().map_err(|_| io::Error::other(file.name))?;
            collect_tests(&tokens.into_iter().collect::<Vec<_>>(), &mut tests);
        }
    }
    assert!(
        tests.contains("rfc_coverage_names_files_and_tests_that_exist"),
        "the search for tests found not even itself"
    );
    let text = read("docs/rfc-coverage.md")?;
    assert_no_faults(coverage_faults(&text, &tests, |path| root().join(path).is_file()));
    Ok(())
}

/// Rows that name a file or a test that does not exist, or that leave out either without a reason.
fn coverage_faults(text: &str, tests: &BTreeSet<String>, is_file: impl Fn(&str) -> bool) -> Vec<String> {
    let tables = tables(text);
    let mut faults = Vec::new();
    if tables.is_empty() {
        faults.push("rfc-coverage.md has no table".to_owned());
    }
    for table in tables {
        if table.header != COVERAGE_COLUMNS {
            faults
                .push(format!("rfc-coverage.md:{} has a table whose columns are not {COVERAGE_COLUMNS:?}", table.line));
            continue;
        }
        for (line, cells) in table.rows {
            let mut fault = |what: String| faults.push(format!("rfc-coverage.md:{line} {what}"));
            let [section, requirement, done_at, tested_by] = cells.as_slice() else {
                fault(format!("has {} cells instead of {}", cells.len(), COVERAGE_COLUMNS.len()));
                continue;
            };
            if section.is_empty() || requirement.is_empty() {
                fault("names no section or no requirement".to_owned());
            }
            let (files, names) = (in_backticks(done_at), in_backticks(tested_by));
            if states_reason(done_at) {
                if !tested_by.is_empty() && names.is_empty() && !states_reason(tested_by) {
                    fault("says neither a test nor a reason in `tested by`".to_owned());
                }
            } else {
                if files.is_empty() {
                    fault(format!("names no file in `done at`, nor a reason ({})", REASONS.join(" ")));
                }
                if names.is_empty() && !states_reason(tested_by) {
                    fault(format!("names no test in `tested by`, nor a reason ({})", REASONS.join(" ")));
                }
                for file in files.into_iter().filter(|file| !is_file(file)) {
                    fault(format!("names `{file}`, which is no file (paths start at the root of the repository)"));
                }
            }
            if !states_reason(tested_by) {
                for name in names.into_iter().filter(|name| !tests.contains(*name)) {
                    fault(format!("names `{name}`, which is no test"));
                }
            }
        }
    }
    faults
}

/// Whether a cell says why nothing is named in it.
fn states_reason(cell: &str) -> bool {
    REASONS.iter().any(|prefix| cell.strip_prefix(prefix).is_some_and(|reason| !reason.trim().is_empty()))
}

const COVERAGE_COLUMNS: [&str; 4] = ["section", "requirement", "done at", "tested by"];
const REASONS: [&str; 3] = ["not applicable:", "declined:", "not yet:"];

/// The functions marked `#[test]`, wherever they stand: also inside a macro such as `proptest!`.
fn collect_tests(tokens: &[TokenTree], tests: &mut BTreeSet<String>) {
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        collect_tests(&trees(group), tests);
        if group.delimiter() == Delimiter::Bracket && group.stream().to_string() == "test" {
            let mut rest = tokens.iter().skip(at + 1).skip_while(|token| !is_ident(token, "fn"));
            if let Some(TokenTree::Ident(name)) = rest.nth(1) {
                tests.insert(name.to_string());
            }
        }
    }
}

#[test]
fn coverage_rows_that_name_what_exists_or_give_a_reason_are_no_fault() {
    let rows = "| 4.1 | MUST x | `a.rs`, `b.rs` | `good`, `also_good` |
                | 4.1 | MAY a \\| b | declined: needless | |
                | 4.1 | MAY y | declined: because | `good` |
                | 4.1 | MAY z | `a.rs` | not yet: needs a simulator |";
    assert_eq!(sample_coverage_faults(rows), Vec::<String>::new());
}

#[test]
fn each_way_for_a_coverage_row_to_be_wrong_is_found() {
    let rows = [
        ("| 4.1 | MUST | `a.rs`, `gone.rs` | `good` |", "names `gone.rs`, which is no file"),
        ("| 4.1 | MUST | `a.rs` | `good`, `gone` |", "names `gone`, which is no test"),
        ("| 4.1 | MUST | declined: because | `gone` |", "names `gone`, which is no test"),
        ("| 4.1 | MUST | somewhere | `good` |", "names no file"),
        ("| 4.1 | MUST | `a.rs` | |", "names no test"),
        ("| 4.1 | MUST | declined: | |", "names no file"),
        ("| 4.1 | MUST | declined: because | perhaps |", "neither a test nor a reason"),
        ("| 4.1 | | `a.rs` | `good` |", "no requirement"),
        ("| 4.1 | MUST | `a.rs` |", "has 3 cells"),
    ];
    for (row, sentence) in rows {
        let faults = sample_coverage_faults(row);
        assert!(
            faults.iter().any(|fault| fault.starts_with("rfc-coverage.md:3 ") && fault.contains(sentence)),
            "{row}: {faults:?}"
        );
    }
    let other_columns = "| section | done |\n|---|---|\n| 4.1 | `gone.rs` |";
    assert_eq!(coverage_faults(other_columns, &BTreeSet::new(), |_| false).len(), 1);
    assert_eq!(coverage_faults("No table.", &BTreeSet::new(), |_| false).len(), 1);
}

#[test]
fn tests_are_found_in_modules_and_macros_and_nothing_else_is_a_test() {
    let source = "
        #[test] fn plain() {}
        fn helper() {} /* #[test] fn commented() {} */
        mod tests { #[test] #[should_panic(expected = \"x\")] pub(crate) fn attributed() {} }
        proptest! { #![proptest_config(c)] #[test] fn in_macro(x in 0..9u8) {} }
    ";
    let mut tests = BTreeSet::new();
    collect_tests(&parse(source), &mut tests);
    assert_eq!(tests.into_iter().collect::<Vec<_>>(), ["attributed", "in_macro", "plain"]);
}

fn sample_coverage_faults(rows: &str) -> Vec<String> {
    let tests = ["good", "also_good"].map(str::to_owned).into();
    let text = format!("| section | requirement | done at | tested by |\n|---|---|---|---|\n{rows}");
    coverage_faults(&text, &tests, |path| ["a.rs", "b.rs"].contains(&path))
}

// --- manifests ---

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

// --- glossary ---

#[test]
fn glossary_has_one_word_for_each_thing() -> io::Result<()> {
    assert_no_faults(glossary_faults(&read("docs/GLOSSARY.md")?));
    Ok(())
}

/// Words that are defined twice, not at all, or both used and avoided.
fn glossary_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut defined = BTreeMap::new();
    let mut avoided = Vec::new();
    for table in tables(text) {
        if table.header != GLOSSARY_COLUMNS {
            faults.push(format!("GLOSSARY.md:{} has a table whose columns are not {GLOSSARY_COLUMNS:?}", table.line));
            continue;
        }
        for (line, cells) in table.rows {
            let [word, meaning, others] = cells.as_slice() else {
                faults.push(format!("GLOSSARY.md:{line} has {} cells instead of 3", cells.len()));
                continue;
            };
            if word.is_empty() || meaning.is_empty() {
                faults.push(format!("GLOSSARY.md:{line} defines nothing"));
            }
            if let Some(first) = defined.insert(word.to_lowercase(), line) {
                faults.push(format!("GLOSSARY.md:{line} defines \"{word}\", which line {first} defines already"));
            }
            let others = others.split(',').map(|other| other.trim().to_lowercase()).filter(|other| !other.is_empty());
            avoided.extend(others.map(|other| (line, other)));
        }
    }
    if defined.is_empty() {
        faults.push("GLOSSARY.md defines no word".to_owned());
    }
    for (line, word) in avoided {
        if let Some(used) = defined.get(&word) {
            faults.push(format!("GLOSSARY.md:{line} avoids \"{word}\", which line {used} defines"));
        }
    }
    faults
}

const GLOSSARY_COLUMNS: [&str; 3] = ["word", "what it is", "we do not say"];

#[test]
fn a_word_defined_twice_or_both_used_and_avoided_is_found() {
    let glossary =
        |rows: &str| glossary_faults(&format!("| word | what it is | we do not say |\n|---|---|---|\n{rows}"));
    assert_eq!(glossary("| record | x | |\n| datagram | y | packet |"), Vec::<String>::new());
    assert_eq!(
        glossary("| record | x | |\n\n| word | what it is | we do not say |\n|---|---|---|\n| Record | y | |").len(),
        1
    );
    assert_eq!(glossary("| record | x | frame, datagram |\n| datagram | y | |").len(), 1);
    assert_eq!(glossary("| record | | |").len(), 1);
    assert_eq!(glossary("| record | x |").len(), 2);
    assert_eq!(glossary("").len(), 1);
    assert_eq!(glossary_faults("| term | meaning |\n|---|---|\n| record | x |").len(), 2);
}

// --- reading Rust ---

struct RustFile {
    /// As a person finds it: from the root of the repository.
    name: String,
    /// `["record", "inbound"]`; empty for `lib.rs`.
    module: Vec<String>,
    text: String,
}

impl RustFile {
    /// `inside` is the path below `src`.
    fn new(name: String, inside: &Path, text: String) -> Self {
        let mut module: Vec<_> = inside
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
            module.pop();
        }
        Self { name, module, text }
    }

    /// The file without what is only compiled for tests; modules declared so, but kept in files of their own, go into `test_modules`.
    fn tokens_without_tests(&self, test_modules: &mut BTreeSet<Vec<String>>) -> Result<Vec<TokenTree>, String> {
        let stream: TokenStream = self.text.parse().map_err(|error| format!("{} is not Rust: {error}", self.name))?;
        Ok(without_tests(&stream.into_iter().collect::<Vec<_>>(), &self.module, test_modules))
    }

    fn is_below(&self, modules: &BTreeSet<Vec<String>>) -> bool {
        modules.iter().any(|module| self.module.starts_with(module))
    }
}

/// Drops each item behind `#[cfg(test)]` or `#[cfg(all(test, ..))]`: up to its braces or its semicolon.
fn without_tests(tokens: &[TokenTree], module: &[String], test_modules: &mut BTreeSet<Vec<String>>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens.iter().peekable();
    while let Some(token) = rest.next() {
        let attribute = rest.peek().filter(|_| is_punct(token, '#')).is_some_and(|next| is_test_attribute(next));
        if attribute {
            let mut item = Vec::new();
            for token in rest.by_ref() {
                let braces = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                item.push(token);
                if braces || is_punct(token, ';') {
                    break;
                }
            }
            if let [.., keyword, TokenTree::Ident(name), end] = item.as_slice() {
                if is_ident(keyword, "mod") && is_punct(end, ';') {
                    test_modules.insert(module.iter().cloned().chain([name.to_string()]).collect());
                }
            }
        } else if let TokenTree::Group(group) = token {
            let inner = without_tests(&trees(group), module, test_modules);
            kept.push(Group::new(group.delimiter(), inner.into_iter().collect()).into());
        } else {
            kept.push(token.clone());
        }
    }
    kept
}

fn is_test_attribute(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    let text = group.stream().to_string().replace(' ', "");
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// A path that begins at the root of the crate, whatever it was written as.
struct CratePath {
    line: usize,
    segments: Vec<String>,
}

/// Every path that begins with `crate`, `self` or `super`, made to begin at the root. `module` is where the tokens stand.
fn collect_paths(tokens: &[TokenTree], module: &[String], paths: &mut Vec<CratePath>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(ident) if ident == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at), tokens.get(at + 1))
                {
                    let inner: Vec<_> = module.iter().cloned().chain([name.to_string()]).collect();
                    collect_paths(&trees(body), &inner, paths);
                    at += 2;
                }
            }
            TokenTree::Ident(ident) if is_path_root(ident) && is_path_separator(tokens, at) => {
                let mut written = Vec::new();
                at = at - 1 + expand_path(tokens.get(at - 1..).unwrap_or_default(), &[], &mut written);
                let line = ident.span().start().line;
                let rooted = written.iter().map(|segments| rooted(segments, module));
                paths.extend(rooted.map(|segments| CratePath { line, segments }));
            }
            TokenTree::Group(group) => collect_paths(&trees(group), module, paths),
            _ => {}
        }
    }
}

/// Reads one path, and all its branches if it ends in braces. Returns how many tokens it took.
fn expand_path(tokens: &[TokenTree], prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                for branch in trees(group).split(|token| is_punct(token, ',')).filter(|branch| !branch.is_empty()) {
                    expand_path(branch, &path, paths);
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !is_path_separator(tokens, at) {
            break;
        }
        at += 2;
    }
    paths.push(path);
    at
}

fn rooted(written: &[String], module: &[String]) -> Vec<String> {
    let mut absolute = module.to_vec();
    for segment in written {
        match segment.as_str() {
            "crate" => absolute.clear(),
            "self" => {}
            "super" => _ = absolute.pop(),
            name => absolute.push(name.to_owned()),
        }
    }
    absolute
}

/// Names that `lib.rs` lends from a module: `pub use time::Instant` makes `crate::Instant` a use of `time`.
fn collect_reexports(tokens: &[TokenTree], reexports: &mut BTreeMap<String, String>) {
    for statement in tokens.split(|token| is_punct(token, ';')) {
        let Some(at) = statement.iter().position(|token| is_ident(token, "use")) else { continue };
        let mut written = Vec::new();
        expand_path(statement.get(at + 1..).unwrap_or_default(), &[], &mut written);
        for path in written.iter().map(|path| rooted(path, &[])) {
            if let [module, .., name] = path.as_slice() {
                reexports.insert(name.clone(), module.clone());
            }
        }
    }
}

fn is_path_root(ident: &Ident) -> bool {
    ["crate", "self", "super"].iter().any(|root| ident == root)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at..at + 2), Some([first, second]) if is_punct(first, ':') && is_punct(second, ':'))
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

fn trees(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

// --- reading Markdown ---

struct Table {
    line: usize,
    header: Vec<String>,
    rows: Vec<(usize, Vec<String>)>,
}

/// The tables of a document. A pipe inside a cell is written `\|`.
fn tables(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        let row = content.strip_prefix('|').map(|rest| rest.strip_suffix('|').unwrap_or(rest));
        match (row, tables.last_mut().filter(|_| inside)) {
            (Some(row), Some(_)) if row.chars().all(|character| "|-: ".contains(character)) && row.contains('-') => {}
            (Some(row), Some(table)) => table.rows.push((line, cells(row))),
            (Some(row), None) => tables.push(Table { line, header: cells(row), rows: Vec::new() }),
            (None, _) => {}
        }
        inside = row.is_some();
    }
    tables
}

fn cells(row: &str) -> Vec<String> {
    row.replace("\\|", "\0").split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

fn in_backticks(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

// --- reading the repository ---

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(root().join(path)).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
}

/// Every Rust file below a folder of the repository, in order.
fn rust_files(folder: &str) -> io::Result<Vec<RustFile>> {
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

fn core_file(inside: &str, text: &str) -> RustFile {
    RustFile::new(inside.to_owned(), Path::new(inside), text.to_owned())
}

fn parse(source: &str) -> Vec<TokenTree> {
    source.parse::<TokenStream>().into_iter().flatten().collect()
}

#[track_caller]
fn assert_no_faults(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
