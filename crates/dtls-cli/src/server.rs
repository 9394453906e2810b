//! `dtls server`: sends every datagram back to its sender, or passes it on; a thread for each session.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use dtls_core::SendError;
use dtls_std::{
    AcceptError, AddressChange, CookiePolicy, Endpoint, Limits, Options, Session, SessionError, listen_with,
};

use crate::args::ServerArgs;
use crate::config::{ServerSetup, warn_of_insecurity};
use crate::echo::{Echo, echo};
use crate::forward::Forward;
use crate::losses::does_not_fit;
use crate::output::{Failed, Line, Output, note};
use crate::report::{End, Outcome, Report};
use crate::signals::{Interrupts, StatisticsSignal};
use crate::totals::{Counter, Totals};
use crate::trace::Peers;
use crate::usage::UsageError;
use crate::weather;

/// Does what `dtls server` is asked to do.
pub(crate) fn run(args: &ServerArgs) -> Result<Outcome, UsageError> {
    let statistics = StatisticsSignal::keep()?;
    let setup = ServerSetup::new(args)?;
    let limits = Limits {
        sessions: args.max_sessions,
        per_host: args.max_sessions_per_host.unwrap_or(usize::MAX),
        idle: args.idle_timeout,
        ..Limits::default()
    };
    let cookies = if args.no_cookie { CookiePolicy::TrustedPath } else { CookiePolicy::Required };
    let tap = weather::tap(&args.common.weather, args.common.trace.then_some(Peers::Named));
    // At once: nobody here could find out whether a client receives where it was seen, and an echo is no flood.
    let address_change = AddressChange::Follow;
    let options = Options { tap, cookies, limits, address_change, ..Options::default() };
    let endpoint = listen_with(args.listen, setup.config, options).map_err(|error| {
        UsageError::new("--listen", format!("{}: {error}; choose another address, or port 0", args.listen))
    })?;
    warn_of_insecurity(&args.common);
    let report = Report {
        output: Output::new(args.common.json),
        provider: setup.provider,
        checks: setup.checks,
        exports: args.common.export.clone(),
        quiet_data: args.quiet_data,
        sender: None,
    };
    let books = Arc::<Books>::default();
    let forward = args.forward.map(|service| Forward::start(service, report.clone(), Arc::clone(&books.dropped)));
    let forward = forward
        .transpose()
        .map_err(|error| UsageError::new("--forward", format!("answers cannot be waited for: {error}")))?;
    let server =
        Server { report, forward, count: args.count, books, closing: Arc::default(), endpoint: Arc::new(endpoint) };
    server.run(statistics)
}

/// A server at work.
struct Server {
    endpoint: Arc<Endpoint>,
    report: Report,
    /// Without it everything is sent back.
    forward: Option<Forward>,
    count: Option<usize>,
    books: Arc<Books>,
    closing: Arc<AtomicBool>,
}

/// What has become of the sessions so far.
#[derive(Default)]
struct Books {
    tally: Mutex<Tally>,
    /// Datagrams that were not sent back, or not passed on.
    dropped: Arc<Counter>,
}

struct Tally {
    open: u64,
    ended: usize,
    /// Of the last that failed.
    outcome: Outcome,
    /// Why the last of all has failed. It is told at the very end: the reason of a failure is on the last line.
    last_words: Option<Failed>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { open: 0, ended: 0, outcome: Outcome::Done, last_words: None }
    }
}

impl Books {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn totals(&self, endpoint: &Endpoint) -> Totals {
        Totals { open: self.tally().open, dropped: self.dropped.so_far(), ..Totals::of(&endpoint.stats()) }
    }
}

impl Server {
    fn run(&self, statistics: StatisticsSignal) -> Result<Outcome, UsageError> {
        let (closing, endpoint) = (Arc::clone(&self.closing), Arc::downgrade(&self.endpoint));
        let interrupts = Interrupts::handle(move || {
            closing.store(true, Ordering::SeqCst);
            if let Some(endpoint) = endpoint.upgrade() {
                endpoint.close();
            }
        })?;
        let (books, endpoint, output) = (Arc::clone(&self.books), Arc::downgrade(&self.endpoint), self.report.output);
        statistics.handle(move || {
            if let Some(endpoint) = endpoint.upgrade() {
                output.print(&Line::Endpoint(&books.totals(&endpoint)));
            }
        })?;
        output.print(&Line::Listening(self.endpoint.local_addr()));
        let outcome = self.serve_all();
        output.print(&Line::Endpoint(&self.books.totals(&self.endpoint)));
        if let Some(failed) = &self.books.tally().last_words {
            output.print(&Line::Failed(failed));
        }
        Ok(if interrupts.finish() { Outcome::Done } else { outcome })
    }

