//! Issuing, checking and revoking tokens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::{Caller, Target};
use rest::Rejected;
use store::{Direction, Select, Store, Tx};
use types::{DomainId, ProjectId, RoleId, UserId};

use super::cache::{CHANGED, Cache, Checked};
use super::keys::Keys;
use super::model::{
    ClaimedScope, Claims, DomainRef, DomainSpec, Named, RoleRef, ScopeWish, Token, TokenScope, TrustRef,
    UserRef,
};
use super::store::{REVOCATIONS, Revocation, revoke};
use crate::assignment::model::Target as AssignedIn;
use crate::assignment::store::{of_user, roles_of};
use crate::domain::model::Domain;
use crate::domain::store::DOMAINS;
use crate::ids::{TrustId, key_of};
use crate::password::Passwords;
use crate::policy::RULES;
use crate::project::model::Project;
use crate::project::store::PROJECTS;
use crate::role::model::implied;
use crate::role::store::{ROLES, implications};
use crate::trust::model::Trust;
use crate::trust::store::TRUSTS;
use crate::user::model::User;
use crate::user::store::USERS;
use crate::{Config, Error};

/// Checks tokens for all services, and knows how logins are to be done.
pub struct Tokens {
    pub(crate) config: Config,
    pub(crate) passwords: Passwords,
    pub(crate) cache: Cache,
}

impl Tokens {
    /// A checker that hears of the changes committed to `store`.
    pub fn new(store: &Store, config: Config) -> Arc<Tokens> {
        let passwords = Passwords::new(config.bcrypt_cost);
        let tokens = Arc::new(Tokens { config, passwords, cache: Cache::default() });
        let listening = Arc::downgrade(&tokens);
        store.listen(move |signals| {
            if let (true, Some(tokens)) = (signals.iter().any(|s| s == CHANGED), listening.upgrade()) {
                tokens.cache.empty();
            }
        });
        tokens
    }

    /// The token, from the cache or checked now.
    pub(crate) fn check(&self, tx: &mut Tx<'_>, token: &str) -> Result<Arc<Checked>, Error> {
        if let Some(checked) = self.cache.lookup(token) {
            return Ok(checked);
        }
        let mark = self.cache.mark();
        let now = tx.now();
        let claims = Keys::load(tx)?.open(token, now).ok_or(Error::Unauthorized)?;
        let checked = Arc::new(Checked::new(resolve(tx, claims)?, now));
        self.cache.remember(token, checked.clone(), mark);
        Ok(checked)
    }
}

