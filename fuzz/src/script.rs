//! What a script says: who is under test, how both ends are configured, and what happens to them, step by step.
//!
//! Bytes are read one field after the other, so that a byte inserted or lost by the fuzzer changes one step and shifts
//! the rest; [`Script::to_bytes`] is the way back, for seeds. Any bytes are a script.
//!
//! ```text
//!   setup: 11 bytes | step: opcode, fields | step | ...
//! ```

use arbitrary::{Arbitrary, Result, Unstructured};
use dtls_core::Role;

/// A script against one end of an association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Who is under test and how both ends are configured.
    pub setup: Setup,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Script {
    /// More steps than this are not read: a script that goes on for long finds nothing that a short one does not.
    pub const MAX_STEPS: usize = 200;

    /// The bytes that are read as this script.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.setup.to_bytes().to_vec();
        for step in &self.steps {
            step.encode(&mut out);
        }
        out
    }
}

impl<'a> Arbitrary<'a> for Script {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let setup = Setup::read(u)?;
        let mut steps = Vec::new();
        while !u.is_empty() && steps.len() < Self::MAX_STEPS {
            steps.push(Step::read(u)?);
        }
        Ok(Self { setup, steps })
    }
}

/// Who is under test and how both ends are configured: numbers whose meaning is taken modulo what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// See [`Subject`].
    pub subject: u8,
    /// Bits of [`flags`].
    pub flags: u8,
    /// The cipher suite that the client prefers and, in bit 7, whether it offers no other.
    pub suite: u8,
    /// The extended master secret: the client's choice modulo 3, the server's in the rest modulo 3. What remains says who
    /// asks its owner: see [`Setup::asks`] and [`Setup::staples`].
    pub extended_master_secret: u8,
    /// What the server wants of clients, modulo 3. What remains is how both ends prove themselves, modulo 4: see [`Proof`];
    /// and what remains of that, who wants connection IDs: see [`Setup::ids`].
    pub client_authentication: u8,
    /// Bits of [`offers`].
    pub offers: u8,
    /// The length of the server's and of the client's certificate beyond the least, in units of 64 bytes.
    pub padding: [u8; 2],
    /// The MTU of the end under test, and in units of 64 bytes that of its peer.
    pub mtu: u16,
    /// See [`Setup::mtu`].
    pub peer_mtu: u8,
}

/// The end under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A client; its peer is a server behind a cookie jar.
    Client,
    /// A server behind a cookie jar.
    ServerBehindCookies,
    /// A server on a trusted path.
    ServerOnTrustedPath,
}

/// How the two ends prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By certificates.
    Certificates,
    /// By keys without certificates.
    RawPublicKeys,
    /// By a key that both have, where the server has nothing else.
    PresharedKey,
    /// The same, where the server has certificates as well.
    PresharedKeyBesideCertificates,
}

impl Proof {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] =
        [Self::Certificates, Self::RawPublicKeys, Self::PresharedKey, Self::PresharedKeyBesideCertificates];

    /// Whether it is a key that both have.
    #[must_use]
    pub const fn is_preshared(self) -> bool {
        matches!(self, Self::PresharedKey | Self::PresharedKeyBesideCertificates)
    }
}

/// What an end makes of connection IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Nothing.
    Off,
    /// It sends those of its peer.
    PeersOnly,
    /// It wants some as well.
    Ours,
}

/// The bits of [`Setup::flags`].
pub mod flags {
    /// Every hash is the same.
    pub const CONSTANT_HASH: u8 = 1;
    /// The client has an identity.
    pub const CLIENT_IDENTITY: u8 = 2;
    /// The end under test trusts nobody.
    pub const TRUST_NOBODY: u8 = 4;
    /// The timers of WebRTC at both ends.
    pub const WEBRTC: u8 = 8;
    /// The client goes on without renegotiation_info.
    pub const TOLERATE_NO_RENEGOTIATION_INFO: u8 = 16;
    /// No fault is forgiven at the end under test.
    pub const NO_FAULTS: u8 = 32;
    /// The client asks for a name.
    pub const SERVER_NAME: u8 = 64;
    /// The server's certificate holds an RSA key as well.
    pub const RSA: u8 = 128;
}

/// The bits of [`Setup::offers`].
pub mod offers {
    /// The client offers application protocols.
    pub const CLIENT_ALPN: u8 = 1;
    /// The server knows application protocols.
    pub const SERVER_ALPN: u8 = 2;
    /// The server's application protocols are none of the client's.
    pub const OTHER_ALPN: u8 = 4;
    /// The client offers SRTP.
    pub const CLIENT_SRTP: u8 = 8;
    /// The server knows SRTP.
    pub const SERVER_SRTP: u8 = 16;
    /// The client has an MKI.
    pub const CLIENT_MKI: u8 = 32;
    /// The server has the same MKI.
    pub const SERVER_MKI: u8 = 64;
    /// The server has one group only, the client's last.
    pub const ONE_GROUP: u8 = 128;
}

