//! The client's last flight, from the server's ServerHelloDone on: whom to trust, what to show, and the proof that both
//! saw the same handshake.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::resumed::given;
use super::{AwaitServerHelloDone, Peer, ServerShare, Session};
use crate::crypto::secrets::{MasterSecret, PreMasterSecret};
use crate::crypto::sign::Identity;
use crate::crypto::verify::{PeerAuthenticated, PeerRole, PresentedPeer};
use crate::decision::Question;
use crate::error::{CertificateError, Error};
use crate::event::{Role, SessionInfo};
use crate::handshake::credentials;
use crate::handshake::exchange::{Exchange, ReadKey, WriteKey};
use crate::handshake::key_schedule::{self, SessionSecrets};
use crate::handshake::negotiate;
use crate::handshake::reassembly::Message;
use crate::handshake::retransmit::Expect;
use crate::handshake::{Completed, PeerProof, Step};
use crate::resumption::{Given, KnownPeer, Sides};
use crate::wire::certificate::{CertificateRequest, CertificateVerify};
use crate::wire::codec::Decode as _;
use crate::wire::enums::{CertificateType, HandshakeType, NamedGroup, SignatureScheme};
use crate::wire::key_exchange::EcdheClientKeyExchange;
use crate::wire::small::{Finished, NewSessionTicket};

/// Waits for the word whether the server is to be trusted.
#[derive(Debug)]
pub(crate) struct AwaitVerdict(AwaitServerHelloDone);

impl AwaitVerdict {
    pub(super) fn begin(flight_4: AwaitServerHelloDone, x: &mut Exchange) -> Result<Step, Error> {
        let state = Self(flight_4);
        let verifier = state.0.session.offer.config.verifier.as_ref().ok_or(Error::CertificateMissing)?;
        if verifier.defers(&state.presented()) {
            return Ok(Step::Await(state.into()));
        }
        let verdict = verifier.verify(&state.presented());
        state.on_verdict(verdict, x)
    }

    pub(super) fn held(&self) -> usize {
        self.0.held()
    }

    pub(super) fn presented(&self) -> PresentedPeer<'_> {
        let name = self.0.session.offer.server_name.as_ref();
        let Peer { shown, ocsp_response } = &self.0.peer;
        PresentedPeer {
            credential: shown.credential(),
            role: PeerRole::Server { name },
            ocsp_response: ocsp_response.as_deref(),
        }
    }

    pub(super) fn on_verdict(
        self,
        verdict: Result<PeerAuthenticated, CertificateError>,
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let AwaitServerHelloDone { session, peer, share, request } = self.0;
        let authenticated = verdict.map_err(Error::Certificate)?;
        let mut info = SessionInfo { group: Some(share.group), signature_scheme: Some(share.scheme), ..session.info() };
        peer.shown.tell(&mut info);
        let ServerShare { group, public_key, signature, .. } = share;
        let flight =
            Flight5 { session, info, group, public_key, proof: PeerProof::Certificate(authenticated, signature) };
        if let Some(request) = request {
            return AwaitIdentity::begin(AwaitIdentity { flight, request }, x);
        }
        x.begin_flight();
        flight.exchange_keys(None, x)
    }
}

/// What flight 5 is made of, whatever we show in it.
#[derive(Debug)]
struct Flight5 {
    session: Session,
    info: SessionInfo,
    group: NamedGroup,
    /// The server's share.
    public_key: Vec<u8>,
    proof: PeerProof,
}

/// Waits for the choice of a certificate for a server that asks for one.
#[derive(Debug)]
pub(crate) struct AwaitIdentity {
    flight: Flight5,
    /// The body of the server's CertificateRequest.
    request: Vec<u8>,
}

impl AwaitIdentity {
    fn begin(self, x: &mut Exchange) -> Result<Step, Error> {
        let config = Arc::clone(&self.flight.session.offer.config);
        let Some(chooser) = &config.chooser else { return self.show_one_of(&config.identities, x) };
        let request = self.request()?;
        if chooser.defers(&request) {
            return Ok(Step::Await(self.into()));
        }
        let chosen = chooser.choose(&request, self.certificate_type());
        self.on_choice(chosen, x)
    }

    pub(super) fn held(&self) -> usize {
        self.flight.info.held() + self.request.capacity()
    }

