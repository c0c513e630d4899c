//! Tokens that were checked lately, so that most requests ask the database nothing.
//!
//! Every write that can make a token worth less signals [`CHANGED`]; the cache is then emptied before the writer has
//! its answer. Another replica of the control plane does not hear that signal: where there may be some, each use of an
//! entry asks the database whether anything has changed. An entry lives [`LIFE`] at most, for what nobody writes may
//! change too: a password expires.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use policy::{Caller, Policy};
use sha2::{Digest, Sha256};
use types::Timestamp;

use super::model::Token;

/// The signal of every commit that can change what a token gives.
pub(crate) const CHANGED: &str = "identity";

/// How long an entry is believed.
const LIFE: Duration = Duration::from_secs(5);
/// How many entries one of the two halves holds.
const HALF_MAX: usize = 8192;

/// A token that was checked.
pub(crate) struct Checked {
    /// What it gives.
    pub(crate) token: Token,
    /// The same for the services.
    pub(crate) caller: Arc<Caller>,
    /// Its description for one client address, once somebody asked for it.
    pub(crate) description: Mutex<Option<(String, Arc<Vec<u8>>)>>,
    until: Timestamp,
}

impl Checked {
    /// A token that was checked at `now`.
    pub(crate) fn new(token: Token, now: Timestamp, policy: &Policy) -> Checked {
        let until = token.claims.expires_at.min(now.plus(LIFE));
        let caller = Arc::new(token.caller(policy));
        Checked { token, caller, description: Mutex::new(None), until }
    }
}

type Entries = HashMap<[u8; 32], Arc<Checked>>;

/// Two halves: the younger is filled, and takes the place of the older once it is full.
#[derive(Default)]
struct Halves {
    young: Entries,
    old: Entries,
    /// How often the cache was emptied.
    changes: u64,
    /// The database's count of changes that the entries were read at, where it is asked.
    generation: i64,
}

impl Halves {
    fn clear(&mut self, generation: i64) {
        *self = Halves { changes: self.changes + 1, generation, ..Halves::default() };
    }
}

/// The cache.
#[derive(Default)]
pub(crate) struct Cache(RwLock<Halves>);

impl Cache {
    /// The entry of a token, if it was checked lately.
    pub(crate) fn lookup(&self, token: &str) -> Option<Arc<Checked>> {
        let key = key(token);
        let halves = self.0.read().ok()?;
        let found = halves.young.get(&key).or_else(|| halves.old.get(&key))?;
        (found.until > runtime::now()).then(|| found.clone())
    }

    /// A mark to be taken before the database is read, for [`Cache::remember`].
    pub(crate) fn mark(&self) -> u64 {
        self.0.read().map_or(0, |halves| halves.changes)
    }

    /// Remembers what was read since `mark`, unless something changed meanwhile.
    pub(crate) fn remember(&self, token: &str, checked: Arc<Checked>, mark: u64) {
        let key = key(token);
        let Ok(mut halves) = self.0.write() else { return };
        if halves.changes != mark {
            return;
        }
        if halves.young.len() >= HALF_MAX {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(key, checked);
    }

    /// Forgets everything.
    pub(crate) fn empty(&self) {
        if let Ok(mut halves) = self.0.write() {
            let generation = halves.generation;
            halves.clear(generation);
        }
    }

    /// Forgets everything that was read at another count of changes.
    pub(crate) fn follow(&self, generation: i64) {
        if self.0.read().is_ok_and(|halves| halves.generation == generation) {
            return;
        }
        if let Ok(mut halves) = self.0.write() {
            halves.clear(generation);
        }
    }
}

/// Tokens themselves are not kept.
fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
