//! What a server remembers of a session, in a cache or in a ticket, and when it may go on.

use alloc::vec::Vec;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::peer::KnownPeer;
use super::{ServerResumption, SessionChecked};
use crate::config::{ClientAuthentication, ExtendedMasterSecret, ServerConfig};
use crate::crypto::secrets::MasterSecret;
use crate::crypto::suite::CipherSuite;
use crate::crypto::verify::PeerRole;
use crate::event::SessionInfo;
use crate::handshake::negotiate::RecordLimits;
use crate::wire::codec::{Decode, DecodeError, Encode as _, Reader, put_option};
use crate::wire::enums::CipherSuiteId;
use crate::wire::hello::ClientHello;

/// A session of a server that has been connected.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) suite: CipherSuiteId,
    pub(crate) master: MasterSecret,
    /// When it was connected by a full handshake, in seconds since 1970.
    pub(crate) created: u64,
    /// How long fragments in the clear may be: RFC 6066 section 4 has that hold for the whole session.
    pub(crate) fragment_length: u16,
    /// RFC 6066 section 3: it can be resumed only under the same name.
    pub(crate) server_name: Option<Vec<u8>>,
    pub(crate) client: KnownPeer,
}

impl Saved {
    /// Changes with every change of the form.
    const VERSION: u8 = 1;

    pub(crate) fn new(
        info: &SessionInfo,
        client: KnownPeer,
        master: &MasterSecret,
        records: RecordLimits,
        created: u64,
    ) -> Self {
        Self {
            suite: info.cipher_suite,
            master: MasterSecret::new(master.as_bytes()),
            created,
            fragment_length: records.in_the_clear,
            server_name: info.server_name.clone(),
            client,
        }
    }

    /// ```text
    ///   version(1) suite(2) created(8) master_secret(48) fragment_length(2) name?(1) [length(2) name] client
    /// ```
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it, so that no copy is left behind by growing.
        let room = 512 + 2 * self.client.held() + self.server_name.as_ref().map_or(0, Vec::len);
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        out.push(Self::VERSION);
        out.extend_from_slice(&self.suite.0.to_be_bytes());
        out.extend_from_slice(&self.created.to_be_bytes());
        out.extend_from_slice(self.master.as_bytes());
        out.extend_from_slice(&self.fragment_length.to_be_bytes());
        put_option(&mut out, self.server_name.as_deref());
        self.client.encode(&mut out);
        out
    }

    /// Whether the session may go on for the client that says `hello`, by the configuration in force. `None` leads to a
    /// full handshake.
    pub(crate) fn check(
        &self,
        hello: &ClientHello<'_>,
        config: &ServerConfig,
        resumption: &ServerResumption,
    ) -> Option<(CipherSuite, SessionChecked)> {
        let suite = *config.suites.iter().find(|suite| suite.id == self.suite)?;
        let is_offered = hello.cipher_suites.contains(&suite.id);
        let has_its_name = hello.extensions.server_name == self.server_name.as_deref();
        let can_be_bound = config.settings.extended_master_secret != ExtendedMasterSecret::Off;
        let limits = RecordLimits::of_server(&config.settings, &hello.extensions);
        let has_its_limit = limits.in_the_clear == self.fragment_length;
        let is_good = is_offered
            && has_its_name
            && has_its_limit
            && can_be_bound
            && resumption.is_alive(self)
            && self.is_welcome(config);
        is_good.then_some((suite, SessionChecked(())))
    }

    /// Whether the client would be welcome with what it has shown.
    fn is_welcome(&self, config: &ServerConfig) -> bool {
        match (&self.client, &config.client_authentication) {
            // A key that has been withdrawn or replaced, or one that the owner would have to be asked for, ends the session.
            (KnownPeer::PresharedKey { identity, mark }, _) => {
                let psks = config.psks.as_ref().filter(|psks| !psks.defers(identity));
                let key = psks.and_then(|psks| psks.key(identity));
                key.is_some_and(|key| key.mark(config.provider.sha256, &self.master).ct_eq(mark).into())
            }
            (KnownPeer::Anonymous, authentication) => !matches!(authentication, ClientAuthentication::Require(_)),
            (client, authentication) => {
                authentication.verifier().is_some_and(|verifier| client.is_trusted(verifier, PeerRole::Client))
            }
        }
    }
}

impl Decode<'_> for Saved {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != Self::VERSION {
            return Err(DecodeError::ForbiddenValue);
        }
        Ok(Self {
            suite: CipherSuiteId(reader.u16()?),
            created: reader.u64()?,
            master: MasterSecret::new(reader.array()?),
            fragment_length: reader.u16()?,
            server_name: reader.option()?.map(<[u8]>::to_vec),
            client: KnownPeer::decode(reader)?,
        })
    }
}
