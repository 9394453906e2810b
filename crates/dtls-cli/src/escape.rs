//! What others made up, on one line that means one thing: escapes for text, and hexadecimal for what is none.

/// Adds `character` to `line`: as it is, or escaped as Rust does it, if it is one of those that lead astray.
pub(crate) fn push_escaped(line: &mut String, character: char) {
    if leads_astray(character) {
        line.extend(character.escape_default());
    } else {
        line.push(character);
    }
}

/// A payload on one line: as it is if it is text, with escapes, else in hexadecimal behind `hex:`. Text that begins
/// like that is told in hexadecimal, too, so that the two cannot be taken for each other.
pub(crate) fn payload(payload: &[u8]) -> String {
    match core::str::from_utf8(payload) {
        Ok(text) if !text.starts_with(HEX) => text.chars().fold(String::new(), |mut line, character| {
            match character {
                '\\' => line.push_str("\\\\"),
                other => push_escaped(&mut line, other),
            }
            line
        }),
        _ => hexadecimal(payload),
    }
}

/// A peer's bytes as one word: as they are if they are printable, else in hexadecimal behind `hex:`; so, too, where
/// they would mean something else: nothing at all, or hexadecimal.
pub(crate) fn word(bytes: &[u8]) -> String {
    match core::str::from_utf8(bytes) {
        Ok(text)
            if !["", ABSENT].contains(&text)
                && !text.starts_with(HEX)
                && text.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            text.to_owned()
        }
        _ => hexadecimal(bytes),
    }
}

/// A peer's bytes as one word of a list, in which commas separate: so, too, where there are commas in it.
pub(crate) fn item(bytes: &[u8]) -> String {
    if bytes.contains(&b',') { hexadecimal(bytes) } else { word(bytes) }
}

/// Within quotation marks, on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            other => push_escaped(&mut quoted, other),
        }
    }
    quoted.push('"');
    quoted
}

/// JSON with the same characters escaped, which it allows as they are. They can only stand in strings.
pub(crate) fn json(written: &str) -> String {
    written.chars().fold(String::new(), |mut line, character| {
        if leads_astray(character) {
            // RFC 8259 section 7: behind the first plane, two units of UTF-16.
            for unit in character.encode_utf16(&mut [0; 2]) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            line.push(character);
        }
        line
    })
}

/// Controls; the separators of lines and paragraphs, which some take for line ends; what turns the direction of
/// writing, so that a line shows what it does not say (Unicode Standard Annex 9, section 2); and the better known of
/// those that take no room, with which two names differ and look alike: the soft hyphen, the spaces and joiners without
/// width, and the tags. Not all that cannot be seen: joiners that scripts and emoji need (U+200C, U+200D) and variation
/// selectors are left, and so are letters that look like others.
fn leads_astray(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    ) || character.is_control()
}

fn hexadecimal(bytes: &[u8]) -> String {
    format!("{HEX}{}", hex::encode(bytes))
}

/// Stands for what is absent.
pub(crate) const ABSENT: &str = "-";
const HEX: &str = "hex:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_line_or_turns_it_around() {
        let astray = "a\u{2028}\u{2029}\u{85}\u{202e}b\u{2066}\u{200f}\u{61c}\u{feff}\u{7}\n";
        let escaped = r"a\u{2028}\u{2029}\u{85}\u{202e}b\u{2066}\u{200f}\u{61c}\u{feff}\u{7}\n";
        assert_eq!(payload(astray.as_bytes()), escaped);
        assert_eq!(quoted(astray), format!("\"{escaped}\""));
        let written = serde_json::to_string(astray).unwrap();
        assert!(json(&written).is_ascii());
        assert_eq!(serde_json::from_str::<String>(&json(&written)).unwrap(), astray);
    }

    #[test]
    fn what_takes_no_room_is_seen() {
        let unseen = "a\u{200b}\u{2060}\u{ad}\u{180e}b\u{e0000}\u{e0041}\u{e007f}";
        let escaped = r"a\u{200b}\u{2060}\u{ad}\u{180e}b\u{e0000}\u{e0041}\u{e007f}";
        assert_eq!(payload(unseen.as_bytes()), escaped);
        assert_eq!(quoted(unseen), format!("\"{escaped}\""));
        let written = json(&serde_json::to_string(unseen).unwrap());
        assert!(written.is_ascii() && written.contains(r"\udb40\udc41"), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), unseen);
    }

    #[test]
    fn other_scripts_are_left_alone() {
        for text in ["grüße", "日本語", "שלום", "👩\u{200d}🚀"] {
            assert_eq!(payload(text.as_bytes()), text);
        }
    }

    #[test]
    fn no_two_payloads_look_alike() {
        for (bytes, line) in [
            (&b"hex:00"[..], "hex:6865783a3030"),
            (b"hex:", "hex:6865783a"),
            (b"hex", "hex"),
            (b"\xff", "hex:ff"),
            (b"\\n", r"\\n"),
            (b"\n", r"\n"),
        ] {
            assert_eq!(payload(bytes), line);
        }
        assert_eq!(
            [word(b"-"), word(b""), word(b"hex:2d"), word(b"a b")],
            ["hex:2d", "hex:", "hex:6865783a3264", "hex:612062"]
        );
    }
}
