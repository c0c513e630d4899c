//! `/v3/OS-OAUTH1/request_token` and `/v3/OS-OAUTH1/authorize`.

use std::sync::Arc;

use rest::{Fields, InvalidBody, Method, Reply, Request, Routes};
use serde_json::json;
use store::{Store, Tx};
use types::ProjectId;

use super::ops;
use crate::Error;
use crate::oauth1::api::{form, signed};
use crate::token::ops::Tokens;
use crate::trust::api::role_spec;
use crate::trust::model::RoleSpec;

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    let (store, tokens) = (store.clone(), tokens.clone());
    Routes::new()
        .slow(Method::POST, "/v3/OS-OAUTH1/request_token", true, move |request| {
            create(store.clone(), tokens.clone(), request)
        })
        .put("/v3/OS-OAUTH1/authorize/{request_token_id}", authorize)
}

/// Who signs a request needs no token.
async fn create(store: Store, tokens: Arc<Tokens>, request: Request) -> Result<Reply, Error> {
    let signed = signed(&request)?;
    let project = request.header("requested-project-id").map(ProjectId::from);
    let run =
        move |tx: &mut Tx<'_>| ops::create(tx, &tokens.config.credential_keys, &signed, project.as_ref());
    Ok(form(&store.write(run).await?))
}

fn authorize(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut body = Fields::new("", request.json()?)?;
    let roles = body.objects("roles")?.unwrap_or_default();
    let roles: Vec<RoleSpec> = roles.into_iter().map(sole_role).collect::<Result<_, _>>()?;
    let verifier = ops::authorize(request.caller(), tx, request.param("request_token_id"), &roles)?;
    Ok(Reply::ok(json!({"token": {"oauth_verifier": verifier}})))
}

/// A role by its id or by its name, and not by both.
fn sole_role(mut fields: Fields) -> Result<RoleSpec, InvalidBody> {
    let role = role_spec(&mut fields)?;
    fields.finish().map(|()| role)
}