impl Setup {
    /// The bytes it is read from.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 11] {
        let [mtu_0, mtu_1] = self.mtu.to_le_bytes();
        let [server, client] = self.padding;
        [
            self.subject,
            self.flags,
            self.suite,
            self.extended_master_secret,
            self.client_authentication,
            self.offers,
            server,
            client,
            mtu_0,
            mtu_1,
            self.peer_mtu,
        ]
    }

    pub(crate) fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self {
            subject: u.arbitrary()?,
            flags: u.arbitrary()?,
            suite: u.arbitrary()?,
            extended_master_secret: u.arbitrary()?,
            client_authentication: u.arbitrary()?,
            offers: u.arbitrary()?,
            padding: [u.arbitrary()?, u.arbitrary()?],
            mtu: u.arbitrary()?,
            peer_mtu: u.arbitrary()?,
        })
    }

    /// The same with certificates, and with owners who decide at once.
    #[must_use]
    pub const fn of_certificates(self) -> Self {
        let (client_authentication, extended_master_secret) =
            (self.client_authentication % 3, self.extended_master_secret % 9);
        Self { client_authentication, extended_master_secret, ..self }
    }

    /// How the two ends prove themselves.
    #[must_use]
    pub const fn proof(&self) -> Proof {
        match self.client_authentication / 3 % 4 {
            0 => Proof::Certificates,
            1 => Proof::RawPublicKeys,
            2 => Proof::PresharedKey,
            _ => Proof::PresharedKeyBesideCertificates,
        }
    }

    /// What the end of this role makes of connection IDs: the end under test in what is left modulo 3, its peer in the rest.
    #[must_use]
    pub const fn ids(&self, role: Role) -> Ids {
        let numbers = self.client_authentication / 12;
        let is_client = matches!(role, Role::Client);
        let is_subject = is_client == matches!(self.subject(), Subject::Client);
        match (if is_subject { numbers } else { numbers / 3 }) % 3 {
            0 => Ids::Off,
            1 => Ids::PeersOnly,
            _ => Ids::Ours,
        }
    }

    /// Whether the end of this role leaves every decision to its owner: bit 0 for the end under test, bit 1 for its peer.
    #[must_use]
    pub const fn asks(&self, role: Role) -> bool {
        let is_client = matches!(role, Role::Client);
        let is_subject = is_client == matches!(self.subject(), Subject::Client);
        (self.extended_master_secret / 9) >> (if is_subject { 0 } else { 1 }) & 1 == 1
    }

    /// Whether the client wants to see what OCSP says, and the server shows something: bit 2.
    #[must_use]
    pub const fn staples(&self) -> bool {
        (self.extended_master_secret / 9) >> 2 & 1 == 1
    }

    /// Whether a bit of [`flags`] is set.
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a bit of [`offers`] is set.
    #[must_use]
    pub const fn offers(&self, offer: u8) -> bool {
        self.offers & offer != 0
    }

    /// The end under test.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        match self.subject % 3 {
            0 => Subject::Client,
            1 => Subject::ServerBehindCookies,
            _ => Subject::ServerOnTrustedPath,
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// These bytes arrive at the end under test.
    Datagram(Vec<u8>),
    /// A record of these parts arrives at the end under test.
    ForgedRecord(ForgedRecord),
    /// A handshake fragment arrives, in a record of its own.
    HandshakeFragment(ForgedFragment),
    /// A well-formed handshake message of odd content arrives.
    ForgedMessage(ForgedMessage),
    /// Everything that the end under test has sent reaches the honest peer; what that answers comes back like this.
    PeerFlight(Mangle),
    /// A datagram that the peer sent earlier arrives, changed like this.
    Replay {
        /// Which, counted from the last.
        back: u8,
        /// How it is changed.
        mangle: Mangle,
    },
    /// What the end under test has sent reaches its peer, without what the peer answers. Bit i loses datagram i.
    ToPeer {
        /// What is lost.
        lost: u8,
        /// Whether each comes twice.
        twice: bool,
    },
    /// Time goes on to the deadline of the end under test, which is told.
    Timeout,
    /// The end under test is told the time, early or late.
    Tick,
    /// Time goes on to the peer's deadline, which is told.
    PeerTimeout,
    /// Milliseconds go by, and nobody is told.
    Advance(u16),
    /// Everything that the end under test wants to send is taken.
    Poll,
    /// One datagram of it is taken.
    PollOne,
    /// What has been taken is lost.
    Lose,
    /// The end under test sends application data.
    Send {
        /// How much.
        len: u16,
        /// Whether with `seal_in_place`.
        in_place: bool,
    },
    /// The peer sends application data, which arrives.
    PeerSend(u16),
    /// The MTU of the end under test changes.
    SetMtu(u16),
    /// The end under test learns a round-trip time in milliseconds.
    RoundTripHint(u16),
    /// The end under test closes.
    Close,
    /// The end under test aborts.
    Abort,
    /// The peer closes, and its alert arrives.
    PeerClose,
    /// The owner of the end under test answers, whether it was asked or not: see [`AnswerKind`].
    Answer(u8),
}

