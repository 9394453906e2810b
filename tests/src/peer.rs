//! A peer that a test plays by hand, honest or not, against a connection under test.
//!
//! It can do everything a peer can: hello, key exchange, signatures or a pre-shared key, keys, protected records. It checks nothing and sends
//! what it is told, in the order it is told, so a test can leave out, repeat, reorder or falsify any step.

use std::collections::VecDeque;

use dtls_core::crypto::{
    CipherSuite, CryptoProvider, KeyBlock, KeyExchange, KeyExchangeAlgorithm, MasterSecret, PreMasterSecret,
    RecordOpener, RecordSealer, prf,
};
use dtls_core::wire::certificate::{
    Certificate, CertificateRequest, CertificateStatus, CertificateVerify, RawPublicKey,
};
use dtls_core::wire::codec::{Decode as _, Encode};
use dtls_core::wire::enums::{
    CipherSuiteId, ClientCertificateType, CompressionMethod, ContentType, EcPointFormat, HandshakeType, NamedGroup,
    ProtocolVersion, SignatureScheme,
};
use dtls_core::wire::extensions::{ClientExtensions, ServerExtensions};
use dtls_core::wire::hello::{ClientHello, Random, ServerHello};
use dtls_core::wire::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange, encode_ecdhe_params};
use dtls_core::wire::psk::{
    EcdhePskClientKeyExchange, EcdhePskServerKeyExchange, PskClientKeyExchange, PskServerKeyExchange,
};
use dtls_core::wire::record::{Epoch, RecordHeader, RecordNumber};
use dtls_core::wire::small::NewSessionTicket;
use dtls_core::{Connection, Event, Instant, Role};
use rustls_pki_types::CertificateDer;

use crate::certificates::{self, Leaf};
use crate::scenario::{PSK, PSK_IDENTITY};
use crate::{raw, seeded};

/// A connection face to face with a [`Peer`].
pub struct UnderTest {
    /// The connection.
    pub connection: Connection,
    /// Its time.
    pub now: Instant,
    /// What it said.
    pub events: Vec<Event>,
    /// What it lent.
    pub data: Vec<Vec<u8>>,
}

impl UnderTest {
    /// A connection at the beginning of time.
    #[must_use]
    pub const fn new(connection: Connection) -> Self {
        Self { connection, now: Instant::ORIGIN, events: Vec::new(), data: Vec::new() }
    }

    /// Lets a datagram arrive and returns the answers.
    pub fn give(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let mut datagram = datagram.to_vec();
        self.data.extend(self.connection.receive(self.now, &mut datagram).map(|payload| payload.to_vec()));
        self.take()
    }

    /// Jumps to the next deadline and returns what the connection then sends.
    pub fn wait(&mut self) -> Vec<Vec<u8>> {
        if let Some(deadline) = self.connection.poll_timeout() {
            self.now = self.now.max(deadline);
            self.connection.handle_timeout(self.now);
        }
        self.take()
    }

    /// Everything the connection has to send; notes what it says on the way.
    pub fn take(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let mut out = Vec::new();
        while self.connection.poll_transmit(self.now, &mut out) {
            datagrams.push(core::mem::take(&mut out));
        }
        while let Some(event) = self.connection.poll_event() {
            self.events.push(event);
        }
        datagrams
    }

    /// Why it failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&dtls_core::Error> {
        self.events.iter().find_map(|event| match event {
            Event::Failed(error) => Some(error),
            _ => None,
        })
    }

    /// Whether it ever said that it is connected.
    #[must_use]
    pub fn was_connected(&self) -> bool {
        self.events.contains(&Event::Connected)
    }
}

/// The played peer.
pub struct Peer {
    role: Role,
    /// Its cryptography, and its dice.
    pub provider: CryptoProvider,
    /// The suite it uses.
    pub suite: CipherSuite,
    /// Everything said and heard that counts.
    pub transcript: Vec<u8>,
    /// The number of its next message.
    pub next_seq: u16,
    /// The numbers of its next records in epoch 0 and 1.
    pub next_number: [u64; 2],
    /// The randoms of client and server.
    pub randoms: [[u8; 32]; 2],
    /// Its key, for suites in which both sides have one.
    pub psk: Vec<u8>,
    /// What it has heard: type and body.
    pub heard: Vec<(HandshakeType, Vec<u8>)>,
    /// The alerts it has heard, with the epoch they came in.
    pub alerts: Vec<(u16, [u8; 2])>,
    /// The application data it has heard.
    pub data: Vec<Vec<u8>>,
    share: Option<Box<dyn KeyExchange>>,
    peer_share: Vec<u8>,
    master: Option<MasterSecret>,
    keys: Option<(RecordSealer, RecordOpener)>,
    pending: VecDeque<Vec<u8>>,
}

