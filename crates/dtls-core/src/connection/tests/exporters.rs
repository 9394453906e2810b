//! Keying material.

use super::*;

#[test]
fn both_ends_export_the_same_and_context_matters() {
    let (client, server) = Pair::new().connect();
    let export = |connection: &Connection, context: Option<&[u8]>| {
        let mut out = [0; 40];
        connection.export(b"EXPERIMENTAL-test", context, &mut out).unwrap();
        out
    };
    assert_eq!(export(&client, None), export(&server, None));
    assert_eq!(export(&client, Some(b"c")), export(&server, Some(b"c")));
    assert_ne!(export(&client, None), export(&client, Some(b"")));
    assert_ne!(export(&client, Some(b"")), export(&client, Some(b"c")));
    let too_long = vec![0; 65_536];
    assert_eq!(client.export(b"l", Some(&too_long), &mut [0; 4]), Err(ExportError::ContextTooLong));
    assert_eq!(client.export(b"master secret", None, &mut [0; 4]), Err(ExportError::ReservedLabel));
    assert_eq!(client.srtp_keys().unwrap_err(), ExportError::NoSrtp);
}

#[test]
fn without_the_extended_master_secret_nothing_is_exported_unless_the_settings_allow_it() {
    let pair = Pair {
        client_settings: |settings| settings.extended_master_secret = ExtendedMasterSecret::Prefer,
        server_settings: |settings| {
            settings.extended_master_secret = ExtendedMasterSecret::Off;
            settings.exporters = Exporters::Allowed;
        },
        ..Pair::new()
    };
    let (client, server) = pair.connect();
    assert!(!client.info().unwrap().extended_master_secret);
    assert_eq!(client.export(b"l", None, &mut [0; 4]), Err(ExportError::NoExtendedMasterSecret));
    assert_eq!(server.export(b"l", None, &mut [0; 4]), Ok(()));

    let pair = Pair { client_settings: |_| {}, ..pair };
    let (mut client, mut server) = pair.build();
    exchange(&mut client, &mut server, START);
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::ExtendedMasterSecretMissing)));
}

#[test]
fn srtp_keys_of_one_end_are_the_other_ends_mirrored() {
    let pair = Pair {
        client_settings: |settings| {
            settings.srtp_profiles = vec![SrtpProfile::AES128_CM_HMAC_SHA1_80, SrtpProfile::AEAD_AES_256_GCM];
            settings.srtp_mki = vec![1, 2];
        },
        server_settings: |settings| {
            settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_256_GCM, SrtpProfile::AES128_CM_HMAC_SHA1_80];
            settings.srtp_mki = vec![1, 2];
        },
        ..Pair::new()
    };
    let (client, server) = pair.connect();
    let srtp = client.info().unwrap().srtp.clone().unwrap();
    assert_eq!((srtp.profile, &srtp.mki[..]), (SrtpProfile::AEAD_AES_256_GCM, &[1, 2][..]), "the server's order");
    let (client, server) = (client.srtp_keys().unwrap(), server.srtp_keys().unwrap());
    assert_eq!((client.local_key(), client.local_salt()), (server.remote_key(), server.remote_salt()));
    assert_eq!((client.remote_key(), client.remote_salt()), (server.local_key(), server.local_salt()));
    assert_ne!(client.local_key(), client.remote_key());
}

#[test]
fn an_mki_that_the_server_does_not_share_is_not_used() {
    let pair = Pair {
        client_settings: |settings| {
            settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM];
            settings.srtp_mki = vec![1, 2];
        },
        server_settings: |settings| settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM],
        ..Pair::new()
    };
    let (client, server) = pair.connect();
    assert_eq!(client.info().unwrap().srtp, server.info().unwrap().srtp);
    assert!(client.info().unwrap().srtp.as_ref().unwrap().mki.is_empty());
}
