//! Decisions that are made in threads of their own.

use std::sync::Mutex;
use std::sync::mpsc::RecvTimeoutError;

use dtls_core::config::Selected;
use dtls_core::crypto::{CryptoError, PeerAuthenticated, SigningKey, SuiteAuthentication};
use dtls_core::wire::enums::SignatureScheme;

use super::*;
use crate::{Answer, AskOwner, Asker, Deciders, Question};

impl Party {
    /// A server that leaves it to its owner which configuration serves a client.
    pub(super) fn asking_server(&self) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder(Arc::clone(&self.provider)).identity(self.identity());
        Arc::new(builder.select(Arc::new(AskOwner)).build().unwrap())
    }

    /// The answer to it.
    pub(super) fn pick(&self) -> impl Fn() -> Answer + Send + Sync + 'static {
        let config = self.server();
        move || Answer::Config(Some(Selected { config: Arc::clone(&config), by_name: false }))
    }

    fn listen_asking(&self, deciders: &Deciders) -> Endpoint {
        listen_with("127.0.0.1:0", self.asking_server(), with(deciders)).unwrap()
    }

    /// A client that believes an alert in the clear before it tries again.
    fn credulous_client(&self) -> Arc<ClientConfig> {
        self.client_with(|settings| settings.first_timeout = Duration::from_secs(5))
    }

    /// A client that leaves it to its owner whom to trust.
    pub(super) fn asking_client(&self, handshake_timeout: Duration) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder(Arc::clone(&self.provider)).trust(Arc::new(AskOwner)).without_identity();
        Arc::new(builder.configure(|settings| settings.handshake_timeout = handshake_timeout).build().unwrap())
    }
}

fn with(deciders: &Deciders) -> Options {
    Options { deciders: Some(deciders.clone()), ..Options::default() }
}

/// The answer that trusts everybody.
pub(super) fn trusted() -> Answer {
    Answer::Peer(Ok(PeerAuthenticated::dangerous_assertion()))
}

/// Decisions that tell when they are asked for and wait for leave.
struct Slow {
    deciders: Deciders,
    asked: Receiver<SocketAddr>,
    leave: Sender<()>,
    /// Of each decision, whether it was still wanted when it was made.
    wanted: Receiver<bool>,
}

impl Slow {
    fn new(threads: usize, waiting_max: usize, decide: impl Fn() -> Answer + Send + Sync + 'static) -> Self {
        let ((tell, asked), (leave, may), (say, wanted)) = (channel(), channel(), channel());
        let may: Mutex<Receiver<()>> = Mutex::new(may);
        let deciders = Deciders::with_line(threads, waiting_max, move |asker: &Asker, _: Question<'_>| {
            tell.send(asker.remote_addr()).unwrap();
            may.lock().unwrap().recv_timeout(LONG).unwrap();
            say.send(asker.still_asks()).unwrap();
            decide()
        });
        Self { deciders, asked, leave, wanted }
    }

    fn wait_until_asked(&self) {
        self.asked.recv_timeout(LONG).unwrap();
    }

    fn wait_until_line_has(&self, waiting: usize) {
        let since = crate::clock::Clock::new();
        while self.deciders.waiting() != waiting {
            assert!(since.now().since_origin() < LONG, "{} wait", self.deciders.waiting());
            thread::yield_now();
        }
    }
}

#[test]
fn both_sides_decide_in_threads_of_their_own_and_know_who_asks() {
    let party = Party::new();
    let (tell, told) = channel();
    let pick = party.pick();
    let deciders = Deciders::new(2, move |asker, question| {
        let thread = thread::current().name().map(str::to_owned);
        tell.send((thread, asker.remote_addr(), asker.local_addr(), asker.still_asks())).unwrap();
        match question {
            Question::Config(hello) => {
                assert_eq!(hello.extensions.server_name, Some(&b"localhost"[..]));
                pick()
            }
            Question::Peer(peer) => {
                assert_eq!(peer.chain().unwrap().len(), 1);
                trusted()
            }
            _ => Answer::Failed,
        }
    });
    let endpoint = party.listen_asking(&deciders);
    let name = "localhost".try_into().unwrap();
    let client = connect_with(endpoint.local_addr(), Some(name), party.asking_client(LONG), with(&deciders)).unwrap();
    let server = accept(&endpoint);
    client.send(b"hello").unwrap();
    assert_eq!(receive(&server), b"hello");
    let thread = Some("dtls-decide".to_owned());
    assert_eq!(told.try_recv(), Ok((thread.clone(), server.remote_addr(), endpoint.local_addr(), true)));
    assert_eq!(told.try_recv(), Ok((thread, endpoint.local_addr(), client.local_addr(), true)));
    assert!(told.try_recv().is_err(), "each is asked once");
}

