//! OAuth 1.0: a program, the consumer, asks for rights in a project, a user grants some of its own there, and the program
//! logs in with them from then on. Programs prove who they are by signing requests with secrets that are never sent.
//!
//! Reading order: `consumer`, `request_token`, `access_token`, `signature`.

pub(crate) mod access_token;
pub(crate) mod api;
pub(crate) mod consumer;
pub(crate) mod request_token;
pub(crate) mod signature;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use policy::Caller;
use rest::Routes;
use store::{Select, Store, Tx};
use types::{ProjectId, UserId};

use self::access_token::store::ACCESS_TOKENS;
use self::consumer::store::CONSUMERS;
use self::request_token::store::REQUEST_TOKENS;
use crate::Error;
use crate::credential::keys::CredentialKeys;
use crate::token::ops::Tokens;

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    Routes::new()
        .and(consumer::api::routes(tokens))
        .and(request_token::api::routes(store, tokens))
        .and(access_token::api::routes(store, tokens))
}

/// What was granted for one purpose grants nothing further, neither by OAuth nor about it.
fn refuse_delegated(caller: &Caller, what: &str) -> Result<(), Error> {
    match caller.delegation {
        None => Ok(()),
        Some(_) => Err(Error::Forbidden(format!("Cannot {what} with a token issued via delegation."))),
    }
}

/// Encrypts anew the secrets that older keys wrote.
pub(crate) fn reseal(tx: &mut Tx<'_>, keys: &CredentialKeys) -> Result<(), Error> {
    for mut consumer in CONSUMERS.query(tx, &Select::all())? {
        if keys.renew(&mut consumer.sealed)? {
            CONSUMERS.save(tx, &mut consumer)?;
        }
    }
    for mut token in REQUEST_TOKENS.query(tx, &Select::all())? {
        if keys.renew(&mut token.sealed)? {
            REQUEST_TOKENS.save(tx, &mut token)?;
        }
    }
    for mut token in ACCESS_TOKENS.query(tx, &Select::all())? {
        if keys.renew(&mut token.sealed)? {
            ACCESS_TOKENS.save(tx, &mut token)?;
        }
    }
    Ok(())
}

/// Forgets what a user granted.
pub(crate) fn forget_user(tx: &mut Tx<'_>, user: &UserId) -> Result<(), Error> {
    forget(tx, &Select::all().eq("user_id", user))
}

/// Forgets what was asked for or granted in a project.
pub(crate) fn forget_project(tx: &mut Tx<'_>, project: &ProjectId) -> Result<(), Error> {
    forget(tx, &Select::all().eq("project_id", project))
}

/// Removes the request and access tokens that both tables find so.
fn forget(tx: &mut Tx<'_>, which: &Select) -> Result<(), Error> {
    for token in REQUEST_TOKENS.query(tx, which)? {
        REQUEST_TOKENS.remove(tx, &token)?;
    }
    for token in ACCESS_TOKENS.query(tx, which)? {
        ACCESS_TOKENS.remove(tx, &token)?;
    }
    Ok(())
}
