//! Which connection IDs we want to receive: RFC 9146 section 3.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::crypto::{CryptoError, SecureRandom};
use crate::wire::connection_id::ConnectionId;

/// Whether connection IDs are negotiated, and what peers are to put in their records for us.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ConnectionIdUse {
    /// They are not: a peer is where its address is.
    #[default]
    Off,
    /// A peer that wants an ID in what it receives gets it; we want none.
    PeersOnly,
    /// As before, and a peer that can is to put an ID of ours in what it sends.
    Ours(Arc<dyn MakeConnectionId>),
}

impl ConnectionIdUse {
    /// How many bytes our IDs have; 0 for none.
    #[must_use]
    pub fn id_len(&self) -> u8 {
        match self {
            Self::Off | Self::PeersOnly => 0,
            Self::Ours(maker) => maker.id_len(),
        }
    }

    /// The ID for a new connection, without bytes if we want none; `None` if there is nothing to negotiate.
    ///
    /// # Errors
    /// If the maker has failed.
    pub fn make(&self, random: &dyn SecureRandom) -> Result<Option<ConnectionId>, CryptoError> {
        match self {
            Self::Off => Ok(None),
            Self::PeersOnly => Ok(Some(ConnectionId::default())),
            Self::Ours(maker) => {
                let mut id = alloc::vec![0; usize::from(maker.id_len())];
                maker.make(random, &mut id)?;
                Ok(ConnectionId::new(&id))
            }
        }
    }

    /// Whether anything is negotiated.
    pub(crate) const fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// Makes connection IDs.
///
/// An ID is all that tells whose record it is, and stands in every record in the clear: it must differ from those of all
/// other connections of its socket, or its load balancer, and should tell an observer nothing.
pub trait MakeConnectionId: Send + Sync + fmt::Debug {
    /// How many bytes every ID has. Always the same: nothing in a record says how long its ID is.
    fn id_len(&self) -> u8;

    /// Fills `id`, which has [`id_len`](Self::id_len) bytes. Called once for each connection, and again where its owner
    /// has use for another; it must not block.
    ///
    /// # Errors
    /// If it cannot, for want of random bytes say. The connection is then not begun, or goes on without an ID of ours.
    fn make(&self, random: &dyn SecureRandom, id: &mut [u8]) -> Result<(), CryptoError>;
}

/// IDs of random bytes, behind some that tell a load balancer where to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RandomConnectionId {
    route: Vec<u8>,
    random: u8,
}

impl RandomConnectionId {
    /// IDs of `len` random bytes. Eight are enough for any number of connections; with 0 we want no ID.
    #[must_use]
    pub const fn new(len: u8) -> Self {
        Self { route: Vec::new(), random: len }
    }

    /// IDs that begin with `route`, followed by `random` random bytes; `None` if these are more than 255 together.
    /// Everybody on the path can read the route.
    #[must_use]
    pub fn behind(route: &[u8], random: u8) -> Option<Self> {
        let is_short = route.len() + usize::from(random) <= ConnectionId::MAX_LEN;
        is_short.then(|| Self { route: route.to_vec(), random })
    }
}

impl MakeConnectionId for RandomConnectionId {
    fn id_len(&self) -> u8 {
        u8::try_from(self.route.len()).unwrap_or(u8::MAX).saturating_add(self.random)
    }

    fn make(&self, random: &dyn SecureRandom, id: &mut [u8]) -> Result<(), CryptoError> {
        let (route, rest) = id.split_at_mut_checked(self.route.len()).ok_or(CryptoError)?;
        route.copy_from_slice(&self.route);
        random.fill(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing;

    #[test]
    fn ids_are_random_behind_their_route_and_all_of_one_length() {
        let provider = testing::providers().swap_remove(0);
        let maker = RandomConnectionId::behind(&[7, 8], 6).unwrap();
        assert_eq!(maker.id_len(), 8);
        let ids = ConnectionIdUse::Ours(Arc::new(maker));
        let [one, other] = [(); 2].map(|()| ids.make(&*provider.random).unwrap().unwrap());
        assert_eq!((one.len(), ids.id_len()), (8, 8));
        assert_eq!((&one.as_bytes()[..2], &other.as_bytes()[..2]), (&[7, 8][..], &[7, 8][..]));
        assert_ne!(one, other);
    }

    #[test]
    fn an_id_has_255_bytes_at_most_with_its_route() {
        assert_eq!(RandomConnectionId::behind(&[0; 200], 56), None);
        assert_eq!(RandomConnectionId::behind(&[0; 200], 55).unwrap().id_len(), 255);
        assert_eq!(RandomConnectionId::new(0).id_len(), 0);
    }

    #[test]
    fn without_a_maker_there_is_an_empty_id_or_none() {
        let provider = testing::providers().swap_remove(0);
        assert_eq!(ConnectionIdUse::Off.make(&*provider.random), Ok(None));
        assert_eq!(ConnectionIdUse::PeersOnly.make(&*provider.random), Ok(Some(ConnectionId::default())));
        let empty = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(0)));
        assert_eq!(empty.make(&*provider.random), Ok(Some(ConnectionId::default())));
    }
}
