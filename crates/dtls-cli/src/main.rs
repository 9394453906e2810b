//! The `dtls` command: a client and a server to try DTLS 1.2 with, to look inside a session, to debug a peer.
//!
//! ```text
//!   args ─▶ config ─▶ client ─┐
//!                     server ─┤
//!                     tunnel ─┼─▶ report ─▶ output     lines on standard output
//!                     demo ───┘
//!           echo, forward                              what comes goes back, or to a plain UDP service
//!           signals                                    Ctrl-C, SIGTERM and SIGUSR1
//!           session_file                               a session that goes on in the next run
//!           connected, losses, totals                  what was agreed on, could not be passed on, was counted
//!           weather, trace, flights                    taps: what passes the socket
//!           usage, values, both_roles                  the command line: what is wrong with it, what it is made of
//! ```

mod args;
mod both_roles;
mod cert;
mod client;
mod clock;
mod config;
mod connected;
mod demo;
mod echo;
mod escape;
mod flights;
mod forward;
mod losses;
mod output;
#[cfg(test)]
mod pair;
mod report;
mod server;
mod session_file;
mod signals;
mod totals;
mod trace;
mod tunnel;
mod usage;
mod values;
mod weather;

use std::process::ExitCode;

use args::Command;
use output::note;
use report::Outcome;
use usage::{Refusal, UsageError};

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(Refusal::Help(text)) => {
            // Nobody listens any more: then nobody misses it.
            let _ = text.print();
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Usage(error)) => return usage(&error),
    };
    match run(&command) {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(error) => usage(&error),
    }
}

fn run(command: &Command) -> Result<Outcome, UsageError> {
    match command {
        Command::Demo(args) => demo::run(args),
        Command::Server(args) => server::run(args),
        Command::Client(args) => client::run(args),
        Command::Tunnel(args) => tunnel::run(args),
        Command::Cert(args) => cert::run(args).map(|()| Outcome::Done),
    }
}

/// Says what is wrong in one line.
fn usage(error: &UsageError) -> ExitCode {
    note(&error.to_string());
    ExitCode::from(2)
}
