//! The keys that keep credentials and other secrets from who has the database alone. They are the operator's, in a file.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;

use crate::Error;

/// Keys for credentials and what else must be read back, such as the keys of encrypted volumes: the first one writes, all of
/// them read.
#[derive(Clone)]
pub struct CredentialKeys(Arc<Vec<Fernet>>);

/// A credential does not age, so no clock has a part in it.
const NO_TIME: u64 = 0;

impl CredentialKeys {
    /// A key in the form in which [`CredentialKeys::parse`] reads it.
    pub fn fresh_key() -> String {
        let mut bytes = [0; 32];
        runtime::fill_random(&mut bytes);
        URL_SAFE.encode(bytes)
    }

    /// Reads keys, one a line; the error says which line is none.
    pub fn parse(text: &str) -> Result<CredentialKeys, String> {
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let key = |(n, line): (usize, &str)| {
            Fernet::new(line).ok_or_else(|| format!("line {} is no key: 32 bytes in URL-safe base64", n + 1))
        };
        let keys = lines.map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err("there is no key".to_owned());
        }
        Ok(CredentialKeys(Arc::new(keys)))
    }

    /// What only these keys can read.
    pub fn seal(&self, blob: &str) -> Result<String, Error> {
        let key =
            self.0.first().ok_or_else(|| Error::Internal("there is no key for credentials".to_owned()))?;
        Ok(key.encrypt_at_time(blob.as_bytes(), NO_TIME))
    }

    /// What was sealed. An error if none of these keys wrote it.
    pub fn open(&self, sealed: &str) -> Result<String, Error> {
        let bytes = self.0.iter().find_map(|key| key.decrypt_at_time(sealed, None, NO_TIME).ok());
        let blob = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        blob.ok_or_else(|| Error::Internal("a secret was sealed with a key that is not here".to_owned()))
    }

    /// Seals anew what an older key wrote; says whether it did.
    pub fn renew(&self, sealed: &mut String) -> Result<bool, Error> {
        if self.is_current(sealed) {
            return Ok(false);
        }
        *sealed = self.seal(&self.open(sealed)?)?;
        Ok(true)
    }

    /// Whether the key that writes now wrote it.
    pub(crate) fn is_current(&self, sealed: &str) -> bool {
        self.0.first().is_some_and(|key| key.decrypt_at_time(sealed, None, NO_TIME).is_ok())
    }
}

impl Default for CredentialKeys {
    /// A fresh key, which nobody else has: what it seals is lost with the process.
    fn default() -> CredentialKeys {
        CredentialKeys(Arc::new(Fernet::new(&CredentialKeys::fresh_key()).into_iter().collect()))
    }
}

impl fmt::Debug for CredentialKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}
