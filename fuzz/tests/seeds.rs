//! The seeds on a stable toolchain: they run clean, lead where they should, and are the ones that the code makes.

use std::collections::BTreeMap;
use std::{fs, path::Path};

use arbitrary::{Arbitrary, Unstructured};
use dtls_fuzz::script::{Proof, Script};
use dtls_fuzz::seeds::{self, Seed};
use dtls_fuzz::{crowd, many, resumed};
use dtls_fuzz::{decoders, roaming, world};

fn stored(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())).collect()
}

fn script(seed: &Seed) -> Script {
    Script::arbitrary(&mut Unstructured::new(&seed.1)).unwrap()
}

#[test]
fn every_seed_is_stored() {
    for (target, made) in [
        ("decoders", seeds::decoders()),
        ("connection", seeds::connection()),
        ("endpoint", seeds::endpoint()),
        ("roaming", roaming::seeds()),
    ] {
        let made: BTreeMap<_, _> = made.into_iter().collect();
        assert_eq!(stored(target), made, "run: cargo run --example make_seeds");
    }
}

#[test]
fn every_seed_of_the_decoders_runs_clean() {
    for (name, content) in seeds::decoders() {
        println!("{name}");
        decoders::run(&content);
    }
}

#[test]
fn every_script_runs_clean_and_survives_encoding() {
    for seed in seeds::connection() {
        println!("{}", seed.0);
        let script = script(&seed);
        assert_eq!(script.to_bytes(), seed.1);
        world::run(&script);
    }
}

#[test]
fn clean_and_forged_handshakes_lead_to_a_connection() {
    for seed in seeds::connection() {
        if seed.0.ends_with("-clean") || seed.0.ends_with("-forged-handshake") {
            assert!(world::connects(&script(&seed)), "{}", seed.0);
        }
    }
}

#[test]
fn every_script_against_an_endpoint_runs_clean_survives_encoding_and_connects_somebody() {
    for (name, content) in seeds::endpoint() {
        println!("{name}");
        let script = many::Script::arbitrary(&mut Unstructured::new(&content)).unwrap();
        assert_eq!(script.to_bytes(), content);
        crowd::run(&script);
        assert!(crowd::connected(&script) > 0 || name == "forged-hellos", "{name}");
    }
}

#[test]
fn what_sessions_leave_leads_to_sessions_that_go_on() {
    for proof in Proof::ALL {
        for by_ticket in [true, false] {
            assert!(resumed::goes_on(proof, by_ticket), "{proof:?}, by ticket: {by_ticket}");
        }
        assert!(resumed::put_aside(proof).iter().all(|saved| resumed::restores(saved)), "{proof:?}");
    }
}

#[test]
fn every_script_of_clients_that_move_runs_clean_survives_encoding_and_moves_somebody() {
    for (name, content) in roaming::seeds() {
        println!("{name}");
        let script = roaming::Script::arbitrary(&mut Unstructured::new(&content)).unwrap();
        assert_eq!(script.to_bytes(), content);
        roaming::run(&script);
        let moves = !(name.ends_with("-ignore") || name.starts_with("no-ids"));
        assert_eq!(roaming::moves(&script) > 0, moves, "{name}");
    }
}
