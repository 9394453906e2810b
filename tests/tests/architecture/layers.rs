//! Which module of dtls-core may use which.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::assert_no_faults;
use crate::no_std::std_faults;
use crate::repository::rust_files;
use crate::rust::{RustFile, collect_paths, collect_reexports, core_file};

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
        return Some(format!("`{from}` has no layer; give it one in LAYERS of tests/tests/architecture/layers.rs"));
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
