//! The keys that encrypt tokens: the newest writes, all of them read. A key goes when every token that it wrote has
//! expired.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use serde::{Deserialize, Serialize};
use store::{Direction, Select, Tx};
use types::Timestamp;

use super::codec;
use super::model::Claims;
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

    /// The token that carries the claims. Its padding is left out, as Keystone does.
    pub(crate) fn seal(&self, claims: &Claims) -> Result<String, Error> {
        let key = self.0.first().ok_or_else(|| {
            Error::Internal("there is no key to write tokens with: the cloud was not set up".to_owned())
        })?;
        let at = u64::try_from(claims.issued_at.seconds()).unwrap_or(0);
        let sealed = key.encrypt_at_time(&codec::encode(claims), at);
        Ok(sealed.trim_end_matches('=').to_owned())
    }

    /// The claims of a token that one of our keys wrote and that is valid at `now`.
    pub(crate) fn open(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let padding = (4 - token.len() % 4) % 4;
        let padded = format!("{token}{}", "=".repeat(padding));
        let at = u64::try_from(now.seconds()).unwrap_or(0);
        let bytes = self.0.iter().find_map(|key| key.decrypt_at_time(&padded, None, at).ok())?;
        let claims = codec::decode(&bytes)?;
        (claims.issued_at <= now.plus(CLOCK_SKEW) && claims.expires_at > now).then_some(claims)
    }
}

/// Makes the first key if there is none.
pub(crate) fn ensure(tx: &mut Tx<'_>) -> Result<(), store::Error> {
    match KEYS.count(tx, &Select::all())? {
        0 => add(tx),
        _ => Ok(()),
    }
}

/// Lets a fresh key write from now on, and drops those whose last token, `ttl` long, has expired.
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
