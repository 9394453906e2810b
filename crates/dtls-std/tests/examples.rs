//! The examples run to their end by themselves, and say what they are meant to say.

use std::io;
use std::path::PathBuf;
use std::process::Command;

/// Where Cargo puts an example: beside the folder of this test.
fn example(name: &str) -> io::Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing; run `cargo build -p dtls-std --examples` first", path.display());
    Ok(path)
}

fn output(name: &str) -> io::Result<String> {
    let ran = Command::new(example(name)?).output()?;
    assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn an_echo_server_on_threads_echoes() -> io::Result<()> {
    assert_eq!(output("echo_server")?, "hello\n");
    Ok(())
}

#[test]
fn an_echo_client_gets_its_echo() -> io::Result<()> {
    assert_eq!(output("echo_client")?, "hello\n");
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_loop_of_mio_drives_both_ends() -> io::Result<()> {
    let said = output("driver_mio")?;
    assert!(said.contains("is connected\n") && said.contains("client: hello\n") && said.contains("Closed"), "{said}");
    Ok(())
}

#[test]
fn tasks_of_tokio_drive_both_ends() -> io::Result<()> {
    let said = output("tokio")?;
    assert!(said.contains("client: hello\n") && said.contains("Closed"), "{said}");
    Ok(())
}

#[test]
fn a_key_signs_for_a_server_that_does_not_have_it() -> io::Result<()> {
    let said = output("external_signer")?;
    let lines: Vec<_> = said.lines().collect();
    let [signed, "hello"] = lines[..] else { panic!("{said}") };
    assert!(
        signed.starts_with("the module has signed ") && signed.ends_with(" under ecdsa_secp256r1_sha256"),
        "{said}"
    );
    Ok(())
}

#[test]
fn tasks_of_tokio_look_up_the_keys_of_several_clients_at_once() -> io::Result<()> {
    let said = output("psk_lookup")?;
    for client in 1..=3 {
        assert!(said.contains(&format!("hello from sensor-{client}\n")), "{said}");
    }
    for event in ["Asked", "Connected", "Closed"] {
        assert_eq!(said.matches(&format!(": {event}\n")).count(), 3, "{said}");
    }
    Ok(())
}
