//! The server's side of a session that is resumed, and what a session leaves to be resumed by: RFC 6347 Figure 2, RFC 5077
//! section 3.
//!
//! ```text
//!   ClientHello (cookie)    -------->                            flight 3
//!                                              ServerHello
//!                                        NewSessionTicket*
//!                                       [ChangeCipherSpec]
//!                           <--------             Finished       flight 4
//!   [ChangeCipherSpec]
//!   Finished                -------->                            flight 5
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use super::{Session, agree_on_ids, server_hello};
use crate::config::ServerConfig;
use crate::crypto::secrets::MasterSecret;
use crate::crypto::suite::CipherSuite;
use crate::error::Error;
use crate::event::{Role, SessionInfo};
use crate::handshake::exchange::{Exchange, ReadKey, WriteKey};
use crate::handshake::key_schedule::{self, Randoms, SessionSecrets};
use crate::handshake::negotiate::{self, ServerChoice};
use crate::handshake::reassembly::Message;
use crate::handshake::retransmit::Expect;
use crate::handshake::{Completed, PeerProof, Resumption, Step};
use crate::resumption::{KnownPeer, SESSION_ID_LEN, Saved, ServerResumption, SessionChecked};
use crate::wire::codec::Decode as _;
use crate::wire::enums::{HandshakeType, ProtocolVersion};
use crate::wire::hello::{ClientHello, Random};
use crate::wire::small::{Finished, NewSessionTicket};

// --- what a session leaves ---

/// What a session leaves to be resumed by.
#[derive(Debug)]
pub(super) enum Leaves {
    Nothing,
    /// A ticket, whose content is known only at the end.
    Ticket,
    /// The ID under which it will be in the cache; or is, if it is being resumed.
    SessionId([u8; SESSION_ID_LEN]),
}

impl Leaves {
    /// A ticket for a client that takes one, a place in the cache for others.
    pub(super) fn of(hello: &ClientHello<'_>, config: &ServerConfig, is_bound: bool) -> Result<Self, Error> {
        let Some(resumption) = config.resumption.as_ref().filter(|_| is_bound) else { return Ok(Self::Nothing) };
        if resumption.tickets.is_some() && hello.extensions.session_ticket.is_some() {
            return Ok(Self::Ticket);
        }
        if resumption.cache.is_none() {
            return Ok(Self::Nothing);
        }
        let mut id = [0; SESSION_ID_LEN];
        config.provider.random.fill(&mut id).map_err(|_| Error::CryptoFailed)?;
        Ok(Self::SessionId(id))
    }

    pub(super) const fn session_id(&self) -> &[u8] {
        match self {
            Self::SessionId(id) => id,
            Self::Nothing | Self::Ticket => &[],
        }
    }
}

/// Leaves what was announced: a ticket in the flight that is being made, or a session in the cache.
pub(super) fn leave(
    session: &Session,
    master: &MasterSecret,
    x: &mut Exchange,
) -> Result<Option<Box<Resumption>>, Error> {
    let Some(resumption) = &session.config.resumption else { return Ok(None) };
    let client = KnownPeer::of(&session.info, session.key_mark);
    let saved = resumption.now().map(|now| Saved::new(&session.info, client, master, x.records, now));
    match (&session.leaves, saved) {
        (Leaves::Nothing, _) | (Leaves::SessionId(_), None) => Ok(None),
        (Leaves::Ticket, saved) => {
            send_ticket(saved.as_ref(), &session.config, resumption, x)?;
            Ok(None)
        }
        (Leaves::SessionId(id), Some(saved)) => {
            let Some(cache) = &resumption.cache else { return Ok(None) };
            cache.put(*id, saved.to_bytes());
            Ok(Some(Box::new(Resumption::Cached(Arc::clone(cache), *id))))
        }
    }
}

/// A ticket that has been announced must be sent; an empty one says that there is none after all (RFC 5077 section 3.3).
fn send_ticket(
    saved: Option<&Saved>,
    config: &ServerConfig,
    resumption: &ServerResumption,
    x: &mut Exchange,
) -> Result<(), Error> {
    /// A client sends it with every hello, and a chain of certificates may be long.
    const TICKET_MAX: usize = 4096;
    let mut random = [0; 32];
    config.provider.random.fill(&mut random).map_err(|_| Error::CryptoFailed)?;
    let seal = |saved: &Saved| resumption.tickets.as_ref()?.seal(&random, &saved.to_bytes());
    let ticket = saved.and_then(seal).filter(|ticket| ticket.len() <= TICKET_MAX).unwrap_or_default();
    let left = saved.map_or(Duration::ZERO, |saved| resumption.time_left(saved));
    let lifetime_hint = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
    x.message(HandshakeType::NEW_SESSION_TICKET, &NewSessionTicket { lifetime_hint, ticket: &ticket })
}

// --- flight 4 ---

/// A session that a client may resume.
pub(super) struct Resumable {
    saved: Saved,
    suite: CipherSuite,
    checked: SessionChecked,
    leaves: Leaves,
    /// What the client will recognise that it is resumed by.
    session_id: Box<[u8]>,
}