// --- what both roles do ---

impl Peer {
    fn new(role: Role, suite: CipherSuiteId, seed: u64) -> Self {
        let provider = seeded::provider_with_ccm(seed);
        let suite = *provider.cipher_suite(suite).expect("a suite of ours");
        let mut random = [0; 32];
        provider.random.fill(&mut random).expect("seeded");
        Self {
            role,
            provider,
            suite,
            transcript: Vec::new(),
            next_seq: 0,
            next_number: [0; 2],
            randoms: [random; 2],
            psk: PSK.to_vec(),
            heard: Vec::new(),
            alerts: Vec::new(),
            data: Vec::new(),
            share: None,
            peer_share: Vec::new(),
            master: None,
            keys: None,
            pending: VecDeque::new(),
        }
    }

    /// A message with the next number, which counts in the transcript.
    pub fn say(&mut self, typ: HandshakeType, body: &dyn Encode) -> Vec<u8> {
        self.say_bytes(typ, &body.to_vec())
    }

    /// The same with a body that is bytes already.
    pub fn say_bytes(&mut self, typ: HandshakeType, body: &[u8]) -> Vec<u8> {
        let message = raw::message(typ, self.next_seq, body);
        self.next_seq += 1;
        self.transcript.extend_from_slice(&message);
        message
    }

    /// A handshake record in the clear.
    pub fn plain(&mut self, fragments: &[u8]) -> Vec<u8> {
        let number = self.number(0);
        raw::handshake(number, fragments)
    }

    /// A ChangeCipherSpec record in the clear.
    pub fn change_cipher_spec(&mut self) -> Vec<u8> {
        let number = self.number(0);
        raw::change_cipher_spec(number)
    }

    /// A record of epoch 1 with the next number.
    pub fn sealed(&mut self, content_type: ContentType, payload: &[u8]) -> Vec<u8> {
        let number = self.number(1);
        self.sealed_at(number, content_type, payload)
    }

    /// A record of epoch 1 with a number of the caller's choice.
    ///
    /// # Panics
    /// If there are no keys yet.
    #[must_use]
    pub fn sealed_at(&self, number: u64, content_type: ContentType, payload: &[u8]) -> Vec<u8> {
        let (sealer, _) = self.keys.as_ref().expect("keys");
        let mut body = vec![0; sealer.explicit_nonce_len()];
        body.extend_from_slice(payload);
        body.resize(payload.len() + sealer.overhead(), 0);
        let header = RecordHeader {
            content_type,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch::ONE,
            number: RecordNumber::new(number).expect("48 bits"),
            length: u16::try_from(body.len()).expect("16 bits"),
        };
        sealer.seal(&header, &mut body).expect("a record of legal size");
        [&header.to_bytes()[..], &body].concat()
    }

    fn number(&mut self, epoch: usize) -> u64 {
        let number = self.next_number[epoch];
        self.next_number[epoch] += 1;
        number
    }

    /// Takes in what the connection under test has sent.
    ///
    /// # Panics
    /// If it is not what an honest end sends.
    pub fn hear(&mut self, datagrams: &[Vec<u8>]) {
        for piece in datagrams.iter().flat_map(|datagram| raw::pieces(datagram)) {
            let (epoch, mut body) = (piece.header.epoch.0, piece.body.clone());
            let payload = if epoch == 0 {
                body
            } else if let Some((_, opener)) = &self.keys {
                opener
                    .open(&piece.header, &mut body)
                    .unwrap_or_else(|_| panic!("{:?} is not authentic; heard {:?}", piece.header, self.heard))
                    .to_vec()
            } else {
                self.pending.push_back(piece.to_bytes());
                continue;
            };
            match piece.header.content_type {
                ContentType::HANDSHAKE => self.hear_message(&payload),
                ContentType::ALERT => self.alerts.push((epoch, payload.try_into().expect("two bytes"))),
                ContentType::APPLICATION_DATA => self.data.push(payload),
                _ => {}
            }
        }
    }

