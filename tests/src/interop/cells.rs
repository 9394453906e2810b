//! Many encounters, a few at a time, and the table of them.

use core::fmt::Write as _;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::authority::Authority;
use super::{Trouble, announce, dtls, openssl};

/// Runs every cell against openssl, prints the table, and says in one line that is always seen what was run.
///
/// `words` has a word for each of `columns`.
///
/// # Panics
/// If a cell is in trouble: with the stories of all that are.
pub fn run_all<C: Sync>(
    title: &str,
    columns: &[&str],
    cells: &[C],
    words: impl Fn(&C) -> Vec<String>,
    run: impl Fn(&C) -> Result<(), Trouble> + Sync,
) {
    run_all_against(&openssl::version(), title, columns, cells, words, run);
}

/// Runs every cell like [`run_all`], against another `peer`.
///
/// # Panics
/// If a cell is in trouble: with the stories of all that are.
pub fn run_all_against<C: Sync>(
    peer: &str,
    title: &str,
    columns: &[&str],
    cells: &[C],
    words: impl Fn(&C) -> Vec<String>,
    run: impl Fn(&C) -> Result<(), Trouble> + Sync,
) {
    // What takes long and is done once is no cell's fault.
    let _ = (dtls::binary(), Authority::of_this_run());
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Outcome>>> = cells.iter().map(|_| Mutex::new(None)).collect();
    let watch = Stopwatch::start();
    thread::scope(|scope| {
        for _ in 0..PLACES.min(cells.len()) {
            scope.spawn(|| {
                while let Some(index) = Some(next.fetch_add(1, Ordering::SeqCst)).filter(|index| *index < cells.len()) {
                    let _place = Place::take();
                    let watch = Stopwatch::start();
                    let result = run(&cells[index]);
                    *outcomes[index].lock().expect("no cell panics") = Some(Outcome { result, took: watch.elapsed() });
                }
            });
        }
    });
    let took = watch.elapsed();
    let outcomes = outcomes.into_iter().map(|outcome| outcome.into_inner().expect("no cell panics"));
    let outcomes: Vec<_> = outcomes.map(|outcome| outcome.expect("every cell has been run")).collect();

    println!("{title}\n{}", table(columns, cells, words, &outcomes));
    let troubles: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()).collect();
    let (all, good) = (cells.len(), cells.len() - troubles.len());
    announce(&format!("{title}: {good} of {all} ok, {} ms, {peer}", took.as_millis()));
    let stories: Vec<_> = troubles.iter().map(ToString::to_string).collect();
    assert!(stories.is_empty(), "{} of {all} cells are in trouble:\n\n{}", stories.len(), stories.join("\n\n"));
}

struct Outcome {
    result: Result<(), Trouble>,
    took: Duration,
}

fn table<C>(columns: &[&str], cells: &[C], words: impl Fn(&C) -> Vec<String>, outcomes: &[Outcome]) -> String {
    let mut rows: Vec<Vec<String>> = vec![columns.iter().chain(&["ok", "ms"]).map(ToString::to_string).collect()];
    for (cell, outcome) in cells.iter().zip(outcomes) {
        let mut row = words(cell);
        row.push(if outcome.result.is_ok() { "ok" } else { "TROUBLE" }.to_owned());
        row.push(outcome.took.as_millis().to_string());
        rows.push(row);
    }
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        for (word, width) in row.iter().zip(&widths) {
            let _ = write!(text, "  {word:<width$}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// The right to run an encounter. There are few, however many tests run at once: each is two processes that compute.
struct Place;

impl Place {
    fn take() -> Self {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = FREED.wait_while(taken, |taken| *taken >= PLACES);
        *taken.unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();
const PLACES: usize = 4;

/// How long something takes, where other people's processes take part.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "other people's processes run in real time")]
    /// From now on.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since then.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
