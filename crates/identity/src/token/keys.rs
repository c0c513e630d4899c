//! The keys that encrypt tokens and receipts: the newest writes, all of them read. A key goes when nothing that it wrote
//! can be asked for any more.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use serde::{Deserialize, Serialize};
use store::{Direction, Select, Tx};
use types::Timestamp;

use super::store::KEYS;
use crate::Error;
use crate::ids::fresh;

/// A key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    /// 32 bytes in URL-safe base64.
    pub(crate) secret: String,
    pub(crate) made_at: Timestamp,
    /// Since when another key writes.
    pub(crate) superseded_at: Option<Timestamp>,
}

/// How far the clocks of two control planes may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The keys, the one that writes first.
pub(crate) struct Keys(Vec<Fernet>);

impl Keys {
    /// All keys there are.
    pub(crate) fn load(tx: &mut Tx<'_>) -> Result<Keys, store::Error> {
        let select = Select::all().order("made_at", Direction::Desc).order("id", Direction::Desc);
        let found = KEYS.query(tx, &select)?;
        let (writing, reading): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|key| key.superseded_at.is_none());
        Ok(Keys(writing.iter().chain(&reading).filter_map(|key| Fernet::new(&key.secret)).collect()))
    }

    /// What encrypts these bytes, as of `at`. Its padding is left out, as Keystone does.
    pub(crate) fn seal(&self, bytes: &[u8], at: Timestamp) -> Result<String, Error> {
        let key = self.0.first().ok_or_else(|| {
            Error::Internal("there is no key to write tokens with: the cloud was not set up".to_owned())
        })?;
        let sealed = key.encrypt_at_time(bytes, u64::try_from(at.seconds()).unwrap_or(0));
        Ok(sealed.trim_end_matches('=').to_owned())
    }

    /// The bytes that one of our keys encrypted, not later than `now`.
    pub(crate) fn open(&self, sealed: &str, now: Timestamp) -> Option<Vec<u8>> {
        let padding = (4 - sealed.len() % 4) % 4;
        let padded = format!("{sealed}{}", "=".repeat(padding));
        let at = u64::try_from(now.seconds()).unwrap_or(0);
        self.0.iter().find_map(|key| key.decrypt_at_time(&padded, None, at).ok())
    }
}

/// Makes the first key if there is none.
pub(crate) fn ensure(tx: &mut Tx<'_>) -> Result<(), store::Error> {
    match KEYS.count(tx, &Select::all())? {
        0 => add(tx),
        _ => Ok(()),
    }
}

/// Lets a fresh key write from now on, and drops those whose last token is past use, which it is after `ttl`.
pub(crate) fn rotate(tx: &mut Tx<'_>, ttl: Duration) -> Result<(), store::Error> {
    let now = tx.now();
    for mut key in KEYS.query(tx, &Select::all())? {
        match key.superseded_at {
            None => {
                key.superseded_at = Some(now);
                KEYS.save(tx, &mut key)?;
            }
            Some(since) if since.plus(ttl).plus(CLOCK_SKEW) < now => KEYS.remove(tx, &key)?,
            Some(_) => {}
        }
    }
    add(tx)
}

fn add(tx: &mut Tx<'_>) -> Result<(), store::Error> {
    let mut secret = [0; 32];
    runtime::fill_random(&mut secret);
    let key = Key { id: fresh(), secret: URL_SAFE.encode(secret), made_at: tx.now(), superseded_at: None };
    KEYS.insert(tx, key).map(|_| ())
}
