//! What a token gives now: its user, scope and roles, as long as all that it rests on is there and in force.

use std::collections::BTreeSet;

use store::{Direction, Select, Tx};
use types::{DomainId, RoleId, UserId};

use super::model::{
    AccessTokenRef, ApplicationCredentialRef, ClaimedScope, Claims, DomainRef, RoleRef, Token, TokenScope,
    TrustRef, UserRef,
};
use crate::Error;
use crate::application_credential::model::ApplicationCredential;
use crate::application_credential::store::APPLICATION_CREDENTIALS;
use crate::assignment::model::{Assignment, Target};
use crate::assignment::reach::{roles_in, roles_of};
use crate::assignment::store::{of_groups, of_user};
use crate::domain::store::DOMAINS;
use crate::federation::login::ops::is_known;
use crate::ids::{GroupId, TrustId};
use crate::oauth1::access_token::model::AccessToken;
use crate::oauth1::access_token::store::ACCESS_TOKENS;
use crate::project::store::PROJECTS;
use crate::revocation;
use crate::role::model::implied;
use crate::role::store::{ROLES, implications};
use crate::trust::model::Trust;
use crate::trust::store::chain_of;
use crate::user::store::USERS;

/// What the claims give now; refused if anything that they rest on is gone or disabled.
pub(crate) fn resolve(tx: &mut Tx<'_>, claims: Claims) -> Result<Token, Error> {
    let mut user = live_user(tx, &claims.user_id)?;
    if let Some(federated) = &claims.federated
        && !is_known(tx, federated)?
    {
        return Err(Error::Unauthorized);
    }
    let mut given = None;
    let mut trust_ref = None;
    // Whose roles the token gives: by a trust that was handed on, those of the first who gave.
    let mut holder = claims.user_id.clone();
    let mut subjects = vec![claims.audit_id().to_owned(), claims.user_id.to_string()];
    if let Some(id) = &claims.trust_id {
        let chain = live_trusts(tx, id, &claims)?;
        for trust in &chain {
            subjects.extend([trust.id.to_string(), trust.trustor_id.to_string()]);
            holder = trust.trustor_id.clone();
        }
        let trust = chain.into_iter().next().ok_or(Error::Unauthorized)?;
        if trust.impersonation {
            user = live_user(tx, &trust.trustor_id)?;
        }
        live_user(tx, &holder)?;
        trust_ref = Some(TrustRef {
            id: trust.id,
            trustor_id: trust.trustor_id,
            trustee_id: trust.trustee_id,
            impersonation: trust.impersonation,
        });
        given = Some(trust.roles);
    }
    let credential = live_credential(tx, &claims)?;
    let access_token = live_access_token(tx, &claims)?;
    if let Some(token) = &access_token {
        given = Some(token.roles.clone());
    }
    let (scope, target) = live_scope(tx, &claims.scope)?;
    if let TokenScope::Project { id, .. } = &scope {
        subjects.push(id.to_string());
    }
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    if revocation::store::is_revoked(tx, &subjects, claims.issued_at)? {
        return Err(Error::Unauthorized);
    }
    let roles = match target {
        None => Vec::new(),
        Some(target) => {
            let held = held_by(tx, &holder, groups_of_token(&claims, &holder))?;
            let held = roles_in(tx, held, &target)?;
            let mut roles = with_implied(tx, &held)?;
            if let Some(given) = &given {
                let given = implied(&given.iter().cloned().collect(), &implications(tx)?);
                roles.retain(|role| given.contains(&role.id));
            }
            if let Some(credential) = &credential {
                roles.retain(|role| credential.roles.contains(&role.id));
            }
            if roles.is_empty() {
                return Err(Error::Unauthorized);
            }
            roles
        }
    };
    let application_credential = credential.map(by_credential);
    let access_token =
        access_token.map(|token| AccessTokenRef { id: token.id, consumer_id: token.consumer_id });
    Ok(Token { claims, user, scope, roles, trust: trust_ref, application_credential, access_token })
}

fn by_credential(credential: ApplicationCredential) -> ApplicationCredentialRef {
    ApplicationCredentialRef {
        id: credential.id,
        name: credential.name,
        unrestricted: credential.unrestricted.unwrap_or(false),
        access_rules: credential.access_rules,
    }
}

/// The application credential of a token, still there and in force.
fn live_credential(tx: &mut Tx<'_>, claims: &Claims) -> Result<Option<ApplicationCredential>, Error> {
    let Some(id) = &claims.application_credential_id else { return Ok(None) };
    let found = APPLICATION_CREDENTIALS.load(tx, id)?.ok_or(Error::Unauthorized)?.into_inner();
    let here = ClaimedScope::Project(found.project_id.clone());
    if found.is_expired(tx.now()) || found.user_id != claims.user_id || here != claims.scope {
        return Err(Error::Unauthorized);
    }
    Ok(Some(found))
}

