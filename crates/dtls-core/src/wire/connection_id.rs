//! What names a connection in the records that one end receives: RFC 9146 section 3.

use alloc::boxed::Box;
use core::borrow::Borrow;
use core::fmt;

/// A connection ID: what one end wants to find in protected records, whatever address they come from.
///
/// One without bytes says that its end wants none. Everybody on the path can read it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(Box<[u8]>);

impl ConnectionId {
    /// The most bytes that an ID can have.
    pub const MAX_LEN: usize = 255;

    /// An ID of these bytes; `None` if they are more than [`MAX_LEN`](Self::MAX_LEN).
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() <= Self::MAX_LEN { Some(Self(bytes.into())) } else { None }
    }

    /// The bytes, as they stand on the wire.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it has.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no bytes, and so is never written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// So that a map of IDs can be asked with the bytes of a datagram.
impl Borrow<[u8]> for ConnectionId {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// In hexadecimal.
impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionId(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::format;

    #[test]
    fn an_id_has_255_bytes_at_most() {
        assert_eq!(ConnectionId::new(&[7; 255]).unwrap().as_bytes(), [7; 255]);
        assert_eq!(ConnectionId::new(&[7; 256]), None);
        assert!(ConnectionId::new(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_map_of_ids_can_be_asked_with_bytes() {
        let map = BTreeMap::from([(ConnectionId::new(&[1, 2]).unwrap(), 'a')]);
        assert_eq!(map.get(&[1, 2][..]), Some(&'a'));
    }

    #[test]
    fn an_id_is_printed_in_hexadecimal() {
        assert_eq!(format!("{:?}", ConnectionId::new(&[0, 0xab]).unwrap()), "ConnectionId(00ab)");
    }
}
