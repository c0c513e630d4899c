//! Exchanging what was granted for an access token, logging in by it, and looking after those of a user.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};
use subtle::ConstantTimeEq;
use types::{RoleId, UserId};

use super::model::{AccessToken, LIFE};
use super::store::ACCESS_TOKENS;
use crate::Error;
use crate::credential::keys::CredentialKeys;
use crate::ids::{AccessTokenId, fresh};
use crate::oauth1::api::Told;
use crate::oauth1::consumer::store::CONSUMERS;
use crate::oauth1::refuse_delegated;
use crate::oauth1::request_token::model::is_verifier;
use crate::oauth1::request_token::ops::live;
use crate::oauth1::request_token::store::REQUEST_TOKENS;
use crate::oauth1::signature::{Malformed, SignedRequest};
use crate::policy::RULES;
use crate::role::model::Role;
use crate::role::ops::existing as existing_role;
use crate::role::store::ROLES;
use crate::token::ops::changed;

/// A consumer exchanges what a user granted for an access token. The request token is used up.
pub(crate) fn create(tx: &mut Tx<'_>, keys: &CredentialKeys, signed: &SignedRequest) -> Result<Told, Error> {
    let said = |name| signed.param(name).ok_or_else(|| Error::expecting(name, "request"));
    let key = said("oauth_consumer_key")?;
    let (id, verifier) = (said("oauth_token")?, said("oauth_verifier")?);
    let asked = live(tx, id)?;
    signed.check(tx.now())?;
    if !is_verifier(verifier) {
        return Err(Malformed::request("Invalid verifier format.").into());
    }
    let grant = asked.grant.clone().ok_or(Error::Unauthorized)?;
    let is_verified = bool::from(grant.verifier.as_bytes().ct_eq(verifier.as_bytes()));
    if asked.consumer_id.0 != key || !is_verified || !is_signed(tx, keys, signed, (key, &asked.sealed))? {
        return Err(Error::Unauthorized);
    }
    let secret = fresh();
    let token = AccessToken {
        id: AccessTokenId(fresh()),
        consumer_id: asked.consumer_id.clone(),
        user_id: grant.user_id,
        project_id: asked.project_id.clone(),
        roles: grant.roles,
        sealed: keys.seal(&secret)?,
        expires_at: tx.now().plus(LIFE),
    };
    REQUEST_TOKENS.remove(tx, &asked)?;
    let token = ACCESS_TOKENS.insert(tx, token)?;
    Ok(Told { id: token.id.to_string(), secret, expires_at: token.expires_at })
}

/// Whether the consumer of this key signed the request, with its own secret and a token's.
fn is_signed(
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    signed: &SignedRequest,
    (key, token_sealed): (&str, &str),
) -> Result<bool, Error> {
    let Some(consumer) = CONSUMERS.load(tx, key)? else { return Ok(false) };
    Ok(signed.is_signed_with(&keys.open(&consumer.sealed)?, &keys.open(token_sealed)?))
}

/// The access token by which its consumer signed a login.
pub(crate) fn proven(
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    signed: &SignedRequest,
) -> Result<AccessToken, Error> {
    let id = signed.param("oauth_token").ok_or_else(|| Error::expecting("oauth_token", "request"))?;
    let token = existing(tx, id)?;
    let key = signed.param("oauth_consumer_key").unwrap_or_default();
    let is_good = tx.now() <= token.expires_at
        && signed.check(tx.now()).is_ok()
        && token.consumer_id.0 == key
        && is_signed(tx, keys, signed, (key, &token.sealed))?;
    if is_good { Ok(token.into_inner()) } else { Err(Error::Unauthorized) }
}

fn existing(tx: &mut Tx<'_>, id: &str) -> Result<Stored<AccessToken>, Error> {
    ACCESS_TOKENS.load(tx, id)?.ok_or_else(|| Error::Absent("Access token not found".to_owned()))
}

fn check(caller: &Caller, rule: &str) -> Result<(), Error> {
    RULES.check(rule, caller, &Target::default())?;
    refuse_delegated(caller, "manage OAuth access tokens")
}

/// The token of a user. Another's is as good as none, in two ways, for upstream has two.
fn find(tx: &mut Tx<'_>, (user, id): (&UserId, &str), foreign: Error) -> Result<Stored<AccessToken>, Error> {
    let token = existing(tx, id)?;
    if token.user_id == *user { Ok(token) } else { Err(foreign) }
}

fn not_the_user_s() -> Error {
    Error::Absent("Access token not found".to_owned())
}

pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<AccessToken>, Error> {
    check(caller, "identity:list_access_tokens")?;
    let select = Select::all().eq("user_id", user).order("id", Direction::Asc);
    Ok(ACCESS_TOKENS.query(tx, &select)?.into_iter().map(Stored::into_inner).collect())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, which: (&UserId, &str)) -> Result<AccessToken, Error> {
    check(caller, "identity:get_access_token")?;
    Ok(find(tx, which, not_the_user_s())?.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, which: (&UserId, &str)) -> Result<(), Error> {
    check(caller, "identity:delete_access_token")?;
    let token = find(tx, which, Error::Unauthorized)?;
    ACCESS_TOKENS.remove(tx, &token)?;
    changed(tx);
    Ok(())
}

/// The roles that an access token was granted, as far as they still exist.
pub(crate) fn list_roles(
    caller: &Caller,
    tx: &mut Tx<'_>,
    which: (&UserId, &str),
) -> Result<Vec<Role>, Error> {
    check(caller, "identity:list_access_token_roles")?;
    let token = find(tx, which, not_the_user_s())?;
    let found = ROLES.query(tx, &Select::all().is_in("id", &token.roles).order("id", Direction::Asc))?;
    Ok(found.into_iter().map(Stored::into_inner).collect())
}

pub(crate) fn show_role(
    caller: &Caller,
    tx: &mut Tx<'_>,
    which: (&UserId, &str),
    role: &str,
) -> Result<Role, Error> {
    check(caller, "identity:get_access_token_role")?;
    let token = find(tx, which, Error::Unauthorized)?;
    if !token.roles.contains(&RoleId::from(role)) {
        return Err(Error::not_found("role", role));
    }
    existing_role(tx, role)
}