    fn hear_message(&mut self, message: &[u8]) {
        let (typ, body) = (HandshakeType(message[0]), &message[12..]);
        assert_eq!(&message[1..4], &message[9..12], "the connection under test does not cut: its MTU is large");
        let is_known = |(known, said): &(HandshakeType, Vec<u8>)| {
            *known == typ && (typ != HandshakeType::CLIENT_HELLO || said == body)
        };
        if self.heard.iter().any(is_known) {
            return;
        }
        match typ {
            HandshakeType::CLIENT_HELLO => {
                self.transcript.clear();
                self.randoms[0] = ClientHello::decode_all(body).expect("a hello").random.0;
            }
            HandshakeType::SERVER_HELLO => {
                self.randoms[1] = ServerHello::decode_all(body).expect("a hello").random.0;
            }
            HandshakeType::SERVER_KEY_EXCHANGE => {
                let share = match self.suite.key_exchange {
                    KeyExchangeAlgorithm::Psk => None,
                    KeyExchangeAlgorithm::EcdhePsk => {
                        let exchange = EcdhePskServerKeyExchange::decode_all(body).expect("a share");
                        Some((exchange.group, exchange.public_key))
                    }
                    KeyExchangeAlgorithm::Ecdhe(_) => {
                        let exchange = EcdheServerKeyExchange::decode_all(body).expect("a share");
                        Some((exchange.group, exchange.public_key))
                    }
                };
                if let Some((group, public_key)) = share {
                    self.peer_share = public_key.to_vec();
                    let group = self.provider.group(group).expect("a known group");
                    self.share = Some(group.start(&*self.provider.random).expect("seeded"));
                }
            }
            HandshakeType::CLIENT_KEY_EXCHANGE => {
                self.peer_share = match self.suite.key_exchange {
                    KeyExchangeAlgorithm::Psk => Vec::new(),
                    KeyExchangeAlgorithm::EcdhePsk => {
                        EcdhePskClientKeyExchange::decode_all(body).expect("a share").public_key.to_vec()
                    }
                    KeyExchangeAlgorithm::Ecdhe(_) => {
                        EcdheClientKeyExchange::decode_all(body).expect("a share").public_key.to_vec()
                    }
                };
            }
            HandshakeType::HELLO_VERIFY_REQUEST => panic!("cookies are not played"),
            _ => {}
        }
        self.transcript.extend_from_slice(message);
        self.heard.push((typ, body.to_vec()));
        if typ == HandshakeType::CLIENT_KEY_EXCHANGE {
            self.derive();
        }
    }

    /// Whether it has heard a message of this type.
    #[must_use]
    pub fn has_heard(&self, typ: HandshakeType) -> bool {
        self.heard.iter().any(|(known, _)| *known == typ)
    }

    /// Makes the keys: the transcript must end with the ClientKeyExchange (RFC 7627 section 3).
    fn derive(&mut self) {
        let shared =
            self.share.take().map(|share| share.complete(&self.peer_share).expect("a share of an honest peer"));
        let secret = match self.suite.key_exchange {
            KeyExchangeAlgorithm::Ecdhe(_) => shared.unwrap_or_else(|| PreMasterSecret::new(vec![0; 32])),
            KeyExchangeAlgorithm::EcdhePsk | KeyExchangeAlgorithm::Psk => self.with_psk(shared),
        };
        let session_hash = self.suite.hash.hash(&self.transcript);
        let label = b"extended master secret";
        self.go_on_with(MasterSecret::derive(self.suite.hash, &secret, label, &[session_hash.as_ref()]));
    }

    /// Makes the keys of a session whose master secret is known, with the randoms of this handshake.
    ///
    /// # Panics
    /// Never: the suite is known.
    pub fn go_on_with(&mut self, master: MasterSecret) {
        let block = KeyBlock::derive(&self.suite, &master, &self.randoms[0], &self.randoms[1]).expect("a known suite");
        let client = (block.client_write_key(&self.suite), block.client_write_iv(&self.suite));
        let server = (block.server_write_key(&self.suite), block.server_write_iv(&self.suite));
        let (write, read) = match self.role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        let sealer = RecordSealer::new(&self.suite, write.0, write.1).expect("keys of the right length");
        let opener = RecordOpener::new(&self.suite, read.0, read.1).expect("keys of the right length");
        self.keys = Some((sealer, opener));
        self.master = Some(master);
    }