    pub(super) fn question(&self) -> Option<Question<'_>> {
        let certificate_type = self.certificate_type();
        self.request().ok().map(|request| Question::Identity { request, certificate_type })
    }

    /// The form in which the server wants to see our key.
    fn certificate_type(&self) -> CertificateType {
        self.flight.session.choice.certificate_types.client
    }

    fn request(&self) -> Result<CertificateRequest<'_>, Error> {
        let malformed = |fault| Error::Malformed(HandshakeType::CERTIFICATE_REQUEST, fault);
        CertificateRequest::decode_all(&self.request).map_err(malformed)
    }

    /// Shows what was chosen. To show nothing in the place of an identity of another form would be another choice than the
    /// one that was made.
    pub(super) fn on_choice(self, chosen: Option<Identity>, x: &mut Exchange) -> Result<Step, Error> {
        let agreed = self.certificate_type();
        if chosen.as_ref().is_some_and(|identity| identity.certificate_type() != agreed) {
            return Err(Error::IdentityOfOtherForm { agreed });
        }
        self.show_one_of(chosen.as_slice(), x)
    }

    /// Shows the first of these that suits the server, or nothing.
    fn show_one_of(self, identities: &[Identity], x: &mut Exchange) -> Result<Step, Error> {
        let Session { offer, .. } = &self.flight.session;
        let typ = self.certificate_type();
        let signer = negotiate::choose_identity(&self.request()?, identities, typ, &offer.config.settings);
        x.begin_flight();
        credentials::send_certificate(signer.as_ref().map(|(identity, _)| identity), x)?;
        self.flight.exchange_keys(signer, x)
    }
}

impl Flight5 {
    fn exchange_keys(self, signer: Option<(Identity, SignatureScheme)>, x: &mut Exchange) -> Result<Step, Error> {
        let Self { session, info, group, public_key, proof } = self;
        let provider = &session.offer.config.provider;
        let group = provider.group(group).ok_or(Error::CryptoFailed)?;
        let key_exchange = group.start(&*provider.random).map_err(|_| Error::CryptoFailed)?;
        let share = EcdheClientKeyExchange { public_key: key_exchange.public_key() };
        x.message(HandshakeType::CLIENT_KEY_EXCHANGE, &share)?;
        let pre_master_secret = key_exchange.complete(&public_key).map_err(|_| Error::BadKeyShare)?;
        let master = session.master_secret(&pre_master_secret, x)?;
        let shown = signer.as_ref().and_then(|(identity, _)| identity.fingerprint(provider));
        let finish = AwaitFinished { session, master, info, proof, shown, key_mark: None, ticket: None };
        match signer {
            Some((identity, scheme)) => AwaitSignature { finish, identity, scheme }.begin(x),
            None => finish.finish_flight_5(x),
        }
    }
}

/// Waits for our signature of the handshake.
#[derive(Debug)]
pub(crate) struct AwaitSignature {
    finish: AwaitFinished,
    identity: Identity,
    scheme: SignatureScheme,
}

impl AwaitSignature {
    fn begin(self, x: &mut Exchange) -> Result<Step, Error> {
        if self.identity.key().defers() {
            return Ok(Step::Await(self.into()));
        }
        let signature = self.identity.sign(self.scheme, x.transcript.messages())?;
        self.on_signature(&signature, x)
    }

    pub(super) fn held(&self) -> usize {
        self.finish.held()
    }

    pub(super) fn question<'a>(&'a self, x: &'a Exchange) -> Question<'a> {
        Question::Signature { identity: &self.identity, scheme: self.scheme, message: x.transcript.messages() }
    }

    pub(super) fn on_late_signature(self, signature: &[u8], x: &mut Exchange) -> Result<Step, Error> {
        let provider = &self.finish.session.offer.config.provider;
        self.identity.check_signature(provider, self.scheme, x.transcript.messages(), signature)?;
        self.on_signature(signature, x)
    }

    fn on_signature(self, signature: &[u8], x: &mut Exchange) -> Result<Step, Error> {
        x.message(HandshakeType::CERTIFICATE_VERIFY, &CertificateVerify { scheme: self.scheme, signature })?;
        self.finish.finish_flight_5(x)
    }
}

// --- what flight 5 has in common, whoever proves what by which key ---

