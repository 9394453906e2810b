//! Sessions that rest.

use super::*;

#[test]
fn a_session_at_rest_answers_every_question_and_goes_on() {
    let party = Party::new();
    let endpoint = listen("127.0.0.1:0", party.server()).unwrap();
    let client = connect(endpoint.local_addr(), None, party.client()).unwrap();
    let server = accept(&endpoint);
    let exported = client.export_keying_material(b"label", None, 20).unwrap();
    let max = (client.max_payload(), client.max_record_payload());
    for round in 1..4 {
        assert!(client.rest() && client.is_at_rest());
        client.send(b"x").unwrap();
        assert!(!client.is_at_rest());
        assert_eq!(receive(&server), b"x");
        assert!(client.rest());
        server.send(b"y").unwrap();
        assert_eq!(receive(&client), b"y");

        assert!(client.rest());
        assert_eq!(client.export_keying_material(b"label", None, 20).unwrap(), exported);
        assert!(client.rest());
        assert_eq!((client.max_payload(), client.max_record_payload()), max);
        assert!(client.rest());
        let stats = client.stats();
        assert_eq!((stats.application_records_sent, stats.application_records_received), (round, round));
    }
    // The last flight of the handshake is kept for a while.
    assert!(!server.rest());
    assert!(client.rest());
    client.close();
    assert!(matches!(server.recv_vec(), Err(SessionError::Closed)));
    assert!(!client.rest());
}