    /// The master secret of its session.
    ///
    /// # Panics
    /// If there are no keys yet.
    #[must_use]
    pub fn master(&self) -> MasterSecret {
        MasterSecret::new(self.master.as_ref().expect("keys").as_bytes())
    }

    /// RFC 4279 section 2 and RFC 5489 section 2, by hand: two parts, each behind its length, of which the first is
    /// zeros where there were no shares.
    fn with_psk(&self, shared: Option<PreMasterSecret>) -> PreMasterSecret {
        let first = shared.map_or(vec![0; self.psk.len()], |shared| shared.as_bytes().to_vec());
        let parts = [&first, &self.psk];
        let len = |part: &[u8]| u16::try_from(part.len()).expect("16 bits").to_be_bytes().to_vec();
        PreMasterSecret::new(parts.iter().flat_map(|part| [len(part), part.to_vec()].concat()).collect())
    }

    /// Takes in what came before its keys.
    pub fn hear_pending(&mut self) {
        let pending: Vec<_> = self.pending.drain(..).collect();
        self.hear(&pending);
    }

    /// The same, if it has keys by now.
    pub fn hear_pending_if_possible(&mut self) {
        if self.keys.is_some() {
            self.hear_pending();
        }
    }

    /// The verify_data it would send now.
    ///
    /// # Panics
    /// If there are no keys yet.
    #[must_use]
    pub fn verify_data(&self) -> [u8; 12] {
        let label: &[u8] = match self.role {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let mut verify_data = [0; 12];
        let hash = self.suite.hash.hash(&self.transcript);
        let master = self.master.as_ref().expect("keys");
        prf(self.suite.hash, master.as_bytes(), label, &[hash.as_ref()], &mut verify_data);
        verify_data
    }

    /// Its Finished, sealed.
    pub fn finished(&mut self) -> Vec<u8> {
        let verify_data = self.verify_data();
        let message = self.say_bytes(HandshakeType::FINISHED, &verify_data);
        self.sealed(ContentType::HANDSHAKE, &message)
    }

    /// A Certificate with this chain.
    pub fn certificate(&mut self, chain: &[CertificateDer<'_>]) -> Vec<u8> {
        let chain = chain.iter().map(|der| &**der).collect();
        self.say(HandshakeType::CERTIFICATE, &Certificate { chain })
    }

    /// A Certificate with this key in the place of a chain.
    pub fn raw_public_key(&mut self, key: Option<&[u8]>) -> Vec<u8> {
        self.say(HandshakeType::CERTIFICATE, &RawPublicKey { key })
    }

    fn sign(&self, leaf: Leaf, message: &[u8]) -> (SignatureScheme, Vec<u8>) {
        let key = self.provider.key_loader.load(&certificates::private_key(leaf)).expect("a test key");
        let scheme = key.schemes()[0];
        let mut signature = Vec::new();
        key.sign(scheme, message, &mut signature).expect("its own scheme");
        (scheme, signature)
    }
}

// --- as a client ---

impl Peer {
    /// A client that offers one suite.
    #[must_use]
    pub fn client(suite: CipherSuiteId, seed: u64) -> Self {
        Self::new(Role::Client, suite, seed)
    }

    /// What it offers, to be changed or to be sent.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn client_hello(&self) -> ClientHello<'static> {
        ClientHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random(self.randoms[0]),
            session_id: &[],
            cookie: &[],
            cipher_suites: vec![self.suite.id],
            compression_methods: vec![CompressionMethod::NULL],
            extensions: ClientExtensions {
                supported_groups: Some(self.provider.groups.iter().map(|group| group.name()).collect()),
                ec_point_formats: Some(vec![EcPointFormat::UNCOMPRESSED]),
                signature_schemes: Some(self.provider.signature_schemes().collect()),
                extended_master_secret: true,
                renegotiation_info: Some(&[]),
                ..ClientExtensions::default()
            },
        }
    }

