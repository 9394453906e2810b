//! Sessions that are resumed, by ticket and by session ID. Our engine is on a socket of the test's, since it has to come twice.

use core::net::{Ipv4Addr, SocketAddr};

use dtls_core::{ResumptionState, Role};
use dtls_tests::interop::authority::Authority;
use dtls_tests::interop::encounter::PING;
use dtls_tests::interop::engine::{CLIENT, Engine, Host, PSK, Proof, SERVER};
use dtls_tests::interop::gnutls::{self, PRIORITY};
use dtls_tests::interop::process::{Finished, Process};
use dtls_tests::interop::{Trouble, ports, same};
use dtls_tests::remembered::{By, Memory};

use crate::{ROLES, role_word, run_all};

fn cells() -> Vec<(Role, By, Proof)> {
    let of_role = |role| By::ALL.into_iter().flat_map(move |by| Proof::ALL.map(|proof| (role, by, proof)));
    ROLES.into_iter().flat_map(of_role).collect()
}

fn words((role, by, proof): &(Role, By, Proof)) -> Vec<String> {
    vec![format!("{by:?}"), proof.word().to_owned(), role_word(*role)]
}

#[test]
fn sessions_are_resumed_again_and_again_in_both_roles() {
    run_all("resumption", &["by", "proof", "role"], &cells(), words, |(role, by, proof)| match role {
        Role::Client => {
            let server = Server::start(*by, *proof)?;
            let mut engine = server.visit(None, *proof)?;
            same("resumed at first", engine.info()?.resumed, false)?;
            for round in 1..=2 {
                let state = engine.take_state()?;
                same("there is a ticket", state.lifetime_hint().is_some(), *by == By::Ticket)?;
                engine.close()?;
                engine = server.visit(Some(&state), *proof)?;
                same(&format!("resumed in round {round}"), engine.info()?.resumed, true)?;
            }
            engine.close()
        }
        Role::Server => {
            let theirs = call_twice(*proof, &Memory::new(*by), Memory::clone, true)?;
            theirs.expect_text("*** This is a resumed session")
        }
    });
}

#[test]
fn a_session_that_the_server_has_forgotten_becomes_a_full_handshake_in_both_roles() {
    run_all("forgotten sessions", &["by", "proof", "role"], &cells(), words, |(role, by, proof)| match role {
        Role::Client => {
            let mut engine = Server::start(*by, *proof)?.visit(None, *proof)?;
            let state = engine.take_state()?;
            // Another process has other keys and another cache.
            let server = Server::start(*by, *proof)?;
            let engine = server.visit(Some(&state), *proof)?;
            same("resumed", engine.info()?.resumed, false)?;
            engine.close()
        }
        Role::Server => {
            let theirs = call_twice(*proof, &Memory::new(*by), Memory::lost, false)?;
            same("they say it was resumed", theirs.stdout.contains("This is a resumed session"), false)
        }
    });
}

/// `gnutls-cli` comes, goes, and by itself comes again with what it has got. What the server remembers between is up to
/// `meanwhile`.
fn call_twice(
    proof: Proof,
    memory: &Memory,
    meanwhile: fn(&Memory) -> Memory,
    resumed: bool,
) -> Result<Finished, Trouble> {
    let mut host = Host::listen(proof.server_config(memory))?;
    let mut theirs = Process::start("gnutls-cli", client_command(proof, host.address()?))?;
    let mut talk = || {
        let mut first = host.accept()?;
        same("resumed at first", first.info()?.resumed, false)?;
        first.await_close()?;
        first.close()?;
        host.change(proof.server_config(&meanwhile(memory)));
        let mut second = host.accept()?;
        same("resumed", second.info()?.resumed, resumed)?;
        theirs.say(PING)?;
        second.await_text(PING)?;
        second.say("that is heard\n")?;
        theirs.await_text("that is heard")?;
        theirs.hang_up();
        second.await_close()?;
        second.close()
    };
    talk().map_err(|trouble: Trouble| trouble.and(theirs.trouble("said:")))?;
    theirs.finish()
}

/// `gnutls-serv`.
struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    fn start(by: By, proof: Proof) -> Result<Self, Trouble> {
        ports::at_free_ports(1, |port| {
            let mut args = vec!["--udp".to_owned(), "--echo".to_owned(), "--port".to_owned(), port.to_string()];
            args.extend(["--priority", PRIORITY].map(str::to_owned));
            if by == By::SessionId {
                args.push("--noticket".to_owned());
            }
            let [cert, key] = SERVER.files();
            match proof {
                Proof::Certificates => {
                    args.extend(
                        ["--x509certfile", &cert, "--x509keyfile", &key, "--require-client-cert"].map(str::to_owned),
                    );
                }
                Proof::PresharedKey => args.extend(["--pskpasswd".to_owned(), password_file()]),
            }
            let process = Process::start("gnutls-serv", gnutls::plain_command("gnutls-serv", &args))?;
            let listening = format!("IPv4 0.0.0.0 port {port}...");
            let [done, taken] = [format!("{listening}done"), format!("{listening}bind() failed")];
            let is_there = process.await_one_of(&[&done, &taken])? == done;
            Ok(is_there.then(|| Self { process, address: (Ipv4Addr::LOCALHOST, port).into() }))
        })
    }

    /// Our client comes, and hears its echo.
    fn visit(&self, state: Option<&ResumptionState>, proof: Proof) -> Result<Engine, Trouble> {
        let said = |trouble: Trouble| trouble.and(self.process.trouble("said:"));
        let mut engine = Engine::connect(self.address, proof.client_config(), "localhost", state).map_err(said)?;
        engine.say(PING)?;
        engine.await_text(PING).map_err(said)?;
        Ok(engine)
    }
}

fn client_command(proof: Proof, server: SocketAddr) -> std::process::Command {
    let (host, port, ca) = (server.ip().to_string(), server.port().to_string(), Authority::of_this_run().ca());
    let mut args = vec!["--udp", "--resume", &host, "--port", &port, "--sni-hostname", "localhost", "--priority"];
    // It does not get as far as telling of a session with ECDHE_PSK.
    args.push(if proof == Proof::PresharedKey { PLAIN_PSK } else { PRIORITY });
    let [cert, key] = CLIENT.files();
    match proof {
        Proof::Certificates => args.extend([
            "--x509cafile",
            &ca,
            "--verify-hostname",
            "localhost",
            "--x509certfile",
            &cert,
            "--x509keyfile",
            &key,
        ]),
        Proof::PresharedKey => args.extend(["--pskusername", PSK.0, "--pskkey", PSK.1]),
    }
    gnutls::plain_command("gnutls-cli", &args.into_iter().map(str::to_owned).collect::<Vec<_>>())
}

fn password_file() -> String {
    let file = Authority::of_this_run().file("resumption.psk");
    std::fs::write(&file, format!("{}:{}\n", PSK.0, PSK.1)).expect("a file can be written");
    file
}

const PLAIN_PSK: &str = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK";
