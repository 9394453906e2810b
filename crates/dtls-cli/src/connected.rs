//! What is printed of a session that stands: what was agreed on, and who the peer is.

use core::fmt::{self, Display};
use core::net::SocketAddr;
use std::sync::Arc;

use dtls_core::SessionInfo;
use dtls_core::crypto::x509::CertificateSummary;
use dtls_core::crypto::{CryptoProvider, Fingerprint};
use dtls_core::wire::connection_id::ConnectionId;
use dtls_core::wire::enums::{CipherSuiteId, NamedGroup, ProtocolVersion, SignatureScheme, SrtpProfile};
use serde_json::Value;

use crate::escape::{quoted, word};
use crate::output::{Object, or_dash};

/// What two sides agreed on.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    pub(crate) peer: SocketAddr,
    pub(crate) version: ProtocolVersion,
    pub(crate) cipher: CipherSuiteId,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) signature: Option<SignatureScheme>,
    pub(crate) extended_master_secret: bool,
    pub(crate) resumed: bool,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) srtp: Option<SrtpProfile>,
    pub(crate) mki: Option<Vec<u8>>,
    pub(crate) server_name: Option<Vec<u8>>,
    pub(crate) cid: Cid,
    pub(crate) psk: Option<Vec<u8>>,
    pub(crate) certificate: Option<PeerCertificate>,
    /// The hash of the key that the peer has shown without a certificate.
    pub(crate) raw_public_key: Option<Fingerprint>,
    pub(crate) verified: Verified,
}

impl Connected {
    /// `checks` says whether the certificate or the key of a peer that showed one was held against anything.
    pub(crate) fn new(provider: &Arc<CryptoProvider>, peer: SocketAddr, info: &SessionInfo, checks: Checks) -> Self {
        let srtp = info.srtp.as_ref();
        let (leaf, key) = (info.peer_certificates.first(), info.peer_raw_public_key.as_ref());
        Self {
            peer,
            version: info.version,
            cipher: info.cipher_suite,
            group: info.group,
            signature: info.signature_scheme,
            extended_master_secret: info.extended_master_secret,
            resumed: info.resumed,
            alpn: info.alpn.clone(),
            srtp: srtp.map(|srtp| srtp.profile),
            mki: srtp.filter(|srtp| !srtp.mki.is_empty()).map(|srtp| srtp.mki.clone()),
            server_name: info.server_name.clone(),
            cid: info.connection_ids.as_deref().map(|ids| Cid::of(&ids.local, &ids.remote)).unwrap_or_default(),
            psk: info.psk_identity.clone(),
            certificate: leaf.map(|leaf| PeerCertificate {
                fingerprint: Fingerprint::of(provider, leaf),
                subject: CertificateSummary::read(leaf).ok().map(|summary| summary.subject),
            }),
            raw_public_key: key.map(|key| Fingerprint::of(provider, key)),
            verified: match (leaf.is_some() || key.is_some(), checks) {
                // Whoever completes a handshake under a pre-shared key holds it.
                (false, _) if info.psk_identity.is_some() => Verified::Yes,
                (false, _) => Verified::None,
                (true, Checks::Credential) => Verified::Yes,
                (true, Checks::Nothing) => Verified::No,
            },
        }
    }

    pub(crate) fn to_json(&self) -> Object {
        let certificate = self.certificate.as_ref();
        Object::new("connected")
            .with("peer", self.peer.to_string())
            .with("version", self.version.to_string())
            .with("cipher", self.cipher.to_string())
            .with("group", self.group.map(|group| group.to_string()))
            .with("signature", self.signature.map(|scheme| scheme.to_string()))
            .with("ems", self.extended_master_secret)
            .with("resumed", self.resumed)
            .with("alpn", self.alpn.as_deref().map(word))
            .with("srtp", self.srtp.map(|profile| profile.to_string()))
            .with("mki", self.mki.as_ref().map(hex::encode))
            .with("sni", self.server_name.as_deref().map(word))
            .with("cid", self.cid.to_json())
            .with("psk", self.psk.as_deref().map(word))
            .with("certificate", certificate.map(|certificate| one_word(certificate.fingerprint)))
            .with("raw_public_key", self.raw_public_key.map(one_word))
            .with("subject", certificate.and_then(|certificate| certificate.subject.clone()))
            .with("verified", self.verified.as_str())
    }
}