/// What an owner answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// What lets the handshake go on.
    Right,
    /// No.
    No,
    /// An answer to another question.
    Misplaced,
    /// That there will be none.
    Failed,
}

impl AnswerKind {
    /// The kind with this number: mostly the right one.
    #[must_use]
    pub const fn of(number: u8) -> Self {
        match number % 8 {
            5 => Self::No,
            6 => Self::Misplaced,
            7 => Self::Failed,
            _ => Self::Right,
        }
    }
}

/// The parts of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgedRecord {
    /// The content type; the four known ones are the small numbers.
    pub typ: u8,
    /// The version, modulo 4: DTLS 1.2, 1.2, 1.0, something else.
    pub version: u8,
    /// The epoch, modulo 4: 0, 1, 1 with a wrong tag, 2. Bit 2 puts the connection ID of the end under test in front.
    pub epoch: u8,
    /// The number: itself if small, near 2^48 if large.
    pub number: u16,
    /// The plaintext.
    pub body: Vec<u8>,
}

/// The parts of a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgedFragment {
    /// See [`ForgedRecord::epoch`].
    pub epoch: u8,
    /// The number of its record.
    pub number: u16,
    /// The message type.
    pub typ: u8,
    /// The length of the message beyond the end of this fragment: 0 if this is its end.
    pub beyond: u16,
    /// The number of the message.
    pub seq: u8,
    /// Where in the message it begins.
    pub offset: u16,
    /// What it carries.
    pub body: Vec<u8>,
}

/// A message built by the encoders of `wire`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgedMessage {
    /// See [`ForgedRecord::epoch`].
    pub epoch: u8,
    /// Which message, modulo the number of kinds.
    pub kind: u8,
    /// The number of the message.
    pub seq: u8,
    /// Choices within it.
    pub bits: u16,
    /// Cookie, protocol name, certificate, or whatever else has bytes.
    pub extra: Vec<u8>,
}

/// What the network does to the datagrams of one flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mangle {
    /// Nothing.
    #[default]
    Nothing,
    /// Loses datagram i for bit i.
    Drop(u8),
    /// Brings datagram i twice for bit i.
    Duplicate(u8),
    /// Brings the last first.
    Reverse,
    /// Cuts one short.
    Truncate {
        /// Which.
        index: u8,
        /// To how many bytes, modulo its length.
        len: u16,
    },
    /// Changes a bit of one.
    Flip {
        /// Which.
        index: u8,
        /// Which bit, modulo what it has.
        bit: u16,
    },
    /// Brings all in one datagram.
    Join,
}

impl Mangle {
    /// Whether it is what an honest network does.
    #[must_use]
    pub const fn is_honest(self) -> bool {
        !matches!(self, Self::Truncate { .. } | Self::Flip { .. })
    }

    pub(crate) fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.arbitrary::<u8>()? % 7 {
            0 => Self::Nothing,
            1 => Self::Drop(u.arbitrary()?),
            2 => Self::Duplicate(u.arbitrary()?),
            3 => Self::Reverse,
            4 => Self::Truncate { index: u.arbitrary()?, len: u.arbitrary()? },
            5 => Self::Flip { index: u.arbitrary()?, bit: u.arbitrary()? },
            _ => Self::Join,
        })
    }

    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => out.push(0),
            Self::Drop(mask) => out.extend([1, mask]),
            Self::Duplicate(mask) => out.extend([2, mask]),
            Self::Reverse => out.push(3),
            Self::Truncate { index, len } => {
                out.extend([4, index]);
                out.extend(len.to_le_bytes());
            }
            Self::Flip { index, bit } => {
                out.extend([5, index]);
                out.extend(bit.to_le_bytes());
            }
            Self::Join => out.push(6),
        }
    }
}

