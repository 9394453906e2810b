//! `dtls server`: sends every datagram back to its sender; a thread for each session.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use dtls_std::{AcceptError, CookiePolicy, Endpoint, Limits, Options, Session, SessionError, listen_with};

use crate::args::ServerArgs;
use crate::config::{ServerSetup, warn_of_insecurity};
use crate::output::{Line, Output};
use crate::report::{Outcome, Report, send};
use crate::trace::Peers;
use crate::usage::UsageError;
use crate::weather;

/// Does what `dtls server` is asked to do.
pub(crate) fn run(args: &ServerArgs) -> Result<Outcome, UsageError> {
    let setup = ServerSetup::new(args)?;
    let mut limits = Limits::default();
    if let Some(max) = args.max_sessions {
        limits.sessions = max;
    }
    let cookies = if args.no_cookie { CookiePolicy::TrustedPath } else { CookiePolicy::Required };
    let tap = weather::tap(&args.common.weather, args.common.trace.then_some(Peers::Named));
    let options = Options { tap, cookies, limits };
    let endpoint = listen_with(args.listen, setup.config, options).map_err(|error| {
        UsageError::new("--listen", format!("{}: {error}; choose another address, or port 0", args.listen))
    })?;
    warn_of_insecurity(&args.common);
    let server = Server {
        report: Report {
            output: Output::new(args.common.json),
            provider: setup.provider,
            checks: setup.checks,
            exports: args.common.export.clone(),
        },
        quiet_data: args.quiet_data,
        count: args.count,
        tally: Mutex::new(Tally { ended: 0, outcome: Outcome::Done }),
        endpoint: Arc::new(endpoint),
    };
    server.run()
}

/// A server at work.
struct Server {
    endpoint: Arc<Endpoint>,
    report: Report,
    quiet_data: bool,
    count: Option<usize>,
    tally: Mutex<Tally>,
}

/// What has become of the sessions so far.
struct Tally {
    ended: usize,
    /// Of the last that failed.
    outcome: Outcome,
}

impl Server {
    fn run(&self) -> Result<Outcome, UsageError> {
        let interrupted = Arc::new(Mutex::new(false));
        let (flag, endpoint) = (Arc::clone(&interrupted), Arc::downgrade(&self.endpoint));
        ctrlc::set_handler(move || {
            // Held until the endpoint is closed and let go of: what --delay holds back leaves with its last owner,
            // who must not be this thread when the process ends.
            let mut interrupted = lock(&flag);
            *interrupted = true;
            if let Some(endpoint) = endpoint.upgrade() {
                endpoint.close();
            }
        })
        .map_err(|error| UsageError::new("Ctrl-C", format!("cannot be handled: {error}")))?;
        self.report.output.print(&Line::Listening(self.endpoint.local_addr()));
        thread::scope(|scope| {
            loop {
                match self.endpoint.accept() {
                    Ok(session) => drop(scope.spawn(move || self.serve(&session))),
                    Err(AcceptError::Handshake { peer, error }) => self.end(self.report.handshake_failed(peer, &error)),
                    Err(_) => break,
                }
            }
        });
        let interrupted = *lock(&interrupted);
        Ok(if interrupted { Outcome::Done } else { lock(&self.tally).outcome })
    }

    /// Sends everything back until the session ends.
    fn serve(&self, session: &Session) {
        if let Err(failed) = self.report.connected(session) {
            session.close();
            return self.end(self.report.failed(session, &failed));
        }
        let end = loop {
            match session.recv_vec() {
                Ok(payload) => {
                    if let Err(end) = self.echo(session, &payload) {
                        break end;
                    }
                }
                Err(end) => break end,
            }
        };
        self.end(self.report.ended(session, &end));
    }

    fn echo(&self, session: &Session, payload: &[u8]) -> Result<(), SessionError> {
        if !self.quiet_data {
            self.report.output.print(&Line::Received(payload));
        }
        match send(session, payload) {
            Ok(()) => {
                if !self.quiet_data {
                    self.report.output.print(&Line::Sent(payload));
                }
                Ok(())
            }
            Err(SessionError::NotSent(error)) => {
                // Whoever closed standard error does not want to know.
                let _ =
                    writeln!(io::stderr(), "dtls: not sent back to {}: {error}; raise --mtu", session.remote_addr());
                Ok(())
            }
            Err(end) => Err(end),
        }
    }

    /// One more session, or handshake, has ended.
    fn end(&self, outcome: Outcome) {
        let mut tally = lock(&self.tally);
        tally.ended += 1;
        if outcome != Outcome::Done {
            tally.outcome = outcome;
        }
        let is_last = self.count == Some(tally.ended);
        drop(tally);
        if is_last {
            self.endpoint.close();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