impl Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.certificate.as_ref().and_then(|certificate| certificate.subject.as_deref());
        write!(
            f,
            "CONNECTED peer={} version={} cipher={} group={} signature={} ems={} resumed={} alpn={} srtp={} mki={} sni={} \
             cid={} psk={} certificate={} raw_public_key={} subject={} verified={}",
            self.peer,
            self.version,
            self.cipher,
            or_dash(self.group),
            or_dash(self.signature),
            u8::from(self.extended_master_secret),
            u8::from(self.resumed),
            or_dash(self.alpn.as_deref().map(word)),
            or_dash(self.srtp),
            or_dash(self.mki.as_ref().map(hex::encode)),
            or_dash(self.server_name.as_deref().map(word)),
            self.cid,
            or_dash(self.psk.as_deref().map(word)),
            or_dash(self.certificate.as_ref().map(|certificate| one_word(certificate.fingerprint))),
            or_dash(self.raw_public_key.map(one_word)),
            or_dash(subject.map(quoted)),
            self.verified.as_str(),
        )
    }
}

/// The connection IDs in what comes and in what goes, as far as there are any (RFC 9146).
#[derive(Clone, Debug, Default)]
pub(crate) struct Cid {
    ours: Option<Vec<u8>>,
    peers: Option<Vec<u8>>,
}

impl Cid {
    /// One without bytes is in no record.
    fn of(local: &ConnectionId, remote: &ConnectionId) -> Self {
        let [ours, peers] = [local, remote].map(|id| Some(id.as_bytes().to_vec()).filter(|id| !id.is_empty()));
        Self { ours, peers }
    }

    /// `null` where there is neither.
    fn to_json(&self) -> Value {
        if self.ours.is_none() && self.peers.is_none() {
            return Value::Null;
        }
        let [ours, peers] = [&self.ours, &self.peers].map(|id| id.as_ref().map(hex::encode));
        serde_json::json!({ "ours": ours, "peers": peers })
    }
}

impl Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ours, peers] = [&self.ours, &self.peers].map(|id| or_dash(id.as_ref().map(hex::encode)));
        write!(f, "{ours}/{peers}")
    }
}

/// The certificate that the peer has proved to hold the key of.
#[derive(Clone, Debug)]
pub(crate) struct PeerCertificate {
    pub(crate) fingerprint: Fingerprint,
    /// Whose it is; `None` if it cannot be read so far.
    pub(crate) subject: Option<String>,
}

/// In the form that `--fingerprint` takes.
fn one_word(fingerprint: Fingerprint) -> String {
    fingerprint.to_string().replace(' ', ":")
}

/// What the certificate or the key that a peer shows is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// Roots, what is pinned, or a fingerprint.
    Credential,
    /// Nothing: `--insecure`, or nobody is asked for one.
    Nothing,
}

/// Whether we know who the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// What it showed was held against what we trust.
    Yes,
    /// What it showed was taken unseen: `--insecure`.
    No,
    /// It showed nothing.
    None,
}

impl Verified {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(connected: &Connected) -> Value {
        serde_json::from_str(&connected.to_json().to_string()).unwrap()
    }

    fn connected() -> Connected {
        Connected {
            peer: "127.0.0.1:51000".parse().unwrap(),
            version: ProtocolVersion::DTLS_1_2,
            cipher: CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            group: Some(NamedGroup::X25519),
            signature: Some(SignatureScheme::ECDSA_SECP256R1_SHA256),
            psk: None,
            extended_master_secret: true,
            resumed: false,
            cid: Cid::default(),
            alpn: Some(b"coap".to_vec()),
            srtp: None,
            mki: None,
            server_name: Some(b"localhost".to_vec()),
            certificate: Some(PeerCertificate {
                fingerprint: Fingerprint::new([0xaa; 32]),
                subject: Some("CN=localhost".to_owned()),
            }),
            raw_public_key: None,
            verified: Verified::Yes,
        }
    }

    #[test]
    fn a_connection_is_one_line_of_words() {
        let fingerprint = ["AA"; 32].join(":");
        let expected = format!(
            "CONNECTED peer=127.0.0.1:51000 version=DTLSv1.2 cipher=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 \
             group=x25519 signature=ecdsa_secp256r1_sha256 ems=1 resumed=0 alpn=coap srtp=- mki=- sni=localhost cid=-/- \
             psk=- certificate=sha-256:{fingerprint} raw_public_key=- subject=\"CN=localhost\" verified=yes"
        );
        assert_eq!(connected().to_string(), expected);
    }

