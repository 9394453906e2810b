//! Sessions that are resumed, by ticket and by session ID. Our engine is on a socket of the test's, since it has to come twice.

use core::net::SocketAddr;

use dtls_core::Role;
use dtls_tests::interop::authority::Authority;
use dtls_tests::interop::cells::run_all;
use dtls_tests::interop::encounter::PING;
use dtls_tests::interop::engine::{CLIENT, Engine, Host, PSK, Proof, SERVER};
use dtls_tests::interop::process::Process;
use dtls_tests::interop::{Trouble, openssl, same};
use dtls_tests::remembered::{By, Memory};

use crate::{ROLES, has_openssl, role_word};

fn cells() -> Vec<(Role, By, Proof)> {
    let of_role = |role| By::ALL.into_iter().flat_map(move |by| Proof::ALL.map(|proof| (role, by, proof)));
    ROLES.into_iter().flat_map(of_role).collect()
}

fn words((role, by, proof): &(Role, By, Proof)) -> Vec<String> {
    vec![format!("{by:?}"), proof.word().to_owned(), role_word(*role)]
}

#[test]
fn sessions_are_resumed_again_and_again_in_both_roles() {
    if !has_openssl() {
        return;
    }
    run_all("resumption", &["by", "proof", "role"], &cells(), words, |(role, by, proof)| match role {
        Role::Client => {
            let mut server = Server::start(*by, *proof, 3)?;
            let mut engine = server.visit(None, *proof)?;
            same("resumed at first", engine.info()?.resumed, false)?;
            for round in 1..=2 {
                let state = engine.take_state()?;
                same("there is a ticket", state.lifetime_hint().is_some(), *by == By::Ticket)?;
                engine.close()?;
                engine = server.visit(Some(&state), *proof)?;
                same(&format!("resumed in round {round}"), engine.info()?.resumed, true)?;
            }
            engine.close()?;
            same("theirs resumed", server.process.halt().stdout.matches("Reused session-id").count(), 2)
        }
        Role::Server => {
            let mut host = Host::listen(proof.server_config(&Memory::new(*by)))?;
            let file = Authority::of_this_run().file(&format!("{by:?}-{}.session", proof.word()));
            same("resumed at first", call(&mut host, *proof, None, &file)?, false)?;
            for round in 1..=2 {
                same(&format!("resumed in round {round}"), call(&mut host, *proof, Some(&file), &file)?, true)?;
            }
            Ok(())
        }
    });
}

#[test]
fn a_session_that_the_server_has_forgotten_becomes_a_full_handshake_in_both_roles() {
    if !has_openssl() {
        return;
    }
    run_all("forgotten sessions", &["by", "proof", "role"], &cells(), words, |(role, by, proof)| match role {
        Role::Client => {
            let mut before = Server::start(*by, *proof, 1)?;
            let mut engine = before.visit(None, *proof)?;
            let state = engine.take_state()?;
            engine.close()?;
            // Another process has other keys and another cache.
            let mut after = Server::start(*by, *proof, 1)?;
            let engine = after.visit(Some(&state), *proof)?;
            same("resumed", engine.info()?.resumed, false)?;
            engine.close()
        }
        Role::Server => {
            let memory = Memory::new(*by);
            let file = Authority::of_this_run().file(&format!("{by:?}-{}-forgotten.session", proof.word()));
            let mut host = Host::listen(proof.server_config(&memory))?;
            same("resumed at first", call(&mut host, *proof, None, &file)?, false)?;
            let mut host = Host::listen(proof.server_config(&memory.lost()))?;
            same("resumed", call(&mut host, *proof, Some(&file), &file)?, false)
        }
    });
}

/// `openssl s_server`.
struct Server {
    process: Process,
    address: SocketAddr,
    visits: usize,
}

impl Server {
    fn start(by: By, proof: Proof, visits: usize) -> Result<Self, Trouble> {
        let [cert, key] = SERVER.files();
        let (ca, visits) = (Authority::of_this_run().ca(), visits.to_string());
        let mut args = vec!["s_server", "-dtls1_2", "-accept", "127.0.0.1:0", "-naccept", &visits, "-CAfile", &ca];
        match proof {
            Proof::Certificates => args.extend(["-cert", &cert, "-key", &key, "-Verify", "1", "-verify_return_error"]),
            Proof::PresharedKey => args.extend(["-nocert", "-psk_identity", PSK.0, "-psk", PSK.1]),
        }
        if by == By::SessionId {
            args.push("-no_ticket");
        }
        let process = Process::start("openssl s_server", openssl::command(args))?;
        let address = process.await_line("ACCEPT ")?;
        Ok(Self { process, address: address.trim().parse().map_err(Trouble::new)?, visits: 0 })
    }

    /// Our client comes, and both say something.
    fn visit(&mut self, state: Option<&dtls_core::ResumptionState>, proof: Proof) -> Result<Engine, Trouble> {
        let said = |trouble: Trouble, process: &Process| trouble.and(process.trouble("said:"));
        let engine = Engine::connect(self.address, proof.client_config(), "localhost", state);
        let mut engine = engine.map_err(|trouble| said(trouble, &self.process))?;
        self.visits += 1;
        let word = format!("visit {}", self.visits);
        engine.say(&format!("{word}\n"))?;
        self.process.await_text(&word)?;
        self.process.say(PING)?;
        engine.await_text(PING).map_err(|trouble| said(trouble, &self.process))?;
        Ok(engine)
    }
}

/// `openssl s_client` comes, perhaps with a session in a file, both say something, and it leaves a session in a file.
fn call(host: &mut Host, proof: Proof, with: Option<&str>, leaves: &str) -> Result<bool, Trouble> {
    let [cert, key] = CLIENT.files();
    let (ca, address) = (Authority::of_this_run().ca(), host.address()?.to_string());
    let mut args = vec!["s_client", "-dtls1_2", "-connect", &address, "-servername", "localhost", "-CAfile", &ca];
    args.extend(["-verify_return_error", "-sess_out", leaves]);
    match proof {
        Proof::Certificates => args.extend(["-cert", &cert, "-key", &key]),
        Proof::PresharedKey => args.extend(["-psk_identity", PSK.0, "-psk", PSK.1]),
    }
    if let Some(file) = with {
        args.extend(["-sess_in", file]);
    }
    let mut theirs = Process::start("openssl s_client", openssl::command(args))?;
    let mut talk = || {
        let mut engine = host.accept()?;
        theirs.say(PING)?;
        engine.await_text(PING)?;
        engine.say("that is heard\n")?;
        theirs.await_text("that is heard")?;
        theirs.say("Q\n")?;
        engine.await_close()?;
        Ok(engine)
    };
    let engine = talk().map_err(|trouble: Trouble| trouble.and(theirs.trouble("said:")))?;
    let resumed = engine.info()?.resumed;
    engine.close()?;
    let theirs = theirs.finish()?;
    theirs.expect_text(if resumed { "Reused, TLSv1.2" } else { "New, TLSv1.2" })?;
    Ok(resumed)
}
