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
use super::reassembly::Message;
use super::server::{AwaitFinished, Session};
use super::{PeerProof, Step};
use crate::config::{ServerConfig, UnknownPsk};
use crate::crypto::kx::KeyExchange;
use crate::crypto::psk::{PresharedKey, PskServer};
use crate::crypto::secrets::PreMasterSecret;
use crate::crypto::suite::KeyExchangeAlgorithm;
use crate::error::Error;
use crate::wire::enums::{HandshakeType, NamedGroup};
use crate::wire::psk::{EcdhePskServerKeyExchange, PskServerKeyExchange};

/// Adds ServerKeyExchange to flight 4: for the share, or for a hint. Without either it is not sent (RFC 4279 section 2).
pub(super) fn send_server_key_exchange(
    config: &ServerConfig,
    share: Option<(NamedGroup, &[u8])>,
    x: &mut Exchange,
) -> Result<(), Error> {
    let hint = config.settings.psk_hint.as_slice();
    match share {
        Some((group, public_key)) => {
            let message = EcdhePskServerKeyExchange { hint, group, public_key };
            x.message(HandshakeType::SERVER_KEY_EXCHANGE, &message)
        }
        None if hint.is_empty() => Ok(()),
        None => x.message(HandshakeType::SERVER_KEY_EXCHANGE, &PskServerKeyExchange { hint }),
    }
}

/// Waits for the client's identity, and its key share if there is one.
#[derive(Debug)]
pub(crate) struct AwaitPskClientKeyExchange {
    session: Session,
    key_exchange: Option<Box<dyn KeyExchange>>,
}

impl AwaitPskClientKeyExchange {
    pub(super) const fn new(session: Session, key_exchange: Option<Box<dyn KeyExchange>>) -> Self {
        Self { session, key_exchange }
    }

    pub(super) const fn key_exchange(&self) -> KeyExchangeAlgorithm {
        self.session.suite.key_exchange
    }

    pub(super) fn held(&self) -> usize {
        self.session.info.held()
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
        let key = find_key(&session.config, identity)?;
        let pre_master_secret = PreMasterSecret::of_preshared_key(&key, shared.as_ref());
        session.info.psk_identity = Some(identity.to_vec());
        x.transcript.add(&message.bytes);
        let master = session.master_secret(&pre_master_secret, x)?;
        AwaitFinished::begin(session, master, PeerProof::PresharedKey, x)
    }
}

/// The key of the client, or in its place one that nobody has. That one is made first, in either case, so that what
/// takes place does not depend on whether the client is known.
fn find_key(config: &ServerConfig, identity: &[u8]) -> Result<Arc<PresharedKey>, Error> {
    let psks: &dyn PskServer = config.psks.as_deref().ok_or(Error::UnknownPskIdentity)?;
    let mut nobodys = alloc::vec![0; psks.usual_len().clamp(1, 1024)];
    config.provider.random.fill(&mut nobodys).map_err(|_| Error::CryptoFailed)?;
    let nobodys = Arc::new(PresharedKey::new(nobodys).map_err(|_| Error::CryptoFailed)?);
    match (psks.key(identity), config.settings.unknown_psk) {
        (Some(key), _) => Ok(key),
        (None, UnknownPsk::LikeWrongKey) => Ok(nobodys),
        (None, UnknownPsk::Alert) => Err(Error::UnknownPskIdentity),
    }
}