#[test]
fn while_a_decision_takes_its_time_the_other_sessions_of_the_socket_go_on() {
    let party = Party::new();
    let slow = Slow::new(1, 8, party.pick());
    let endpoint = party.listen_asking(&slow.deciders);
    slow.leave.send(()).unwrap();
    let (client, server) = party.pair(&endpoint);
    thread::scope(|scope| {
        let address = endpoint.local_addr();
        let second = scope.spawn(move || connect(address, None, party.client()));
        slow.wait_until_asked();
        slow.wait_until_asked();
        // The second client waits for its answer all the while.
        for _ in 0..10 {
            client.send(b"are you there?").unwrap();
            assert_eq!(receive(&server), b"are you there?");
            server.send(b"yes").unwrap();
            assert_eq!(receive(&client), b"yes");
        }
        slow.leave.send(()).unwrap();
        second.join().unwrap().unwrap();
    });
}

#[test]
fn a_decision_that_panics_fails_its_handshake_and_the_thread_decides_on() {
    let party = Party::new();
    let (panics, pick) = (AtomicBool::new(true), party.pick());
    let deciders = Deciders::new(1, move |_, _| {
        if panics.swap(false, Ordering::SeqCst) {
            // A panic without a message.
            std::panic::resume_unwind(Box::new(()));
        }
        pick()
    });
    let endpoint = party.listen_asking(&deciders);
    let connected = connect(endpoint.local_addr(), None, party.credulous_client());
    let told = Error::AlertReceived(AlertDescription::INTERNAL_ERROR);
    assert!(matches!(&connected, Err(ConnectError::Handshake { error, .. }) if *error == told), "{connected:?}");
    let accepted = endpoint.accept_timeout(LONG);
    assert!(matches!(accepted, Err(AcceptError::Handshake { error: Error::DecisionFailed, .. })), "{accepted:?}");
    party.pair(&endpoint);
}

#[test]
fn where_nobody_decides_or_answers_something_else_the_handshake_fails_at_once() {
    let party = Party::new();
    let beside_the_point = Deciders::new(1, |_, _| Answer::Config(None));
    for deciders in [None, Some(beside_the_point)] {
        let endpoint = party.listen();
        let options = Options { deciders, ..Options::default() };
        let began = endpoint.created();
        let connected = connect_with(endpoint.local_addr(), None, party.asking_client(LONG), options);
        assert!(
            matches!(connected, Err(ConnectError::Handshake { error: Error::DecisionFailed, .. })),
            "{connected:?}"
        );
        assert!(began.elapsed() < LONG / 2);
        // The server has been told, too.
        let accepted = endpoint.accept_timeout(LONG);
        let told = Error::AlertReceived(AlertDescription::INTERNAL_ERROR);
        assert!(matches!(&accepted, Err(AcceptError::Handshake { error, .. }) if *error == told), "{accepted:?}");
    }
}

#[test]
fn an_answer_for_a_session_that_has_ended_is_dropped_and_whoever_waited_in_vain_is_passed_over() {
    let party = Party::new();
    let endpoint = party.listen();
    let slow = Slow::new(1, 8, trusted);
    let late = || {
        let config = party.asking_client(Duration::from_millis(100));
        let connected = connect_with(endpoint.local_addr(), None, config, with(&slow.deciders));
        assert!(
            matches!(connected, Err(ConnectError::Handshake { error: Error::HandshakeTimeout, .. })),
            "{connected:?}"
        );
    };
    // The first is being answered, the second waits in line.
    late();
    slow.wait_until_asked();
    assert_eq!(slow.deciders.waiting(), 0);
    late();
    assert_eq!(slow.deciders.waiting(), 1);
    slow.leave.send(()).unwrap();
    assert_eq!(slow.wanted.recv_timeout(LONG), Ok(false), "told that nobody asks any more");
    slow.leave.send(()).unwrap();
    let client = connect_with(endpoint.local_addr(), None, party.asking_client(LONG), with(&slow.deciders)).unwrap();
    assert_eq!(slow.asked.recv_timeout(LONG), Ok(endpoint.local_addr()));
    assert!(slow.asked.try_recv().is_err(), "the second was passed over");
    assert_eq!(slow.wanted.recv_timeout(LONG), Ok(true));
    client.send(b"hello").unwrap();
}

#[test]
fn an_endpoint_is_closed_without_waiting_for_a_decision() {
    let party = Party::new();
    let slow = Slow::new(1, 8, party.pick());
    let endpoint = party.listen_asking(&slow.deciders);
    let caller = party.listen();
    thread::scope(|scope| {
        let calling = scope.spawn(|| caller.connect(endpoint.local_addr(), None, party.client()));
        slow.wait_until_asked();
        endpoint.close();
        assert_eq!(endpoint.sessions(), 0);
        caller.destroy();
        assert!(calling.join().unwrap().is_err());
    });
    // The handles of an endpoint that has ended ask for nothing.
    slow.leave.send(()).unwrap();
    assert_eq!(slow.wanted.recv_timeout(LONG), Ok(false));
}

