//! An honest handshake in steps, so that a test can stop before any of them, do something else, and go on.

use dtls_core::config::Settings;
use dtls_core::wire::enums::{CertificateType, CipherSuiteId, ContentType, HandshakeType, NamedGroup};
use dtls_core::wire::hello::ServerHello;
use dtls_core::{Connection, Error, Event, Instant, Role};
use dtls_tests::certificates::{self, Leaf};
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::raw;
use dtls_tests::scenario::{CLIENT, Scenario};

pub(crate) const SUITE: CipherSuiteId = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
/// Who the server is.
pub(crate) const SERVER_LEAF: Leaf = Leaf::EcdsaP256;
/// Who the client is.
pub(crate) const CLIENT_LEAF: Leaf = Leaf::Ed25519;

/// A server that takes its first hello without a cookie.
pub(crate) fn server(scenario: &Scenario) -> UnderTest {
    UnderTest::new(Connection::accept_on_trusted_path(scenario.server_config(CLIENT), Instant::ORIGIN))
}

/// A client that has not sent anything yet.
pub(crate) fn client(scenario: &Scenario) -> UnderTest {
    UnderTest::new(Connection::connect(scenario.client_config(CLIENT), None, Instant::ORIGIN).unwrap())
}

/// Both sides show certificates, and the first fault ends the handshake.
pub(crate) fn strict() -> Scenario {
    Scenario::new(1).mutual().suite(SUITE).configure(|settings: &mut Settings| settings.fault_budget = 0)
}

/// It has ended with this error, one alert that says so, and without having been connected.
pub(crate) fn assert_refused(under_test: &UnderTest, answers: &[Vec<u8>], error: &Error) {
    assert_eq!(under_test.events, [Event::Failed(error.clone())]);
    let alerts: Vec<_> = answers
        .iter()
        .flat_map(|datagram| raw::pieces(datagram))
        .filter(|p| p.header.content_type == ContentType::ALERT)
        .collect();
    let expected = usize::from(error.alert().is_some());
    assert_eq!(alerts.len(), expected, "{answers:?}");
    if let (Some(alert), Some(description)) = (alerts.first(), error.alert()) {
        assert!(alert.header.epoch.0 == 1 || alert.body == [2, description.0], "{alert:?} for {error:?}");
    }
}

/// A connection somewhere in a handshake with certificates on both sides, and the honest peer it has so far.
pub(crate) struct Play {
    pub(crate) role: Role,
    pub(crate) under_test: UnderTest,
    pub(crate) peer: Peer,
    step: usize,
}

impl Play {
    /// How many steps an honest handshake has for a connection of this role.
    pub(crate) const fn steps(role: Role) -> usize {
        match role {
            Role::Server => 5,
            Role::Client => 6,
        }
    }

    /// Every state of both roles, fresh and connected ones included.
    pub(crate) fn every_state() -> Vec<(Role, usize)> {
        [Role::Server, Role::Client]
            .into_iter()
            .flat_map(|role| (0..=Self::steps(role)).map(move |step| (role, step)))
            .collect()
    }

    /// A connection after so many steps.
    pub(crate) fn at(role: Role, step: usize) -> Self {
        Self::of(&Scenario::new(1).mutual().suite(SUITE), role, step)
    }

    /// The same in another scenario, which must be mutual.
    pub(crate) fn of(scenario: &Scenario, role: Role, step: usize) -> Self {
        let (under_test, peer) = match role {
            Role::Server => (server(scenario), Peer::client(SUITE, 2)),
            Role::Client => (client(scenario), Peer::server(SUITE, 2)),
        };
        let mut play = Self { role, under_test, peer, step: 0 };
        if role == Role::Client {
            play.peer.meet(&mut play.under_test);
        }
        while play.step < step {
            play.go_on();
        }
        play
    }

    /// A connected one.
    pub(crate) fn connected(role: Role) -> Self {
        Self::at(role, Self::steps(role))
    }

