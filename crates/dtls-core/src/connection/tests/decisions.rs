//! Decisions that an owner makes later.

use super::*;
use crate::config::Selected;
use crate::crypto::{
    CryptoError, PeerAuthenticated, PresentedPeer, PresharedKey, PskIdentity, Psks, SigningKey, SuiteAuthentication,
};
use crate::event::Role;
use crate::wire::enums::{CertificateType, SignatureScheme};
use crate::{Answer, AskOwner, NotAsked, Question};

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

/// Two ends, one of which asks its owner one thing.
struct Scene {
    client: Connection,
    server: Connection,
    asks: Role,
    /// Whether the question is the one meant, and the answer that lets the handshake go on.
    answer: Box<dyn Fn(&Connection) -> Answer>,
}

impl Scene {
    fn asker(&mut self) -> &mut Connection {
        match self.asks {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn peer(&mut self) -> &mut Connection {
        match self.asks {
            Role::Client => &mut self.server,
            Role::Server => &mut self.client,
        }
    }

    /// Lets the handshake run to the question.
    fn reach_question(&mut self) {
        exchange(&mut self.client, &mut self.server, START);
        assert_eq!(self.asker().poll_event(), Some(Event::Asked));
        assert_eq!(self.asker().poll_event(), None, "asked once");
    }

    fn right_answer(&self) -> Answer {
        (self.answer)(match self.asks {
            Role::Client => &self.client,
            Role::Server => &self.server,
        })
    }

    fn answer_now(&mut self, now: Instant) {
        let answer = self.right_answer();
        self.asker().answer(now, answer).unwrap();
    }

    fn assert_connected(&mut self) {
        exchange(&mut self.client, &mut self.server, START);
        assert_eq!(self.client.poll_event(), Some(Event::Connected));
        assert_eq!(self.server.poll_event(), Some(Event::Connected));
        assert_eq!(ping(&mut self.client, &mut self.server), [b"ping"]);
        assert_eq!(ping(&mut self.server, &mut self.client), [b"ping"]);
    }
}

/// Trusts everybody: what is tested here is who is asked.
#[derive(Debug)]
struct Anyone;

impl PeerVerifier for Anyone {
    fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        Ok(PeerAuthenticated::dangerous_assertion())
    }
}

/// A key and its certificate, and the same for a signer elsewhere.
struct Holder {
    key: Arc<dyn SigningKey>,
    here: Identity,
    elsewhere: Identity,
}

impl Holder {
    fn new() -> Self {
        let (certificate, key) = testing::self_signed();
        let key = provider().key_loader.load(&key).unwrap();
        let here = Identity::with_signer(vec![certificate.clone()], Arc::clone(&key)).unwrap();
        let elsewhere = Identity::with_signer(vec![certificate], Arc::new(Remote(Arc::clone(&key)))).unwrap();
        Self { key, here, elsewhere }
    }

