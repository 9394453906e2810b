//! How long datagrams are, and how it is found out how long they may be.

use core::num::NonZeroU16;

use proptest::prelude::*;

use super::*;
use crate::config::{ChoosePadding, ConnectionIdUse, Padding, PathChecks, RandomConnectionId};
use crate::crypto::aead::RecordSealer;
use crate::record::Wrapping;
use crate::wire::connection_id::ConnectionId;
use crate::wire::record::MAX_PLAINTEXT_U16;

fn ids<const LEN: u8>(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(LEN)));
}

fn ids_without_checks(settings: &mut Settings) {
    ids::<6>(settings);
    settings.path_checks = PathChecks::Off;
}

fn limited(settings: &mut Settings) {
    ids::<6>(settings);
    settings.record_size_limit = Some(500);
}

fn pair(client_settings: fn(&mut Settings), server_settings: fn(&mut Settings)) -> (Connection, Connection) {
    Pair { client_settings, server_settings, ..Pair::new() }.connect()
}

#[derive(Debug)]
struct Endless;

impl ChoosePadding for Endless {
    fn zeros(&self, _: ContentType, _: usize) -> usize {
        usize::MAX
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_longest_payload_makes_a_datagram_of_the_mtu_and_one_byte_more_is_refused(
        cid in proptest::collection::vec(any::<u8>(), 0..=255),
        mtu in prop_oneof![256_usize..2000, 16_000_usize..17_000, Just(65_535)],
        longest in prop_oneof![Just(MAX_PLAINTEXT_U16), 64..=MAX_PLAINTEXT_U16],
        multiple in 0_u16..600,
    ) {
        // What `multiple` stands for, its lowest and highest being no multiple.
        let padding = match multiple {
            0 => Padding::By(Arc::new(Endless)),
            1..=9 => Padding::None,
            multiple => Padding::ToMultipleOf(NonZeroU16::new(multiple).unwrap()),
        };
        for provider in testing::providers() {
            let (mut client, _) = pair(|_| {}, |_| {});
            client.set_mtu(mtu);
            for suite in &provider.cipher_suites {
                let sealer = RecordSealer::new(suite, &vec![7; suite.key_len()], &vec![9; suite.fixed_iv_len()]).unwrap();
                let wrapping = (!cid.is_empty()).then(|| {
                    Box::new(Wrapping { cid: ConnectionId::new(&cid).unwrap(), padding: padding.clone() })
                });
                let type_len = usize::from(wrapping.is_some());
                client.outbound.install(sealer, u64::MAX, longest, wrapping);
                let overhead = RecordHeader::LEN + cid.len() + suite.overhead() + type_len;
                let mtu = mtu.max(128 + 2 * cid.len());
                let max = client.max_payload();
                let by_limit = usize::from(longest) - type_len;
                prop_assert_eq!(max, by_limit.min(mtu - overhead), "{:?}", suite);

                for len in [max, max / 2, 0] {
                    let mut sent = vec![];
                    client.send(&vec![7; len], &mut sent).unwrap();
                    let (headroom, tailroom) = (client.headroom(), client.tailroom());
                    let mut buffer = vec![7; headroom + len + tailroom];
                    let sealed = client.seal_in_place(&mut buffer, len).unwrap();
                    prop_assert_eq!(sent.len(), sealed.len());
                    prop_assert!(sent.len() <= mtu);
                    if len == max {
                        prop_assert_eq!(sent.len(), overhead + max);
                    }
                }
                let mut nothing = vec![];
                prop_assert_eq!(client.send(&vec![7; max + 1], &mut nothing), Err(SendError::TooLong { max }));
                let mut buffer = vec![7; 70_000];
                prop_assert_eq!(client.seal_in_place(&mut buffer, max + 1), Err(SendError::TooLong { max }));
                prop_assert_eq!(nothing, Vec::<u8>::new());
            }
        }
    }
}

#[test]
fn a_probe_has_the_length_that_was_asked_for_and_its_answer_makes_the_mtu_as_large() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>);
    let overhead = 13 + 6 + 24 + 1;
    for (len, mtu) in [(1400, 1400), (1300, 1400), (9000, 9000), (16_000, 16_000)] {
        let mut probe = vec![];
        let cookie = client.probe_mtu(len, &mut probe).unwrap();
        assert_eq!(probe.len(), len);
        deliver(vec![probe], &mut server, START);
        let answer = drain(&mut server, START);
        assert_eq!((answer.len(), answer[0].len()), (1, 13 + 4 + 24 + 1 + 9), "an answer is as short as can be");
        let before = client.max_payload();
        assert_eq!(client.poll_path_answer(), None);
        deliver(answer, &mut client, START);
        assert_eq!(client.poll_path_answer(), Some(PathAnswer::Response(cookie)));
        assert!(before <= client.max_payload());
        assert_eq!(client.max_payload(), mtu - overhead);
    }
    assert_eq!(server.max_payload(), 1200 - 13 - 4 - 24 - 1, "which says nothing of the way back");
    assert_eq!(client.stats().discarded_in_all() + server.stats().discarded_in_all(), 0);
}

