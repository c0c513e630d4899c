//! From what was proven to a token, or to a receipt where more has to be shown.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::{Select, Tx};
use types::{ProjectId, UserId};

use super::model::{DomainSpec, Named, NamedCredential, Proven, Receipt, ScopeWish, suffice};
use super::totp;
use crate::application_credential::model::ApplicationCredential;
use crate::application_credential::store::{self as credentials, APPLICATION_CREDENTIALS};
use crate::credential::store::CREDENTIALS;
use crate::domain::model::Domain;
use crate::domain::store::DOMAINS;
use crate::federation::login::ops::refuse_stale;
use crate::ids::{AccessTokenId, TrustId, key_of};
use crate::oauth1::access_token::store::ACCESS_TOKENS;
use crate::project::model::Project;
use crate::project::store::PROJECTS;
use crate::token::codec;
use crate::token::keys::Keys;
use crate::token::model::{ClaimedScope, Claims, Token, UserRef};
use crate::token::resolve::{live_user, resolve};
use crate::trust::store::TRUSTS;
use crate::user::model::{Comparison, User};
use crate::user::ops::judge;
use crate::user::store::USERS;
use crate::{Config, Error};

/// How long the rest of the methods may take, as Keystone's `[receipt] expiration`.
const RECEIPT_LIFE: Duration = Duration::from_secs(300);

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

/// The application credential that a login names, unless it is past its time.
pub(crate) fn credential_named(
    tx: &mut Tx<'_>,
    named: &NamedCredential,
) -> Result<ApplicationCredential, Error> {
    let found = match named {
        NamedCredential::Id(id) => {
            let found = APPLICATION_CREDENTIALS.load(tx, id)?;
            Some(found.ok_or_else(|| Error::not_found("Application Credential", id))?)
        }
        NamedCredential::Name { name, user } => match user_named(tx, user)? {
            Some(user) => credentials::named(tx, &user.id, name)?,
            None => None,
        },
    };
    let live = found.filter(|found| !found.is_expired(tx.now()));
    Ok(live.ok_or(Error::Unauthorized)?.into_inner())
}

/// A token for somebody who proved who it is, in encrypted form and as it is.
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
    let mut claims = unscoped_claims(tx, proven, ttl);
    if let Some(from) = &proven.from {
        refuse_rescope(from, wish)?;
        if let Some(federated) = &from.federated {
            refuse_stale(tx, federated)?;
        }
    }
    let wished = match (&proven.application_credential_id, &proven.access_token_id) {
        (Some(id), None) => Some(by_credential(tx, id, &mut claims)?),
        (None, Some(id)) => Some(by_access_token(tx, id, &mut claims)?),
        (None, None) => claimed(tx, wish)?,
        (Some(_), Some(_)) => return Err(Error::Unauthorized),
    };
    let token = match wished {
        Some((scope, trust_id)) => {
            (claims.scope, claims.trust_id) = (scope, trust_id);
            resolve(tx, claims)?
        }
        None => in_default_project(tx, claims, user.default_project_id.as_ref())?,
    };
    if let Some(trust) = &token.trust {
        use_trust(tx, &trust.id)?;
    }
    let sealed = Keys::load(tx)?.seal(&codec::encode(&token.claims), token.claims.issued_at)?;
    Ok((sealed, token))
}

/// A token that was had by another expires no later, and names the first of its chain.
fn unscoped_claims(tx: &Tx<'_>, proven: &Proven, ttl: Duration) -> Claims {
    let now = tx.now();
    let mut audit_ids = vec![audit_id()];
    audit_ids.extend(proven.from.iter().filter_map(|from| from.audit_ids.last().cloned()));
    let expires_at = proven.from.iter().map(|from| from.expires_at).fold(now.plus(ttl), Ord::min);
    Claims {
        user_id: proven.user_id.clone(),
        methods: proven.methods.clone(),
        scope: ClaimedScope::Unscoped,
        issued_at: now,
        expires_at,
        audit_ids,
        trust_id: None,
        application_credential_id: None,
        access_token_id: None,
        federated: proven.federated.clone(),
    }
}

/// An application credential is for its own project, and no token of it outlives it.
fn by_credential(
    tx: &mut Tx<'_>,
    id: &str,
    claims: &mut Claims,
) -> Result<(ClaimedScope, Option<TrustId>), Error> {
    let credential = APPLICATION_CREDENTIALS.load(tx, id)?.ok_or(Error::Unauthorized)?;
    claims.application_credential_id = Some(credential.id.clone());
    claims.expires_at = credential.expires_at.map_or(claims.expires_at, |at| at.min(claims.expires_at));
    Ok((ClaimedScope::Project(credential.project_id.clone()), None))
}

