//! Connection IDs of a session that goes on in another connection, and checks of its paths: RFC 9146 section 3, RFC 9853
//! section 3.

use super::*;
use crate::config::{ConnectionIdUse, PathChecks, RandomConnectionId};

fn ids<const LEN: u8>(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(LEN)));
}

#[test]
fn connection_ids_are_agreed_on_afresh_when_a_session_is_resumed() {
    let off: fn(&mut Settings) = |_| {};
    let cases: [[fn(&mut Settings); 2]; 4] =
        [[ids::<4>, ids::<6>], [ids::<5>, off], [off, ids::<6>], [ids::<3>, ids::<0>]];
    let agreed = [Some((4, 6)), None, None, Some((3, 0))];
    for by in BOTH {
        for ([client_settings, server_settings], lens) in cases.into_iter().zip(agreed) {
            // A session that had IDs, and one that had none.
            for first in [off, ids::<9>] {
                let mut world = World { client_settings: first, server_settings: first, ..World::new(by) };
                let state = world.session();
                (world.client_settings, world.server_settings) = (client_settings, server_settings);
                let (client, server) = world.connect(Some(&state));
                let (ours, theirs) = (client.info().unwrap(), server.info().unwrap());
                assert!(ours.resumed && theirs.resumed, "{by:?}");
                let ids = ours.connection_ids.as_ref();
                assert_eq!(ids.map(|ids| (ids.local.len(), ids.remote.len())), lens);
                let mirrored = theirs.connection_ids.as_ref().map(|ids| (&ids.remote, &ids.local));
                assert_eq!(mirrored, ids.map(|ids| (&ids.local, &ids.remote)));
            }
        }
    }
}

#[test]
fn a_finished_with_an_id_may_overtake_the_hello_of_a_resumed_session() {
    for by in BOTH {
        let world = World { client_settings: ids::<4>, server_settings: ids::<6>, ..World::new(by) };
        let state = world.session();
        let (mut client, mut server) = (world.client(Some(&state)), world.server());
        deliver(drain(&mut client, START), &mut server, START);
        let flight_4 = drain(&mut server, START).concat();
        let (before, finished) = flight_4.split_at(flight_4.len() - (13 + 4 + 24 + 24 + 1));
        assert_eq!(finished[0], ContentType::TLS12_CID.0);
        deliver(vec![finished.to_vec(), before.to_vec()], &mut client, START);
        assert_eq!(client.poll_event(), Some(Event::Connected), "{by:?}");
        deliver(drain(&mut client, START), &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Connected));
    }
}

#[test]
fn checks_of_paths_are_agreed_on_afresh_when_a_session_is_resumed() {
    fn without_checks(settings: &mut Settings) {
        ids::<4>(settings);
        settings.path_checks = PathChecks::Off;
    }
    for by in BOTH {
        let cases: [[fn(&mut Settings); 2]; 2] = [[without_checks, ids::<4>], [ids::<4>, without_checks]];
        for ([first, then], agreed) in cases.into_iter().zip([true, false]) {
            let mut world = World { client_settings: first, server_settings: first, ..World::new(by) };
            let state = world.session();
            (world.client_settings, world.server_settings) = (then, then);
            let (client, server) = world.connect(Some(&state));
            let (ours, theirs) = (client.info().unwrap(), server.info().unwrap());
            assert!(ours.resumed && theirs.resumed, "{by:?}");
            assert_eq!((ours.path_checks, theirs.path_checks), (agreed, agreed));
        }
    }
}
