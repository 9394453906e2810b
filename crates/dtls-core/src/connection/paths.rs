//! Whether a path leads to the peer, and how long its datagrams may be: RFC 9853, with ideas of RFC 8899.
//!
//! ```text
//!   challenge_path, probe_mtu ─▶ path_challenge ─▶ the peer ─▶ path_response | path_drop ─▶ poll_path_answer
//!   the peer's path_challenge ─▶ poll_path_reply, or poll_transmit ─▶ path_response | path_drop
//! ```
//!
//! A connection knows no addresses. Where a challenge goes, how long its answer is waited for and where that must come
//! from is for the owner, who knows them: `dtls-endpoint` does all of it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Connection, Phase, SendError};
use crate::crypto::CryptoProvider;
use crate::discard::Discard;
use crate::record::SealFault;
use crate::wire::codec::{Decode as _, Encode as _};
use crate::wire::enums::ContentType;
use crate::wire::path::{PathCookie, PathMessage};
use crate::wire::record::Epoch;

/// What an established connection knows of challenges, those of either end. All of it is bounded.
pub(super) struct Paths {
    /// Makes the cookies.
    provider: Arc<CryptoProvider>,
    /// Challenges of ours that are neither answered nor forgotten, the newest last.
    sent: Vec<Sent>,
    /// Answers that the owner has not taken.
    answers: Vec<PathAnswer>,
    /// Our answers to the peer, in the order of its challenges.
    replies: Vec<PathMessage<'static>>,
    /// Where what arrives is coming from now.
    arrives_on: Path,
}

impl Paths {
    /// As many challenges of ours may be under way at a time; the oldest has to go for one more.
    const SENT_MAX: usize = 8;
    /// As many of the peer's wait to be answered at most. One that is answered before the next datagram is read never comes
    /// near it.
    const REPLIES_MAX: usize = 32;
    /// The most bytes of the heap that it takes.
    pub(super) const HELD_MAX: usize = size_of::<Self>()
        + Self::SENT_MAX * (size_of::<Sent>() + size_of::<PathAnswer>())
        + Self::REPLIES_MAX * size_of::<PathMessage<'static>>();

    pub(super) const fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, sent: Vec::new(), answers: Vec::new(), replies: Vec::new(), arrives_on: Path::Preferred }
    }

    /// Whether there is an answer of either end to be taken.
    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty() || !self.replies.is_empty()
    }

    /// Takes note of a challenge that is under way.
    fn remember(&mut self, sent: Sent) {
        if self.sent.len() == Self::SENT_MAX {
            self.sent.remove(0);
        }
        self.sent.push(sent);
    }

    /// RFC 9853 section 5.4: what answers no challenge has no effect. One that was answered is not answered again.
    fn on_answer(&mut self, answer: PathAnswer) -> Result<Option<u16>, Discard> {
        let at = self.sent.iter().position(|sent| sent.cookie == answer.cookie());
        let sent = self.sent.remove(at.ok_or(Discard::UnusablePathMessage)?);
        if self.answers.len() == Self::SENT_MAX {
            self.answers.remove(0);
        }
        self.answers.push(answer);
        Ok(sent.probed.filter(|_| matches!(answer, PathAnswer::Response(_))))
    }

    /// RFC 9853 section 5.4: every challenge is answered, once.
    fn on_challenge(&mut self, cookie: PathCookie) -> Result<(), Discard> {
        if self.replies.len() == Self::REPLIES_MAX {
            return Err(Discard::UnusablePathMessage);
        }
        self.replies.push(match self.arrives_on {
            Path::Preferred => PathMessage::Response(cookie),
            Path::Left => PathMessage::Drop(cookie),
        });
        Ok(())
    }
}

/// A challenge that is under way.
struct Sent {
    cookie: PathCookie,
    /// How long its datagram was, if that is the question.
    probed: Option<u16>,
}

/// A path, as far as we have a say in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// We send on it, or would if the peer wanted.
    Preferred,
    /// We have left it of our own accord for another (RFC 9853 section 5.2).
    Left,
}

/// What the peer said to a challenge of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathAnswer {
    /// It has received the challenge with this cookie.
    Response(PathCookie),
    /// It has, and has left the path on which it did.
    Drop(PathCookie),
}

