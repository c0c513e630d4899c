//! Words of any length as keys of a table.

use sha2::{Digest, Sha256};

/// The longest key column.
const KEY_LENGTH_MAX: usize = 64;

/// The word itself if a key column can hold it as it is, else its SHA-256 in hexadecimal. Databases differ in how they
/// compare letters beyond ASCII and blanks at the end, so only plain words stay what they are.
pub(crate) fn short(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b"-._".contains(&b);
    if !word.is_empty() && word.len() < KEY_LENGTH_MAX && word.bytes().all(plain) {
        word.to_owned()
    } else {
        digest(word.as_bytes())
    }
}

/// The SHA-256 of these words, which cannot run into each other, in hexadecimal.
pub(crate) fn joined(words: &[&str]) -> String {
    let mut bytes = Vec::new();
    for word in words {
        bytes.extend_from_slice(&(word.len() as u64).to_be_bytes());
        bytes.extend_from_slice(word.as_bytes());
    }
    digest(&bytes)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
