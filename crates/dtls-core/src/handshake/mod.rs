//! The handshake: RFC 6347 section 4.2.
//!
//! ```text
//!   fragments ─▶ Reassembly ─▶ Message ─▶ state.on_message ─▶ next state | Completed | Error
//!                                               │
//!                                               ▼
//!                              Exchange: transcript, Flight, keys ─▶ Retransmit ─▶ pieces of records
//! ```
//!
//! The states are in [`client`] and [`server`], in the order of RFC 6347 Figure 1. Each owns what it needs and is
//! consumed by the message it waits for, so a message that was skipped or comes twice has no state to meet.
//! The handshake never sees a datagram: it hands keys over and takes fragments.

pub(crate) mod client;
pub(crate) mod client_psk;
pub(crate) mod credentials;
pub(crate) mod exchange;
pub(crate) mod flight;
pub(crate) mod key_schedule;
pub(crate) mod negotiate;
pub(crate) mod parsed;
pub(crate) mod reassembly;
pub(crate) mod retransmit;
pub(crate) mod server;
pub(crate) mod server_psk;
pub(crate) mod transcript;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use crate::config::{PskMismatch, RoleConfig};
use crate::crypto::verify::{HandshakeSignatureValid, PeerAuthenticated};
use crate::decision::{Answer, Question};
use crate::discard::Discard;
use crate::error::Error;
use crate::event::SessionInfo;
use crate::resumption::{ResumptionState, SESSION_ID_LEN, SessionCache, SessionChecked};
use crate::time::Instant;
use crate::wire::codec::Decode as _;
use crate::wire::enums::{AlertDescription, HandshakeType};
use crate::wire::fragment::{Fragment, MessageSeq};
use crate::wire::hello::HelloVerifyRequest;
use crate::wire::record::Epoch;
use client::ClientState;
use exchange::Exchange;
use key_schedule::{FinishedVerified, SessionSecrets};
use parsed::{Dialect, Parsed};
use reassembly::{Message, Reassembly};
use server::ServerState;

/// A handshake under way.
#[derive(Debug)]
pub(crate) struct Handshake {
    state: State,
    pub(crate) exchange: Exchange,
    reassembly: Reassembly,
    /// Required before the peer's Finished counts, but no more than that: epochs say which keys apply.
    change_cipher_spec_seen: bool,
    faults_left: u8,
    /// Whether the owner wants every fault to be fatal, even those that anyone can forge.
    forgives_nothing: bool,
    /// An alert that anyone could have forged, and when it comes true if nothing contradicts it.
    suspected: Option<Suspicion>,
    /// The peer's message that our present flight answers.
    answered: Option<MessageSeq>,
    /// What has been granted to the datagram under way; a second time is not, or one datagram could spend everything.
    granted: Granted,
}

/// An alert that has not been believed yet.
#[derive(Debug)]
struct Suspicion {
    description: AlertDescription,
    until: Instant,
}

impl Suspicion {
    /// Long enough for an honest peer to contradict it on all but the slowest paths, whatever the timer.
    const PATIENCE: Duration = Duration::from_secs(1);
}

/// What one datagram has been granted.
#[derive(Default)]
struct Granted {
    fault: bool,
    cookie: bool,
}

