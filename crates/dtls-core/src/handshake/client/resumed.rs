//! The client's side of a session that is resumed: RFC 6347 Figure 2, and RFC 5077 Figure 2.
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

use super::Session;
use crate::crypto::aead::RecordSealer;
use crate::crypto::secrets::MasterSecret;
use crate::error::Error;
use crate::event::{Role, SessionInfo};
use crate::handshake::exchange::{Exchange, ReadKey, WriteKey};
use crate::handshake::key_schedule::{self, SessionSecrets};
use crate::handshake::reassembly::Message;
use crate::handshake::retransmit::Expect;
use crate::handshake::{Completed, PeerProof, Resumption, Step};
use crate::resumption::{Given, Offered, ResumptionState, Sides};
use crate::wire::enums::HandshakeType;
use crate::wire::small::{Finished, NewSessionTicket};

/// Waits for the proof that the server remembers the session, before which it may renew the ticket.
#[derive(Debug)]
pub(crate) struct AwaitResumedFinished {
    session: Session,
    offered: Box<Offered>,
    sealer: RecordSealer,
    ticket: Option<Given>,
}

impl AwaitResumedFinished {
    /// The server has repeated the session ID.
    pub(super) fn begin(session: Session, offered: Box<Offered>, x: &mut Exchange) -> Result<Step, Error> {
        let suite = &session.choice.suite;
        if suite.id != offered.suite.id {
            return Err(Error::ServerHelloChangedSuite(suite.id));
        }
        // RFC 7627 section 5.3: the session has it.
        if !session.choice.extended_master_secret {
            return Err(Error::ExtendedMasterSecretMissing);
        }
        session.drop_messages(x);
        let keys = key_schedule::record_keys(Role::Client, suite, &offered.master, &session.randoms);
        let (sealer, opener) = keys.map_err(|_| Error::CryptoFailed)?;
        x.read_key = Some(ReadKey { opener, failures_allowed: suite.limits.open_failures });
        session.log_key(&offered.master);
        Ok(Step::Await(Self { session, offered, sealer, ticket: None }.into()))
    }

    pub(super) fn held(&self) -> usize {
        self.offered.held()
    }

    pub(super) const fn awaits(&self, typ: HandshakeType) -> bool {
        self.session.awaits_at_the_end(self.ticket.is_some(), typ)
    }

    pub(super) fn is_counted_in(&self, ticket: &Message, finished: [u8; 12], x: &Exchange) -> bool {
        self.session.is_counted_in(&self.offered.master, ticket, finished, x)
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

    pub(super) fn on_finished(
        self,
        finished: Finished<'_>,
        message: &Message,
        x: &mut Exchange,
    ) -> Result<Step, Error> {
        let Self { session, offered, sealer, ticket } = self;
        let Offered { master, sides, given, checked, .. } = *offered;
        let suite = &session.choice.suite;
        let expected = key_schedule::verify_data(Role::Server, suite, &master, &x.digest()?);
        let finished = key_schedule::verify_finished(&expected, finished.verify_data)?;
        x.transcript.add(&message.bytes);

        x.begin_flight();
        x.change_cipher_spec();
        let verify_data = key_schedule::verify_data(Role::Client, suite, &master, &x.digest()?);
        x.message(HandshakeType::FINISHED, &Finished { verify_data: &verify_data })?;
        x.send(Expect::Nothing);
        x.write_key = Some(WriteKey { sealer, blocks_allowed: suite.limits.seal_blocks });

        let mut info = SessionInfo { resumed: true, ..session.info() };
        sides.server.tell(&mut info);
        let secrets = SessionSecrets { master, randoms: session.randoms };
        let resumption = session.resumption(ticket.unwrap_or(given), &info, &secrets.master, sides);
        let (config, proof) = (session.offer.config.into(), PeerProof::Resumed(checked));
        Ok(Step::Complete(Completed::new(config, info, secrets, true, resumption, proof, finished)))
    }
}

impl Session {
    /// RFC 5077 section 3.3: a ticket that was promised must come, once, before the server's Finished.
    pub(super) const fn awaits_at_the_end(&self, has_ticket: bool, typ: HandshakeType) -> bool {
        match typ {
            HandshakeType::NEW_SESSION_TICKET => self.expects_ticket && !has_ticket,
            HandshakeType::FINISHED => !self.expects_ticket || has_ticket,
            _ => false,
        }
    }

    /// Drops the messages of the handshake if no ticket will come, which may have to be tried: see
    /// [`is_counted_in`](Self::is_counted_in).
    pub(super) fn drop_messages(&self, x: &mut Exchange) {
        if !self.expects_ticket {
            x.transcript.drop_messages();
        }
    }

    /// Whether what the server's Finished says counts this ticket in, behind all messages so far.
    pub(super) fn is_counted_in(
        &self,
        master: &MasterSecret,
        ticket: &Message,
        finished: [u8; 12],
        x: &Exchange,
    ) -> bool {
        let suite = &self.choice.suite;
        let mut hash = suite.hash.start();
        hash.update(x.transcript.messages());
        hash.update(&ticket.bytes);
        let expected = key_schedule::verify_data(Role::Server, suite, master, &hash.fork_finish());
        key_schedule::verify_finished(&expected, &finished).is_ok()
    }

    /// What the owner may take to resume the session by: nothing if it did not ask for that, if the server gives
    /// nothing or more than can be said in a hello, or if the master secret is not bound to the session's handshake.
    pub(super) fn resumption(
        &self,
        given: Given,
        info: &SessionInfo,
        master: &MasterSecret,
        sides: Sides,
    ) -> Option<Box<Resumption>> {
        let (Given::SessionId(content) | Given::Ticket { ticket: content, .. }) = &given;
        let can_be_said = (1..=ResumptionState::TICKET_MAX).contains(&content.len());
        if !self.offer.config.resumable || !info.extended_master_secret || !can_be_said {
            return None;
        }
        let state = ResumptionState::new(given, info.cipher_suite, master, self.offer.server_name.as_ref(), sides);
        let asked = self.offer.config.settings.max_fragment_length;
        let state = state.with_fragment_length(asked, self.choice.records.are_by_fragment_length());
        Some(Box::new(Resumption::State(state)))
    }
}

pub(super) fn given(ticket: NewSessionTicket<'_>) -> Given {
    Given::Ticket { lifetime_hint: ticket.lifetime_hint, ticket: ticket.ticket.to_vec() }
}
