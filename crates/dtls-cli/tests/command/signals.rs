//! How a run ends by a signal.

use crate::process::{Running, Server, command, dtls, dtls_with_input, silent};

#[test]
fn signals_close_every_session_and_are_no_failure() {
    for signal in ["INT", "TERM"] {
        // Even what is held back must have left before the process ends.
        let server = Server::start(&["--self-signed", "localhost", "--delay", "50"]);
        let clients = [(); 2].map(|()| dtls_with_input(&["client", &server.address, "--insecure", "--delay", "50"]));
        for client in &clients {
            client.wait_for("CONNECTED");
        }
        let [first, second] = clients;
        first.signal(signal);
        let first = first.finish();
        assert_eq!(first.code, 0, "{signal}: {}", first.stdout);
        first.line("CLOSED peer=");
        server.running.signal(signal);
        let server = server.finish();
        assert_eq!(server.code, 0, "{signal}: {}", server.stdout);
        assert_eq!(server.lines("CLOSED").len(), 2, "{signal}: {}", server.stdout);
        // The server has told it: its input is still open.
        let second = second.finish_with_input_open();
        assert_eq!(second.code, 0, "{signal}: {}", second.stdout);
        second.line("CLOSED peer=");
    }
}

#[test]
fn a_signal_closes_sessions_though_nobody_reads_and_the_second_ends_the_process() {
    let args = ["server", "--listen", "127.0.0.1:0", "--self-signed", "localhost", "--mtu", "65535"];
    let server = Server::of(Running::start_unread(command(&args)));
    let witness = dtls_with_input(&["client", &server.address, "--insecure"]);
    witness.wait_for("CONNECTED");
    // Ten lines of 16 kB there and back are more than any pipe holds.
    let flood = ["--send-size", "16000"].repeat(10);
    let flood =
        dtls(&[&["client", &server.address, "--insecure", "--mtu", "65535", "--wait", "0"][..], &flood].concat());
    assert_eq!(flood.finish().code, 0);
    server.running.signal("INT");
    let witness = witness.finish_with_input_open();
    assert_eq!(witness.code, 0);
    witness.line("CLOSED peer=");
    server.running.signal("INT");
    assert_eq!(server.finish().code, 130);
}

#[test]
fn a_signal_during_the_handshake_ends_the_client() {
    let (socket, address) = silent();
    let client = dtls(&["client", &address, "--insecure"]);
    // It is at work once its first datagram is here.
    socket.recv_from(&mut [0; 2048]).unwrap();
    client.signal("TERM");
    assert_eq!(client.finish().code, 0);
}
