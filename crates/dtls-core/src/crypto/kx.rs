//! Ephemeral key exchange: RFC 8422 sections 5.4, 5.7, 5.10 and 5.11.

use alloc::boxed::Box;
use core::fmt;

use super::secrets::PreMasterSecret;
use super::{CryptoError, SecureRandom};
use crate::wire::enums::NamedGroup;

/// A group to exchange keys in.
pub trait KxGroup: Send + Sync {
    /// Its number on the wire.
    fn name(&self) -> NamedGroup;

    /// Bytes in a share: an uncompressed point, or 32 for X25519.
    fn public_key_len(&self) -> usize;

    /// Makes a fresh key for one exchange.
    ///
    /// `random` is where the key should come from. A library that insists on a source of its own, as ring and AWS-LC
    /// do, leaves it alone.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError>;
}

/// A key for one exchange: it can be used once and then is gone.
pub trait KeyExchange: Send + Sync {
    /// Our share, to be sent to the peer.
    fn public_key(&self) -> &[u8];

    /// Combines our key with the peer's share: the x coordinate of the product, leading zeros kept (RFC 8422 section
    /// 5.10).
    ///
    /// # Errors
    ///
    /// If `peer` is not a share: wrong length, another encoding than the uncompressed one, a point that is not on
    /// the curve, or, for X25519, one that makes the result all zeros (RFC 8422 section 5.11). All mean
    /// `illegal_parameter`.
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<PreMasterSecret, CryptoError>;
}

impl fmt::Debug for dyn KeyExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyExchange([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::CryptoProvider;
    use crate::crypto::testing::{providers, unhex};
    use alloc::vec;
    use alloc::vec::Vec;

    fn start(provider: &CryptoProvider, name: NamedGroup) -> Box<dyn KeyExchange> {
        provider.group(name).unwrap().start(provider.random.as_ref()).unwrap()
    }

    fn refused(provider: &CryptoProvider, name: NamedGroup, peer: &[u8]) -> bool {
        start(provider, name).complete(peer).is_err()
    }

    #[test]
    fn any_two_providers_agree_in_every_group() {
        for ours in providers() {
            for theirs in providers() {
                for group in &ours.groups {
                    let (our_key, their_key) = (start(&ours, group.name()), start(&theirs, group.name()));
                    let (our_share, their_share) = (our_key.public_key().to_vec(), their_key.public_key().to_vec());
                    assert_eq!(our_share.len(), group.public_key_len());
                    let our_secret = our_key.complete(&their_share).unwrap();
                    assert_eq!(our_secret.as_bytes(), their_key.complete(&our_share).unwrap().as_bytes());
                }
            }
        }
    }

    #[test]
    fn every_exchange_has_a_fresh_key() {
        for provider in providers() {
            for group in &provider.groups {
                let first = start(&provider, group.name());
                assert_ne!(first.public_key(), start(&provider, group.name()).public_key());
            }
        }
    }

    #[test]
    fn points_that_are_not_on_the_curve_are_refused() {
        for provider in providers() {
            for (group, field) in [(NamedGroup::SECP256R1, P256_FIELD), (NamedGroup::SECP384R1, P384_FIELD)] {
                let share = start(&provider, group).public_key().to_vec();
                assert!(!refused(&provider, group, &share));
                let coordinate = share.len() / 2;

                let mut y_plus_one = share.clone();
                *y_plus_one.last_mut().unwrap() ^= 1;
                assert!(refused(&provider, group, &y_plus_one));

                let mut zeros = vec![0; share.len()];
                zeros[0] = 4;
                assert!(refused(&provider, group, &zeros));

                let mut x_is_the_prime = share.clone();
                x_is_the_prime[1..=coordinate].copy_from_slice(&unhex(field));
                assert!(refused(&provider, group, &x_is_the_prime));

                let mut y_is_the_prime = share.clone();
                y_is_the_prime[1 + coordinate..].copy_from_slice(&unhex(field));
                assert!(refused(&provider, group, &y_is_the_prime));
            }
        }
    }

    #[test]
    fn only_uncompressed_points_of_exact_length_are_taken() {
        for provider in providers() {
            for group in [NamedGroup::SECP256R1, NamedGroup::SECP384R1] {
                let share = start(&provider, group).public_key().to_vec();
                let coordinate = share.len() / 2;
                let parity = share.last().unwrap() & 1;

                let compressed: Vec<u8> = [&[2 + parity], &share[1..=coordinate]].concat();
                assert!(refused(&provider, group, &compressed), "compressed");
                let mut hybrid = share.clone();
                hybrid[0] = 6 + parity;
                assert!(refused(&provider, group, &hybrid), "hybrid");
                assert!(refused(&provider, group, &[0]), "infinity");
                assert!(refused(&provider, group, &[]), "empty");
                assert!(refused(&provider, group, &share[1..]), "without its first byte");
                assert!(refused(&provider, group, &share[..share.len() - 1]), "without its last byte");
                assert!(refused(&provider, group, &[&share[..], &[0]].concat()), "with one byte more");
            }
        }
    }

    #[test]
    fn a_point_of_another_curve_is_refused() {
        for provider in providers() {
            for group in &provider.groups {
                for other in &provider.groups {
                    let share = start(&provider, other.name()).public_key().to_vec();
                    assert_eq!(refused(&provider, group.name(), &share), group.name() != other.name());
                }
            }
        }
    }

    #[test]
    fn x25519_refuses_points_of_small_order() {
        // The values of small order and their unreduced forms, from RFC 7748 section 6.1's reference and the list
        // at cr.yp.to/ecdh.html: 0, 1, two of order 8, p - 1, p, p + 1.
        let points = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for provider in providers() {
            for point in points {
                let mut point = unhex(point);
                assert!(refused(&provider, NamedGroup::X25519, &point));
                point[31] |= 0x80;
                assert!(refused(&provider, NamedGroup::X25519, &point), "with the bit that does not count");
            }
        }
    }

    #[test]
    fn x25519_refuses_other_lengths() {
        for provider in providers() {
            for len in [0, 1, 31, 33, 64] {
                assert!(refused(&provider, NamedGroup::X25519, &vec![9; len]));
            }
            assert!(!refused(&provider, NamedGroup::X25519, &[9; 32]));
        }
    }

    const P256_FIELD: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    const P384_FIELD: &str =
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff";
}
