//! Threads that answer what configurations leave to their owner.
//!
//! ```text
//!   a session asks ─▶ the line ─▶ a thread: does it still ask? ─▶ decide ─▶ the answer, if it still asks
//!                      └─▶ no room: Answer::Failed at once
//! ```
//!
//! What stands in line is who asks, and not what: a question is copied only when somebody has time for it, so that a line
//! of any length is a few words a session, and sessions that have ended meanwhile cost nobody's time.

use core::fmt;
use core::net::SocketAddr;
use core::panic::AssertUnwindSafe;
use std::collections::VecDeque;
use std::panic::catch_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use dtls_core::{Answer, OwnedQuestion, Question};
use dtls_endpoint::Handle;

use crate::shared::Shared;

/// A few threads that answer what a configuration leaves to its owner: whether to trust a peer, which pre-shared key a
/// client has, what a signer far away makes of a message; see [`Question`]. They may take their time, and their socket's
/// other sessions go on meanwhile. To be put into [`Options::deciders`](crate::Options::deciders).
///
/// A handle: clones are the same threads, so that one pool can serve any number of sockets, and be asked how much waits.
/// The threads start when they are first needed, and end when the last clone is dropped, those in the options of sockets
/// included; nobody waits for them then, a question in hand or not.
///
/// - **All are busy:** the session waits in line, first come, first served. Its peer repeats what it said and learns
///   nothing; the time for the handshake
///   ([`Settings::handshake_timeout`](dtls_core::Settings::handshake_timeout)) runs on, and whoever has lost it by the
///   time it is their turn is passed over. Behind [`WAITING_MAX`](Self::WAITING_MAX) in line the answer is
///   [`Answer::Failed`] at once: a client that is refused can try elsewhere, one that is kept waiting cannot.
/// - **The session ends meanwhile:** the answer is dropped. [`Asker::still_asks`] tells one who has more than one thing
///   to look up.
/// - **It panics:** the answer is [`Answer::Failed`]; the thread goes on with the next.
/// - **It never returns:** that thread is lost. Give whatever it waits for a time limit.
/// - **The answer belongs to another question:** it is taken for [`Answer::Failed`].
#[derive(Clone)]
pub struct Deciders {
    office: Arc<Office>,
}

impl Deciders {
    /// Sessions that wait for their turn at most.
    pub const WAITING_MAX: usize = 1024;

    /// At most so many threads at a time that call `decide`; 0 is taken as 1.
    ///
    /// As many as whatever is asked serves at a time: a hardware module may have one line, a database dozens. No lock of
    /// ours is held meanwhile, so that `decide` may block, and may use any [`Endpoint`](crate::Endpoint) and
    /// [`Session`](crate::Session).
    #[must_use]
    pub fn new(threads: usize, decide: impl Fn(&Asker, Question<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_line(threads, Self::WAITING_MAX, decide)
    }

    pub(crate) fn with_line(
        threads: usize,
        waiting_max: usize,
        decide: impl Fn(&Asker, Question<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (decide, line, changed) = (Box::new(decide), Mutex::default(), Condvar::new());
        let pool = Pool { decide, threads_max: threads.max(1), waiting_max, line, changed };
        Self { office: Arc::new(Office(Arc::new(pool))) }
    }

    /// How many sessions wait for their turn, not counting those that are being answered.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.office.0.line().waiting.len()
    }

    /// Has a session wait for its turn. `false` if nobody will ever answer it.
    pub(crate) fn take(&self, asker: Asker) -> bool {
        let pool = &self.office.0;
        let mut line = pool.line();
        if line.waiting.len() >= pool.waiting_max {
            return false;
        }
        // Those that were woken for the ones who wait already count as idle until they run.
        if line.idle <= line.waiting.len() && line.threads < pool.threads_max {
            let for_thread = Arc::clone(pool);
            let spawned = thread::Builder::new().name("dtls-decide".to_owned()).spawn(move || for_thread.run());
            line.threads += usize::from(spawned.is_ok());
        }
        if line.threads == 0 {
            return false;
        }
        line.waiting.push_back(asker);
        pool.changed.notify_one();
        true
    }
}

impl fmt::Debug for Deciders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = &self.office.0;
        let waiting = self.waiting();
        f.debug_struct("Deciders")
            .field("threads", &pool.threads_max)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

/// Which session asks.
pub struct Asker {
    /// Keeps nothing alive: a socket need not wait until its questions are answered.
    shared: Weak<Shared>,
    handle: Handle,
    remote_addr: SocketAddr,
    local_addr: SocketAddr,
}

impl Asker {
    pub(crate) const fn new(
        shared: Weak<Shared>,
        handle: Handle,
        remote_addr: SocketAddr,
        local_addr: SocketAddr,
    ) -> Self {
        Self { shared, handle, remote_addr, local_addr }
    }