// Of no meaning once the datagram has been handled, so not part of the state that is printed and compared.
impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Handshake {
    /// A handshake in `state` that receives the peer's messages from `first_seq` on.
    pub(crate) const fn new(state: State, exchange: Exchange, first_seq: MessageSeq, fault_budget: u8) -> Self {
        Self {
            state,
            exchange,
            reassembly: Reassembly::new(first_seq),
            change_cipher_spec_seen: false,
            faults_left: fault_budget,
            forgives_nothing: fault_budget == 0,
            suspected: None,
            answered: None,
            granted: Granted { fault: false, cookie: false },
        }
    }

    /// Another datagram has arrived.
    pub(crate) fn begin_datagram(&mut self) {
        self.granted = Granted::default();
    }

    /// Takes a fragment. Complete messages are then used by [`Handshake::advance`].
    pub(crate) fn on_fragment(&mut self, epoch: Epoch, fragment: &Fragment<'_>) -> Result<Fate, Error> {
        if epoch == Epoch::ZERO && fragment.header.typ == HandshakeType::HELLO_VERIFY_REQUEST {
            return self.on_hello_verify_request(fragment);
        }
        if epoch == Epoch::ZERO && fragment.header.message_seq >= self.reassembly.next_seq() {
            let typ = fragment.header.typ;
            // In every state that asks, the peer has said all it can before it hears from us, but for Finished: more can only
            // be forged, and would be used before what the honest peer says later.
            if self.state.asks() {
                return Ok(Fate::Dropped(Discard::UnusableMessage));
            }
            // RFC 5246 section 7.4.1.1 has a HelloRequest ignored during a handshake. A ClientHello comes late, at no fault
            // of the client's, when it followed two cookies and the first was good.
            let is_hello = matches!(typ, HandshakeType::HELLO_REQUEST | HandshakeType::CLIENT_HELLO);
            if is_hello && !self.state.awaits(typ) {
                return Ok(Fate::Dropped(Discard::UnusableMessage));
            }
            // With the key of epoch 1 in place, only Finished is missing, which is protected, and perhaps a ticket before it.
            let awaits_ticket = self.state.awaits(HandshakeType::NEW_SESSION_TICKET);
            let is_next = fragment.header.message_seq == self.reassembly.next_seq();
            let may_be_ticket = typ == HandshakeType::NEW_SESSION_TICKET && is_next;
            if self.state.awaits(HandshakeType::FINISHED) || awaits_ticket && !may_be_ticket {
                return if self.forgives_nothing {
                    Err(Error::UnexpectedMessage(typ))
                } else {
                    Ok(Fate::Dropped(Discard::UnusableMessage))
                };
            }
        }
        match self.reassembly.place(epoch, fragment) {
            Ok(()) => Ok(Fate::Kept),
            Err(Discard::RepeatedMessage) => Ok(self.on_repetition(fragment)),
            Err(cause) => Ok(Fate::Dropped(cause)),
        }
    }

    /// RFC 6347 section 4.2.4: when the peer repeats the flight that ours answers, ours was lost. The last message of
    /// that flight stands for it, for as long as nothing newer has come.
    fn on_repetition(&mut self, fragment: &Fragment<'_>) -> Fate {
        let seq = fragment.header.message_seq;
        let is_answered = self.answered == Some(seq) && seq.next() == Some(self.reassembly.next_seq());
        if is_answered && self.exchange.retransmit.peer_repeats() {
            self.exchange.flight.rewind();
            return Fate::Repeat;
        }
        Fate::Dropped(Discard::RepeatedMessage)
    }

    /// A HelloVerifyRequest stands outside the order of messages: its sender keeps no state, so a second one may come
    /// with any number (RFC 6347 section 4.2.1).
    fn on_hello_verify_request(&mut self, fragment: &Fragment<'_>) -> Result<Fate, Error> {
        let State::Client(ClientState::AwaitServerHello(state)) = &mut self.state else {
            return Ok(Fate::Dropped(Discard::UnusableMessage));
        };
        let is_whole = fragment.header.fragment_length == fragment.header.length;
        let (true, Ok(request)) = (is_whole, HelloVerifyRequest::decode_all(fragment.body)) else {
            return Ok(Fate::Dropped(Discard::UnusableMessage));
        };
        if self.granted.cookie {
            return Ok(Fate::Dropped(Discard::RepeatedMessage));
        }
        let seq = fragment.header.message_seq;
        if state.on_hello_verify_request(&request, seq, &mut self.exchange)? == client::CookieAnswer::Ignored {
            return Ok(Fate::Dropped(Discard::RepeatedMessage));
        }
        self.granted.cookie = true;
        self.suspected = None;
        Ok(Fate::Kept)
    }

    /// Notes a ChangeCipherSpec. It is never authenticated, so all it can do is to let a Finished through that proves
    /// itself.
    pub(crate) fn on_change_cipher_spec(&mut self) {
        self.change_cipher_spec_seen = true;
    }

    /// Notes an alert that may be forged: it ends the handshake after a while in which nothing has contradicted it, or
    /// at once if no faults are forgiven.
    pub(crate) fn on_unproven_alert(&mut self, now: Instant, description: AlertDescription) -> Result<(), Error> {
        if self.forgives_nothing {
            return Err(Error::AlertReceived(description));
        }
        self.suspected.get_or_insert(Suspicion { description, until: now + Suspicion::PATIENCE });
        Ok(())
    }

    /// When to call [`Handshake::on_time`]. While the owner thinks, the peer has no chance to contradict an alert.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.state.asks() {
            return None;
        }
        let suspicion = self.suspected.as_ref().map(|suspicion| suspicion.until);
        self.exchange.retransmit.deadline().into_iter().chain(suspicion).min()
    }

    /// Does what is due: an alert that nothing has contradicted comes true, or the flight leaves again. Returns whether
    /// it leaves.
    pub(crate) fn on_time(&mut self, now: Instant) -> Result<bool, Error> {
        if self.state.asks() {
            return Ok(false);
        }
        if let Some(suspicion) = self.suspected.as_ref().filter(|suspicion| suspicion.until <= now) {
            return Err(Error::AlertReceived(suspicion.description));
        }
        let expired = self.exchange.retransmit.expire(now);
        if expired {
            self.repeat_flight();
        }
        Ok(expired)
    }

    fn repeat_flight(&mut self) {
        if let State::Client(ClientState::AwaitServerHello(state)) = &mut self.state {
            state.on_timer();
        }
        self.exchange.flight.rewind();
    }

    /// What the owner has to decide before the handshake goes on.
    pub(crate) fn question(&self) -> Option<Question<'_>> {
        self.state.question(&self.exchange)
    }

    /// Goes on with the answer to [`Handshake::question`].
    pub(crate) fn on_answer(&mut self, now: Instant, answer: Answer) -> Result<Advance, Error> {
        if matches!(answer, Answer::Failed) {
            return Err(Error::DecisionFailed);
        }
        if let Some(suspicion) = &mut self.suspected {
            suspicion.until = now + Suspicion::PATIENCE;
        }
        let flights = self.exchange.flights_begun();
        let state = core::mem::replace(&mut self.state, State::Over);
        let step = state.on_answer(answer, &mut self.exchange)?;
        let advance = self.take_step(step, flights);
        if !matches!(advance, Advance::Asks) {
            self.exchange.retransmit.resume(now);
        }
        Ok(advance)
    }

    /// Uses the next message, if it is complete.
    pub(crate) fn advance(&mut self) -> Result<Advance, Error> {
        if self.state.asks() {
            return Ok(Advance::Nothing);
        }
        let seq = self.next_usable();
        let Some((typ, epoch)) = self.reassembly.peek(seq) else { return Ok(Advance::Nothing) };
        // Only Finished is sent in epoch 1, and it is sent nowhere else.
        let right_epoch = (typ == HandshakeType::FINISHED) == (epoch == Epoch::ONE);
        if !right_epoch || !self.state.awaits(typ) {
            drop(self.reassembly.take(seq));
            return self.forgive(epoch, Error::UnexpectedMessage(typ));
        }
        if epoch == Epoch::ONE && !self.change_cipher_spec_seen {
            return Ok(Advance::Nothing);
        }
        let is_ticket = typ == HandshakeType::NEW_SESSION_TICKET;
        let finished = if is_ticket { self.finished_behind(seq) } else { None };
        if is_ticket && finished.is_none() {
            return Ok(Advance::Nothing);
        }
        let Some(message) = self.reassembly.take(seq) else { return Ok(Advance::Nothing) };
        if finished.is_some_and(|finished| !self.state.is_counted_in(&message, finished, &self.exchange)) {
            return self.forgive(epoch, Error::FinishedMismatch);
        }
        let parsed = match Parsed::of(&message, self.state.dialect()) {
            Ok(parsed) => parsed,
            Err(fault) => return self.forgive(epoch, Error::Malformed(typ, fault)),
        };
        self.reassembly.advance_past(seq).ok_or(Error::NumbersExhausted)?;
        self.suspected = None;
        let flights = self.exchange.flights_begun();
        let state = core::mem::replace(&mut self.state, State::Over);
        let step = state.on_message(parsed, &message, &mut self.exchange)?;
        Ok(self.take_step(step, flights))
    }

    /// What the server's Finished says, if it has come behind this message. A ticket is in the clear, and the server is done
    /// when it leaves: it is used only together with the Finished that counts it in, since otherwise a forged one would end
    /// the handshake on one side alone.
    fn finished_behind(&self, seq: MessageSeq) -> Option<[u8; 12]> {
        let seq = seq.next()?;
        let is_there = self.reassembly.peek(seq) == Some((HandshakeType::FINISHED, Epoch::ONE));
        let message = self.reassembly.copy(seq).filter(|_| is_there && self.change_cipher_spec_seen)?;
        message.body().try_into().ok()
    }

    /// Goes where a message or an answer leads; before it, `flights` had been begun.
    fn take_step(&mut self, step: Step, flights: u16) -> Advance {
        if self.exchange.flights_begun() != flights {
            self.answered = Some(self.last_used_seq());
        }
        let state = match step {
            Step::Await(state) => state,
            Step::Complete(completed) => return Advance::Complete(completed),
        };
        self.state = state;
        if !self.state.asks() {
            return Advance::Used;
        }
        self.exchange.retransmit.pause();
        Advance::Asks
    }

    /// The number of the message to use next: the one in turn, except that a hello may answer, or take the place of,
    /// one of several.
    fn next_usable(&mut self) -> MessageSeq {
        let found = match &self.state {
            State::Client(ClientState::AwaitServerHello(state)) => {
                let among = state.answerable();
                self.reassembly.advance_to(*among.start());
                self.reassembly.first_complete(HandshakeType::SERVER_HELLO, &among)
            }
            State::Server(ServerState::AwaitClientHello(state)) => {
                let among = state.answerable(self.reassembly.next_seq());
                self.reassembly.first_complete(HandshakeType::CLIENT_HELLO, &among)
            }
            _ => None,
        };
        found.unwrap_or(self.reassembly.next_seq())
    }

    /// Before keys are in use anyone can send a message that does not parse or does not belong: drop a few, since an
    /// honest retransmission repairs the damage. What is authenticated is the peer's own fault.
    fn forgive(&mut self, epoch: Epoch, error: Error) -> Result<Advance, Error> {
        let left = self.faults_left.checked_sub(u8::from(!self.granted.fault));
        match left {
            Some(left) if epoch == Epoch::ZERO => {
                self.faults_left = left;
                self.granted.fault = true;
                Ok(Advance::Dropped(Discard::UnusableMessage))
            }
            _ => Err(error),
        }
    }

    /// What to do about a Finished that does not decrypt, if a pre-shared key that differs is the likely reason.
    pub(crate) fn on_undecryptable(&self) -> Option<PskMismatch> {
        match &self.state {
            State::Server(ServerState::AwaitFinished(state)) => state.psk_mismatch(),
            _ => None,
        }
    }

    /// How many bytes of the heap what came from the peer and what waits to be sent take.
    pub(crate) fn held(&self) -> usize {
        let Exchange { transcript, flight, .. } = &self.exchange;
        self.reassembly.held() + transcript.held() + flight.held() + self.state.held()
    }

    /// The number of the peer's last message that was used; a repetition of it asks for our last flight again.
    pub(crate) const fn last_used_seq(&self) -> MessageSeq {
        MessageSeq(self.reassembly.next_seq().0.saturating_sub(1))
    }
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Dropped(Discard),
    /// The peer repeats itself: our flight leaves again.
    Repeat,
}

