//! Asking for rights, and granting them.

use std::collections::BTreeSet;

use policy::{Caller, Target};
use store::{Stored, Tx};
use types::{ProjectId, RoleId};

use super::model::{Grant, LIFE, RequestToken, fresh_verifier};
use super::store::{REQUEST_TOKENS, clear};
use crate::Error;
use crate::assignment::model::Target as AssignedIn;
use crate::credential::keys::CredentialKeys;
use crate::ids::{RequestTokenId, fresh};
use crate::oauth1::api::Told;
use crate::oauth1::consumer;
use crate::oauth1::refuse_delegated;
use crate::oauth1::signature::{Malformed, SignedRequest};
use crate::policy::RULES;
use crate::project::store::PROJECTS;
use crate::token::resolve::effective_roles;
use crate::trust::model::RoleSpec;
use crate::trust::ops::role_named;

/// The token, if it can still be granted or exchanged.
pub(crate) fn live(tx: &mut Tx<'_>, id: &str) -> Result<Stored<RequestToken>, Error> {
    let token = REQUEST_TOKENS.load(tx, id)?;
    let token = token.ok_or_else(|| Error::Absent("Request token not found".to_owned()))?;
    if tx.now() > token.expires_at { Err(Error::Unauthorized) } else { Ok(token) }
}

/// A consumer asks for rights in a project.
pub(crate) fn create(
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    signed: &SignedRequest,
    project: Option<&ProjectId>,
) -> Result<Told, Error> {
    let key = signed.param("oauth_consumer_key");
    let key = key.ok_or_else(|| Error::expecting("oauth_consumer_key", "request"))?;
    let project = project.ok_or_else(|| Error::expecting("Requested-Project-Id", "request"))?;
    if PROJECTS.load(tx, project)?.is_none() {
        return Err(Error::not_found("project", project));
    }
    let consumer = consumer::ops::existing(tx, key)?;
    signed.check(tx.now())?;
    if signed.param("oauth_callback").is_none() {
        return Err(Malformed::request("Missing callback URI.").into());
    }
    if !signed.is_signed_with(&keys.open(&consumer.sealed)?, "") {
        return Err(Error::Unauthorized);
    }
    clear(tx)?;
    let secret = fresh();
    let token = RequestToken {
        id: RequestTokenId(fresh()),
        consumer_id: consumer.id.clone(),
        project_id: project.clone(),
        sealed: keys.seal(&secret)?,
        expires_at: tx.now().plus(LIFE),
        grant: None,
    };
    let token = REQUEST_TOKENS.insert(tx, token)?;
    Ok(Told { id: token.id.to_string(), secret, expires_at: token.expires_at })
}

/// The caller grants some of its roles in the project that was asked for, and gets what to tell the consumer.
pub(crate) fn authorize(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    specs: &[RoleSpec],
) -> Result<String, Error> {
    RULES.check("identity:authorize_request_token", caller, &Target::default())?;
    refuse_delegated(caller, "authorize a request token")?;
    let mut token = live(tx, id)?;
    let mut roles = BTreeSet::new();
    for spec in specs {
        roles.insert(match spec {
            RoleSpec::Id(id) => id.clone(),
            RoleSpec::Name(_) => role_named(tx, spec)?.id,
        });
    }
    if PROJECTS.load(tx, &token.project_id)?.is_none() {
        return Err(Error::not_found("project", &token.project_id));
    }
    let held = effective_roles(tx, &caller.user_id, &AssignedIn::Project(token.project_id.clone()))?;
    let held: BTreeSet<RoleId> = held.into_iter().map(|role| role.id).collect();
    if !roles.is_subset(&held) {
        return Err(Error::Unauthorized);
    }
    let verifier = fresh_verifier();
    token.grant = Some(Grant {
        user_id: caller.user_id.clone(),
        roles: roles.into_iter().collect(),
        verifier: verifier.clone(),
    });
    REQUEST_TOKENS.save(tx, &mut token)?;
    Ok(verifier)
}