impl ForgedRecord {
    pub(crate) fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self {
            typ: u.arbitrary()?,
            version: u.arbitrary()?,
            epoch: u.arbitrary()?,
            number: u.arbitrary()?,
            body: bytes(u)?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.typ, self.version, self.epoch]);
        out.extend(self.number.to_le_bytes());
        put_bytes(out, &self.body);
    }
}

impl ForgedMessage {
    pub(crate) fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self {
            epoch: u.arbitrary()?,
            kind: u.arbitrary()?,
            seq: u.arbitrary()?,
            bits: u.arbitrary()?,
            extra: bytes(u)?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.epoch, self.kind, self.seq]);
        out.extend(self.bits.to_le_bytes());
        put_bytes(out, &self.extra);
    }
}

impl Step {
    fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.arbitrary::<u8>()? % 24 {
            0 => Self::Datagram(bytes(u)?),
            1 => Self::ForgedRecord(ForgedRecord::read(u)?),
            2 => Self::HandshakeFragment(ForgedFragment {
                epoch: u.arbitrary()?,
                number: u.arbitrary()?,
                typ: u.arbitrary()?,
                beyond: u.arbitrary()?,
                seq: u.arbitrary()?,
                offset: u.arbitrary()?,
                body: bytes(u)?,
            }),
            3 => Self::ForgedMessage(ForgedMessage::read(u)?),
            // The step that leads deepest gets more than its share.
            4 | 21 | 22 => Self::PeerFlight(Mangle::read(u)?),
            5 => Self::Replay { back: u.arbitrary()?, mangle: Mangle::read(u)? },
            6 => Self::ToPeer { lost: u.arbitrary()?, twice: u.arbitrary::<u8>()? & 1 == 1 },
            7 => Self::Timeout,
            8 => Self::Tick,
            9 => Self::PeerTimeout,
            10 => Self::Advance(u.arbitrary()?),
            11 => Self::Poll,
            12 => Self::PollOne,
            13 => Self::Lose,
            14 => Self::Send { len: u.arbitrary()?, in_place: u.arbitrary::<u8>()? & 1 == 1 },
            15 => Self::PeerSend(u.arbitrary()?),
            16 => Self::SetMtu(u.arbitrary()?),
            17 => Self::RoundTripHint(u.arbitrary()?),
            18 => Self::Close,
            19 => Self::Abort,
            20 => Self::PeerClose,
            _ => Self::Answer(u.arbitrary()?),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Datagram(body) => {
                out.push(0);
                put_bytes(out, body);
            }
            Self::ForgedRecord(record) => {
                out.push(1);
                record.encode(out);
            }
            Self::HandshakeFragment(fragment) => {
                out.extend([2, fragment.epoch]);
                out.extend(fragment.number.to_le_bytes());
                out.push(fragment.typ);
                out.extend(fragment.beyond.to_le_bytes());
                out.push(fragment.seq);
                out.extend(fragment.offset.to_le_bytes());
                put_bytes(out, &fragment.body);
            }
            Self::ForgedMessage(message) => {
                out.push(3);
                message.encode(out);
            }
            Self::PeerFlight(mangle) => {
                out.push(4);
                mangle.encode(out);
            }
            Self::Replay { back, mangle } => {
                out.extend([5, *back]);
                mangle.encode(out);
            }
            Self::ToPeer { lost, twice } => out.extend([6, *lost, u8::from(*twice)]),
            Self::Timeout => out.push(7),
            Self::Tick => out.push(8),
            Self::PeerTimeout => out.push(9),
            Self::Advance(millis) => put_u16(out, 10, *millis),
            Self::Poll => out.push(11),
            Self::PollOne => out.push(12),
            Self::Lose => out.push(13),
            Self::Send { len, in_place } => {
                put_u16(out, 14, *len);
                out.push(u8::from(*in_place));
            }
            Self::PeerSend(len) => put_u16(out, 15, *len),
            Self::SetMtu(mtu) => put_u16(out, 16, *mtu),
            Self::RoundTripHint(millis) => put_u16(out, 17, *millis),
            Self::Close => out.push(18),
            Self::Abort => out.push(19),
            Self::PeerClose => out.push(20),
            Self::Answer(kind) => out.extend([23, *kind]),
        }
    }
}

pub(crate) fn put_u16(out: &mut Vec<u8>, opcode: u8, value: u16) {
    out.push(opcode);
    out.extend(value.to_le_bytes());
}

/// Bytes behind their length in two bytes; what is left if that is less.
pub(crate) fn bytes(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let len = usize::from(u.arbitrary::<u16>()?);
    Ok(u.bytes(len.min(u.len()))?.to_vec())
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}
