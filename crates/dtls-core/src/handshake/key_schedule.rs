//! From the shared secret to keys and Finished messages: RFC 5246 sections 6.3, 7.4.9 and 8.1, RFC 7627 section 4.

use subtle::ConstantTimeEq;

use crate::crypto::CryptoError;
use crate::crypto::aead::{RecordOpener, RecordSealer};
use crate::crypto::hash::{Digest, prf};
use crate::crypto::secrets::{KeyBlock, MasterSecret, PreMasterSecret};
use crate::crypto::suite::CipherSuite;
use crate::error::Error;
use crate::event::Role;
use crate::wire::hello::Random;

/// The randoms of both hellos.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Randoms {
    pub(crate) client: Random,
    pub(crate) server: Random,
}

/// RFC 7627 section 4 if there is a session hash, otherwise RFC 5246 section 8.1.
pub(crate) fn master_secret(
    suite: &CipherSuite,
    pre_master_secret: &PreMasterSecret,
    session_hash: Option<&Digest>,
    randoms: &Randoms,
) -> MasterSecret {
    match session_hash {
        Some(hash) => MasterSecret::derive(suite.hash, pre_master_secret, b"extended master secret", &[hash.as_ref()]),
        None => {
            let seed: [&[u8]; 2] = [&randoms.client.0, &randoms.server.0];
            MasterSecret::derive(suite.hash, pre_master_secret, b"master secret", &seed)
        }
    }
}

/// The keys of epoch 1 as `role` uses them: what it writes with and what it reads with.
pub(crate) fn record_keys(
    role: Role,
    suite: &CipherSuite,
    master: &MasterSecret,
    randoms: &Randoms,
) -> Result<(RecordSealer, RecordOpener), CryptoError> {
    let block = KeyBlock::derive(suite, master, &randoms.client.0, &randoms.server.0)?;
    let client = (block.client_write_key(suite), block.client_write_iv(suite));
    let server = (block.server_write_key(suite), block.server_write_iv(suite));
    let (write, read) = match role {
        Role::Client => (client, server),
        Role::Server => (server, client),
    };
    Ok((RecordSealer::new(suite, write.0, write.1)?, RecordOpener::new(suite, read.0, read.1)?))
}

/// What is left of a handshake that keys come from: those of the records, and those for other protocols.
#[derive(Debug)]
pub(crate) struct SessionSecrets {
    pub(crate) master: MasterSecret,
    pub(crate) randoms: Randoms,
}

impl SessionSecrets {
    /// Fills `out` with keying material for another protocol (RFC 5705 section 4). A context of 2^16 bytes or more has no
    /// encoding: `None`.
    pub(crate) fn export(
        &self,
        suite: &CipherSuite,
        label: &[u8],
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Option<()> {
        let Self { master, randoms } = self;
        let len = u16::try_from(context.map_or(0, <[u8]>::len)).ok()?.to_be_bytes();
        let seed: [&[u8]; 4] = [&randoms.client.0, &randoms.server.0, &len, context.unwrap_or_default()];
        let seed = if context.is_some() { &seed[..] } else { &seed[..2] };
        prf(suite.hash, master.as_bytes(), label, seed, out);
        Some(())
    }
}

/// What the Finished of `sender` says after the messages that `transcript` digests (RFC 5246 section 7.4.9).
pub(crate) fn verify_data(sender: Role, suite: &CipherSuite, master: &MasterSecret, transcript: &Digest) -> [u8; 12] {
    let label: &[u8] = match sender {
        Role::Client => b"client finished",
        Role::Server => b"server finished",
    };
    let mut verify_data = [0; 12];
    prf(suite.hash, master.as_bytes(), label, &[transcript.as_ref()], &mut verify_data);
    verify_data
}

/// Proof that the peer's Finished matched: it holds the master secret and saw the same handshake.
#[derive(Debug)]
pub(crate) struct FinishedVerified(());

/// Compares the peer's Finished with what it must say, in constant time.
pub(crate) fn verify_finished(expected: &[u8; 12], received: &[u8; 12]) -> Result<FinishedVerified, Error> {
    if expected.ct_eq(received).into() { Ok(FinishedVerified(())) } else { Err(Error::FinishedMismatch) }
}
