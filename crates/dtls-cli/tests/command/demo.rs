//! `dtls demo`.

use std::collections::BTreeSet;

use crate::process::dtls;

#[test]
fn the_demo_shows_six_flights_an_echo_and_what_was_negotiated() {
    let run = dtls(&["demo"]).finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let flights: Vec<_> = run.lines("FLIGHT").iter().map(|line| line[7..8].to_owned()).collect();
    assert_eq!(flights, ["1", "2", "3", "4", "5", "6"]);
    run.line("RECEIVED 5 hello");
    run.line("CIPHER       TLS_ECDHE_ECDSA_WITH_");
    assert!(run.line("EXPORTER").contains("the same 60 bytes on both sides"));
    run.line("CLIENT       sent 5 datagrams");
    run.line("SERVER       sent 4 datagrams");
    for line in run.stdout.lines() {
        let word = line.split(' ').next().unwrap();
        assert!(word.len() > 2 && word.chars().all(|letter| letter.is_ascii_uppercase()), "{line}");
    }
}

#[test]
fn the_demo_in_json_is_one_object_a_line() {
    let run = dtls(&["demo", "--json"]).finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let events = run.events();
    let names: BTreeSet<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = ["alert", "connected", "data", "exporter", "flight", "listening", "received", "sent", "stats"];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(run.event("exporter")["equal"], true);
    assert_eq!(run.event("connected")["version"], "DTLSv1.2");
}

#[test]
fn the_demo_survives_loss() {
    let run = dtls(&["demo", "--loss", "0.3", "--duplicate", "0.3", "--seed", "3"]).finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("(lost on its way)") && run.stdout.contains("once more"), "{}", run.stdout);
}
