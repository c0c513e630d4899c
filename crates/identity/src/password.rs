//! Passwords: hashed by bcrypt on a few threads of their own, never on a database thread.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::Error;

/// How many logins wait for a thread before the next is turned away.
const WAITING_MAX: usize = 512;
/// The longest password that is taken, as Keystone's.
pub(crate) const PASSWORD_BYTES_MAX: usize = 4096;

/// Hashes and verifies passwords, a bounded number at a time.
pub(crate) struct Passwords {
    cost: u32,
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Passwords {
    /// With this bcrypt cost. One core is left to everybody else.
    pub(crate) fn new(cost: u32) -> Passwords {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.saturating_sub(1).max(1);
        Passwords {
            cost,
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        let cost = self.cost;
        self.run(move || hash(&password, cost)).await?
    }

    /// Whether this is the password. Where there is no hash, because there is no such user, it takes as long to say no.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Error> {
        let cost = self.cost;
        self.run(move || match hash {
            Some(hash) => bcrypt::verify(digest(&password), &hash).unwrap_or(false),
            None => {
                // The work is what counts, not its result.
                let _ = bcrypt::hash_with_salt(digest(&password), cost, [0; 16]);
                false
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let _place = self.places.try_acquire().map_err(|_| Error::Busy)?;
        let thread = self.threads.clone().acquire_owned().await.map_err(|_| Error::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(thread);
            result
        });
        done.await.map_err(|e| Error::Internal(format!("hashing a password failed: {e}")))
    }
}

/// The hash of a password, computed here and now.
pub(crate) fn hash(password: &str, cost: u32) -> Result<String, Error> {
    let mut salt = [0; 16];
    runtime::fill_random(&mut salt);
    let parts = bcrypt::hash_with_salt(digest(password), cost, salt)
        .map_err(|e| Error::Internal(format!("cannot hash a password: {e}")))?;
    Ok(parts.to_string())
}

/// bcrypt reads 72 bytes and stops at a zero byte; a digest of the whole password has neither problem.
fn digest(password: &str) -> String {
    STANDARD.encode(Sha256::digest(password.as_bytes()))
}
