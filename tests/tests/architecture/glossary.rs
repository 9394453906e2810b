//! `docs/GLOSSARY.md` has one word for each thing.

use std::collections::BTreeMap;
use std::io;

use crate::assert_no_faults;
use crate::markdown::tables;
use crate::repository::read;

#[test]
fn glossary_has_one_word_for_each_thing() -> io::Result<()> {
    assert_no_faults(glossary_faults(&read("docs/GLOSSARY.md")?));
    Ok(())
}

/// Words that are defined twice, not at all, or both used and avoided.
fn glossary_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut defined = BTreeMap::new();
    let mut avoided = Vec::new();
    for table in tables(text) {
        if table.header != GLOSSARY_COLUMNS {
            faults.push(format!("GLOSSARY.md:{} has a table whose columns are not {GLOSSARY_COLUMNS:?}", table.line));
            continue;
        }
        for (line, cells) in table.rows {
            let [word, meaning, others] = cells.as_slice() else {
                faults.push(format!("GLOSSARY.md:{line} has {} cells instead of 3", cells.len()));
                continue;
            };
            if word.is_empty() || meaning.is_empty() {
                faults.push(format!("GLOSSARY.md:{line} defines nothing"));
            }
            if let Some(first) = defined.insert(word.to_lowercase(), line) {
                faults.push(format!("GLOSSARY.md:{line} defines \"{word}\", which line {first} defines already"));
            }
            let others = others.split(',').map(|other| other.trim().to_lowercase()).filter(|other| !other.is_empty());
            avoided.extend(others.map(|other| (line, other)));
        }
    }
    if defined.is_empty() {
        faults.push("GLOSSARY.md defines no word".to_owned());
    }
    for (line, word) in avoided {
        if let Some(used) = defined.get(&word) {
            faults.push(format!("GLOSSARY.md:{line} avoids \"{word}\", which line {used} defines"));
        }
    }
    faults
}

const GLOSSARY_COLUMNS: [&str; 3] = ["word", "what it is", "we do not say"];

#[test]
fn a_word_defined_twice_or_both_used_and_avoided_is_found() {
    let glossary =
        |rows: &str| glossary_faults(&format!("| word | what it is | we do not say |\n|---|---|---|\n{rows}"));
    assert_eq!(glossary("| record | x | |\n| datagram | y | packet |"), Vec::<String>::new());
    assert_eq!(
        glossary("| record | x | |\n\n| word | what it is | we do not say |\n|---|---|---|\n| Record | y | |").len(),
        1
    );
    assert_eq!(glossary("| record | x | frame, datagram |\n| datagram | y | |").len(), 1);
    assert_eq!(glossary("| record | | |").len(), 1);
    assert_eq!(glossary("| record | x |").len(), 2);
    assert_eq!(glossary("").len(), 1);
    assert_eq!(glossary_faults("| term | meaning |\n|---|---|\n| record | x |").len(), 2);
}