/// What became of the next message.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "returned, never kept; the large one once a handshake")]
pub(crate) enum Advance {
    /// There is none yet.
    Nothing,
    /// It moved the handshake on.
    Used,
    /// It moved the handshake to where the owner has to decide.
    Asks,
    /// It was of no use.
    Dropped(Discard),
    /// It was the last.
    Complete(Completed),
}

/// Where a handshake is.
#[derive(Debug)]
pub(crate) enum State {
    Client(ClientState),
    Server(ServerState),
    /// The state has been consumed: by the last message, by a failure, or while a message is being used.
    Over,
}

impl State {
    const fn awaits(&self, typ: HandshakeType) -> bool {
        match self {
            Self::Client(state) => state.awaits(typ),
            Self::Server(state) => state.awaits(typ),
            Self::Over => false,
        }
    }

    const fn dialect(&self) -> Dialect {
        match self {
            Self::Client(state) => state.dialect(),
            Self::Server(state) => state.dialect(),
            Self::Over => Dialect::USUAL,
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Client(state) => state.held(),
            Self::Server(state) => state.held(),
            Self::Over => 0,
        }
    }

    const fn asks(&self) -> bool {
        match self {
            Self::Client(state) => state.asks(),
            Self::Server(state) => state.asks(),
            Self::Over => false,
        }
    }

