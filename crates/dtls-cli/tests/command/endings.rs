//! How a run ends, and with which exit code.

use serde_json::Value;

use crate::process::{Server, dtls, dtls_with_input, silent};

#[test]
fn no_answer_in_time_is_exit_code_3() {
    let (_socket, address) = silent();
    let client = dtls(&["client", &address, "--insecure", "--handshake-timeout", "0.3"]).finish();
    assert_eq!(client.code, 3);
    let expected = format!(
        "FAILED peer={address} reason=\"the handshake did not complete in time\" alert_sent=- alert_received=-"
    );
    assert_eq!(client.stdout.lines().last().unwrap(), expected);
}

#[test]
fn where_nothing_listens_there_is_no_answer_either() {
    let (socket, address) = silent();
    drop(socket);
    let client = dtls(&["client", &address, "--insecure", "--handshake-timeout", "0.3", "--json"]).finish();
    assert_eq!(client.code, 3);
    let failed = client.event("failed");
    assert_eq!((&failed["peer"], &failed["alert_sent"]), (&address.into(), &Value::Null));
}

#[test]
fn input_at_its_end_closes_the_client() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "1"]);
    let mut client = dtls_with_input(&["client", &server.address, "--insecure"]);
    client.tell("last words\r");
    let client = client.finish();
    assert_eq!(client.code, 0);
    assert_eq!(client.lines("SENT|RECEIVED"), ["SENT 10 last words", "RECEIVED 10 last words"]);
    assert!(server.finish().line("CLOSED").ends_with(" reason=close_notify"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_session_without_a_thread_is_refused_and_the_server_goes_on() {
    use crate::process::{Input, Running};

    let args = ["server", "--listen", "127.0.0.1:0", "--self-signed", "localhost"];
    let mut limited = std::process::Command::new("sh");
    // Room for the threads that are always there and a single session; what is not touched is not used.
    limited.args(["-c", "ulimit -v 17000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_dtls")]).args(args);
    limited.env("RUST_MIN_STACK", "3000000000").env_remove("SSLKEYLOGFILE");
    let server = Server::of(Running::start(limited, Input::None));
    let first = dtls_with_input(&["client", &server.address, "--insecure"]);
    first.wait_for("CONNECTED");
    server.running.wait_for("CONNECTED");
    let second = dtls_with_input(&["client", &server.address, "--insecure"]);
    let failed = server.running.wait_for("FAILED");
    assert!(failed.contains("reason=\"no thread can be started for it: "), "{failed}");
    assert!(failed.contains("; lower --max-sessions\""), "{failed}");
    let second = second.finish_with_input_open();
    second.line("CLOSED peer=");
    assert_eq!(first.finish().code, 0);
    server.running.wait_for("CLOSED");
    server.running.signal("INT");
    assert_eq!(server.finish().code, 0);
}