    #[test]
    fn a_bare_key_stands_beside_a_certificate_that_is_not_there() {
        let bare = Connected { certificate: None, raw_public_key: Some(Fingerprint::new([0xbb; 32])), ..connected() };
        let fingerprint = format!("sha-256:{}", ["BB"; 32].join(":"));
        let expected = format!(" certificate=- raw_public_key={fingerprint} subject=- verified=yes");
        assert!(bare.to_string().ends_with(&expected), "{bare}");
        let json = parsed(&bare);
        assert_eq!((&json["certificate"], &json["raw_public_key"]), (&Value::Null, &json!(fingerprint)));
    }

    #[test]
    fn what_is_absent_is_a_dash_in_text_and_null_in_json() {
        let bare = Connected {
            alpn: None,
            server_name: None,
            certificate: None,
            extended_master_secret: false,
            verified: Verified::None,
            ..connected()
        };
        let text = bare.to_string();
        assert!(text.ends_with(
            "ems=0 resumed=0 alpn=- srtp=- mki=- sni=- cid=-/- psk=- certificate=- raw_public_key=- subject=- verified=none"
        ));
        let json = parsed(&bare);
        for key in ["alpn", "srtp", "mki", "sni", "cid", "psk", "certificate", "raw_public_key", "subject"] {
            assert_eq!(json.get(key), Some(&Value::Null), "{key}");
        }
        assert_eq!((&json["ems"], &json["resumed"], &json["verified"]), (&json!(false), &json!(false), &json!("none")));
    }

    #[test]
    fn json_has_the_event_first_and_the_keys_of_the_text() {
        let line = Connected { srtp: Some(SrtpProfile::AEAD_AES_128_GCM), mki: Some(vec![1, 0xab]), ..connected() };
        let written = line.to_json().to_string();
        let json = parsed(&line);
        assert!(written.starts_with(r#"{"event":"connected","peer":"127.0.0.1:51000","#));
        let text = line.to_string();
        let keys: Vec<_> = text.split(' ').skip(1).map(|word| word.split('=').next().unwrap()).collect();
        assert_eq!(json.as_object().unwrap().len(), 1 + keys.len());
        let places: Vec<_> = keys.iter().map(|key| written.find(&format!(",\"{key}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{written}");
        assert_eq!(json["mki"], json!("01ab"));
        assert_eq!(json["srtp"], json!("SRTP_AEAD_AES_128_GCM"));
        assert!(text.contains(" srtp=SRTP_AEAD_AES_128_GCM mki=01ab "));
    }

    #[test]
    fn a_session_that_goes_on_and_its_connection_ids_are_told() {
        let cid = |ours: Option<&[u8]>, peers: Option<&[u8]>| Connected {
            resumed: true,
            cid: Cid { ours: ours.map(<[u8]>::to_vec), peers: peers.map(<[u8]>::to_vec) },
            ..connected()
        };
        let both = cid(Some(&[0, 0xab]), Some(&[1]));
        assert!(both.to_string().contains(" ems=1 resumed=1 alpn=coap "), "{both}");
        assert!(both.to_string().contains(" sni=localhost cid=00ab/01 psk=- "), "{both}");
        let json = parsed(&both);
        assert_eq!((&json["resumed"], &json["cid"]), (&json!(true), &json!({ "ours": "00ab", "peers": "01" })));
        let one = cid(None, Some(&[1]));
        assert!(one.to_string().contains(" cid=-/01 "), "{one}");
        assert_eq!(parsed(&one)["cid"], json!({ "ours": null, "peers": "01" }));
        let none = Cid::of(&ConnectionId::default(), &ConnectionId::default());
        assert_eq!((none.to_string().as_str(), none.to_json()), ("-/-", Value::Null));
    }

    #[test]
    fn names_that_a_peer_made_up_stay_one_word() {
        let odd = Connected { alpn: Some(b"a b\n".to_vec()), server_name: Some(vec![0xff]), ..connected() };
        assert!(odd.to_string().contains(" alpn=hex:6120620a srtp=- mki=- sni=hex:ff cid"));
        let odd = PeerCertificate { fingerprint: Fingerprint::new([0; 32]), subject: Some("CN=\"\\\n".to_owned()) };
        let odd = Connected { certificate: Some(odd), ..connected() };
        assert!(odd.to_string().contains(r#" subject="CN=\"\\\n" "#));
    }
}
