//! `/v3/auth`: checking and giving back tokens, and where one could log in to.

use std::sync::Arc;

use rest::{Method, Reply, ReplyBody, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Store, Tx};
use types::Timestamp;

use super::cache::Checked;
use super::model::{Claims, RoleRef, Token, TokenScope};
use super::ops::{self, Tokens};
use crate::Error;
use crate::access_rule::api::view as rule_view;
use crate::api::{flag_of, links, listed, public_url};
use crate::domain::api::view as domain_view;
use crate::endpoint::api::catalog_view;
use crate::endpoint::model::Substitutions;
use crate::endpoint::ops::catalog;
use crate::federation::service_provider::model::ServiceProvider;
use crate::federation::service_provider::store::query as service_providers;
use crate::policy::RULES;
use crate::project::api::view as project_view;

/// A list of what a token's claims could be scoped to.
type List = fn(&Request, &mut Tx<'_>, &Claims) -> Result<Reply, Error>;

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    let (show_store, show_tokens, for_delete) = (store.clone(), tokens.clone(), tokens.clone());
    let lists = |path: &str, list: List| {
        let tokens = tokens.clone();
        Routes::new().get(path, move |request, tx| {
            let checked = tokens.check(tx, request.header("x-auth-token").unwrap_or_default())?;
            list(request, tx, &checked.token.claims)
        })
    };
    let path = "/v3/auth/tokens";
    Routes::new()
        .slow(Method::GET, path, false, move |request| show(show_store.clone(), show_tokens.clone(), request))
        .delete(path, move |request, tx| {
            ops::delete(tx, &for_delete, request.caller(), subject(request)?)?;
            Ok::<_, Error>(Reply::empty(204))
        })
        .get("/v3/auth/system", system)
        .get("/v3/auth/catalog", own_catalog)
        .and(lists("/v3/auth/projects", projects))
        .and(lists("/v3/auth/domains", domains))
        .and(lists("/v3/OS-FEDERATION/projects", projects))
        .and(lists("/v3/OS-FEDERATION/domains", domains))
}

fn subject(request: &Request) -> Result<&str, Error> {
    request.header("x-subject-token").ok_or_else(|| Error::Absent("No token in the request".to_owned()))
}

async fn show(store: Store, tokens: Arc<Tokens>, request: Request) -> Result<Reply, Error> {
    let subject = subject(&request)?.to_owned();
    let checked = match tokens.known(&subject) {
        Some(checked) => checked,
        None => {
            let (checker, token) = (tokens.clone(), subject.clone());
            let allow_expired = flag_of(&request, "allow_expired") == Some(true);
            let check = move |tx: &mut Tx<'_>| match checker.check(tx, &token) {
                Err(Error::Unauthorized) if allow_expired => ops::check_expired(tx, &token),
                other => other,
            };
            store.read(check).await.map_err(ops::unknown_token)?
        }
    };
    refuse_unaware(&request, &checked.token)?;
    let rule =
        if request.method == Method::HEAD { "identity:check_token" } else { "identity:validate_token" };
    RULES.check(rule, request.caller(), &policy::Target::user(&checked.token.user.id))?;
    let wants_catalog = request.query("nocatalog").is_none();
    let bytes = if wants_catalog {
        whole_description(&store, &checked, public_url(&request)).await?
    } else {
        Arc::new(bytes_of(&view(&checked.token, None)))
    };
    let reply = Reply { status: 200, headers: Vec::new(), body: ReplyBody::Bytes(bytes.to_vec()) };
    Ok(reply.header("content-type", "application/json").header("x-subject-token", subject))
}

/// A service that does not know of access rules must not take a token that is held to some.
fn refuse_unaware(request: &Request, token: &Token) -> Result<(), Error> {
    let held = token.application_credential.as_ref().is_some_and(|by| by.access_rules.is_some());
    let known = request.header("openstack-identity-access-rules").and_then(|text| text.parse::<f64>().ok());
    match held && known.is_none_or(|version| version < 1.0) {
        true => Err(ops::unknown_token(Error::Unauthorized)),
        false => Ok(()),
    }
}

/// The description with the catalog, made once for an entry of the cache and a client address.
async fn whole_description(
    store: &Store,
    checked: &Arc<Checked>,
    address: &str,
) -> Result<Arc<Vec<u8>>, Error> {
    let kept = checked.description.lock().ok().and_then(|kept| kept.clone());
    if let Some((_, bytes)) = kept.filter(|(for_address, _)| for_address == address) {
        return Ok(bytes);
    }
    let (token, for_address) = (checked.token.clone(), address.to_owned());
    let body = store.read(move |tx| described(tx, &token, true, &for_address)).await?;
    let bytes = Arc::new(bytes_of(&body));
    if let Ok(mut kept) = checked.description.lock() {
        *kept = Some((address.to_owned(), bytes.clone()));
    }
    Ok(bytes)
}

fn bytes_of(body: &Json) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

fn projects(request: &Request, tx: &mut Tx<'_>, claims: &Claims) -> Result<Reply, Error> {
    let projects = ops::projects_of(tx, claims)?;
    Ok(listed(request, "projects", projects.iter().map(|p| project_view(request, p)).collect()))
}