    /// The next honest datagram, without sending it.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let step = self.step;
        self.step += 1;
        let peer = &mut self.peer;
        let message = match (self.role, step) {
            (Role::Server, 0) => {
                let hello = peer.client_hello();
                peer.say(HandshakeType::CLIENT_HELLO, &hello)
            }
            (Role::Server, 1) => peer.certificate(&certificates::chain(CLIENT_LEAF)),
            (Role::Server, 2) => peer.client_key_exchange(),
            (Role::Server, 3) => peer.certificate_verify(CLIENT_LEAF),
            (Role::Client, 0) => {
                let hello = peer.server_hello();
                peer.say(HandshakeType::SERVER_HELLO, &hello)
            }
            (Role::Client, 1) => peer.certificate(&certificates::chain(SERVER_LEAF)),
            (Role::Client, 2) => peer.server_key_exchange(NamedGroup::X25519, SERVER_LEAF),
            (Role::Client, 3) => peer.certificate_request(),
            (Role::Client, 4) => peer.server_hello_done(),
            (Role::Server, 4) | (Role::Client, 5) => {
                let mut datagram = peer.change_cipher_spec();
                datagram.extend(peer.finished());
                return datagram;
            }
            _ => panic!("the handshake is over"),
        };
        peer.plain(&message)
    }

    /// Sends the next honest datagram.
    pub(crate) fn go_on(&mut self) {
        let datagram = self.next();
        let answers = self.under_test.give(&datagram);
        self.peer.hear(&answers);
        self.peer.hear_pending_if_possible();
    }

    /// Goes on honestly to the end, after which data must flow both ways.
    pub(crate) fn finish(mut self) {
        while self.step < Self::steps(self.role) {
            self.go_on();
        }
        self.assert_data_flows();
    }

    /// The connection is alive and data goes both ways.
    pub(crate) fn assert_data_flows(&mut self) {
        let Self { under_test, peer, .. } = self;
        assert!(under_test.was_connected(), "{:?} after {:?}", under_test.events, under_test.connection);
        assert_eq!(under_test.events.len(), 1, "{:?}", under_test.events);
        let before = under_test.data.len();
        let record = peer.sealed(ContentType::APPLICATION_DATA, b"to the connection");
        under_test.give(&record);
        assert_eq!(under_test.data[before..], [b"to the connection".to_vec()]);
        let mut sealed = Vec::new();
        under_test.connection.send(b"from the connection", &mut sealed).unwrap();
        peer.hear(&[sealed]);
        assert_eq!(peer.data.last().unwrap(), b"from the connection");
    }

    /// Gives a datagram that must have no effect at all.
    pub(crate) fn assert_discards(&mut self, what: &str, datagram: &[u8]) {
        let under_test = &mut self.under_test;
        let before = (format!("{:?}", under_test.connection), under_test.connection.poll_timeout());
        let counted = under_test.connection.stats().discarded_in_all();
        let (events, data) = (under_test.events.len(), under_test.data.len());
        let answers = under_test.give(datagram);
        let place = || format!("{what} at step {} of a {:?}", self.step, self.role);
        assert_eq!(answers, Vec::<Vec<u8>>::new(), "{}", place());
        assert_eq!(under_test.events.len(), events, "{}: {:?}", place(), under_test.events);
        assert_eq!(under_test.data.len(), data, "{}", place());
        let after = (format!("{:?}", under_test.connection), under_test.connection.poll_timeout());
        assert_eq!(before, after, "{}", place());
        let is_counted = under_test.connection.stats().discarded_in_all() > counted;
        assert!(is_counted || datagram.is_empty(), "{} was not counted", place());
    }
}

/// A client that has heard a ServerHello, changed, and what comes behind it, a datagram each.
pub(crate) struct Heard {
    pub(crate) under_test: UnderTest,
    pub(crate) peer: Peer,
    pub(crate) answers: Vec<Vec<u8>>,
}

impl Heard {
    pub(crate) fn new(
        scenario: &Scenario,
        change: impl FnOnce(&mut ServerHello<'static>),
        say: impl FnOnce(&mut Peer) -> Vec<Vec<u8>>,
    ) -> Self {
        let mut under_test = client(scenario);
        let mut peer = Peer::server(SUITE, 3);
        peer.meet(&mut under_test);
        let mut hello = peer.server_hello();
        change(&mut hello);
        let mut messages = vec![peer.say(HandshakeType::SERVER_HELLO, &hello)];
        messages.extend(say(&mut peer));
        let mut answers = Vec::new();
        for message in messages {
            let record = peer.plain(&message);
            answers.extend(under_test.give(&record));
        }
        Self { under_test, peer, answers }
    }

    pub(crate) fn assert_refused(&self, error: &Error) {
        assert_refused(&self.under_test, &self.answers, error);
    }

    /// Ends the handshake honestly.
    pub(crate) fn assert_connects(mut self) {
        self.peer.answer_flight_5(&mut self.under_test, &self.answers);
        assert_eq!(self.under_test.events, [Event::Connected]);
    }
}

/// A server that has heard a hello, and then what comes behind it, a datagram each.
pub(crate) fn told(
    mut under_test: UnderTest,
    types: &[CertificateType],
    say: impl FnOnce(&mut Peer) -> Vec<Vec<u8>>,
) -> (UnderTest, Vec<Vec<u8>>) {
    let mut peer = Peer::client(SUITE, 2);
    let mut hello = peer.client_hello();
    if types != [CertificateType::X509] {
        hello.extensions.client_certificate_types = Some(types.to_vec());
        hello.extensions.server_certificate_types = Some(types.to_vec());
    }
    peer.greet_with(&mut under_test, &hello);
    let mut answers = Vec::new();
    for message in say(&mut peer) {
        let record = peer.plain(&message);
        answers.extend(under_test.give(&record));
    }
    (under_test, answers)
}

/// The server's Certificate, as it should be.
pub(crate) fn certificate(peer: &mut Peer) -> Vec<u8> {
    peer.certificate(&certificates::chain(SERVER_LEAF))
}

/// The server's share, as it should be.
pub(crate) fn key_exchange(peer: &mut Peer) -> Vec<u8> {
    peer.server_key_exchange(NamedGroup::X25519, SERVER_LEAF)
}
