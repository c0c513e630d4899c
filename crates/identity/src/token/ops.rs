//! Checking tokens for all services, and taking them back.

use std::sync::Arc;
use std::time::Duration;

use policy::{Caller, Policy, Target};
use rest::Rejected;
use store::{Direction, Select, Store, Tx};
use tokio::sync::Semaphore;
use types::{Timestamp, UserId};

use super::cache::{CHANGED, Cache, Checked};
use super::codec;
use super::keys::Keys;
use super::model::Claims;
use super::resolve::{held_by_claims, live_domain, resolve};
use super::store::{count_change, generation};
use crate::assignment::model::Target as AssignedIn;
use crate::assignment::reach::{roles_of, targets_in};
use crate::domain::model::Domain;
use crate::domain::store::DOMAINS;
use crate::password::Passwords;
use crate::policy::RULES;
use crate::project::model::Project;
use crate::project::store::PROJECTS;
use crate::revocation;
use crate::{Config, Error};

/// How long after a token expired a service that works for its user may still ask what it was worth, as Keystone's
/// `[token] allow_expired_window`.
pub(crate) const EXPIRED_WINDOW: Duration = Duration::from_secs(2 * 86_400);

/// How many logins wait for an identity provider before the next is turned away.
const FEDERATED_LOGINS_MAX: usize = 32;

/// Checks tokens for all services, and knows how logins are to be done.
pub struct Tokens {
    pub(crate) config: Config,
    pub(crate) passwords: Passwords,
    pub(crate) cache: Cache,
    /// The places of those who wait for an identity provider to speak for them.
    pub(crate) federated_logins: Semaphore,
    /// Whether other processes write to the database too.
    shared: bool,
}

impl Tokens {
    /// A checker that hears of the changes committed to `store`.
    pub fn new(store: &Store, config: Config) -> Arc<Tokens> {
        let passwords = Passwords::new(config.bcrypt_cost);
        let tokens = Arc::new(Tokens {
            config,
            passwords,
            cache: Cache::default(),
            federated_logins: Semaphore::new(FEDERATED_LOGINS_MAX),
            shared: store.is_shared(),
        });
        let listening = Arc::downgrade(&tokens);
        store.listen(move |signals| {
            if let (true, Some(tokens)) = (signals.iter().any(|s| s == CHANGED), listening.upgrade()) {
                tokens.cache.empty();
            }
        });
        tokens
    }

    /// The token, if it was checked lately and the cache alone can tell that it is still good.
    pub(crate) fn known(&self, token: &str) -> Option<Arc<Checked>> {
        if self.shared { None } else { self.cache.lookup(token) }
    }

    /// The token, from the cache or checked now.
    pub(crate) fn check(&self, tx: &mut Tx<'_>, token: &str) -> Result<Arc<Checked>, Error> {
        if self.shared {
            self.cache.follow(generation(tx)?);
        }
        if let Some(checked) = self.cache.lookup(token) {
            return Ok(checked);
        }
        let mark = self.cache.mark();
        let claims = open(&Keys::load(tx)?, token, tx.now(), Duration::ZERO).ok_or(Error::Unauthorized)?;
        let checked = Arc::new(Checked::new(resolve(tx, claims)?, tx.now(), &self.config.policy));
        self.cache.remember(token, checked.clone(), mark);
        Ok(checked)
    }
}

/// A token that expired not long ago, as it would be if it had not. It is never remembered, and nobody
/// acts by it.
pub(crate) fn check_expired(tx: &mut Tx<'_>, token: &str) -> Result<Arc<Checked>, Error> {
    let claims = open(&Keys::load(tx)?, token, tx.now(), EXPIRED_WINDOW).ok_or(Error::Unauthorized)?;
    Ok(Arc::new(Checked::new(resolve(tx, claims)?, tx.now(), &Policy::default())))
}

/// What a token that one of the keys wrote claims, until `window` after it expired.
pub(crate) fn open(keys: &Keys, token: &str, now: Timestamp, window: Duration) -> Option<Claims> {
    let claims = codec::decode(&keys.open(token, now)?)?;
    (claims.expires_at.plus(window) > now).then_some(claims)
}

impl rest::Authenticate for Tokens {
    fn cached(&self, token: &str) -> Option<Arc<Caller>> {
        Some(self.known(token)?.caller.clone())
    }

    fn authenticate(&self, tx: &mut Tx<'_>, token: &str) -> Result<Arc<Caller>, Rejected> {
        match self.check(tx, token) {
            Ok(checked) => Ok(checked.caller.clone()),
            Err(Error::Store(error)) => Err(Rejected::Store(error)),
            Err(_) => Err(Rejected::Unauthorized),
        }
    }
}

/// To be said in every transaction that can change what a token gives or says.
pub(crate) fn changed(tx: &mut Tx<'_>) {
    tx.signal(CHANGED);
    // What fails in the database stays with the transaction, which then is not committed.
    let _ = count_change(tx);
}

/// Takes a token back before it expires.
pub(crate) fn delete(tx: &mut Tx<'_>, tokens: &Tokens, caller: &Caller, token: &str) -> Result<(), Error> {
    let checked = tokens.check(tx, token).map_err(unknown_token)?;
    let claims = &checked.token.claims;
    RULES.check("identity:revoke_token", caller, &Target::user(&checked.token.user.id))?;
    revocation::ops::create_for_token(tx, claims.audit_id())
}

/// A subject token that is no good is something not found, not a reason to log in again.
pub(crate) fn unknown_token(error: Error) -> Error {
    match error {
        Error::Unauthorized => Error::Absent("Failed to validate token".to_owned()),
        other => other,
    }
}

/// The enabled projects in enabled domains where a token's user has a role.
pub(crate) fn projects_of(tx: &mut Tx<'_>, claims: &Claims) -> Result<Vec<Project>, Error> {
    let held = held_by_claims(tx, claims)?;
    let targets = targets_in(tx, held)?;
    let ids = targets.iter().filter(|target| matches!(target, AssignedIn::Project(_))).map(AssignedIn::id);
    let found = PROJECTS
        .query(tx, &Select::all().is_in("id", ids).eq("enabled", true).order("id", Direction::Asc))?;
    let mut projects = Vec::with_capacity(found.len());
    for project in found {
        if live_domain(tx, &project.domain_id).is_ok() {
            projects.push(project.into_inner());
        }
    }
    Ok(projects)
}

/// The enabled domains in which a token's user has a role.
pub(crate) fn domains_of(tx: &mut Tx<'_>, claims: &Claims) -> Result<Vec<Domain>, Error> {
    let held = held_by_claims(tx, claims)?;
    let targets = targets_in(tx, held)?;
    let ids = targets.iter().filter(|target| matches!(target, AssignedIn::Domain(_))).map(AssignedIn::id);
    let found =
        DOMAINS.query(tx, &Select::all().is_in("id", ids).eq("enabled", true).order("id", Direction::Asc))?;
    Ok(found.into_iter().map(|domain| domain.into_inner()).collect())
}

/// Whether the user has a role in the system.
pub(crate) fn has_system(tx: &mut Tx<'_>, user: &UserId) -> Result<bool, Error> {
    Ok(!roles_of(tx, user, &AssignedIn::System)?.is_empty())
}
