//! What `docs/rfc-coverage.md` and `docs/past-vulnerabilities.md` name exists.

use std::collections::BTreeSet;
use std::io;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::assert_no_faults;
use crate::markdown::{in_backticks, tables};
use crate::repository::{read, root, rust_files};
use crate::rust::{is_ident, parse, trees};

#[test]
fn rfc_coverage_names_files_and_tests_that_exist() -> io::Result<()> {
    let text = read("docs/rfc-coverage.md")?;
    assert_no_faults(coverage_faults(&text, &all_tests()?, |path| root().join(path).is_file()));
    Ok(())
}

#[test]
fn past_vulnerabilities_name_tests_that_exist() -> io::Result<()> {
    assert_no_faults(vulnerability_faults(&read("docs/past-vulnerabilities.md")?, &all_tests()?));
    Ok(())
}

/// Every test of the repository.
fn all_tests() -> io::Result<BTreeSet<String>> {
    let mut tests = BTreeSet::new();
    for folder in ["crates", "tests/src", "tests/tests"] {
        for file in rust_files(folder)? {
            let tokens: TokenStream = file.text.parse().map_err(|_| io::Error::other(file.name))?;
            collect_tests(&tokens.into_iter().collect::<Vec<_>>(), &mut tests);
        }
    }
    assert!(
        tests.contains("rfc_coverage_names_files_and_tests_that_exist"),
        "the search for tests found not even this one"
    );
    Ok(tests)
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

/// Rows that name no test, or one that does not exist, or that say not even why nothing can go wrong.
fn vulnerability_faults(text: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let tables = tables(text);
    let mut faults = Vec::new();
    if tables.is_empty() {
        faults.push("past-vulnerabilities.md has no table".to_owned());
    }
    for table in tables {
        if table.header != VULNERABILITY_COLUMNS {
            let line = table.line;
            faults.push(format!(
                "past-vulnerabilities.md:{line} has a table whose columns are not {VULNERABILITY_COLUMNS:?}"
            ));
            continue;
        }
        for (line, cells) in table.rows {
            let mut fault = |what: String| faults.push(format!("past-vulnerabilities.md:{line} {what}"));
            let [mistake, why, tested_by] = cells.as_slice() else {
                fault(format!("has {} cells instead of {}", cells.len(), VULNERABILITY_COLUMNS.len()));
                continue;
            };
            if mistake.is_empty() || why.is_empty() {
                fault("names no mistake, or nothing that prevents it".to_owned());
            }
            let names = in_backticks(tested_by);
            if names.is_empty() && !states_reason(tested_by) {
                fault(format!("names no test in `tested by`, nor a reason ({})", REASONS.join(" ")));
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

const VULNERABILITY_COLUMNS: [&str; 3] = ["mistake", "why not here", "tested by"];
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
fn each_way_for_a_past_vulnerability_to_be_forgotten_is_found() {
    let tests = ["good".to_owned()].into();
    let faults = |rows: &str| {
        vulnerability_faults(&format!("| mistake | why not here | tested by |\n|---|---|---|\n{rows}"), &tests)
    };
    let rows = "| a | because | `good` |\n| b | because | not applicable: it is not there |";
    assert_eq!(faults(rows), Vec::<String>::new());
    let rows = [
        ("| a | because | `gone` |", "names `gone`, which is no test"),
        ("| a | because | |", "names no test"),
        ("| a | because | it cannot |", "names no test"),
        ("| a | | `good` |", "nothing that prevents it"),
        ("| a | `good` |", "has 2 cells"),
    ];
    for (row, sentence) in rows {
        let faults = faults(row);
        let is_found = |fault: &String| fault.starts_with("past-vulnerabilities.md:3 ") && fault.contains(sentence);
        assert!(faults.iter().any(is_found), "{row}: {faults:?}");
    }
    assert_eq!(vulnerability_faults("| mistake | tested by |\n|---|---|\n| a | `good` |", &tests).len(), 1);
    assert_eq!(vulnerability_faults("No table.", &tests).len(), 1);
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
