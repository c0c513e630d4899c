//! `/v3/OS-OAUTH1/access_token` and `/v3/users/{user_id}/OS-OAUTH1/access_tokens`.

use std::sync::Arc;

use rest::{Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Store, Tx};
use types::UserId;

use super::model::AccessToken;
use super::ops;
use crate::Error;
use crate::api::listed;
use crate::oauth1::api::{form, signed};
use crate::role::api::view as whole_role_view;
use crate::role::model::Role;
use crate::token::ops::Tokens;

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    let (store, tokens) = (store.clone(), tokens.clone());
    let one = "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}";
    let roles = "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles";
    let role = "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}";
    Routes::new()
        .slow(Method::POST, "/v3/OS-OAUTH1/access_token", true, move |request| {
            create(store.clone(), tokens.clone(), request)
        })
        .get("/v3/users/{user_id}/OS-OAUTH1/access_tokens", list)
        .get(one, show)
        .delete(one, delete)
        .get(roles, list_roles)
        .get(role, show_role)
}

/// Who signs a request needs no token.
async fn create(store: Store, tokens: Arc<Tokens>, request: Request) -> Result<Reply, Error> {
    let signed = signed(&request)?;
    let run = move |tx: &mut Tx<'_>| ops::create(tx, &tokens.config.credential_keys, &signed);
    Ok(form(&store.write(run).await?))
}

fn which(request: &Request) -> (UserId, &str) {
    (UserId::from(request.param("user_id")), request.param("access_token_id"))
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let tokens = ops::list(request.caller(), tx, &which(request).0)?;
    Ok(listed(request, "access_tokens", tokens.iter().map(|token| view(request, token)).collect()))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (user, id) = which(request);
    let token = ops::show(request.caller(), tx, (&user, id))?;
    Ok(Reply::ok(json!({"access_token": view(request, &token)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (user, id) = which(request);
    ops::delete(request.caller(), tx, (&user, id))?;
    Ok(Reply::empty(204))
}

fn list_roles(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (user, id) = which(request);
    let roles = ops::list_roles(request.caller(), tx, (&user, id))?;
    Ok(listed(request, "roles", roles.iter().map(|role| role_view(request, role)).collect()))
}

fn show_role(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (user, id) = which(request);
    let role = ops::show_role(request.caller(), tx, (&user, id), request.param("role_id"))?;
    Ok(Reply::ok(json!({"role": role_view(request, &role)})))
}

/// Here a role has no description.
fn role_view(request: &Request, role: &Role) -> Json {
    let mut view = whole_role_view(request, role);
    if let Some(view) = view.as_object_mut() {
        view.remove("description");
    }
    view
}

fn view(request: &Request, token: &AccessToken) -> Json {
    let url = format!(
        "{}/v3/users/{}/OS-OAUTH1/access_tokens/{}",
        request.base_url,
        token.user_id.as_str(),
        token.id
    );
    json!({
        "id": token.id.0,
        "consumer_id": token.consumer_id.0,
        "authorizing_user_id": token.user_id.as_str(),
        "project_id": token.project_id.as_str(),
        "expires_at": token.expires_at.iso_micros_z(),
        "links": {"self": url, "roles": format!("{url}/roles")},
    })
}
