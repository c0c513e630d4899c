//! Passwords: hashed and compared on a few threads of their own, which give way to everybody else's.

mod hash;
mod line;
#[cfg(test)]
mod tests;
mod threads;

use std::net::IpAddr;

use types::UserId;

use self::line::{Asker, Origin};
use self::threads::Threads;
use crate::Error;

pub(crate) use self::hash::{make as hash, of_first_version};

/// The longest password that is taken, as Keystone's.
pub(crate) const PASSWORD_BYTES_MAX: usize = 4096;

/// Hashes and compares passwords, a bounded number at a time, with the same patience for every address.
pub(crate) struct Passwords {
    cost: u32,
    threads: Threads,
}

impl Passwords {
    /// With this bcrypt cost for new hashes. One core is left to everybody else.
    pub(crate) fn new(cost: u32) -> Passwords {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Passwords { cost, threads: Threads::start(cores.saturating_sub(1).max(1)) }
    }

    /// The hash of a new password, which `user` sets at a client that connects from `address`.
    pub(crate) async fn hash(
        &self,
        address: Option<IpAddr>,
        user: &UserId,
        password: String,
    ) -> Result<String, Error> {
        let cost = self.cost;
        let asker = Asker { origin: Origin::of(address), user: user.to_string() };
        self.threads.run(asker, move || hash::make(&password, cost)).await?
    }

    /// Whether this is the password. Where there is no hash, because there is no such user, it is as much work to say
    /// no. `user` is the user's id, or what was taken for one.
    pub(crate) async fn verify(
        &self,
        address: Option<IpAddr>,
        user: &str,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, Error> {
        let cost = self.cost;
        let asker = Asker { origin: Origin::of(address), user: user.to_owned() };
        self.threads.run(asker, move || hash::verify(&password, stored.as_deref(), cost)).await
    }

    /// Whether this was one of the passwords whose hashes these are.
    pub(crate) async fn is_any(
        &self,
        address: Option<IpAddr>,
        user: &UserId,
        password: String,
        stored: Vec<String>,
    ) -> Result<bool, Error> {
        if stored.is_empty() {
            return Ok(false);
        }
        let asker = Asker { origin: Origin::of(address), user: user.to_string() };
        self.threads.run(asker, move || stored.iter().any(|stored| hash::is_of(&password, stored))).await
    }
}