impl rest::Authenticate for Tokens {
    fn cached(&self, token: &str) -> Option<Arc<Caller>> {
        Some(self.cache.lookup(token)?.caller.clone())
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
}

/// Who logged in, and how.
#[derive(Debug, Clone)]
pub(crate) struct Proven {
    pub(crate) user_id: UserId,
    pub(crate) methods: Vec<String>,
    /// The hash that the password was compared with. It must still be the user's.
    pub(crate) password: Option<String>,
    /// The token that was shown: the new one expires no later.
    pub(crate) from: Option<Claims>,
}

/// The user that a login names.
pub(crate) fn user_named(tx: &mut Tx<'_>, named: &Named) -> Result<Option<User>, store::Error> {
    let found = match named {
        Named::Id(id) => USERS.load(tx, id)?,
        Named::Name { name, domain } => {
            let Some(domain) = domain_named(tx, domain)? else { return Ok(None) };
            let select = Select::all().eq("domain_id", &domain.id).eq("name_hash", key_of(&[name]));
            USERS.first(tx, &select)?
        }
    };
    Ok(found.map(|user| user.into_inner()))
}

fn domain_named(tx: &mut Tx<'_>, domain: &DomainSpec) -> Result<Option<Domain>, store::Error> {
    let found = match domain {
        DomainSpec::Id(id) => DOMAINS.load(tx, id)?,
        DomainSpec::Name(name) => DOMAINS.first(tx, &Select::all().eq("name", name))?,
    };
    Ok(found.map(|domain| domain.into_inner()))
}

fn project_named(tx: &mut Tx<'_>, named: &Named) -> Result<Option<Project>, store::Error> {
    let found = match named {
        Named::Id(id) => PROJECTS.load(tx, id)?,
        Named::Name { name, domain } => {
            let Some(domain) = domain_named(tx, domain)? else { return Ok(None) };
            PROJECTS.first(tx, &Select::all().eq("domain_id", &domain.id).eq("name", name))?
        }
    };
    Ok(found.map(|project| project.into_inner()))
}

/// A token for somebody who proved who it is.
pub(crate) fn issue(
    tx: &mut Tx<'_>,
    proven: &Proven,
    wish: &ScopeWish,
    ttl: Duration,
) -> Result<(String, Token), Error> {
    let user = USERS.load(tx, &proven.user_id)?.ok_or(Error::Unauthorized)?;
    if proven.password.is_some() && proven.password != user.password {
        return Err(Error::Unauthorized);
    }
    let now = tx.now();
    let mut audit_ids = vec![audit_id()];
    let mut expires_at = now.plus(ttl);
    if let Some(from) = &proven.from {
        audit_ids.extend(from.audit_ids.last().cloned());
        expires_at = expires_at.min(from.expires_at);
        // A token of a trust gives no other token, or the trust could be left.
        if from.trust_id.is_some() {
            return Err(Error::Forbidden("Trust-scoped tokens cannot be rescoped.".to_owned()));
        }
    }
    let mut claims = Claims {
        user_id: proven.user_id.clone(),
        methods: proven.methods.clone(),
        scope: ClaimedScope::Unscoped,
        issued_at: now,
        expires_at,
        audit_ids,
        trust_id: None,
    };
    let token = match claimed(tx, wish)? {
        Some((scope, trust_id)) => {
            (claims.scope, claims.trust_id) = (scope, trust_id);
            resolve(tx, claims)?
        }
        None => in_default_project(tx, claims, user.default_project_id.as_ref())?,
    };
    if let Some(trust) = &token.trust {
        use_trust(tx, &trust.id)?;
    }
    Ok((Keys::load(tx)?.seal(&token.claims)?, token))
}

/// The scope wished for; none if the user's default is to be tried.
fn claimed(tx: &mut Tx<'_>, wish: &ScopeWish) -> Result<Option<(ClaimedScope, Option<TrustId>)>, Error> {
    let scope = match wish {
        ScopeWish::Default => return Ok(None),
        ScopeWish::Unscoped => ClaimedScope::Unscoped,
        ScopeWish::Project(named) => {
            ClaimedScope::Project(project_named(tx, named)?.ok_or(Error::Unauthorized)?.id)
        }
        ScopeWish::Domain(domain) => {
            ClaimedScope::Domain(domain_named(tx, domain)?.ok_or(Error::Unauthorized)?.id)
        }
        ScopeWish::System => ClaimedScope::System,
        ScopeWish::Trust(id) => {
            let trust = TRUSTS.load(tx, id)?.ok_or(Error::Unauthorized)?;
            let scope = match &trust.project_id {
                Some(project) => ClaimedScope::Project(project.clone()),
                None => ClaimedScope::Unscoped,
            };
            return Ok(Some((scope, Some(id.clone()))));
        }
    };
    Ok(Some((scope, None)))
}

/// Falls back to no scope where the default project is gone, disabled, or no longer the user's.
fn in_default_project(
    tx: &mut Tx<'_>,
    mut claims: Claims,
    project: Option<&ProjectId>,
) -> Result<Token, Error> {
    if let Some(project) = project {
        claims.scope = ClaimedScope::Project(project.clone());
        match resolve(tx, claims.clone()) {
            Err(Error::Unauthorized) => claims.scope = ClaimedScope::Unscoped,
            other => return other,
        }
    }
    resolve(tx, claims)
}

/// What the claims give now; refused if anything that they rest on is gone or disabled.
pub(crate) fn resolve(tx: &mut Tx<'_>, claims: Claims) -> Result<Token, Error> {
    if REVOCATIONS.load(tx, claims.audit_id())?.is_some() {
        return Err(Error::Unauthorized);
    }
    let (mut user, _) = live_user(tx, &claims)?;
    let mut trust_roles = None;
    let mut trust_ref = None;
    if let Some(id) = &claims.trust_id {
        let trust = live_trust(tx, id, &claims)?;
        let (trustor, _) = live_user(tx, &Claims { user_id: trust.trustor_id.clone(), ..claims.clone() })?;
        if trust.impersonation {
            user = trustor;
        }
        trust_ref = Some(TrustRef {
            id: trust.id,
            trustor_id: trust.trustor_id,
            trustee_id: trust.trustee_id,
            impersonation: trust.impersonation,
        });
        trust_roles = Some(trust.roles);
    }
    let (scope, target) = live_scope(tx, &claims.scope)?;
    let roles = match target {
        None => Vec::new(),
        Some(target) => {
            let whose = trust_ref.as_ref().map_or(&claims.user_id, |trust| &trust.trustor_id);
            let mut roles = effective_roles(tx, whose, &target)?;
            if let Some(given) = &trust_roles {
                let given = implied(&given.iter().cloned().collect(), &implications(tx)?);
                roles.retain(|role| given.contains(&role.id));
            }
            if roles.is_empty() {
                return Err(Error::Unauthorized);
            }
            roles
        }
    };
    Ok(Token { claims, user, scope, roles, trust: trust_ref })
}

/// The user of the claims, enabled and with the password that was valid then.
fn live_user(tx: &mut Tx<'_>, claims: &Claims) -> Result<(UserRef, User), Error> {
    let user = USERS.load(tx, &claims.user_id)?.ok_or(Error::Unauthorized)?.into_inner();
    if !user.enabled || claims.issued_at < user.tokens_from {
        return Err(Error::Unauthorized);
    }
    let domain = live_domain(tx, &user.domain_id)?;
    Ok((UserRef { id: user.id.clone(), name: user.name.clone(), domain }, user))
}

fn live_domain(tx: &mut Tx<'_>, id: &DomainId) -> Result<DomainRef, Error> {
    let domain = DOMAINS.load(tx, id)?.ok_or(Error::Unauthorized)?.into_inner();
    if domain.enabled { Ok(DomainRef { id: domain.id, name: domain.name }) } else { Err(Error::Unauthorized) }
}

fn live_trust(tx: &mut Tx<'_>, id: &TrustId, claims: &Claims) -> Result<Trust, Error> {
    let trust = TRUSTS.load(tx, id)?.ok_or(Error::Unauthorized)?.into_inner();
    let expired = trust.expires_at.is_some_and(|at| at <= tx.now());
    if expired || trust.trustee_id != claims.user_id { Err(Error::Unauthorized) } else { Ok(trust) }
}

/// Counts one use of a trust whose uses are limited.
fn use_trust(tx: &mut Tx<'_>, id: &TrustId) -> Result<(), Error> {
    let Some(mut trust) = TRUSTS.load(tx, id)? else { return Err(Error::Unauthorized) };
    match trust.remaining_uses {
        None => return Ok(()),
        Some(0) => return Err(Error::Forbidden(format!("No remaining uses for trust: {id}."))),
        Some(left) => trust.remaining_uses = Some(left - 1),
    }
    Ok(TRUSTS.save(tx, &mut trust)?)
}

fn live_scope(tx: &mut Tx<'_>, scope: &ClaimedScope) -> Result<(TokenScope, Option<AssignedIn>), Error> {
    Ok(match scope {
        ClaimedScope::Unscoped => (TokenScope::Unscoped, None),
        ClaimedScope::Project(id) => {
            let project = PROJECTS.load(tx, id)?.ok_or(Error::Unauthorized)?.into_inner();
            if !project.enabled {
                return Err(Error::Unauthorized);
            }
            let domain = live_domain(tx, &project.domain_id)?;
            let target = AssignedIn::Project(project.id.clone());
            (TokenScope::Project { id: project.id, name: project.name, domain }, Some(target))
        }
        ClaimedScope::Domain(id) => {
            let domain = live_domain(tx, id)?;
            (TokenScope::Domain(domain), Some(AssignedIn::Domain(id.clone())))
        }
        ClaimedScope::System => (TokenScope::System, Some(AssignedIn::System)),
    })
}

/// The roles that a user has somewhere, those of groups and those implied included, by name. A domain's own role gives
/// what it implies and never itself.
pub(crate) fn effective_roles(
    tx: &mut Tx<'_>,
    user: &UserId,
    target: &AssignedIn,
) -> Result<Vec<RoleRef>, Error> {
    let held = roles_of(tx, user, target)?;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let all: BTreeSet<RoleId> = implied(&held, &implications(tx)?);
    let found = ROLES.query(tx, &Select::all().is_in("id", all.iter()).order("id", Direction::Asc))?;
    let global = found.into_iter().map(|role| role.into_inner()).filter(|role| role.domain_id.is_none());
    let mut roles: Vec<RoleRef> = global.map(|role| RoleRef { id: role.id, name: role.name }).collect();
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(roles)
}

/// Takes a token back before it expires.
pub(crate) fn delete(tx: &mut Tx<'_>, tokens: &Tokens, caller: &Caller, token: &str) -> Result<(), Error> {
    let checked = tokens.check(tx, token).map_err(unknown_token)?;
    let claims = &checked.token.claims;
    RULES.check("identity:revoke_token", caller, &Target::user(&checked.token.user.id))?;
    let audit_id = claims.audit_id().to_owned();
    revoke(tx, Revocation { audit_id, expires_at: claims.expires_at })?;
    changed(tx);
    Ok(())
}

/// A subject token that is no good is something not found, not a reason to log in again.
pub(crate) fn unknown_token(error: Error) -> Error {
    match error {
        Error::Unauthorized => Error::Absent("Failed to validate token".to_owned()),
        other => other,
    }
}

/// The enabled projects in enabled domains where the user has a role.
pub(crate) fn projects_of(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<Project>, Error> {
    let ids = targets_of(tx, user, |target| match target {
        AssignedIn::Project(id) => Some(id.to_string()),
        AssignedIn::Domain(_) | AssignedIn::System => None,
    })?;
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

/// The enabled domains in which the user has a role.
pub(crate) fn domains_of(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<Domain>, Error> {
    let ids = targets_of(tx, user, |target| match target {
        AssignedIn::Domain(id) => Some(id.to_string()),
        AssignedIn::Project(_) | AssignedIn::System => None,
    })?;
    let found =
        DOMAINS.query(tx, &Select::all().is_in("id", ids).eq("enabled", true).order("id", Direction::Asc))?;
    Ok(found.into_iter().map(|domain| domain.into_inner()).collect())
}

/// Whether the user has a role in the system.
pub(crate) fn has_system(tx: &mut Tx<'_>, user: &UserId) -> Result<bool, Error> {
    Ok(!roles_of(tx, user, &AssignedIn::System)?.is_empty())
}

fn targets_of(
    tx: &mut Tx<'_>,
    user: &UserId,
    wanted: impl Fn(&AssignedIn) -> Option<String>,
) -> Result<BTreeSet<String>, Error> {
    Ok(of_user(tx, user)?.iter().filter_map(|a| wanted(&a.target)).collect())
}

fn audit_id() -> String {
    URL_SAFE_NO_PAD.encode(runtime::new_uuid().as_bytes())
}
