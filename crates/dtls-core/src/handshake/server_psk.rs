//! The server's flights where a pre-shared key stands for certificates: RFC 4279 section 2 and RFC 5489 section 2.
//!
//! ```text
//!                                              ServerHello       [server]
//!                                        ServerKeyExchange*
//!                           <--------      ServerHelloDone       flight 4
//!   ClientKeyExchange
//!   [ChangeCipherSpec]
//!   Finished                -------->                            flight 5
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::exchange::Exchange;
use super::parsed::Dialect;
use super::reassembly::Message;
use super::retransmit::Expect;
use super::server::{AwaitFinished, Session};
use super::{PeerProof, Step};
use crate::config::{ServerConfig, UnknownPsk};
use crate::crypto::kx::KeyExchange;
use crate::crypto::psk::{PresharedKey, PskServer};
use crate::crypto::secrets::PreMasterSecret;
use crate::decision::Question;
use crate::error::Error;
use crate::wire::enums::HandshakeType;
use crate::wire::psk::{EcdhePskServerKeyExchange, PskServerKeyExchange};
use crate::wire::small::ServerHelloDone;

/// The rest of flight 4: ServerKeyExchange for the share, or for a hint. Without either it is not sent (RFC 4279 section
/// 2).
pub(super) fn finish_flight_4(
    session: Session,
    key_exchange: Option<Box<dyn KeyExchange>>,
    x: &mut Exchange,
) -> Result<Step, Error> {
    let hint = session.config.settings.psk_hint.as_slice();
    match session.info.group.zip(key_exchange.as_deref()) {
        Some((group, key_exchange)) => {
            let message = EcdhePskServerKeyExchange { hint, group, public_key: key_exchange.public_key() };
            x.message(HandshakeType::SERVER_KEY_EXCHANGE, &message)?;
        }
        None if hint.is_empty() => {}
        None => x.message(HandshakeType::SERVER_KEY_EXCHANGE, &PskServerKeyExchange { hint })?,
    }
    x.message(HandshakeType::SERVER_HELLO_DONE, &ServerHelloDone)?;
    x.send(Expect::Answer);
    Ok(Step::Await(AwaitPskClientKeyExchange { session, key_exchange }.into()))
}

/// Waits for the client's identity, and its key share if there is one.
#[derive(Debug)]
pub(crate) struct AwaitPskClientKeyExchange {
    session: Session,
    key_exchange: Option<Box<dyn KeyExchange>>,
}

impl AwaitPskClientKeyExchange {
    pub(super) const fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    pub(super) fn held(&self) -> usize {
        self.session.held()
    }

    pub(super) fn on_client_key_exchange(
        self,
        identity: &[u8],
        share: Option<&[u8]>,
        message: &Message,
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let Self { mut session, key_exchange } = self;
        let shared = match key_exchange.zip(share) {
            Some((key_exchange, share)) => Some(key_exchange.complete(share).map_err(|_| Error::BadKeyShare)?),
            None => None,
        };
        session.info.psk_identity = Some(identity.to_vec());
        x.transcript.add(&message.bytes);
        let state = AwaitPresharedKey { session, shared };
        let psks: &dyn PskServer = state.session.config.psks.as_deref().ok_or(Error::UnknownPskIdentity)?;
        if psks.defers(identity) {
            return Ok(Step::Await(state.into()));
        }
        let key = psks.key(identity);
        state.on_key(key, x)
    }
}

/// Waits for the client's key.
#[derive(Debug)]
pub(crate) struct AwaitPresharedKey {
    session: Session,
    /// What the ephemeral exchange gave, if there was one.
    shared: Option<PreMasterSecret>,
}

impl AwaitPresharedKey {
    pub(super) fn question(&self) -> Question<'_> {
        Question::PresharedKey { identity: self.session.info.psk_identity.as_deref().unwrap_or_default() }
    }

    pub(super) fn held(&self) -> usize {
        self.session.held()
    }

    pub(super) fn on_key(self, key: Option<Arc<PresharedKey>>, x: &mut Exchange) -> Result<Step, Error> {
        let Self { mut session, shared } = self;
        let key = key_or_nobodys(&session.config, key)?;
        let pre_master_secret = PreMasterSecret::of_preshared_key(&key, shared.as_ref());
        let master = session.master_secret(&pre_master_secret, x)?;
        session.key_mark = Some(key.mark(session.config.provider.sha256, &master));
        AwaitFinished::begin(session, master, PeerProof::PresharedKey, x)
    }
}

/// The key of the client, or in its place one that nobody has. That one is made in either case, so that what takes place
/// does not depend on whether the client is known.
fn key_or_nobodys(config: &ServerConfig, key: Option<Arc<PresharedKey>>) -> Result<Arc<PresharedKey>, Error> {
    let usual_len = config.psks.as_ref().map_or(16, |psks| psks.usual_len());
    let mut nobodys = alloc::vec![0; usual_len.clamp(1, 1024)];
    config.provider.random.fill(&mut nobodys).map_err(|_| Error::CryptoFailed)?;
    let nobodys = Arc::new(PresharedKey::new(nobodys).map_err(|_| Error::CryptoFailed)?);
    match (key, config.settings.unknown_psk) {
        (Some(key), _) => Ok(key),
        (None, UnknownPsk::LikeWrongKey) => Ok(nobodys),
        (None, UnknownPsk::Alert) => Err(Error::UnknownPskIdentity),
    }
}
