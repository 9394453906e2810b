//! What must take the same time takes the same number of instructions, and of branches: counted by valgrind, not by a clock.
//!
//! A clock would have to run often and be believed seldom; a count of the same binary is the same in every run. It is taken of
//! `src/bin/steps.rs`, by callgrind, which counts while a certain function runs and writes a file each time it returns.
//! Not counted is what the processor makes of it: where in memory something lies, and how a branch was predicted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use dtls_tests::interop::has_peer;

/// What one call took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    instructions: u64,
    /// Conditional ones.
    branches: u64,
}

impl Cost {
    /// By how many millionths the larger of two numbers of instructions exceeds the smaller, and the same for branches.
    fn millionths_apart(self, other: Self) -> [u64; 2] {
        let apart = |a: u64, b: u64| a.abs_diff(b) * 1_000_000 / a.min(b);
        [apart(self.instructions, other.instructions), apart(self.branches, other.branches)]
    }
}

/// Has `steps` do something under callgrind; what each of its cases took, by name. `None` without valgrind.
fn costs(what: &str) -> Option<BTreeMap<String, Cost>> {
    if !has_peer("valgrind", "--version") {
        return None;
    }
    let folder = std::env::temp_dir().join(format!("dtls-steps-{what}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("count");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--branch-sim=yes", "--collect-atstart=no"])
        .args(["--toggle-collect=steps::measured", "--dump-after=steps::measured"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .args([env!("CARGO_BIN_EXE_steps"), what])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    let costs = names.lines().zip(1..).map(|(name, number)| {
        let count = fs::read_to_string(file.with_extension(number.to_string())).unwrap();
        assert!(count.contains("\nevents: Ir Bc "), "callgrind counts something else");
        let totals = count.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
        let numbers: Vec<u64> = totals.split_whitespace().map(|number| number.parse().unwrap()).collect();
        (name.to_owned(), Cost { instructions: numbers[0], branches: numbers[1] })
    });
    let costs: BTreeMap<String, Cost> = costs.filter(|(name, _)| name != "warm-up").collect();
    fs::remove_dir_all(folder).unwrap();
    assert!(costs.values().all(|cost| cost.instructions > 1000 && cost.branches > 100), "{costs:?}");
    Some(costs)
}

#[test]
fn an_unknown_identity_takes_as_many_instructions_as_a_wrong_key() {
    let Some(costs) = costs("identities") else { return };
    // Where keys are found by a search that takes as long for either, what remains is the allocator: 40 of 268,000
    // instructions and 3 of 8,600 branches. A table compares more names or fewer, depending on the place where a name
    // stands or would stand: neighbours of which one is known and the other not are 0.23 % and 0.5 % apart, and two that are
    // known up to 1 %.
    let mut pairs = 0;
    for (way, most) in [("search", [500, 1000]), ("table", [5000, 10_000])] {
        for (name, known) in &costs {
            let Some(case) = name.strip_suffix(&format!("{way} known")) else { continue };
            let unknown = costs[&format!("{case}{way} unknown")];
            let apart = known.millionths_apart(unknown);
            println!("{name}: {known:?}, otherwise {unknown:?}, {apart:?} millionths apart");
            assert!(apart[0] <= most[0] && apart[1] <= most[1], "{name}: {known:?} and {unknown:?}, {apart:?}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 2 * 2 * 3);
}

#[test]
fn a_forged_record_takes_as_many_instructions_wherever_its_tag_is_wrong() {
    let Some(costs) = costs("tags") else { return };
    let suites: Vec<&str> = costs.keys().filter_map(|name| name.strip_suffix(" first")).collect();
    assert_eq!(suites.len(), 4);
    for suite in suites {
        let [first, last, all] = ["first", "last", "all"].map(|wrong| costs[&format!("{suite} {wrong}")]);
        assert!(first == last && last == all, "{suite}: {first:?}, {last:?}, {all:?}");
    }
}