#[test]
fn a_probe_that_is_lost_late_forgotten_or_answered_from_a_path_that_was_left_changes_nothing() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>);
    let before = client.max_payload();
    client.probe_mtu(1400, &mut vec![]).unwrap();
    let mut late = vec![];
    let cookie = client.probe_mtu(1400, &mut late).unwrap();
    deliver(vec![late], &mut server, START);
    client.forget_challenge(cookie);
    deliver(drain(&mut server, START), &mut client, START);
    let mut left = vec![];
    let cookie = client.probe_mtu(1400, &mut left).unwrap();
    server.set_path(Path::Left);
    deliver(vec![left], &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    assert_eq!(client.poll_path_answer(), Some(PathAnswer::Drop(cookie)));
    // A challenge that was no probe says nothing of lengths.
    server.set_path(Path::Preferred);
    let mut challenge = vec![];
    client.challenge_path(&mut challenge).unwrap();
    deliver(vec![challenge], &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    assert_eq!(client.max_payload(), before);
}

#[test]
fn there_is_no_probe_shorter_than_its_message_or_longer_than_a_record() {
    let (mut client, _) = pair(ids::<4>, ids::<6>);
    let least = client.path_challenge_len();
    assert_eq!(least, 13 + 6 + 24 + 1 + 9);
    let most = 13 + 6 + 24 + (1 << 14);
    for (len, outcome) in
        [(least - 1, false), (least, true), (most, true), (most + 1, false), (65_536, false), (0, false)]
    {
        let mut probe = vec![];
        let written = client.probe_mtu(len, &mut probe);
        assert_eq!(written.err(), (!outcome).then_some(SendError::NoSuchLength), "{len} bytes");
        assert_eq!(probe.len(), if outcome { len } else { 0 });
    }
    // A peer that takes shorter records: all that is encrypted counts.
    let (mut client, mut limited) = pair(limited, limited);
    let most = 13 + 6 + 24 + 500;
    assert_eq!(client.probe_mtu(most + 1, &mut vec![]), Err(SendError::NoSuchLength));
    let mut probe = vec![];
    client.probe_mtu(most, &mut probe).unwrap();
    deliver(vec![probe], &mut limited, START);
    assert_eq!(limited.stats().discarded_in_all(), 0);
}

#[test]
fn only_records_with_an_id_can_be_made_longer() {
    fn peers_only(settings: &mut Settings) {
        settings.connection_id = ConnectionIdUse::PeersOnly;
    }
    let cases: [[fn(&mut Settings); 2]; 2] = [[|_| {}, |_| {}], [ids::<4>, peers_only]];
    for [client_settings, server_settings] in cases {
        let (mut client, _) = pair(client_settings, server_settings);
        let mut nothing = vec![];
        assert_eq!(client.probe_mtu(1400, &mut nothing), Err(SendError::NotNegotiated));
        assert_eq!(client.send_padded(b"x", 1400, &mut nothing), Err(SendError::NotNegotiated));
        assert!(nothing.is_empty());
    }
}

#[test]
fn application_data_can_be_made_as_long_as_is_wanted_where_the_application_answers() {
    let (mut client, mut server) = pair(ids::<4>, ids_without_checks);
    let overhead = 13 + 6 + 24 + 1;
    assert_eq!(client.probe_mtu(1400, &mut vec![]), Err(SendError::NotNegotiated));
    for (payload, len) in [(&b"ping"[..], 1400), (&[7; 2000], overhead + 2000), (&[], overhead), (&[], 5000)] {
        let mut datagram = vec![];
        client.send_padded(payload, len, &mut datagram).unwrap();
        assert_eq!(datagram.len(), len);
        assert_eq!(deliver(vec![datagram], &mut server, START), [payload]);
    }
    assert_eq!(client.send_padded(b"ping", overhead + 3, &mut vec![]), Err(SendError::NoSuchLength));
    assert_eq!(client.stats().application_records_sent, 4);
    assert_eq!(client.max_payload(), 1200 - overhead, "what the application learns it has to say");
    client.set_mtu(1400);
    assert_eq!(client.max_payload(), 1400 - overhead);
}