#[test]
fn behind_a_line_that_is_full_the_answer_is_no_at_once() {
    let party = Party::new();
    let slow = Slow::new(1, 1, party.pick());
    let endpoint = party.listen_asking(&slow.deciders);
    thread::scope(|scope| {
        let first = scope.spawn(|| connect(endpoint.local_addr(), None, party.client()));
        slow.wait_until_asked();
        let second = scope.spawn(|| connect(endpoint.local_addr(), None, party.client()));
        slow.wait_until_line_has(1);
        let third = connect(endpoint.local_addr(), None, party.credulous_client());
        let told = Error::AlertReceived(AlertDescription::INTERNAL_ERROR);
        assert!(matches!(&third, Err(ConnectError::Handshake { error, .. }) if *error == told), "{third:?}");
        for _ in 0..2 {
            slow.leave.send(()).unwrap();
        }
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap();
    });
}

/// A signer somewhere else.
#[derive(Debug)]
struct Remote(Arc<dyn SigningKey>);

impl SigningKey for Remote {
    fn schemes(&self) -> &[SignatureScheme] {
        self.0.schemes()
    }

    fn kind(&self) -> SuiteAuthentication {
        self.0.kind()
    }

    fn public_key(&self) -> Option<&[u8]> {
        self.0.public_key()
    }

    fn sign(&self, _: SignatureScheme, _: &[u8], _: &mut Vec<u8>) -> Result<(), CryptoError> {
        panic!("a signer that defers is not asked to sign")
    }

    fn defers(&self) -> bool {
        true
    }
}

#[test]
fn a_peer_is_told_at_once_when_the_answer_to_one_question_leads_to_another_that_nobody_answers() {
    let party = Party::new();
    let signer = Remote(Arc::clone(party.identity().key()));
    let identity = Identity::with_signer(vec![party.certificate.clone()], Arc::new(signer)).unwrap();
    let served = Arc::new(ServerConfig::builder(Arc::clone(&party.provider)).identity(identity).build().unwrap());
    let slow = Slow::new(1, 1, move || Answer::Config(Some(Selected { config: Arc::clone(&served), by_name: false })));
    let endpoint = party.listen_asking(&slow.deciders);
    // What clients repeat would have the server send what it has left unsent.
    let config = party.client_with(|settings| settings.first_timeout = LONG);
    let caller = party.listen();
    thread::scope(|scope| {
        let first = scope.spawn(|| connect(endpoint.local_addr(), None, Arc::clone(&config)));
        slow.wait_until_asked();
        let second = scope.spawn(|| caller.connect(endpoint.local_addr(), None, Arc::clone(&config)));
        slow.wait_until_line_has(1);
        let since = crate::clock::Clock::new();
        slow.leave.send(()).unwrap();
        assert!(first.join().unwrap().is_err());
        assert!(since.now().since_origin() < LONG / 2);
        caller.destroy();
        assert!(second.join().unwrap().is_err());
    });
    slow.leave.send(()).unwrap();
}

#[test]
fn no_more_threads_decide_than_there_may_be_and_no_fewer_if_there_is_work() {
    let party = Party::new();
    let slow = Slow::new(2, 8, party.pick());
    let endpoint = party.listen_asking(&slow.deciders);
    thread::scope(|scope| {
        let clients = [(); 4].map(|()| scope.spawn(|| connect(endpoint.local_addr(), None, party.client())));
        slow.wait_until_asked();
        slow.wait_until_asked();
        slow.wait_until_line_has(2);
        assert!(slow.asked.try_recv().is_err());
        for _ in &clients {
            slow.leave.send(()).unwrap();
        }
        for client in clients {
            client.join().unwrap().unwrap();
        }
    });
}

#[test]
fn the_threads_end_with_the_last_handle_and_the_last_socket() {
    let party = Party::new();
    // Dropped with the decisions.
    let (alive, ended) = channel::<()>();
    let pick = party.pick();
    let deciders = Deciders::new(3, move |_, _| {
        let _ = &alive;
        pick()
    });
    let endpoint = party.listen_asking(&deciders);
    party.pair(&endpoint);
    drop(deciders);
    let (client, server) = party.pair(&endpoint);
    assert!(ended.try_recv().is_err_and(|error| error == std::sync::mpsc::TryRecvError::Empty));
    drop((client, server, endpoint));
    assert_eq!(ended.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
}