impl PathAnswer {
    /// Which challenge it answers.
    #[must_use]
    pub const fn cookie(&self) -> PathCookie {
        match self {
            Self::Response(cookie) | Self::Drop(cookie) => *cookie,
        }
    }
}

// --- asking ---

impl Connection {
    /// How many bytes the datagram of a [`challenge_path`](Self::challenge_path) has. Never any padding: an address that has
    /// shown nothing may get no more than three times what came from it (RFC 9853 section 5).
    #[must_use]
    pub fn path_challenge_len(&self) -> usize {
        self.outbound.overhead(Epoch::ONE) + 1 + PathCookie::LEN
    }

    /// Appends a path_challenge with fresh random bytes to `out`: a datagram for the path that is in question, and what its
    /// answer is known by. The answer comes with [`poll_path_answer`](Self::poll_path_answer), or never: nothing repeats
    /// a challenge, and of more than eight that are under way the oldest is forgotten.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::NotNegotiated`] if [`SessionInfo::path_checks`](crate::SessionInfo) says so.
    pub fn challenge_path(&mut self, out: &mut Vec<u8>) -> Result<PathCookie, SendError> {
        self.challenge(None, out)
    }

    /// Like [`challenge_path`](Self::challenge_path), in a datagram of exactly `len` bytes, whatever the MTU is: if the peer
    /// answers that it came, the MTU is at least as large from then on. Only for peers that have given us a connection
    /// ID, since other records cannot be made longer.
    ///
    /// Silence proves nothing: the datagram or its answer may have been lost for another reason. Ask again, two or three
    /// times, before you take a length for too long (RFC 8899 section 5.1.2): [`MtuSearch`](crate::MtuSearch) does.
    ///
    /// # Errors
    /// As `challenge_path`; [`SendError::NotNegotiated`] also without an ID of the peer's; [`SendError::NoSuchLength`] if
    /// no record is as short or as long.
    pub fn probe_mtu(&mut self, len: usize, out: &mut Vec<u8>) -> Result<PathCookie, SendError> {
        let len = u16::try_from(len).map_err(|_| SendError::NoSuchLength)?;
        self.challenge(Some(len), out)
    }

    fn challenge(&mut self, probed: Option<u16>, out: &mut Vec<u8>) -> Result<PathCookie, SendError> {
        let paths = self.paths()?;
        let mut cookie = PathCookie([0; PathCookie::LEN]);
        paths.provider.random.fill(&mut cookie.0).map_err(|_| SendError::CryptoFailed)?;
        self.write_path_message(&PathMessage::Challenge(cookie), probed, out)?;
        self.paths()?.remember(Sent { cookie, probed });
        Ok(cookie)
    }

    /// What the peer has said to a challenge of ours, each answer once; `None` when there is nothing new. Ask after every
    /// datagram, by whose source you know where the answer came from.
    pub fn poll_path_answer(&mut self) -> Option<PathAnswer> {
        let answers = &mut self.paths().ok()?.answers;
        (!answers.is_empty()).then(|| answers.remove(0))
    }

    /// A challenge whose time is over: an answer to it that is still to come is none.
    pub fn forget_challenge(&mut self, cookie: PathCookie) {
        if let Ok(paths) = self.paths() {
            paths.sent.retain(|sent| sent.cookie != cookie);
            paths.answers.retain(|answer| answer.cookie() != cookie);
        }
    }

    fn paths(&mut self) -> Result<&mut Paths, SendError> {
        match &mut self.phase {
            Phase::Established(established) => established.paths.as_deref_mut().ok_or(SendError::NotNegotiated),
            Phase::Handshaking(_) => Err(SendError::NotConnected),
            Phase::Closed(_) | Phase::Over => Err(SendError::Closed),
        }
    }
}

// --- answering ---

impl Connection {
    /// Says what the path is on which the datagrams arrive that are given to [`receive`](Self::receive) from now on. Who has
    /// one path never needs it; who has left one for another says [`Path::Left`] before a datagram that arrives on the
    /// old one, and the peer then learns that we did so on purpose.
    pub fn set_path(&mut self, path: Path) {
        if let Ok(paths) = self.paths() {
            paths.arrives_on = path;
        }
    }

