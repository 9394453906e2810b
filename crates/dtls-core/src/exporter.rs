//! Keying material for other protocols: RFC 5705, and its split into SRTP keys by RFC 5764 section 4.2.

use alloc::boxed::Box;
use core::fmt;

use zeroize::Zeroizing;

use crate::event::Role;
use crate::wire::enums::SrtpProfile;

/// Why keying material cannot be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportError {
    /// The handshake is not complete, or the connection has failed or been aborted.
    NotConnected,
    /// The label is empty, or one that the handshake itself uses (RFC 5705 section 4).
    ReservedLabel,
    /// The context is longer than 65535 bytes.
    ContextTooLong,
    /// The master secret is not bound to the handshake, so the material might not be this connection's alone
    /// (RFC 7627 section 5.4). [`Settings::exporters`](crate::config::Settings) can allow it.
    NoExtendedMasterSecret,
    /// SRTP was not negotiated.
    NoSrtp,
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "the handshake is not complete, or the connection has failed",
            Self::ReservedLabel => "the label is empty or one that the handshake uses",
            Self::ContextTooLong => "the context is longer than 65535 bytes",
            Self::NoExtendedMasterSecret => "without the extended master secret nothing is exported",
            Self::NoSrtp => "SRTP was not negotiated",
        })
    }
}

impl core::error::Error for ExportError {}

/// Refuses labels that would repeat what the handshake derives (RFC 5705 section 4).
pub(crate) fn check_label(label: &[u8]) -> Result<(), ExportError> {
    let reserved: [&[u8]; 6] =
        [b"", b"client finished", b"server finished", b"master secret", b"extended master secret", b"key expansion"];
    if reserved.contains(&label) { Err(ExportError::ReservedLabel) } else { Ok(()) }
}

/// The master keys and salts of an SRTP session (RFC 5764 section 4.2), from our point of view.
///
/// Erased when dropped; printed as `[redacted]`.
pub struct SrtpKeys {
    profile: SrtpProfile,
    // In a box, so that moving it leaves no copy behind.
    material: Box<Zeroizing<[u8; Self::MATERIAL_MAX]>>,
    role: Role,
}

impl SrtpKeys {
    /// The label of the exporter (RFC 5764 section 4.2).
    pub const LABEL: &'static [u8] = b"EXTRACTOR-dtls_srtp";
    const MATERIAL_MAX: usize = 2 * (32 + 14);

    /// Fills the keys of `profile` by `export`, which is given a buffer of the right length.
    pub(crate) fn derive(
        profile: SrtpProfile,
        role: Role,
        export: impl FnOnce(&mut [u8]) -> Result<(), ExportError>,
    ) -> Result<Self, ExportError> {
        let (key_len, salt_len) = lengths(profile).ok_or(ExportError::NoSrtp)?;
        let mut material = Box::new(Zeroizing::new([0; Self::MATERIAL_MAX]));
        export(material.get_mut(..2 * (key_len + salt_len)).ok_or(ExportError::NoSrtp)?)?;
        Ok(Self { profile, material, role })
    }

    /// The profile they are for.
    #[must_use]
    pub const fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// The master key that we protect with.
    #[must_use]
    pub fn local_key(&self) -> &[u8] {
        self.key(self.role)
    }

    /// The master salt that we protect with.
    #[must_use]
    pub fn local_salt(&self) -> &[u8] {
        self.salt(self.role)
    }

    /// The master key that the peer protects with.
    #[must_use]
    pub fn remote_key(&self) -> &[u8] {
        self.key(other(self.role))
    }

    /// The master salt that the peer protects with.
    #[must_use]
    pub fn remote_salt(&self) -> &[u8] {
        self.salt(other(self.role))
    }

    // The order of RFC 5764 section 4.2: client key, server key, client salt, server salt.
    fn key(&self, of: Role) -> &[u8] {
        let (key_len, _) = lengths(self.profile).unwrap_or_default();
        self.part(index(of) * key_len, key_len)
    }

    fn salt(&self, of: Role) -> &[u8] {
        let (key_len, salt_len) = lengths(self.profile).unwrap_or_default();
        self.part(2 * key_len + index(of) * salt_len, salt_len)
    }

    fn part(&self, at: usize, len: usize) -> &[u8] {
        self.material.get(at..at + len).unwrap_or_default()
    }
}

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpKeys").field("profile", &self.profile).field("material", &"[redacted]").finish()
    }
}

const fn index(role: Role) -> usize {
    match role {
        Role::Client => 0,
        Role::Server => 1,
    }
}

const fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// Master key and master salt lengths (RFC 5764 section 4.1.2, RFC 7714 section 12).
const fn lengths(profile: SrtpProfile) -> Option<(usize, usize)> {
    match profile {
        SrtpProfile::AES128_CM_HMAC_SHA1_80 | SrtpProfile::AES128_CM_HMAC_SHA1_32 => Some((16, 14)),
        SrtpProfile::AEAD_AES_128_GCM => Some((16, 12)),
        SrtpProfile::AEAD_AES_256_GCM => Some((32, 12)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_salts_are_split_by_direction_in_the_order_of_the_rfc() {
        for (profile, key_len, salt_len) in [
            (SrtpProfile::AES128_CM_HMAC_SHA1_80, 16, 14),
            (SrtpProfile::AEAD_AES_128_GCM, 16, 12),
            (SrtpProfile::AEAD_AES_256_GCM, 32, 12),
        ] {
            let fill = |out: &mut [u8]| {
                assert_eq!(out.len(), 2 * (key_len + salt_len));
                for (byte, value) in out.iter_mut().zip(0..) {
                    *byte = value;
                }
                Ok(())
            };
            let client = SrtpKeys::derive(profile, Role::Client, fill).unwrap();
            let server = SrtpKeys::derive(profile, Role::Server, fill).unwrap();
            assert_eq!(client.local_key(), server.remote_key());
            assert_eq!(client.remote_salt(), server.local_salt());
            let starts = [client.local_key(), server.local_key(), client.local_salt(), server.local_salt()];
            let offsets = starts.map(|part| usize::from(part[0]));
            assert_eq!(offsets, [0, key_len, 2 * key_len, 2 * key_len + salt_len]);
        }
    }

    #[test]
    fn labels_of_the_handshake_are_refused() {
        assert_eq!(check_label(b"key expansion"), Err(ExportError::ReservedLabel));
        assert_eq!(check_label(b""), Err(ExportError::ReservedLabel));
        assert_eq!(check_label(SrtpKeys::LABEL), Ok(()));
    }
}
