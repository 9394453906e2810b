//! Secrets in a file.

use super::*;

#[test]
fn a_key_log_has_the_same_line_from_both_sides() {
    let party = Party::new();
    let folder = std::env::temp_dir().join(format!("dtls-std-key-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let logs = ["client", "server"].map(|side| folder.join(side));
    let [for_client, for_server] = logs.each_ref().map(|path| Arc::new(KeyLogFile::append(path).unwrap()));
    let server = party.server_with(|settings| settings.key_log = Some(for_server));
    let client = party.client_with(|settings| settings.key_log = Some(for_client));
    let endpoint = listen("127.0.0.1:0", server).unwrap();
    let session = connect(endpoint.local_addr(), None, client).unwrap();
    accept(&endpoint);
    drop(session);
    let [from_client, from_server] = logs.each_ref().map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(from_client, from_server);
    let words: Vec<&str> = from_client.trim_end().split(' ').collect();
    assert_eq!((words[0], words[1].len(), words[2].len()), ("CLIENT_RANDOM", 64, 96));
}

#[test]
fn the_environment_s_key_log_is_opened_only_for_those_who_ask() {
    const CHILD: &str = "DTLS_STD_TEST_WRITES_KEY_LOG";
    let party = Party::new();
    if std::env::var_os(CHILD).is_some() {
        // The environment of a process is what it was started with: this is the second one.
        let log = Arc::new(KeyLogFile::from_env().unwrap().expect("a file"));
        let endpoint = listen("127.0.0.1:0", party.server()).unwrap();
        let _silent = connect(endpoint.local_addr(), None, party.client()).unwrap();
        let loud = party.client_with(|settings| settings.key_log = Some(log));
        connect(endpoint.local_addr(), None, loud).unwrap();
        return;
    }
    let file = std::env::temp_dir().join(format!("dtls-std-key-log-of-environment-{}", std::process::id()));
    let name = thread::current().name().unwrap().to_owned();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let ran = child.args(["--exact", &name]).env(CHILD, "").env("SSLKEYLOGFILE", &file).output().unwrap();
    let written = std::fs::read_to_string(&file);
    let _ = std::fs::remove_file(&file);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(written.unwrap().lines().count(), 1);
}
