//! The client's flights where a pre-shared key stands for certificates: RFC 4279 section 2 and RFC 5489 section 2.
//!
//! ```text
//!                                              ServerHello       [client]
//!                                        ServerKeyExchange*
//!                           <--------      ServerHelloDone       flight 4
//!   ClientKeyExchange
//!   [ChangeCipherSpec]
//!   Finished                -------->                            flight 5
//! ```

use alloc::vec::Vec;

use super::Step;
use super::client::{AwaitFinished, Session};
use super::exchange::Exchange;
use super::parsed::Dialect;
use super::reassembly::Message;
use crate::crypto::psk::PskIdentity;
use crate::crypto::secrets::{MasterSecret, PreMasterSecret};
use crate::crypto::suite::KeyExchangeAlgorithm;
use crate::decision::Question;
use crate::error::Error;
use crate::event::SessionInfo;
use crate::wire::enums::{HandshakeType, NamedGroup};
use crate::wire::psk::{
    EcdhePskClientKeyExchange, EcdhePskServerKeyExchange, PskClientKeyExchange, PskServerKeyExchange,
};

/// Waits for the rest of the server's flight: a hint or a key share, if there is one, and its end.
#[derive(Debug)]
pub(crate) struct AwaitPskServerFlight {
    session: Session,
    /// What ServerKeyExchange has said. A server without a hint sends none in suites without an ephemeral exchange.
    key_exchange: Option<ServerKeyExchange>,
}

#[derive(Debug)]
struct ServerKeyExchange {
    /// An empty hint is none: where there is a share the message has to be sent for its sake.
    hint: Option<Vec<u8>>,
    share: Option<(NamedGroup, Vec<u8>)>,
}

impl AwaitPskServerFlight {
    pub(super) const fn new(session: Session) -> Self {
        Self { session, key_exchange: None }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    pub(super) fn held(&self) -> usize {
        let hint = self.key_exchange.as_ref().and_then(|key_exchange| key_exchange.hint.as_ref());
        hint.map_or(0, Vec::capacity)
    }

    pub(super) const fn awaits(&self, typ: HandshakeType) -> bool {
        match typ {
            HandshakeType::SERVER_KEY_EXCHANGE => self.key_exchange.is_none(),
            HandshakeType::SERVER_HELLO_DONE => {
                self.key_exchange.is_some()
                    || matches!(self.session.choice.suite.key_exchange, KeyExchangeAlgorithm::Psk)
            }
            _ => false,
        }
    }

    pub(super) fn on_server_key_exchange(
        mut self,
        key_exchange: &PskServerKeyExchange<'_>,
        message: &Message,
        x: &mut Exchange,
    ) -> Step {
        let hint = (!key_exchange.hint.is_empty()).then(|| key_exchange.hint.to_vec());
        self.key_exchange = Some(ServerKeyExchange { hint, share: None });
        x.transcript.add(&message.bytes);
        Step::Await(self.into())
    }

    pub(super) fn on_ecdhe_server_key_exchange(
        mut self,
        key_exchange: &EcdhePskServerKeyExchange<'_>,
        message: &Message,
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let EcdhePskServerKeyExchange { hint, group, public_key } = *key_exchange;
        if !self.session.offer.config.settings.groups.contains(&group) {
            return Err(Error::UnofferedGroup(group));
        }
        let hint = (!hint.is_empty()).then(|| hint.to_vec());
        self.key_exchange = Some(ServerKeyExchange { hint, share: Some((group, public_key.to_vec())) });
        x.transcript.add(&message.bytes);
        Ok(Step::Await(self.into()))
    }

    pub(super) fn on_server_hello_done(self, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        x.transcript.add(&message.bytes);
        let Self { session, key_exchange } = self;
        let ServerKeyExchange { hint, share } = key_exchange.unwrap_or(ServerKeyExchange { hint: None, share: None });
        let state = AwaitPskIdentity { session, hint, share };
        let hint = state.hint.as_deref();
        let client = state.session.offer.config.psk.as_ref().ok_or(Error::NoPskForHint)?;
        if client.defers(hint) {
            return Ok(Step::Await(state.into()));
        }
        let psk = client.identity(hint);
        state.on_identity(psk, x)
    }
}

/// Waits for the choice of a key for the server.
#[derive(Debug)]
pub(crate) struct AwaitPskIdentity {
    session: Session,
    hint: Option<Vec<u8>>,
    share: Option<(NamedGroup, Vec<u8>)>,
}

impl AwaitPskIdentity {
    pub(super) fn question(&self) -> Question<'_> {
        Question::PskIdentity { hint: self.hint.as_deref() }
    }

    pub(super) fn held(&self) -> usize {
        self.hint.as_ref().map_or(0, Vec::capacity)
    }

    pub(super) fn on_identity(self, psk: Option<PskIdentity>, x: &mut Exchange) -> Result<Step, Error> {
        let Self { session, share, .. } = self;
        let psk = psk.ok_or(Error::NoPskForHint)?;
        let master = send_flight_5(&session, &psk, share.as_ref(), x)?;
        let info = SessionInfo {
            group: share.map(|(group, _)| group),
            psk_identity: Some(psk.identity().to_vec()),
            ..session.info()
        };
        let mark = psk.key().mark(session.offer.config.provider.sha256, &master);
        Ok(Step::Await(AwaitFinished::of_preshared_key(session, master, info, mark).into()))
    }
}

fn send_flight_5(
    session: &Session,
    psk: &PskIdentity,
    share: Option<&(NamedGroup, Vec<u8>)>,
    x: &mut Exchange,
) -> Result<MasterSecret, Error> {
    let provider = &session.offer.config.provider;
    x.begin_flight();
    let pre_master_secret = match share {
        None => {
            x.message(HandshakeType::CLIENT_KEY_EXCHANGE, &PskClientKeyExchange { identity: psk.identity() })?;
            PreMasterSecret::of_preshared_key(psk.key(), None)
        }
        Some((group, public_key)) => {
            let group = provider.group(*group).ok_or(Error::CryptoFailed)?;
            let key_exchange = group.start(&*provider.random).map_err(|_| Error::CryptoFailed)?;
            let message = EcdhePskClientKeyExchange { identity: psk.identity(), public_key: key_exchange.public_key() };
            x.message(HandshakeType::CLIENT_KEY_EXCHANGE, &message)?;
            let shared = key_exchange.complete(public_key).map_err(|_| Error::BadKeyShare)?;
            PreMasterSecret::of_preshared_key(psk.key(), Some(&shared))
        }
    };
    let master = session.master_secret(&pre_master_secret, x)?;
    session.finish_flight_5(&master, x)?;
    Ok(master)
}