impl Session {
    /// Computes the master secret, once ClientKeyExchange is part of the transcript.
    pub(in crate::handshake) fn master_secret(
        &self,
        secret: &PreMasterSecret,
        x: &Exchange,
    ) -> Result<MasterSecret, Error> {
        let session_hash = if self.choice.extended_master_secret { Some(x.digest()?) } else { None };
        Ok(key_schedule::master_secret(&self.choice.suite, secret, session_hash.as_ref(), &self.randoms))
    }

    /// Sends ChangeCipherSpec and Finished, and hands over the keys.
    pub(in crate::handshake) fn finish_flight_5(&self, master: &MasterSecret, x: &mut Exchange) -> Result<(), Error> {
        let suite = &self.choice.suite;
        self.drop_messages(x);
        x.change_cipher_spec();
        let verify_data = key_schedule::verify_data(Role::Client, suite, master, &x.digest()?);
        x.message(HandshakeType::FINISHED, &Finished { verify_data: &verify_data })?;
        x.send(Expect::Answer);

        let (sealer, opener) =
            key_schedule::record_keys(Role::Client, suite, master, &self.randoms).map_err(|_| Error::CryptoFailed)?;
        x.write_key = Some(WriteKey { sealer, blocks_allowed: suite.limits.seal_blocks });
        x.read_key = Some(ReadKey { opener, failures_allowed: suite.limits.open_failures });
        self.log_key(master);
        Ok(())
    }

    pub(super) fn log_key(&self, master: &MasterSecret) {
        if let Some(key_log) = &self.offer.config.settings.key_log {
            key_log.log("CLIENT_RANDOM", &self.randoms.client.0, master.as_bytes());
        }
    }
}

// --- flight 6 ---

/// Waits for the proof that the server saw the same handshake.
#[derive(Debug)]
pub(crate) struct AwaitFinished {
    session: Session,
    master: MasterSecret,
    info: SessionInfo,
    proof: PeerProof,
    /// The hash of what we have shown of ourselves.
    shown: Option<[u8; 32]>,
    /// Which pre-shared key it was, if it was one.
    key_mark: Option<[u8; 32]>,
    ticket: Option<Given>,
}

impl AwaitFinished {
    pub(super) fn held(&self) -> usize {
        self.info.held()
    }

    /// Where a pre-shared key with this mark has proved both sides.
    pub(in crate::handshake) const fn of_preshared_key(
        session: Session,
        master: MasterSecret,
        info: SessionInfo,
        mark: [u8; 32],
    ) -> Self {
        let proof = PeerProof::PresharedKey;
        Self { session, master, info, proof, shown: None, key_mark: Some(mark), ticket: None }
    }

    fn finish_flight_5(self, x: &mut Exchange) -> Result<Step, Error> {
        self.session.finish_flight_5(&self.master, x)?;
        Ok(Step::Await(self.into()))
    }

    pub(super) const fn awaits(&self, typ: HandshakeType) -> bool {
        self.session.awaits_at_the_end(self.ticket.is_some(), typ)
    }

    pub(super) fn is_counted_in(&self, ticket: &Message, finished: [u8; 12], x: &Exchange) -> bool {
        self.session.is_counted_in(&self.master, ticket, finished, x)
    }

    pub(super) fn on_new_session_ticket(
        mut self,
        ticket: NewSessionTicket<'_>,
        message: &Message,
        x: &mut Exchange,
    ) -> Step {
        self.ticket = Some(given(ticket));
        x.transcript.add(&message.bytes);
        Step::Await(self.into())
    }

    pub(super) fn on_finished(self, finished: Finished<'_>, x: &mut Exchange) -> Result<Step, Error> {
        let Self { session, master, info, proof, shown, key_mark, ticket } = self;
        let suite = &session.choice.suite;
        let expected = key_schedule::verify_data(Role::Server, suite, &master, &x.digest()?);
        let finished = key_schedule::verify_finished(&expected, finished.verify_data)?;
        let secrets = SessionSecrets { master, randoms: session.randoms };
        let given = ticket.unwrap_or_else(|| Given::SessionId(session.session_id.clone()));
        let sides = Sides { server: KnownPeer::of(&info, key_mark), shown };
        let resumption = session.resumption(given, &info, &secrets.master, sides);
        let config = session.offer.config.into();
        Ok(Step::Complete(Completed::new(config, info, secrets, false, resumption, proof, finished)))
    }
}
