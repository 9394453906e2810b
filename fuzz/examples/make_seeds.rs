//! Writes the seeds of every target to `seeds/`: `cargo run --example make_seeds`.

use std::{fs, io, path::Path};

use dtls_fuzz::{roaming, seeds};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (target, seeds) in [
        ("decoders", seeds::decoders()),
        ("connection", seeds::connection()),
        ("endpoint", seeds::endpoint()),
        ("roaming", roaming::seeds()),
    ] {
        let folder = root.join(target);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        println!("{target}: {} seeds", seeds.len());
        for (name, content) in seeds {
            fs::write(folder.join(name), content)?;
        }
    }
    Ok(())
}