/// An access token is for its own project, and no token of it outlives it.
fn by_access_token(
    tx: &mut Tx<'_>,
    id: &AccessTokenId,
    claims: &mut Claims,
) -> Result<(ClaimedScope, Option<TrustId>), Error> {
    let token = ACCESS_TOKENS.load(tx, id)?.ok_or(Error::Unauthorized)?;
    claims.access_token_id = Some(token.id.clone());
    claims.expires_at = claims.expires_at.min(token.expires_at);
    Ok((ClaimedScope::Project(token.project_id.clone()), None))
}

/// What was given for one purpose gives nothing for another.
fn refuse_rescope(from: &Claims, wish: &ScopeWish) -> Result<(), Error> {
    if from.access_token_id.is_some() {
        return Err(Error::Denied(
            "Using OAuth-scoped token to create another token. Create a new OAuth-scoped token instead"
                .to_owned(),
        ));
    }
    if from.trust_id.is_some() {
        return Err(Error::Denied(
            "Using trust-scoped token to create another token. Create a new trust-scoped token instead"
                .to_owned(),
        ));
    }
    if from.application_credential_id.is_some() {
        return Err(Error::Denied(
            "Using a delegated token to create another token is not allowed.".to_owned(),
        ));
    }
    let leaves_system = matches!(wish, ScopeWish::Project(_) | ScopeWish::Domain(_));
    if from.scope == ClaimedScope::System && leaves_system {
        return Err(Error::Denied(
            "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed."
                .to_owned(),
        ));
    }
    Ok(())
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

/// Counts one use of a trust whose uses are limited.
fn use_trust(tx: &mut Tx<'_>, id: &TrustId) -> Result<(), Error> {
    let Some(mut trust) = TRUSTS.load(tx, id)? else { return Err(Error::Unauthorized) };
    match trust.remaining_uses {
        None => return Ok(()),
        Some(0) => return Err(Error::Unauthorized),
        Some(left) => trust.remaining_uses = Some(left - 1),
    }
    Ok(TRUSTS.save(tx, &mut trust)?)
}

fn audit_id() -> String {
    URL_SAFE_NO_PAD.encode(runtime::new_uuid().as_bytes())
}

/// The user who proved something, as answers name it.
pub(crate) fn user_of(tx: &mut Tx<'_>, proven: &Proven) -> Result<UserRef, Error> {
    live_user(tx, &proven.user_id)
}

/// The user's rules, if what was shown meets none of them.
pub(crate) fn rules_unmet(tx: &mut Tx<'_>, proven: &Proven) -> Result<Option<Vec<Vec<String>>>, Error> {
    let user = USERS.load(tx, &proven.user_id)?.ok_or(Error::Unauthorized)?;
    let rules = user.options.demanded_methods();
    Ok((!suffice(&proven.methods, rules)).then(|| rules.to_vec()))
}

/// The user whose passcode this is, which from then on is none. Inside is a refusal that may have counted against the
/// user, which stays though the login fails.
pub(crate) fn accept_passcode(
    tx: &mut Tx<'_>,
    config: &Config,
    named: &Named,
    passcode: &str,
) -> Result<Result<UserId, Error>, Error> {
    let Some(user) = user_named(tx, named)? else { return Ok(Err(Error::Unauthorized)) };
    let select = Select::all().eq("user_id", &user.id).eq("type", "totp");
    let mut same = false;
    for mut credential in CREDENTIALS.query(tx, &select)? {
        let secret = config.credential_keys.open(&credential.sealed)?;
        let step = totp::step_of(&secret, passcode, tx.now().seconds(), credential.totp_step);
        if step.is_some() {
            credential.totp_step = step;
            CREDENTIALS.save(tx, &mut credential)?;
            same = true;
            break;
        }
    }
    let judged = judge(tx, &config.security_compliance, &user, Comparison { same, may_be_expired: true })?;
    Ok(judged.map(|user| user.id))
}

/// A receipt for the methods that were shown, in encrypted form and as it is.
pub(crate) fn issue_receipt(tx: &mut Tx<'_>, proven: &Proven) -> Result<(String, Receipt), Error> {
    let now = tx.now();
    let receipt = Receipt {
        user_id: proven.user_id.clone(),
        methods: proven.methods.clone(),
        issued_at: now,
        expires_at: now.plus(RECEIPT_LIFE),
    };
    Ok((Keys::load(tx)?.seal(&codec::encode_receipt(&receipt), now)?, receipt))
}

/// The receipt, if we wrote it and it is still good.
pub(crate) fn open_receipt(tx: &mut Tx<'_>, sealed: &str) -> Result<Receipt, Error> {
    let now = tx.now();
    let bytes = Keys::load(tx)?.open(sealed, now);
    let receipt = bytes.and_then(|bytes| codec::decode_receipt(&bytes));
    receipt.filter(|receipt| receipt.expires_at > now).ok_or(Error::Unauthorized)
}