    fn question<'a>(&'a self, x: &'a Exchange) -> Option<Question<'a>> {
        match self {
            Self::Client(state) => state.question(x),
            Self::Server(state) => state.question(),
            Self::Over => None,
        }
    }

    fn on_answer(self, answer: Answer, x: &mut Exchange) -> Result<Step, Error> {
        match self {
            Self::Client(state) => state.on_answer(answer, x),
            Self::Server(state) => state.on_answer(answer, x),
            Self::Over => Err(Error::DecisionFailed),
        }
    }

    fn is_counted_in(&self, ticket: &Message, finished: [u8; 12], x: &Exchange) -> bool {
        match self {
            Self::Client(state) => state.is_counted_in(ticket, finished, x),
            Self::Server(_) | Self::Over => false,
        }
    }

    fn on_message(self, parsed: Parsed<'_>, message: &Message, x: &mut Exchange) -> Result<Step, Error> {
        match self {
            Self::Client(state) => state.on_message(parsed, message, x),
            Self::Server(state) => state.on_message(parsed, message, x),
            Self::Over => Err(Error::UnexpectedMessage(message.typ)),
        }
    }
}

/// Where a message leads.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "returned, never kept; the small one once a handshake")]
pub(crate) enum Step {
    Await(State),
    Complete(Completed),
}

