//! Whole handshakes: every suite with every key, with and without cookies, through losses.

use dtls_core::Role;
use dtls_core::wire::enums::HandshakeType;
use dtls_tests::interop::authority::{KeyKind, Leaf};
use dtls_tests::interop::cells::run_all;
use dtls_tests::interop::encounter::{Chat, Encounter};
use dtls_tests::interop::openssl::{SUITES, Suite};
use dtls_tests::interop::relay::{Direction, Losses};
use dtls_tests::interop::{Trouble, announce, same};

use crate::{ROLES, can_be_met, has_openssl, role_word, role_words};

// --- the matrix ---

#[test]
fn our_client_and_openssl_servers_agree_on_everything_in_every_cell() {
    run_matrix("our client, openssl's server", Role::Client);
}

#[test]
fn our_server_and_openssl_clients_agree_on_everything_in_every_cell() {
    run_matrix("our server, openssl's client", Role::Server);
}

/// Every suite with every kind of key it takes, with and without client authentication, at three MTUs.
fn run_matrix(title: &str, role: Role) {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for suite in SUITES {
        for key in suite.keys {
            // With every server key, each kind of client key is used once.
            for (mtu, client_key) in [256, 512, 1400].into_iter().zip(KeyKind::ALL) {
                cells.push(Cell { role, suite, key: *key, client_key: None, mtu });
                cells.push(Cell { role, suite, key: *key, client_key: Some(client_key), mtu });
            }
        }
    }
    assert_eq!(cells.len(), (2 * 3 + 3) * 3 * 2);
    let all = cells.len();
    cells.retain(|cell| can_be_met(cell.role, cell.key));
    if cells.len() < all {
        let left_out = all - cells.len();
        announce(&format!("{title}: {left_out} of {all} left out: this openssl cannot serve DTLS with an Ed25519 key"));
    }
    run_all(title, &["suite", "certificate", "auth", "mtu", "role"], &cells, Cell::words, Cell::run);
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
        let talk = encounter.talk()?;
        // A certificate of more than 400 bytes does not fit into 256, so that MTU must show.
        let shows_certificate = self.role == Role::Server || self.client_key.is_some();
        let is_cut = talk.passed.has_fragmented(encounter.outgoing(), HandshakeType::CERTIFICATE);
        same("our certificate goes out in pieces", is_cut || self.mtu > 256 || !shows_certificate, true)
    }
}

// --- cookies ---

#[test]
fn a_cookie_goes_there_and_back_in_both_roles() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        for key in KeyKind::ALL {
            cells.extend([256, 512, 1400].map(|mtu| (role, key, mtu)));
        }
    }
    cells.retain(|(role, key, _)| can_be_met(*role, *key));
    run_all(
        "cookies",
        &["certificate", "mtu", "role"],
        &cells,
        |(role, key, mtu)| vec![key.name().to_owned(), mtu.to_string(), role_word(*role)],
        |(role, key, mtu)| {
            let mut encounter = Encounter::new(*role, Leaf::Server(*key)).mutual(Leaf::Client(*key));
            encounter.mtu = Some(*mtu);
            if *role == Role::Client {
                encounter = encounter.theirs(&["-listen"]);
            }
            let talk = encounter.talk()?;
            let asked = talk.passed.has_message(Direction::ToClient, HandshakeType::HELLO_VERIFY_REQUEST);
            same("a HelloVerifyRequest was sent", asked, true)
        },
    );
}

#[test]
fn our_server_shakes_hands_without_a_cookie_if_it_is_told_to() {
    if !has_openssl() {
        return;
    }
    run_all("no cookies", &["role"], &[Role::Server], role_words, |role| {
        let talk = Encounter::new(*role, Leaf::Server(KeyKind::Ecdsa)).ours(&["--no-cookie"]).talk()?;
        let asked = talk.passed.has_message(Direction::ToClient, HandshakeType::HELLO_VERIFY_REQUEST);
        same("a HelloVerifyRequest was sent", asked, false)
    });
}

// --- losses ---

#[test]
fn handshakes_complete_though_our_side_loses_three_in_ten() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend((1..=6).map(|seed| (role, seed)));
    }
    run_all("we lose three in ten", &["seed", "role"], &cells, seed_words, |(role, seed)| {
        let seed = seed.to_string();
        lossy(*role).ours(&["--loss", "0.3", "--seed", &seed]).talk().map(drop)
    });
}

#[test]
fn handshakes_complete_though_the_network_loses_two_in_ten_both_ways() {
    if !has_openssl() {
        return;
    }
    let mut cells = Vec::new();
    for role in ROLES {
        cells.extend((1..=4).map(|seed| (role, seed)));
    }
    run_all("the network loses two in ten", &["seed", "role"], &cells, seed_words, |(role, seed)| {
        let mut encounter = lossy(*role);
        encounter.losses = Losses::Percent { percent: 20, seed: *seed };
        encounter.talk().map(drop)
    });
}

/// Many small datagrams, so that there is something to lose, and a short first timeout.
fn lossy(role: Role) -> Encounter {
    let mut encounter = Encounter::new(role, Leaf::Server(KeyKind::Rsa)).mutual(Leaf::Client(KeyKind::Ecdsa));
    encounter.mtu = Some(512);
    encounter.chat = Chat::Insistent;
    encounter.ours(&["--first-timeout", "100"])
}

fn seed_words((role, seed): &(Role, u64)) -> Vec<String> {
    vec![seed.to_string(), role_word(*role)]
}