    /// Serves until the endpoint is closed.
    fn serve_all(&self) -> Outcome {
        let end = thread::scope(|scope| {
            loop {
                match self.endpoint.accept() {
                    Ok(session) => self.begin(scope, Arc::new(session)),
                    Err(AcceptError::Handshake { peer, error, .. }) => {
                        self.end(End::of_handshake(peer, &error));
                    }
                    Err(end) => break end,
                }
            }
        });
        match end {
            AcceptError::Closed if self.closing.load(Ordering::SeqCst) => self.books.tally().outcome,
            // Nobody has closed it, so something is wrong with the socket.
            end => {
                let reason = format!("nobody can be accepted any more: {end}");
                self.books.tally().last_words = Some(Failed::because(None, reason));
                Outcome::Failed
            }
        }
    }

    /// Gives a session a thread, or refuses it if there is none.
    fn begin<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, session: Arc<Session>) {
        self.books.tally().open += 1;
        let served = Arc::clone(&session);
        let thread = thread::Builder::new().name("dtls-session".to_owned());
        if let Err(error) = thread.spawn_scoped(scope, move || self.serve(&served)) {
            session.close();
            let reason = format!("no thread can be started for it: {error}; lower --max-sessions");
            self.end_session(End::not_served(&session, reason));
        }
    }

    /// Sends everything back, or to the service, until the session ends.
    fn serve(&self, session: &Arc<Session>) {
        let exported = self.report.connected(session);
        if exported.is_err() {
            session.close();
        }
        let mut at = session.initial_remote_addr();
        let end = match &self.forward {
            None => Ok(echo(session, |echo| {
                self.report.moved(session, &mut at);
                self.tell(session, &echo);
            })),
            Some(forward) => forward.serve(session),
        };
        self.end_session(match end {
            Ok(end) => End::of(session, &end, exported),
            Err(error) => {
                session.close();
                End::not_served(session, format!("--forward: there is no socket for it: {error}"))
            }
        });
    }

    fn tell(&self, session: &Session, echo: &Echo<'_>) {
        let line = match echo {
            Echo::Received(payload) => Line::Received(payload),
            Echo::Sent(payload) => Line::Sent(payload),
            Echo::NotSent(payload, error) => {
                self.books.dropped.count();
                let problem = match error {
                    SessionError::NotSent(SendError::TooLong { max }) => does_not_fit(session, payload.len(), *max),
                    error => error.to_string(),
                };
                return note(&format!("not sent back to {}: {problem}", session.remote_addr()));
            }
        };
        self.report.data(&line);
    }

    /// One session fewer is open.
    fn end_session(&self, end: End) {
        self.books.tally().open -= 1;
        self.end(end);
    }

    /// One more session, or handshake, has ended.
    fn end(&self, mut end: End) {
        let mut tally = self.books.tally();
        tally.ended += 1;
        if end.outcome != Outcome::Done {
            tally.outcome = end.outcome;
        }
        let is_last = self.count == Some(tally.ended);
        if is_last {
            tally.last_words = end.take_last_words();
        }
        drop(tally);
        self.report.ended(&end);
        if is_last {
            self.closing.store(true, Ordering::SeqCst);
            self.endpoint.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use dtls_std::Tap;

    use super::*;
    use crate::connected::Checks;
    use crate::pair::Pair;

    /// Takes the socket's thread with it, once it is told to.
    struct Deadly(Arc<AtomicBool>);

    impl Tap for Deadly {
        fn received(&mut self, _from: SocketAddr, _datagram: &[u8]) {
            assert!(!self.0.load(Ordering::SeqCst), "as a test wants it");
        }
    }

    fn server(Pair { endpoint, provider, .. }: Pair) -> Server {
        Server {
            endpoint: Arc::new(endpoint),
            report: Report {
                output: Output::Text,
                provider,
                checks: Checks::Nothing,
                exports: vec![],
                quiet_data: false,
                sender: None,
            },
            forward: None,
            count: None,
            books: Arc::default(),
            closing: Arc::default(),
        }
    }

    #[test]
    fn an_end_that_nobody_asked_for_is_a_failure() {
        let is_deadly = Arc::new(AtomicBool::new(false));
        let pair = Pair::new(Some(Box::new(Deadly(Arc::clone(&is_deadly)))));
        is_deadly.store(true, Ordering::SeqCst);
        pair.client.send(b"x").unwrap();
        let server = server(pair);
        assert_eq!(server.serve_all(), Outcome::Failed);
        assert!(server.books.tally().last_words.is_some());
    }

    #[test]
    fn an_end_that_was_asked_for_is_none() {
        let server = server(Pair::new(None));
        server.closing.store(true, Ordering::SeqCst);
        server.endpoint.close();
        assert_eq!(server.serve_all(), Outcome::Done);
    }
}