/// Who the peer has proved to be.
#[derive(Debug)]
pub(crate) enum PeerProof {
    /// The owner of a certificate that is trusted, whose key signed this handshake.
    Certificate(PeerAuthenticated, HandshakeSignatureValid),
    /// Whoever holds the pre-shared key, as Finished shows.
    PresharedKey,
    /// A client that was not asked, or was allowed to stay anonymous.
    Anonymous,
    /// Whoever it was in the session's first handshake, as the master secret shows.
    Resumed(SessionChecked),
}

/// What a handshake leaves behind. It cannot be made without the proofs.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) config: RoleConfig,
    pub(crate) info: SessionInfo,
    pub(crate) secrets: SessionSecrets,
    /// Whether the last flight is ours, which the peer may ask for again.
    pub(crate) sends_last: bool,
    /// What is left for another connection to resume the session by.
    pub(crate) resumption: Option<Box<Resumption>>,
}

impl Completed {
    const fn new(
        config: RoleConfig,
        info: SessionInfo,
        secrets: SessionSecrets,
        sends_last: bool,
        resumption: Option<Box<Resumption>>,
        _who: PeerProof,
        _finished: FinishedVerified,
    ) -> Self {
        Self { config, info, secrets, sends_last, resumption }
    }
}

/// What a session leaves for another connection.
#[derive(Debug)]
pub(crate) enum Resumption {
    /// The client's share, until its owner takes it.
    State(ResumptionState),
    /// Where the server has it, to be forgotten if the connection fails.
    Cached(Arc<dyn SessionCache>, [u8; SESSION_ID_LEN]),
}
