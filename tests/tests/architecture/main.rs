//! What the repository promises about itself: layers, no std, one set of package facts, documentation that names what exists.
//!
//! A checker takes text and returns sentences: what is wrong, where, and by which rule. No sentence, no fault. So each
//! checker is itself tested on a few lines that break its rule, and then applied to the repository.

mod coverage;
mod glossary;
mod layers;
mod manifests;
mod markdown;
mod no_std;
mod repository;
mod rust;

#[track_caller]
fn assert_no_faults(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
