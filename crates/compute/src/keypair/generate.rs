//! Makes an Ed25519 key and writes it as OpenSSH does (PROTOCOL.key): an unencrypted private key file.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;

/// The key's type in OpenSSH's words.
const KIND: &str = "ssh-ed25519";
/// The private part is padded to this with 1, 2, 3 …
const BLOCK_BYTES: usize = 8;
/// Characters per line of the file.
const LINE_LENGTH: usize = 70;

/// A new key: the public half as one line, the private half as a file.
pub(super) fn ed25519(comment: &str) -> (String, String) {
    let mut seed = [0; 32];
    runtime::fill_random(&mut seed);
    let key = SigningKey::from_bytes(&seed);
    let public = key.verifying_key().to_bytes();
    let mut blob = Vec::new();
    put(&mut blob, KIND.as_bytes());
    put(&mut blob, &public);
    let line = format!("{KIND} {} {comment}", BASE64_STANDARD.encode(&blob));
    (line, private_file(&seed, &public, &blob, comment))
}

fn private_file(seed: &[u8; 32], public: &[u8; 32], blob: &[u8], comment: &str) -> String {
    let mut private = Vec::new();
    // The same number twice, by which a reader of an encrypted file knows that it has the right passphrase.
    let check = (runtime::random_u64() as u32).to_be_bytes();
    private.extend_from_slice(&check);
    private.extend_from_slice(&check);
    put(&mut private, KIND.as_bytes());
    put(&mut private, public);
    put(&mut private, &[seed.as_slice(), public].concat());
    put(&mut private, comment.as_bytes());
    for pad in 1_u8.. {
        if private.len() % BLOCK_BYTES == 0 {
            break;
        }
        private.push(pad);
    }
    let mut file = b"openssh-key-v1\0".to_vec();
    put(&mut file, b"none");
    put(&mut file, b"none");
    put(&mut file, b"");
    file.extend_from_slice(&1_u32.to_be_bytes());
    put(&mut file, blob);
    put(&mut file, &private);
    let encoded = BASE64_STANDARD.encode(file);
    let mut text = String::from("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for line in encoded.as_bytes().chunks(LINE_LENGTH) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END OPENSSH PRIVATE KEY-----\n");
    text
}

/// Appends a string with its length before it.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}
