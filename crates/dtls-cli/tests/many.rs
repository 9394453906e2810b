//! The command as a service: many sessions at once, limits, names, statistics, plain UDP on either side.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its run went wrong")]

#[allow(dead_code, reason = "each file of tests uses its part")]
mod process;

use process::{Server, dtls, dtls_with_input};

// --- limits ---

#[test]
fn sessions_in_which_nothing_happens_are_closed_and_that_is_no_failure() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "1", "--idle-timeout", "0.2"]);
    let client = dtls_with_input(&["client", &server.address, "--insecure"]);
    let server = server.finish();
    assert_eq!(server.code, 0, "{}", server.stdout);
    assert!(server.line("CLOSED peer=").ends_with(" reason=idle_timeout"));
    let client = client.finish_with_input_open();
    assert_eq!(client.code, 0);
    assert!(client.line("CLOSED peer=").ends_with(" reason=close_notify"), "the server has said goodbye");
    // The same, told by the client.
    let server = Server::start(&["--self-signed", "localhost", "--count", "1"]);
    let client = dtls_with_input(&["client", &server.address, "--insecure", "--idle-timeout", "0.2", "--json"]);
    let client = client.finish_with_input_open();
    assert_eq!((client.code, &client.event("closed")["reason"]), (0, &"idle_timeout".into()));
    assert!(server.finish().line("CLOSED peer=").ends_with(" reason=close_notify"));
}

#[test]
fn a_host_has_no_more_sessions_than_it_may() {
    let server = Server::start(&["--self-signed", "localhost", "--max-sessions-per-host", "1"]);
    let first = dtls_with_input(&["client", &server.address, "--insecure"]);
    first.wait_for("CONNECTED");
    let late = ["client", &server.address, "--insecure", "--handshake-timeout", "0.3", "--first-timeout", "50"];
    assert_eq!(dtls(&late).finish().code, 3);
    assert_eq!(first.finish().code, 0);
    server.running.wait_for("CLOSED");
    assert_eq!(dtls(&late).finish().code, 0, "there is room again");
}
