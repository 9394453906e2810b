//! How long a record looks: the zeros of RFC 9146 section 4, advice in RFC 8446 section 5.4.

use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroU16;

use crate::wire::enums::ContentType;

/// How records are made longer than what they carry, so that lengths tell less. Only records with a connection ID can
/// be, that is, those for a peer that has given us one.
///
/// Padding never makes a record too long for the MTU or for the peer: near those limits there is less of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Padding {
    /// They are not.
    #[default]
    None,
    /// What is encrypted is a multiple of so many bytes, a byte for the content type included.
    ToMultipleOf(NonZeroU16),
    /// By as many zeros as this says.
    By(Arc<dyn ChoosePadding>),
}

/// Says how much padding a record gets.
pub trait ChoosePadding: Send + Sync + fmt::Debug {
    /// How many zeros to put behind `len` bytes of this type. Called for each record; it must not block.
    fn zeros(&self, content_type: ContentType, len: usize) -> usize;
}

impl Padding {
    /// How many zeros stand behind `len` bytes of content where there is room for `room`.
    pub(super) fn zeros(&self, content_type: ContentType, len: usize, room: usize) -> usize {
        let zeros = match self {
            Self::None => 0,
            Self::ToMultipleOf(multiple) => {
                let multiple = usize::from(multiple.get());
                (len + 1).next_multiple_of(multiple) - (len + 1)
            }
            Self::By(chooser) => chooser.zeros(content_type, len),
        };
        zeros.min(room)
    }

    /// The most zeros that any record gets where there is room for `room`.
    pub(super) fn most_zeros(&self, room: usize) -> usize {
        match self {
            Self::None => 0,
            Self::ToMultipleOf(multiple) => usize::from(multiple.get() - 1).min(room),
            Self::By(_) => room,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct AsLong;

    impl ChoosePadding for AsLong {
        fn zeros(&self, content_type: ContentType, len: usize) -> usize {
            if content_type == ContentType::ALERT { 0 } else { len }
        }
    }

    #[test]
    fn content_type_and_zeros_fill_a_multiple() {
        let padding = Padding::ToMultipleOf(NonZeroU16::new(16).unwrap());
        for (len, zeros) in [(0, 15), (1, 14), (14, 1), (15, 0), (16, 15), (31, 0)] {
            assert_eq!(padding.zeros(ContentType::ALERT, len, 1000), zeros, "{len} bytes");
        }
        assert_eq!(padding.most_zeros(1000), 15);
        let one = Padding::ToMultipleOf(NonZeroU16::new(1).unwrap());
        assert_eq!((one.zeros(ContentType::ALERT, 7, 1000), one.most_zeros(1000)), (0, 0));
    }

    #[test]
    fn padding_is_no_longer_than_its_room() {
        let multiple = Padding::ToMultipleOf(NonZeroU16::MAX);
        let by = Padding::By(Arc::new(AsLong));
        for padding in [&multiple, &by] {
            assert_eq!(padding.zeros(ContentType::APPLICATION_DATA, 100, 7), 7);
            assert_eq!(padding.most_zeros(7), 7);
        }
        assert_eq!(by.zeros(ContentType::APPLICATION_DATA, 5, 7), 5);
        assert_eq!(by.zeros(ContentType::ALERT, 5, 7), 0);
        assert_eq!((Padding::None.zeros(ContentType::ALERT, 5, 7), Padding::None.most_zeros(7)), (0, 0));
    }
}