/// The session that a client offers, if we remember it and it may go on.
pub(super) fn find(hello: &ClientHello<'_>, config: &ServerConfig) -> Option<Resumable> {
    let resumption = config.resumption.as_ref()?;
    let ticket = hello.extensions.session_ticket.filter(|ticket| !ticket.is_empty());
    let (saved, leaves) = match (ticket, &resumption.tickets) {
        // RFC 5077 section 3.4: a ticket counts and the ID beside it does not, but for being repeated. Without an ID the client
        // could tell that it is resumed only by what comes next, which datagrams may bring in any order.
        (Some(ticket), Some(tickets)) if !hello.session_id.is_empty() => {
            let opened = tickets.open(ticket)?;
            let saved = Saved::decode_all(&opened.session).ok()?;
            let is_due = opened.is_due || resumption.is_half_over(&saved);
            (saved, if is_due { Leaves::Ticket } else { Leaves::Nothing })
        }
        (Some(_), _) => return None,
        (None, _) => {
            let id = hello.session_id.try_into().ok()?;
            let session = resumption.cache.as_ref()?.get(&id)?;
            (Saved::decode_all(&session).ok()?, Leaves::SessionId(id))
        }
    };
    let (suite, checked) = saved.check(hello, config, resumption)?;
    Some(Resumable { saved, suite, checked, leaves, session_id: hello.session_id.into() })
}

/// Answers a hello by going on with its session.
pub(super) fn resume(
    config: Arc<ServerConfig>,
    resumable: Resumable,
    hello: &ClientHello<'_>,
    message: &Message,
    x: &mut Exchange,
) -> Result<Step, Error> {
    let Resumable { saved, suite, checked, leaves, session_id } = resumable;
    let (connection_ids, path_checks) = agree_on_ids(hello, &config, x);
    let choice = ServerChoice { connection_ids, path_checks, ..negotiate::resume(hello, &config, suite)? };
    let mut server = Random([0; 32]);
    config.provider.random.fill(&mut server.0).map_err(|_| Error::CryptoFailed)?;
    let randoms = Randoms { client: hello.random, server };
    let (sealer, opener) =
        key_schedule::record_keys(Role::Server, &suite, &saved.master, &randoms).map_err(|_| Error::CryptoFailed)?;

    x.restart_numbering_at(message.seq);
    x.transcript.add(&message.bytes);
    x.transcript.start_hash(suite.hash);
    x.transcript.drop_messages();
    x.records = choice.records;
    x.begin_flight();
    let mut answer = server_hello(&choice, hello, randoms.server, &leaves);
    answer.session_id = &session_id;
    x.message(HandshakeType::SERVER_HELLO, &answer)?;
    if let (Leaves::Ticket, Some(resumption)) = (&leaves, &config.resumption) {
        send_ticket(Some(&saved), &config, resumption, x)?;
    }
    x.change_cipher_spec();
    let verify_data = key_schedule::verify_data(Role::Server, &suite, &saved.master, &x.digest()?);
    x.message(HandshakeType::FINISHED, &Finished { verify_data: &verify_data })?;
    x.send(Expect::Answer);
    x.write_key = Some(WriteKey { sealer, blocks_allowed: suite.limits.seal_blocks });
    x.read_key = Some(ReadKey { opener, failures_allowed: suite.limits.open_failures });
    if let Some(key_log) = &config.settings.key_log {
        key_log.log("CLIENT_RANDOM", &randoms.client.0, saved.master.as_bytes());
    }

    let cache = config.resumption.as_ref().and_then(|resumption| resumption.cache.as_ref());
    x.resuming = match (&leaves, cache) {
        (Leaves::SessionId(id), Some(cache)) => Some(Box::new(Resumption::Cached(Arc::clone(cache), *id))),
        _ => None,
    };
    let mut info = SessionInfo {
        role: Role::Server,
        version: ProtocolVersion::DTLS_1_2,
        cipher_suite: suite.id,
        group: None,
        signature_scheme: None,
        psk_identity: None,
        resumed: true,
        extended_master_secret: true,
        alpn: choice.alpn,
        srtp: choice.srtp,
        server_name: saved.server_name,
        peer_certificates: alloc::vec::Vec::new(),
        peer_raw_public_key: None,
        connection_ids: None,
        path_checks: false,
    };
    saved.client.tell(&mut info);
    Ok(Step::Await(AwaitResumedFinished { config, suite, randoms, info, master: saved.master, checked }.into()))
}

// --- flight 5 ---

/// Waits for the proof that the client remembers the session.
#[derive(Debug)]
pub(crate) struct AwaitResumedFinished {
    config: Arc<ServerConfig>,
    suite: CipherSuite,
    randoms: Randoms,
    info: SessionInfo,
    master: MasterSecret,
    checked: SessionChecked,
}

impl AwaitResumedFinished {
    pub(super) fn held(&self) -> usize {
        self.info.held()
    }

    pub(super) fn on_finished(self, finished: Finished<'_>, x: &mut Exchange) -> Result<Step, Error> {
        let Self { config, suite, randoms, info, master, checked } = self;
        let expected = key_schedule::verify_data(Role::Client, &suite, &master, &x.digest()?);
        let finished = key_schedule::verify_finished(&expected, finished.verify_data)?;
        let secrets = SessionSecrets { master, randoms };
        let (resumption, proof) = (x.resuming.take(), PeerProof::Resumed(checked));
        Ok(Step::Complete(Completed::new(config.into(), info, secrets, false, resumption, proof, finished)))
    }
}