fn domains(request: &Request, tx: &mut Tx<'_>, claims: &Claims) -> Result<Reply, Error> {
    let domains = ops::domains_of(tx, claims)?;
    Ok(listed(request, "domains", domains.iter().map(|d| domain_view(request, d)).collect()))
}

fn system(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let system = match ops::has_system(tx, &request.caller().user_id)? {
        true => json!([{"all": true}]),
        false => json!([]),
    };
    Ok(Reply::ok(json!({"system": system, "links": links(request, "auth/system")})))
}

fn own_catalog(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let caller = request.caller();
    let Some(project) = caller.project_id() else {
        let message = "A project-scoped token is required to produce a service catalog.";
        return Err(Error::Forbidden(message.to_owned()));
    };
    let with = Substitutions {
        public_url: public_url(request),
        project_id: Some(project.as_str()),
        user_id: Some(caller.user_id.as_str()),
    };
    let catalog = catalog_view(&catalog(tx, &with)?);
    Ok(Reply::ok(json!({"catalog": catalog, "links": links(request, "auth/catalog")})))
}

/// A token's description, with the catalog if that is wanted and the token is good for anything.
pub(crate) fn described(
    tx: &mut Tx<'_>,
    token: &Token,
    wants_catalog: bool,
    address: &str,
) -> Result<Json, Error> {
    let mut body = with_catalog(tx, token, wants_catalog, address)?;
    let elsewhere = service_providers(tx, Some(true))?;
    if !elsewhere.is_empty() {
        let view = |p: &ServiceProvider| json!({"id": p.id.0, "auth_url": p.auth_url, "sp_url": p.sp_url});
        body["token"]["service_providers"] = elsewhere.iter().map(view).collect();
    }
    Ok(body)
}

fn with_catalog(tx: &mut Tx<'_>, token: &Token, wants_catalog: bool, address: &str) -> Result<Json, Error> {
    if !wants_catalog || token.scope == TokenScope::Unscoped {
        return Ok(view(token, None));
    }
    let project_id = match &token.scope {
        TokenScope::Project { id, .. } => Some(id.as_str()),
        TokenScope::Unscoped | TokenScope::Domain(_) | TokenScope::System => None,
    };
    let with = Substitutions { public_url: address, project_id, user_id: Some(token.user.id.as_str()) };
    Ok(view(token, Some(catalog_view(&catalog(tx, &with)?))))
}

fn view(token: &Token, catalog: Option<Json>) -> Json {
    let user = &token.user;
    let mut view = json!({
        "methods": token.claims.methods,
        "user": {
            "domain": {"id": user.domain.id.as_str(), "name": user.domain.name},
            "id": user.id.as_str(),
            "name": user.name,
            "password_expires_at": user.password_expires_at.map(Timestamp::iso_micros),
        },
        "audit_ids": token.claims.audit_ids,
        "expires_at": token.claims.expires_at.iso_micros_z(),
        "issued_at": token.claims.issued_at.iso_micros_z(),
    });
    match &token.scope {
        TokenScope::Unscoped => {}
        TokenScope::Project { id, name, domain } => {
            view["project"] = json!({
                "domain": {"id": domain.id.as_str(), "name": domain.name},
                "id": id.as_str(),
                "name": name,
            });
            view["is_domain"] = json!(false);
        }
        TokenScope::Domain(domain) => {
            view["domain"] = json!({"id": domain.id.as_str(), "name": domain.name});
        }
        TokenScope::System => view["system"] = json!({"all": true}),
    }
    if token.scope != TokenScope::Unscoped {
        let role = |role: &RoleRef| json!({"id": role.id.as_str(), "name": role.name});
        view["roles"] = token.roles.iter().map(role).collect();
    }
    if let Some(trust) = &token.trust {
        view["OS-TRUST:trust"] = json!({
            "id": trust.id.0,
            "trustor_user": {"id": trust.trustor_id.as_str()},
            "trustee_user": {"id": trust.trustee_id.as_str()},
            "impersonation": trust.impersonation,
        });
    }
    if let Some(federated) = &token.claims.federated {
        let groups: Vec<Json> = federated.group_ids.iter().map(|id| json!({"id": id.0})).collect();
        view["user"]["OS-FEDERATION"] = json!({
            "groups": groups,
            "identity_provider": {"id": federated.idp_id},
            "protocol": {"id": federated.protocol_id},
        });
        if let Some(user) = view["user"].as_object_mut() {
            user.remove("password_expires_at");
        }
    }
    if let Some(credential) = &token.application_credential {
        let mut by = json!({
            "id": credential.id, "name": credential.name, "restricted": !credential.unrestricted,
        });
        if let Some(rules) = &credential.access_rules {
            by["access_rules"] = rules.iter().map(rule_view).collect();
        }
        view["application_credential"] = by;
    }
    if let Some(token) = &token.access_token {
        view["OS-OAUTH1"] = json!({"access_token_id": token.id.0, "consumer_id": token.consumer_id.0});
    }
    if let Some(catalog) = catalog {
        view["catalog"] = catalog;
    }
    json!({"token": view})
}