/// The access token of a token, still there and in force.
fn live_access_token(tx: &mut Tx<'_>, claims: &Claims) -> Result<Option<AccessToken>, Error> {
    let Some(id) = &claims.access_token_id else { return Ok(None) };
    let found = ACCESS_TOKENS.load(tx, id)?.ok_or(Error::Unauthorized)?.into_inner();
    let here = ClaimedScope::Project(found.project_id.clone());
    if tx.now() > found.expires_at || found.user_id != claims.user_id || here != claims.scope {
        return Err(Error::Unauthorized);
    }
    Ok(Some(found))
}

/// A user who can log in.
pub(crate) fn live_user(tx: &mut Tx<'_>, id: &UserId) -> Result<UserRef, Error> {
    let user = USERS.load(tx, id)?.filter(|user| user.enabled).ok_or(Error::Unauthorized)?.into_inner();
    let domain = live_domain(tx, &user.domain_id)?;
    let password_expires_at = user.login.password_expires_at;
    Ok(UserRef { id: user.id, name: user.name, domain, password_expires_at })
}

pub(super) fn live_domain(tx: &mut Tx<'_>, id: &DomainId) -> Result<DomainRef, Error> {
    let domain = DOMAINS.load(tx, id)?.ok_or(Error::Unauthorized)?.into_inner();
    if domain.enabled { Ok(DomainRef { id: domain.id, name: domain.name }) } else { Err(Error::Unauthorized) }
}

/// The trust of a token and those that it was handed on from, each still in force and its parties still there.
fn live_trusts(tx: &mut Tx<'_>, id: &TrustId, claims: &Claims) -> Result<Vec<Trust>, Error> {
    let chain = chain_of(tx, id)?;
    let now = tx.now();
    if chain.first().is_none_or(|trust| trust.trustee_id != claims.user_id) {
        return Err(Error::Unauthorized);
    }
    for trust in &chain {
        if trust.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::Unauthorized);
        }
        live_user(tx, &trust.trustee_id)?;
    }
    Ok(chain)
}

fn live_scope(tx: &mut Tx<'_>, scope: &ClaimedScope) -> Result<(TokenScope, Option<Target>), Error> {
    Ok(match scope {
        ClaimedScope::Unscoped => (TokenScope::Unscoped, None),
        ClaimedScope::Project(id) => {
            let project = PROJECTS.load(tx, id)?.ok_or(Error::Unauthorized)?.into_inner();
            if !project.enabled {
                return Err(Error::Unauthorized);
            }
            let domain = live_domain(tx, &project.domain_id)?;
            let target = Target::Project(project.id.clone());
            (TokenScope::Project { id: project.id, name: project.name, domain }, Some(target))
        }
        ClaimedScope::Domain(id) => {
            let domain = live_domain(tx, id)?;
            (TokenScope::Domain(domain), Some(Target::Domain(id.clone())))
        }
        ClaimedScope::System => (TokenScope::System, Some(Target::System)),
    })
}

/// The roles that a user has somewhere, those of groups and those implied included, by name. A domain's own role gives
/// what it implies and never itself.
pub(crate) fn effective_roles(
    tx: &mut Tx<'_>,
    user: &UserId,
    target: &Target,
) -> Result<Vec<RoleRef>, Error> {
    let held = roles_of(tx, user, target)?;
    with_implied(tx, &held)
}

/// The groups that a login elsewhere put the user into for the life of the token. They are the user's alone.
fn groups_of_token<'c>(claims: &'c Claims, holder: &UserId) -> &'c [GroupId] {
    let federated = claims.federated.as_ref().filter(|_| claims.user_id == *holder);
    federated.map_or(&[], |federated| federated.group_ids.as_slice())
}

/// What was assigned to a token's user, wherever it is.
pub(super) fn held_by_claims(tx: &mut Tx<'_>, claims: &Claims) -> Result<Vec<Assignment>, Error> {
    held_by(tx, &claims.user_id, groups_of_token(claims, &claims.user_id))
}

/// What was assigned to a user, to the groups that the user is in, and to some more groups.
fn held_by(tx: &mut Tx<'_>, user: &UserId, groups: &[GroupId]) -> Result<Vec<Assignment>, Error> {
    let mut held = of_user(tx, user)?;
    if !groups.is_empty() {
        held.extend(of_groups(tx, groups)?);
    }
    Ok(held)
}

fn with_implied(tx: &mut Tx<'_>, held: &BTreeSet<RoleId>) -> Result<Vec<RoleRef>, Error> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let all: BTreeSet<RoleId> = implied(held, &implications(tx)?);
    let found = ROLES.query(tx, &Select::all().is_in("id", all.iter()).order("id", Direction::Asc))?;
    let global = found.into_iter().map(|role| role.into_inner()).filter(|role| role.domain_id.is_none());
    let mut roles: Vec<RoleRef> = global.map(|role| RoleRef { id: role.id, name: role.name }).collect();
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(roles)
}