    /// Says hello and hears the server's flight 4.
    pub fn greet(&mut self, server: &mut UnderTest) {
        let hello = self.client_hello();
        self.greet_with(server, &hello);
    }

    /// The same with another hello.
    pub fn greet_with(&mut self, server: &mut UnderTest, hello: &ClientHello<'_>) {
        let message = self.say(HandshakeType::CLIENT_HELLO, hello);
        let record = self.plain(&message);
        let answer = server.give(&record);
        self.hear(&answer);
    }

    /// Its ClientKeyExchange; afterwards it has keys.
    pub fn client_key_exchange(&mut self) -> Vec<u8> {
        self.client_key_exchange_as(PSK_IDENTITY)
    }

    /// The same under any identity, where there is one.
    pub fn client_key_exchange_as(&mut self, identity: &[u8]) -> Vec<u8> {
        let share = self.share.as_ref().map_or(vec![1; 32], |share| share.public_key().to_vec());
        let body = match self.suite.key_exchange {
            KeyExchangeAlgorithm::Ecdhe(_) => EcdheClientKeyExchange { public_key: &share }.to_vec(),
            KeyExchangeAlgorithm::EcdhePsk => EcdhePskClientKeyExchange { identity, public_key: &share }.to_vec(),
            KeyExchangeAlgorithm::Psk => PskClientKeyExchange { identity }.to_vec(),
        };
        let message = self.say_bytes(HandshakeType::CLIENT_KEY_EXCHANGE, &body);
        self.derive();
        message
    }

    /// A CertificateVerify by the key of `leaf` over everything so far.
    pub fn certificate_verify(&mut self, leaf: Leaf) -> Vec<u8> {
        let (scheme, signature) = self.sign(leaf, &self.transcript);
        self.say(HandshakeType::CERTIFICATE_VERIFY, &CertificateVerify { scheme, signature: &signature })
    }

    /// An honest flight 5 without a certificate, as one datagram.
    pub fn flight_5(&mut self) -> Vec<u8> {
        let key_exchange = self.client_key_exchange();
        let mut datagram = self.plain(&key_exchange);
        datagram.extend(self.change_cipher_spec());
        datagram.extend(self.finished());
        datagram
    }

    /// Does an honest handshake without a certificate.
    ///
    /// # Panics
    /// If the server does not connect.
    pub fn connect_to(&mut self, server: &mut UnderTest) {
        self.greet(server);
        let flight = self.flight_5();
        let answer = server.give(&flight);
        assert!(server.was_connected(), "{:?}", server.events);
        self.hear(&answer);
    }
}

// --- as a server ---

impl Peer {
    /// A server that knows one suite.
    #[must_use]
    pub fn server(suite: CipherSuiteId, seed: u64) -> Self {
        Self::new(Role::Server, suite, seed)
    }

    /// Hears the client's hello. Asks for no cookie.
    pub fn meet(&mut self, client: &mut UnderTest) {
        let hello = client.take();
        self.hear(&hello);
    }

