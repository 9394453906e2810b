//! A hundred clients of openssl at one server of ours.

use dtls_tests::interop::authority::{Authority, KeyKind, Leaf};
use dtls_tests::interop::cells::run_all;
use dtls_tests::interop::process::Process;
use dtls_tests::interop::{Trouble, dtls, openssl, same};

use crate::has_openssl;

#[test]
fn a_hundred_openssl_clients_get_their_echo_from_one_server_and_close() {
    if !has_openssl() {
        return;
    }
    let leaf = Leaf::Server(KeyKind::Ecdsa);
    let [cert, key] = leaf.files();
    let count = CLIENTS.to_string();
    let server = ["server", "--listen", "127.0.0.1:0", "--cert", &cert, "--key", &key, "--count", &count];
    let server = Process::start("dtls server", dtls::command(server)).unwrap_or_else(|trouble| panic!("{trouble}"));
    let address = server.await_line("LISTENING ").unwrap_or_else(|trouble| panic!("{trouble}"));
    let clients: Vec<_> = (0..CLIENTS).collect();
    run_all(
        "many clients, one server",
        &["client"],
        &clients,
        |number| vec![number.to_string()],
        |number| echo_with_openssl(&address, *number).map_err(|trouble| trouble.and(server.trouble("said:"))),
    );
    all_have_closed(server).unwrap_or_else(|trouble| panic!("{trouble}"));
}

fn echo_with_openssl(server: &str, number: usize) -> Result<(), Trouble> {
    let ca = Authority::of_this_run().ca();
    let args = ["s_client", "-dtls1_2", "-timeout", "-connect", server, "-servername", "localhost", "-CAfile", &ca];
    // It says the keying material last of all that it has to say of the handshake.
    let verified = ["-verify_return_error", "-verify_hostname", "localhost", "-keymatexport", "many"];
    let mut client = Process::start("openssl s_client", openssl::command(args.into_iter().chain(verified)))?;
    client.await_line(openssl::EXPORTED)?;
    let line = client_line(number);
    client.say(&format!("{line}\n"))?;
    client.await_line(&line)?;
    client.say("Q\n")?;
    client.await_text("DONE\n")?;
    client.finish()?.expect_code(0)
}

/// The server ends by itself once so many sessions have ended.
fn all_have_closed(server: Process) -> Result<(), Trouble> {
    let server = server.finish()?;
    server.expect_code(0)?;
    let lines: Vec<_> = server.stdout.lines().collect();
    let count = |start: &str, end: &str| lines.iter().filter(|l| l.starts_with(start) && l.ends_with(end)).count();
    same("sessions that began", count("CONNECTED ", ""), CLIENTS)?;
    same("sessions that ended with a goodbye", count("CLOSED ", " reason=close_notify"), CLIENTS)?;
    same("sessions that failed", count("FAILED ", ""), 0)?;
    for number in 0..CLIENTS {
        let received = count("RECEIVED ", &format!(" {}\\n", client_line(number)));
        same(&format!("lines of client {number}"), received, 1)?;
    }
    let at_the_end = server.line("ENDPOINT ")?;
    same("open at the end", dtls::value(at_the_end, "open")?, "0")?;
    same("sessions in all", dtls::value(at_the_end, "sessions")?, CLIENTS.to_string().as_str())
}

fn client_line(number: usize) -> String {
    format!("this is client {number:03}")
}

const CLIENTS: usize = 100;