    /// Where the peer is.
    #[must_use]
    pub const fn remote_addr(&self) -> SocketAddr {
        self.remote_addr
    }

    /// Where the socket is bound.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Whether there is still somebody to answer: the handshake has not failed, nor run out of time.
    #[must_use]
    pub fn still_asks(&self) -> bool {
        let asks = |shared: Arc<Shared>| shared.lock().endpoint().question(self.handle).is_some();
        self.shared.upgrade().is_some_and(asks)
    }

    fn question(&self) -> Option<OwnedQuestion> {
        let shared = self.shared.upgrade()?;
        let state = shared.lock();
        state.endpoint().question(self.handle).map(Question::into_owned)
    }

    fn answer(&self, answer: Answer) {
        let Some(shared) = self.shared.upgrade() else { return };
        shared.act(|state, now| {
            if state.endpoint_mut().answer(now, self.handle, answer).is_err() {
                // The session is over, or this is no answer to what it asks: then it has none.
                let _ = state.endpoint_mut().answer(now, self.handle, Answer::Failed);
            }
        });
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("remote_addr", &self.remote_addr).finish_non_exhaustive()
    }
}

/// Sends the threads home behind the last handle.
struct Office(Arc<Pool>);

impl Drop for Office {
    fn drop(&mut self) {
        self.0.line().is_over = true;
        self.0.changed.notify_all();
    }
}

struct Pool {
    decide: Box<dyn Decide>,
    threads_max: usize,
    waiting_max: usize,
    line: Mutex<Line>,
    /// Signalled for each who comes, and at the end.
    changed: Condvar,
}

/// What a user hands in.
trait Decide: Send + Sync {
    fn decide(&self, asker: &Asker, question: Question<'_>) -> Answer;
}

impl<F: Fn(&Asker, Question<'_>) -> Answer + Send + Sync> Decide for F {
    fn decide(&self, asker: &Asker, question: Question<'_>) -> Answer {
        self(asker, question)
    }
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Asker>,
    threads: usize,
    /// How many of them wait for somebody to come.
    idle: usize,
    is_over: bool,
}

impl Pool {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn run(&self) {
        while let Some(asker) = self.next() {
            // What a session goes on with calls back, too. A panic there ends no more than that session's turn.
            let _ = catch_unwind(AssertUnwindSafe(|| self.serve(&asker)));
        }
    }

    /// Waits for the next in line; `None` at the end.
    fn next(&self) -> Option<Asker> {
        let mut line = self.line();
        line.idle += 1;
        let nobody_yet = |line: &mut Line| line.waiting.is_empty() && !line.is_over;
        let mut line = self.changed.wait_while(line, nobody_yet).unwrap_or_else(PoisonError::into_inner);
        line.idle -= 1;
        if line.is_over { None } else { line.waiting.pop_front() }
    }

    fn serve(&self, asker: &Asker) {
        let Some(owned) = asker.question() else { return };
        let decide = || owned.question().map(|question| self.decide.decide(asker, question));
        let answer = catch_unwind(AssertUnwindSafe(decide)).ok().flatten();
        asker.answer(answer.unwrap_or(Answer::Failed));
    }
}
