//! Several protocols on one socket: RFC 7983 as updated by RFC 9443.

/// What a datagram's first byte says it is, on a socket that carries more than DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// First byte 0 to 3 (RFC 8489).
    Stun,
    /// First byte 16 to 19 (RFC 6189).
    Zrtp,
    /// First byte 20 to 63: for [`Endpoint::receive`](crate::Endpoint::receive).
    Dtls,
    /// First byte 64 to 79: a TURN channel from a TURN server, and otherwise QUIC (RFC 9443 section 3).
    TurnChannel,
    /// First byte 128 to 191. QUIC's long headers begin so, too, where QUIC is used: RFC 9443 section 3 tells the two
    /// apart by what was agreed on beforehand.
    Rtp,
    /// First byte 80 to 127, or 192 to 255 (RFC 9443 section 3).
    Quic,
    /// No byte at all, or one that stands for nothing.
    Unknown,
}

impl Protocol {
    /// What this datagram is.
    #[must_use]
    pub const fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(0..=3) => Self::Stun,
            Some(16..=19) => Self::Zrtp,
            Some(20..=63) => Self::Dtls,
            Some(64..=79) => Self::TurnChannel,
            Some(128..=191) => Self::Rtp,
            Some(80..=127 | 192..=255) => Self::Quic,
            Some(4..=15) | None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_belongs_to_the_protocol_of_the_rfc() {
        let count = |protocol| (0..=255).filter(|byte| Protocol::of(&[*byte, 0]) == protocol).count();
        let protocols = [
            (Protocol::Stun, 4),
            (Protocol::Zrtp, 4),
            (Protocol::Dtls, 44),
            (Protocol::TurnChannel, 16),
            (Protocol::Rtp, 64),
            (Protocol::Quic, 112),
            (Protocol::Unknown, 12),
        ];
        for (protocol, expected) in protocols {
            assert_eq!(count(protocol), expected, "{protocol:?}");
        }
        assert_eq!(Protocol::of(&[]), Protocol::Unknown);
        for (byte, protocol) in
            [(20, Protocol::Dtls), (25, Protocol::Dtls), (63, Protocol::Dtls), (64, Protocol::TurnChannel)]
        {
            assert_eq!(Protocol::of(&[byte]), protocol);
        }
    }
}