    /// Its choice, to be changed or to be sent.
    #[must_use]
    pub fn server_hello(&self) -> ServerHello<'static> {
        ServerHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random(self.randoms[1]),
            session_id: &[],
            cipher_suite: self.suite.id,
            compression_method: CompressionMethod::NULL,
            extensions: ServerExtensions {
                extended_master_secret: true,
                renegotiation_info: Some(&[]),
                ..ServerExtensions::default()
            },
        }
    }

    /// Its share in `group`, signed by `leaf` over the randoms as they are.
    ///
    /// # Panics
    /// If the provider lacks the group.
    pub fn server_key_exchange(&mut self, group: NamedGroup, leaf: Leaf) -> Vec<u8> {
        let share = self.provider.group(group).expect("a known group").start(&*self.provider.random).expect("seeded");
        let public_key = share.public_key().to_vec();
        self.share = Some(share);
        self.server_key_exchange_saying(group, &public_key, leaf)
    }

    /// Any share at all, honestly signed.
    pub fn server_key_exchange_saying(&mut self, group: NamedGroup, public_key: &[u8], leaf: Leaf) -> Vec<u8> {
        let mut params = Vec::new();
        encode_ecdhe_params(&mut params, group, public_key);
        let (scheme, signature) = self.sign(leaf, &[&self.randoms[0][..], &self.randoms[1], &params].concat());
        self.server_key_exchange_signed(&params, scheme, &signature)
    }

    /// Any parameters with any signature.
    pub fn server_key_exchange_signed(&mut self, params: &[u8], scheme: SignatureScheme, signature: &[u8]) -> Vec<u8> {
        let exchange = EcdheServerKeyExchange {
            group: NamedGroup::X25519,
            public_key: &[],
            signed_params: params,
            scheme,
            signature,
        };
        self.say(HandshakeType::SERVER_KEY_EXCHANGE, &exchange)
    }

    /// Its share in `group` and a hint, for suites with a pre-shared key and shares.
    ///
    /// # Panics
    /// If the provider lacks the group.
    pub fn ecdhe_psk_server_key_exchange(&mut self, group: NamedGroup, hint: &[u8]) -> Vec<u8> {
        let share = self.provider.group(group).expect("a known group").start(&*self.provider.random).expect("seeded");
        let exchange = EcdhePskServerKeyExchange { hint, group, public_key: share.public_key() };
        let message = self.say(HandshakeType::SERVER_KEY_EXCHANGE, &exchange);
        self.share = Some(share);
        message
    }

    /// A hint, for suites with a pre-shared key and no shares.
    pub fn psk_server_key_exchange(&mut self, hint: &[u8]) -> Vec<u8> {
        self.say(HandshakeType::SERVER_KEY_EXCHANGE, &PskServerKeyExchange { hint })
    }

    /// What OCSP is said to say of its certificate.
    pub fn certificate_status(&mut self, ocsp_response: &[u8]) -> Vec<u8> {
        self.say(HandshakeType::CERTIFICATE_STATUS, &CertificateStatus { ocsp_response })
    }

    /// Asks for a certificate.
    pub fn certificate_request(&mut self) -> Vec<u8> {
        let request = CertificateRequest {
            certificate_types: vec![ClientCertificateType::ECDSA_SIGN, ClientCertificateType::RSA_SIGN],
            signature_schemes: self.provider.signature_schemes().collect(),
            authorities: Vec::new(),
        };
        self.say(HandshakeType::CERTIFICATE_REQUEST, &request)
    }

    /// Ends flight 4.
    pub fn server_hello_done(&mut self) -> Vec<u8> {
        self.say_bytes(HandshakeType::SERVER_HELLO_DONE, &[])
    }

    /// An honest flight 4 in one datagram, one record for each message.
    pub fn flight_4(&mut self, leaf: Leaf) -> Vec<u8> {
        let hello = self.server_hello();
        let messages = [
            self.say(HandshakeType::SERVER_HELLO, &hello),
            self.certificate(&certificates::chain(leaf)),
            self.server_key_exchange(NamedGroup::X25519, leaf),
            self.server_hello_done(),
        ];
        messages.iter().flat_map(|message| self.plain(message)).collect()
    }

    /// A ticket.
    pub fn new_session_ticket(&mut self, lifetime_hint: u32, ticket: &[u8]) -> Vec<u8> {
        self.say(HandshakeType::NEW_SESSION_TICKET, &NewSessionTicket { lifetime_hint, ticket })
    }

    /// Its ChangeCipherSpec and Finished, after it has heard flight 5.
    pub fn flight_6(&mut self) -> Vec<u8> {
        let mut datagram = self.change_cipher_spec();
        datagram.extend(self.finished());
        datagram
    }

    /// Hears flight 5, and gives the client its flight 6.
    pub fn answer_flight_5(&mut self, client: &mut UnderTest, flight_5: &[Vec<u8>]) {
        self.hear(flight_5);
        self.hear_pending();
        let flight_6 = self.flight_6();
        client.give(&flight_6);
    }

    /// Does an honest handshake.
    ///
    /// # Panics
    /// If the client does not connect.
    pub fn let_in(&mut self, client: &mut UnderTest, leaf: Leaf) {
        self.meet(client);
        let flight_4 = self.flight_4(leaf);
        let flight_5 = client.give(&flight_4);
        self.answer_flight_5(client, &flight_5);
        assert!(client.was_connected(), "{:?}", client.events);
    }
}
