//! Certificates, cookies and losses: what a handshake meets.

use dtls_core::Role;
use dtls_core::wire::enums::HandshakeType;
use dtls_tests::interop::authority::{KeyKind, Leaf};
use dtls_tests::interop::encounter::{Chat, Encounter};
use dtls_tests::interop::openssl::{SUITES, Suite};
use dtls_tests::interop::relay::{Direction, Losses};
use dtls_tests::interop::{Trouble, gnutls, same};

use crate::{ROLES, role_word, role_words, run_all};

// --- certificates ---

#[test]
fn every_suite_and_every_kind_of_certificate_works_in_both_roles() {
    let mut cells = Vec::new();
    let mut client_keys = KeyKind::ALL.into_iter().cycle();
    let mut mtus = [256, 512, 1400].into_iter().cycle();
    for role in ROLES {
        for suite in SUITES {
            for key in suite.keys {
                for client_key in [None, client_keys.next()] {
                    let mtu = mtus.next().unwrap_or_default();
                    cells.push(Cell { role, suite, key: *key, client_key, mtu });
                }
            }
        }
    }
    assert_eq!(cells.len(), 2 * (2 * 3 + 3) * 2);
    let columns = ["suite", "certificate", "auth", "mtu", "role"];
    run_all("suites and certificates", &columns, &cells, Cell::words, Cell::run);
}

/// One place in the matrix.
struct Cell {
    role: Role,
    suite: Suite,
    key: KeyKind,
    client_key: Option<KeyKind>,
    mtu: usize,
}

impl Cell {
    fn words(&self) -> Vec<String> {
        let auth = self.client_key.map_or("-", KeyKind::name);
        let words = [self.suite.name, self.key.name(), auth, &self.mtu.to_string(), &role_word(self.role)];
        words.map(str::to_owned).to_vec()
    }

    fn run(&self) -> Result<(), Trouble> {
        let mut encounter = Encounter::new(self.role, Leaf::Server(self.key));
        encounter.suite = Some(self.suite);
        encounter.mtu = Some(self.mtu);
        if let Some(kind) = self.client_key {
            encounter = encounter.mutual(Leaf::Client(kind));
        }
        gnutls::talk(&encounter).map(drop)
    }
}

#[test]
fn chains_of_two_certificates_are_shown_and_trusted_in_both_roles() {
    run_all("chains of two", &["role"], &ROLES, role_words, |role| {
        let encounter = Encounter::new(*role, Leaf::ServerOfIntermediate).mutual(Leaf::ClientOfIntermediate);
        gnutls::talk(&encounter).map(drop)
    });
}

// --- cookies ---

#[test]
fn a_cookie_goes_there_and_back_or_is_not_asked_for() {
    let cells: Vec<_> = ROLES.into_iter().flat_map(|role| [true, false].map(|asked| (role, asked))).collect();
    run_all(
        "cookies",
        &["asked", "role"],
        &cells,
        |(role, asked)| vec![asked.to_string(), role_word(*role)],
        |(role, asked)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa));
            if !asked {
                encounter = match role {
                    Role::Client => encounter.theirs(&["--nocookie"]),
                    Role::Server => encounter.ours(&["--no-cookie"]),
                };
            }
            let talk = gnutls::talk(&encounter)?;
            let was_asked = talk.passed.has_message(Direction::ToClient, HandshakeType::HELLO_VERIFY_REQUEST);
            same("a HelloVerifyRequest was sent", was_asked, *asked)
        },
    );
}

// --- losses ---

#[test]
fn handshakes_complete_though_the_network_loses_one_in_ten_both_ways() {
    let cells: Vec<_> = ROLES.into_iter().flat_map(|role| [3, 5].map(|seed| (role, seed))).collect();
    run_all(
        "the network loses one in ten",
        &["seed", "role"],
        &cells,
        |(role, seed)| vec![seed.to_string(), role_word(*role)],
        |(role, seed)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(KeyKind::Rsa)).mutual(Leaf::Client(KeyKind::Ecdsa));
            encounter.mtu = Some(512);
            encounter.chat = Chat::Insistent;
            encounter.losses = Losses::Percent { percent: 10, seed: *seed };
            gnutls::talk(&encounter.ours(&["--first-timeout", "100"])).map(drop)
        },
    );
}
