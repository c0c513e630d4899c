//! `/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth`, and where one could log in to after it.

use std::sync::Arc;

use rest::{Method, Reply, Request, Routes};
use store::{Store, Tx};

use super::ops;
use crate::Error;
use crate::api::public_url;
use crate::federation::oidc::{Claims, Refusal};
use crate::login::model::ScopeWish;
use crate::token::api::described;
use crate::token::ops::Tokens;

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    let path = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth";
    [Method::GET, Method::POST].into_iter().fold(Routes::new(), |routes, method| {
        let with = (store.clone(), tokens.clone());
        routes.slow(method, path, true, move |request| create(with.clone(), request))
    })
}

async fn create((store, tokens): (Store, Arc<Tokens>), request: Request) -> Result<Reply, Error> {
    let ids = (request.param("idp_id").to_owned(), request.param("protocol_id").to_owned());
    let named = ids.clone();
    let (provider, _) = store.read(move |tx| ops::find(tx, (&named.0, &named.1))).await?;
    let bearer = bearer(&request).ok_or(Error::Unauthorized)?.to_owned();
    let claims = claims(&tokens, bearer, provider.remote_ids).await?;
    let (ttl, address) = (tokens.config.token_ttl, public_url(&request).to_owned());
    let run = move |tx: &mut Tx<'_>| {
        let proven = ops::log_in(tx, (&ids.0, &ids.1), &claims)?;
        let (sealed, token) = crate::login::ops::issue(tx, &proven, &ScopeWish::Unscoped, ttl)?;
        Ok::<_, Error>((sealed, described(tx, &token, true, &address)?))
    };
    let (sealed, body) = store.write(run).await?;
    Ok(Reply::created(body).header("x-subject-token", sealed))
}

/// The access token in `Authorization: Bearer …`.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// Asks the provider, on a thread that may wait for it, and not too often at a time.
async fn claims(tokens: &Arc<Tokens>, bearer: String, issuers: Vec<String>) -> Result<Claims, Error> {
    let _place = tokens.federated_logins.try_acquire().map_err(|_| Error::Busy)?;
    let oidc = tokens.config.oidc.clone();
    let asked = tokio::task::spawn_blocking(move || oidc.claims(&bearer, &issuers)).await;
    match asked.map_err(|e| Error::Internal(format!("asking an identity provider failed: {e}")))? {
        Ok(claims) => Ok(claims),
        Err(refusal @ Refusal::Provider { .. }) => {
            tracing::warn!(target: "identity::federation", "{refusal}");
            Err(Error::Unauthorized)
        }
        Err(refusal) => {
            tracing::info!(target: "identity::federation", "{refusal}");
            Err(Error::Unauthorized)
        }
    }
}