    /// Appends the answer to a challenge of the peer's to `out`: a datagram for where the challenge came from (RFC 9853
    /// section 5.4). Returns whether there was one. [`poll_transmit`](Self::poll_transmit) has these, too: only who has
    /// several addresses for a peer asks here, after every datagram and before that.
    #[must_use = "whether there is a datagram to send"]
    pub fn poll_path_reply(&mut self, out: &mut Vec<u8>) -> bool {
        let Ok(paths) = self.paths() else { return false };
        if paths.replies.is_empty() {
            return false;
        }
        let reply = paths.replies.remove(0);
        self.write_path_message(&reply, None, out).is_ok()
    }

    /// A message about a path: only under the keys of a session that has agreed on them, and never in the clear.
    #[inline(never)]
    pub(super) fn on_path_message(&mut self, epoch: Epoch, payload: &[u8]) {
        let outcome = match &mut self.phase {
            Phase::Established(established) if epoch == Epoch::ONE => match &mut established.paths {
                Some(paths) => match PathMessage::decode_all(payload) {
                    Ok(PathMessage::Challenge(cookie)) => paths.on_challenge(cookie).map(|()| None),
                    Ok(PathMessage::Response(cookie)) => paths.on_answer(PathAnswer::Response(cookie)),
                    Ok(PathMessage::Drop(cookie)) => paths.on_answer(PathAnswer::Drop(cookie)),
                    // RFC 9853 section 4: messages that are not known do no harm.
                    Ok(PathMessage::Unknown { .. }) | Err(_) => Err(Discard::UnusablePathMessage),
                },
                None => Err(Discard::UnexpectedContentType),
            },
            _ => Err(Discard::UnexpectedContentType),
        };
        match outcome {
            Ok(Some(len)) => self.mtu.on_probe_answered(len),
            Ok(None) => {}
            Err(cause) => self.stats.count_discard(cause),
        }
    }

    /// Seals one message, in a record that makes a datagram of `len` bytes or is as short as can be.
    fn write_path_message(
        &mut self,
        message: &PathMessage<'_>,
        len: Option<u16>,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        let start = out.len();
        let (content_type, payload) = (ContentType::RETURN_ROUTABILITY_CHECK, message.to_vec());
        let written = match len {
            None => self.outbound.write(Epoch::ONE, content_type, &[&payload], payload.len(), out),
            Some(len) => self.outbound.write_to_len(content_type, &payload, usize::from(len), out),
        };
        self.sealed(written, out.len() - start)
    }
}

// --- records of a certain length ---

impl Connection {
    /// Like [`send`](Self::send), in a datagram of exactly `len` bytes, whatever the MTU and the padding of the configuration
    /// are: for owners whose application answers, and who want to know how long a datagram may be of a peer that does not
    /// check paths. What comes of it only the application learns; [`set_mtu`](Self::set_mtu) takes what it has learned.
    ///
    /// Only for peers that have given us a connection ID. For others the payload itself has to be long: set the MTU, and send
    /// [`max_payload`](Self::max_payload) bytes of something that is answered.
    ///
    /// # Errors
    /// As `send`, but for the MTU; [`SendError::NotNegotiated`] without an ID of the peer's; [`SendError::NoSuchLength`]
    /// if no record with this payload is as short or as long.
    pub fn send_padded(&mut self, payload: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), SendError> {
        match self.phase {
            Phase::Established(_) => {}
            Phase::Handshaking(_) => return Err(SendError::NotConnected),
            Phase::Closed(_) | Phase::Over => return Err(SendError::Closed),
        }
        let start = out.len();
        let written = self.outbound.write_to_len(ContentType::APPLICATION_DATA, payload, len, out);
        self.sent_application_data(written, out.len() - start)
    }

    /// Counts what was written besides application data, and ends the connection where nothing more may be.
    fn sealed(&mut self, written: Result<(), SealFault>, len: usize) -> Result<(), SendError> {
        if written.is_ok() {
            self.count_sent(len);
        }
        self.check_sealed(written)
    }
}