    /// The answer of the signer elsewhere.
    fn sign(&self, connection: &Connection) -> Answer {
        let Some(Question::Signature { identity, scheme, message }) = connection.question() else { panic!() };
        assert_eq!(identity.chain(), self.elsewhere.chain());
        let mut signature = vec![];
        self.key.sign(scheme, message, &mut signature).unwrap();
        Answer::Signature(signature)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(testing::providers().swap_remove(0))
}

fn server_with(identity: &Identity, trust: impl PeerVerifier + 'static) -> Arc<ServerConfig> {
    let server = ServerConfig::builder(provider()).identity(identity.clone());
    Arc::new(server.client_authentication(ClientAuthentication::Require(Arc::new(trust))).build().unwrap())
}

fn client_with(identity: &Identity, trust: impl PeerVerifier + 'static) -> Arc<ClientConfig> {
    Arc::new(ClientConfig::builder(provider()).trust(Arc::new(trust)).identity(identity.clone()).build().unwrap())
}

fn scene(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    asks: Role,
    answer: impl Fn(&Connection) -> Answer + 'static,
) -> Scene {
    let client = Connection::connect(client, None, START).unwrap();
    let server = Connection::accept_on_trusted_path(server, START);
    Scene { client, server, asks, answer: Box::new(answer) }
}

fn psk() -> PskIdentity {
    PskIdentity::new(b"sensor".to_vec(), vec![7; 16]).unwrap()
}

/// Every question, asked by the side that can be asked it.
fn scenes() -> Vec<Scene> {
    let (alice, bob) = (Holder::new(), Holder::new());
    let client = client_with(&alice.here, Anyone);
    let server = server_with(&bob.here, Anyone);
    let trusted = |chain: Vec<CertificateDer<'static>>, is_server: bool| {
        move |connection: &Connection| {
            let Some(Question::Peer(peer)) = connection.question() else { panic!() };
            assert_eq!(peer.chain().unwrap(), chain);
            assert_eq!(matches!(peer.role, crate::crypto::PeerRole::Server { .. }), is_server);
            Answer::Peer(Anyone.verify(&peer))
        }
    };
    let served = Arc::clone(&server);
    let selecting = ServerConfig::builder(provider()).identity(bob.here.clone()).select(Arc::new(AskOwner));
    let choosing = ClientConfig::builder(provider()).trust(Arc::new(Anyone)).choose_identity(Arc::new(AskOwner));
    let chosen = alice.here.clone();
    let with_psk = ClientConfig::builder(provider()).preshared_key(Arc::new(psk())).build().unwrap();
    let asking_psk = ClientConfig::builder(provider()).preshared_key(Arc::new(AskOwner)).build().unwrap();
    let with_psks = ServerConfig::builder(provider()).preshared_keys(Arc::new(Psks::new().with(psk())));
    let with_psks = with_psks.configure(|settings| settings.psk_hint = b"which one?".to_vec()).build().unwrap();
    let asking_psks = ServerConfig::builder(provider()).preshared_keys(Arc::new(AskOwner)).build().unwrap();
    vec![
        scene(Arc::clone(&client), Arc::new(selecting.build().unwrap()), Role::Server, move |connection| {
            assert!(matches!(connection.question(), Some(Question::Config(_))));
            Answer::Config(Some(Selected { config: Arc::clone(&served), by_name: false }))
        }),
        scene(
            Arc::clone(&client),
            server_with(&bob.here, AskOwner),
            Role::Server,
            trusted(alice.here.chain().to_vec(), false),
        ),
        scene(
            client_with(&alice.here, AskOwner),
            Arc::clone(&server),
            Role::Client,
            trusted(bob.here.chain().to_vec(), true),
        ),
        scene(Arc::new(choosing.build().unwrap()), Arc::clone(&server), Role::Client, move |connection| {
            let Some(Question::Identity { request, certificate_type }) = connection.question() else { panic!() };
            assert_eq!(certificate_type, CertificateType::X509);
            assert!(request.signature_schemes.contains(&SignatureScheme::ECDSA_SECP256R1_SHA256));
            Answer::Identity(Some(chosen.clone()))
        }),
        scene(client_with(&alice.elsewhere, Anyone), server, Role::Client, move |c| alice.sign(c)),
        scene(client, server_with(&bob.elsewhere, Anyone), Role::Server, move |c| bob.sign(c)),
        scene(Arc::new(with_psk), Arc::new(asking_psks), Role::Server, |connection| {
            let Some(Question::PresharedKey { identity }) = connection.question() else { panic!() };
            assert_eq!(identity, b"sensor");
            Answer::PresharedKey(Some(Arc::new(PresharedKey::new(vec![7; 16]).unwrap())))
        }),
        scene(Arc::new(asking_psk), Arc::new(with_psks), Role::Client, |connection| {
            let Some(Question::PskIdentity { hint }) = connection.question() else { panic!() };
            assert_eq!(hint, Some(&b"which one?"[..]));
            Answer::PskIdentity(Some(psk()))
        }),
    ]
}

#[test]
fn every_decision_can_be_made_later() {
    for mut scene in scenes() {
        scene.reach_question();
        scene.answer_now(START);
        assert!(scene.asker().question().is_none());
        scene.assert_connected();
    }
}

#[test]
fn a_question_that_has_left_its_connection_says_the_same_when_the_connection_is_gone() {
    extern crate std;
    for mut scene in scenes() {
        scene.reach_question();
        let question = scene.asker().question().unwrap();
        let (said, owned) = (format!("{question:?}"), question.into_owned());
        drop(scene);
        std::thread::spawn(move || assert_eq!(format!("{:?}", owned.question().unwrap()), said)).join().unwrap();
    }
}

#[test]
fn while_the_owner_thinks_nothing_is_repeated_and_only_the_deadline_of_the_handshake_runs() {
    for mut scene in scenes() {
        scene.reach_question();
        let deadline = START + Settings::new(&provider()).handshake_timeout;
        assert_eq!(scene.asker().poll_timeout(), Some(deadline));
        let late = START + Duration::from_secs(25);
        scene.asker().handle_timeout(late);
        assert!(drain(scene.asker(), late).is_empty());
        scene.answer_now(late);
        scene.asker().handle_timeout(late);
        exchange(&mut scene.client, &mut scene.server, late);
        assert_eq!(scene.asker().poll_event(), Some(Event::Connected));
        assert_eq!(scene.asker().stats().retransmits, 0);
    }
}

#[test]
fn no_part_of_a_flight_leaves_before_its_signature_is_there() {
    let (alice, bob) = (Holder::new(), Holder::new());
    let client = client_with(&alice.elsewhere, Anyone);
    let mut scene = scene(client, server_with(&bob.elsewhere, Anyone), Role::Server, move |c| bob.sign(c));
    scene.reach_question();
    assert_eq!(scene.server.stats().datagrams_sent, 0);
    scene.answer_now(START);
    exchange(&mut scene.client, &mut scene.server, START);
    assert_eq!(scene.client.poll_event(), Some(Event::Asked));
    assert_eq!(scene.client.stats().datagrams_sent, 1, "the hello");
    let answer = alice.sign(&scene.client);
    scene.client.answer(START, answer).unwrap();
    scene.assert_connected();
}

#[test]
fn a_server_that_has_decided_waits_a_whole_period_for_what_is_missing() {
    let (alice, bob) = (Holder::new(), Holder::new());
    let client = client_with(&alice.here, Anyone);
    let mut scene = scene(client, server_with(&bob.here, AskOwner), Role::Server, |connection| {
        let Some(Question::Peer(peer)) = connection.question() else { panic!() };
        Answer::Peer(Anyone.verify(&peer))
    });
    deliver(drain(&mut scene.client, START), &mut scene.server, START);
    deliver(drain(&mut scene.server, START), &mut scene.client, START);
    // The records after the ChangeCipherSpec are lost: Finished.
    let mut flight = drain(&mut scene.client, START).concat();
    let lost = Records::new(&flight).map(Result::unwrap).find(|record| record.header.epoch == Epoch::ONE).unwrap();
    flight.truncate(flight.len() - RecordHeader::LEN - lost.body.len());
    deliver(vec![flight], &mut scene.server, START);
    assert_eq!(scene.server.poll_event(), Some(Event::Asked));
    let late = START + Duration::from_secs(20);
    scene.answer_now(late);
    assert_eq!(scene.server.poll_timeout(), Some(late + Settings::new(&provider()).first_timeout));
    assert!(drain(&mut scene.server, late).is_empty());
}

#[test]
fn an_owner_who_never_answers_loses_the_handshake_at_its_deadline() {
    for mut scene in scenes() {
        scene.reach_question();
        let deadline = scene.asker().poll_timeout().unwrap();
        let answer = scene.right_answer();
        scene.asker().handle_timeout(deadline);
        assert_eq!(scene.asker().poll_event(), Some(Event::Failed(Error::HandshakeTimeout)));
        assert!(scene.asker().question().is_none());
        assert_eq!(scene.asker().answer(deadline, answer), Err(NotAsked));
    }
}

#[test]
fn an_owner_who_cannot_decide_ends_the_handshake_and_the_peer_is_told() {
    for mut scene in scenes() {
        scene.reach_question();
        scene.asker().answer(START, Answer::Failed).unwrap();
        assert_eq!(scene.asker().poll_event(), Some(Event::Failed(Error::DecisionFailed)));
        let alert = drain(scene.asker(), START).pop().unwrap();
        assert_eq!(alert[RecordHeader::LEN..], [2, AlertDescription::INTERNAL_ERROR.0]);
        assert_eq!(scene.asker().answer(START, Answer::Failed), Err(NotAsked), "a failure is told once");
    }
}

#[test]
fn an_answer_to_another_question_changes_nothing() {
    let answers: [fn() -> Answer; 6] = [
        || Answer::Config(None),
        || Answer::Peer(Err(CertificateError::Rejected)),
        || Answer::Identity(None),
        || Answer::Signature(vec![]),
        || Answer::PresharedKey(None),
        || Answer::PskIdentity(None),
    ];
    let mut refused = 0;
    for mut scene in scenes() {
        for answer in answers {
            assert_eq!(scene.asker().answer(START, answer()), Err(NotAsked), "nothing has been asked yet");
        }
        scene.reach_question();
        for answer in answers {
            let answer = answer();
            if !scene.asker().question().unwrap().is_answered_by(&answer) {
                assert_eq!(scene.asker().answer(START, answer), Err(NotAsked));
                refused += 1;
            }
        }
        scene.answer_now(START);
        scene.assert_connected();
    }
    assert_eq!(refused, 8 * 5);
}

#[test]
fn a_no_that_comes_later_is_the_same_no() {
    let verdict = || Error::Certificate(CertificateError::UnknownIssuer);
    let refusals: [(fn() -> Answer, Error); 8] = [
        (|| Answer::Config(None), Error::ServerNameMissing),
        (|| Answer::Peer(Err(CertificateError::UnknownIssuer)), verdict()),
        (|| Answer::Peer(Err(CertificateError::UnknownIssuer)), verdict()),
        // A client that shows nothing goes on; it is the server that minds.
        (|| Answer::Identity(None), Error::AlertReceived(AlertDescription::HANDSHAKE_FAILURE)),
        (|| Answer::Signature(vec![1; 70]), Error::SignerFailed),
        (|| Answer::Signature(vec![]), Error::SignerFailed),
        // Like a key that differs, so that nobody learns who is known.
        (|| Answer::PresharedKey(None), Error::HandshakeTimeout),
        (|| Answer::PskIdentity(None), Error::NoPskForHint),
    ];
    for (mut scene, (answer, error)) in scenes().into_iter().zip(refusals) {
        scene.reach_question();
        scene.asker().answer(START, answer()).unwrap();
        exchange(&mut scene.client, &mut scene.server, START);
        while let Some(deadline) = scene.asker().poll_timeout() {
            scene.asker().handle_timeout(deadline);
            let _ = drain(scene.asker(), deadline);
        }
        let events: Vec<_> = core::iter::from_fn(|| scene.asker().poll_event()).collect();
        assert_eq!(events.last(), Some(&Event::Failed(error)), "{events:?}");
    }
}

#[test]
fn what_the_peer_repeats_and_anyone_forges_meanwhile_does_no_harm() {
    for mut scene in scenes() {
        scene.reach_question();
        let deadline = START + Settings::new(&provider()).handshake_timeout;
        let mut now = START;
        // The peer's timer repeats its flight, more than once.
        for _ in 0..3 {
            let peer = scene.peer();
            now = peer.poll_timeout().unwrap();
            peer.handle_timeout(now);
            let repeated = drain(peer, now);
            assert!(!repeated.is_empty());
            deliver(repeated, scene.asker(), now);
            let forged = plaintext_record(ContentType::ALERT, &[2, AlertDescription::HANDSHAKE_FAILURE.0]);
            deliver(vec![forged], scene.asker(), now);
            scene.asker().handle_timeout(now);
            assert!(drain(scene.asker(), now).is_empty());
            assert_eq!(scene.asker().poll_event(), None);
            assert_eq!(scene.asker().poll_timeout(), Some(deadline));
        }
        scene.answer_now(now);
        scene.asker().handle_timeout(now);
        exchange(&mut scene.client, &mut scene.server, now);
        assert_eq!(scene.asker().poll_event(), Some(Event::Connected));
    }
}

#[test]
fn a_decision_that_takes_long_makes_no_datagram_of_application_data_smaller() {
    for mut scene in scenes() {
        scene.reach_question();
        let mut now = START;
        for _ in 0..4 {
            let peer = scene.peer();
            now = peer.poll_timeout().unwrap();
            peer.handle_timeout(now);
            deliver(drain(peer, now), scene.asker(), now);
        }
        scene.answer_now(now);
        exchange(&mut scene.client, &mut scene.server, now);
        for end in [&mut scene.client, &mut scene.server] {
            assert_eq!(end.poll_event(), Some(Event::Connected));
            let present = end.max_payload();
            end.set_mtu(Settings::new(&provider()).mtu);
            assert_eq!(present, end.max_payload());
        }
    }
}

#[test]
fn messages_that_anyone_forges_meanwhile_are_neither_used_nor_kept() {
    let types = [
        HandshakeType::CLIENT_HELLO,
        HandshakeType::SERVER_HELLO,
        HandshakeType::CERTIFICATE,
        HandshakeType::CLIENT_KEY_EXCHANGE,
        HandshakeType::SERVER_HELLO_DONE,
        HandshakeType::NEW_SESSION_TICKET,
        HandshakeType::FINISHED,
    ];
    for mut scene in scenes() {
        scene.reach_question();
        let memory = scene.asker().memory();
        for typ in types {
            for seq in 0..12 {
                let header = FragmentHeader::whole(typ, MessageSeq(seq), 1000);
                let forged = [&header.to_bytes()[..], &[1; 1000]].concat();
                deliver(vec![plaintext_record(ContentType::HANDSHAKE, &forged)], scene.asker(), START);
            }
        }
        assert_eq!(scene.asker().memory(), memory);
        scene.answer_now(START);
        scene.assert_connected();
    }
}

#[test]
fn an_answer_after_the_deadline_ends_the_handshake() {
    for mut scene in scenes() {
        scene.reach_question();
        let deadline = scene.asker().poll_timeout().unwrap();
        let answer = scene.right_answer();
        assert_eq!(scene.asker().answer(deadline, answer), Err(NotAsked));
        assert_eq!(scene.asker().poll_event(), Some(Event::Failed(Error::HandshakeTimeout)));
    }
}

#[test]
fn a_question_that_the_owner_has_not_heard_of_can_be_answered_and_is_not_told_after_the_end() {
    for mut scene in scenes() {
        exchange(&mut scene.client, &mut scene.server, START);
        scene.answer_now(START);
        scene.assert_connected();
    }
    for mut scene in scenes() {
        exchange(&mut scene.client, &mut scene.server, START);
        scene.asker().abort();
        assert_eq!(scene.asker().poll_event(), None);
    }
}

#[test]
fn memory_grows_by_what_a_question_keeps_and_no_more() {
    for mut scene in scenes() {
        exchange(&mut scene.client, &mut scene.server, START);
        let memory = scene.asker().memory();
        assert!((size_of::<Connection>()..8_000).contains(&memory), "{memory}");
    }
}

#[test]
fn what_a_question_is_about_counts_as_memory() {
    let (alice, bob) = (Holder::new(), Holder::new());
    // So little more that what else grows with it, by doubling, stays as it is.
    let issuer = CertificateDer::from(vec![7; 16]);
    let longer = |holder: &Holder| {
        let chain = [holder.here.chain(), core::slice::from_ref(&issuer)].concat();
        Identity::with_signer(chain, Arc::clone(&holder.key)).unwrap()
    };
    let asking = |client, server, asks| {
        let mut scene = scene(client, server, asks, |_| panic!());
        scene.reach_question();
        scene.asker().memory()
    };
    let of_hello = |protocol: usize| {
        let client = ClientConfig::builder(provider()).trust(Arc::new(Anyone)).without_identity();
        let client = client.configure(|settings| settings.alpn = vec![vec![b'a'; protocol]]).build().unwrap();
        let server = ServerConfig::builder(provider()).identity(bob.here.clone()).select(Arc::new(AskOwner));
        asking(Arc::new(client), Arc::new(server.build().unwrap()), Role::Server)
    };
    assert!(of_hello(220) - of_hello(20) >= 200);
    let of_client =
        |identity: &Identity| asking(client_with(identity, Anyone), server_with(&bob.here, AskOwner), Role::Server);
    assert!(of_client(&longer(&alice)) - of_client(&alice.here) >= issuer.len());
    // What a client keeps for its signature hides how its state grows; but the next question has the same certificates,
    // and nothing is sent in between.
    let client = ClientConfig::builder(provider()).trust(Arc::new(AskOwner)).choose_identity(Arc::new(AskOwner));
    let server = server_with(&longer(&bob), Anyone);
    let mut scene = scene(Arc::new(client.build().unwrap()), server, Role::Client, |connection| {
        let Some(Question::Peer(peer)) = connection.question() else { panic!() };
        Answer::Peer(Anyone.verify(&peer))
    });
    scene.reach_question();
    let of_verdict = scene.asker().memory();
    scene.answer_now(START);
    assert!(matches!(scene.asker().question(), Some(Question::Identity { .. })));
    assert!(of_verdict >= scene.asker().memory());
}

#[test]
fn a_verifier_that_panics_lets_nobody_in() {
    extern crate std;
    #[derive(Debug)]
    struct Panics;
    impl PeerVerifier for Panics {
        fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
            panic!("a bug in a verifier")
        }
    }
    let (alice, bob) = (Holder::new(), Holder::new());
    let mut scene = scene(client_with(&alice.here, Panics), server_with(&bob.here, Anyone), Role::Client, |_| panic!());
    deliver(drain(&mut scene.client, START), &mut scene.server, START);
    let flight = drain(&mut scene.server, START);
    let client = core::panic::AssertUnwindSafe(&mut scene.client);
    let panicked = std::panic::catch_unwind(move || {
        let client = client;
        deliver(flight, client.0, START)
    });
    assert!(panicked.is_err());
    exchange(&mut scene.client, &mut scene.server, START);
    assert!(scene.client.info().is_none());
    assert_eq!(scene.client.poll_event(), None);
    let deadline = START + Settings::new(&provider()).handshake_timeout;
    scene.client.handle_timeout(deadline);
    assert_eq!(scene.client.poll_event(), Some(Event::Failed(Error::HandshakeTimeout)));
}
