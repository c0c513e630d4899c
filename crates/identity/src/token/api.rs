//! `/v3/auth`: logging in, checking and giving back tokens, and where one could log in to.

use std::sync::Arc;

use rest::{Fields, InvalidBody, Method, Reply, ReplyBody, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Store, Tx};

use super::cache::Checked;
use super::model::{DomainSpec, Login, Named, RoleRef, ScopeWish, Token, TokenScope};
use super::ops::{self, Proven, Tokens};
use crate::Error;
use crate::api::{links, listed, public_url};
use crate::domain::api::view as domain_view;
use crate::endpoint::api::catalog_view;
use crate::endpoint::model::Substitutions;
use crate::endpoint::ops::catalog;
use crate::ids::TrustId;
use crate::password::PASSWORD_BYTES_MAX;
use crate::policy::RULES;
use crate::project::api::view as project_view;

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    let with = |store: &Store, tokens: &Arc<Tokens>| (store.clone(), tokens.clone());
    let (login_store, login_tokens) = with(store, tokens);
    let (show_store, show_tokens) = with(store, tokens);
    let for_delete = tokens.clone();
    let path = "/v3/auth/tokens";
    Routes::new()
        .slow(Method::POST, path, true, move |request| {
            create(login_store.clone(), login_tokens.clone(), request)
        })
        .slow(Method::GET, path, false, move |request| show(show_store.clone(), show_tokens.clone(), request))
        .delete(path, move |request, tx| {
            ops::delete(tx, &for_delete, request.caller(), subject(request)?)?;
            Ok::<_, Error>(Reply::empty(204))
        })
        .get("/v3/auth/projects", projects)
        .get("/v3/auth/domains", domains)
        .get("/v3/auth/system", system)
        .get("/v3/auth/catalog", own_catalog)
}

fn subject(request: &Request) -> Result<&str, Error> {
    request.header("x-subject-token").ok_or_else(|| Error::Absent("Failed to validate token".to_owned()))
}

async fn create(store: Store, tokens: Arc<Tokens>, request: Request) -> Result<Reply, Error> {
    let login = login(&request)?;
    let proven = prove(&store, &tokens, &login).await?;
    let (ttl, scope) = (tokens.config.token_ttl, login.scope);
    let counts_uses = matches!(scope, ScopeWish::Trust(_));
    let address = public_url(&request).to_owned();
    let wants_catalog = request.query("nocatalog").is_none();
    let run = move |tx: &mut Tx<'_>| {
        let (sealed, token) = ops::issue(tx, &proven, &scope, ttl)?;
        let body = described(tx, &token, wants_catalog, &address)?;
        Ok::<_, Error>((sealed, body))
    };
    let (sealed, body) = if counts_uses { store.write(run).await? } else { store.read(run).await? };
    Ok(Reply::created(body).header("x-subject-token", sealed))
}

/// Checks password and token. All methods named must speak for the same user.
async fn prove(store: &Store, tokens: &Arc<Tokens>, login: &Login) -> Result<Proven, Error> {
    let mut user_id = None;
    let mut hash = None;
    let mut from = None;
    if let Some((named, password)) = &login.password {
        let named = named.clone();
        let user = store.read(move |tx| ops::user_named(tx, &named)).await?;
        hash = user.as_ref().and_then(|user| user.password.clone());
        if !tokens.passwords.verify(password.clone(), hash.clone()).await? {
            return Err(Error::Unauthorized);
        }
        user_id = user.map(|user| user.id);
    }
    if let Some(token) = &login.token {
        let (checker, token) = (tokens.clone(), token.clone());
        let checked = store.read(move |tx| checker.check(tx, &token)).await?;
        let claims = checked.token.claims.clone();
        if user_id.as_ref().is_some_and(|id| *id != claims.user_id) {
            return Err(Error::Unauthorized);
        }
        user_id = Some(claims.user_id.clone());
        from = Some(claims);
    }
    let mut methods = login.methods.clone();
    for method in from.iter().flat_map(|claims| &claims.methods) {
        if !methods.contains(method) {
            methods.push(method.clone());
        }
    }
    Ok(Proven { user_id: user_id.ok_or(Error::Unauthorized)?, methods, password: hash, from })
}

async fn show(store: Store, tokens: Arc<Tokens>, request: Request) -> Result<Reply, Error> {
    let subject = subject(&request)?.to_owned();
    let checked = match tokens.cache.lookup(&subject) {
        Some(checked) => checked,
        None => {
            let (checker, token) = (tokens.clone(), subject.clone());
            store.read(move |tx| checker.check(tx, &token)).await.map_err(ops::unknown_token)?
        }
    };
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

fn projects(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let projects = ops::projects_of(tx, &request.caller().user_id)?;
    Ok(listed(request, "projects", projects.iter().map(|p| project_view(request, p)).collect()))
}

fn domains(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let domains = ops::domains_of(tx, &request.caller().user_id)?;
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

/// The token's description, with the catalog if that is wanted and the token is good for anything.
fn described(tx: &mut Tx<'_>, token: &Token, wants_catalog: bool, address: &str) -> Result<Json, Error> {
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
            "password_expires_at": null,
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
    if let Some(catalog) = catalog {
        view["catalog"] = catalog;
    }
    json!({"token": view})
}

/// Reads `{"auth": {"identity": …, "scope": …}}`.
fn login(request: &Request) -> Result<Login, Error> {
    let mut auth = request.fields("auth")?;
    let mut identity = auth.object("identity")?.ok_or_else(|| auth.error("identity", "is required"))?;
    let methods = identity.texts("methods")?.ok_or_else(|| identity.error("methods", "is required"))?;
    let mut login = Login { methods: Vec::new(), password: None, token: None, scope: ScopeWish::Default };
    for method in methods {
        if login.methods.contains(&method) {
            continue;
        }
        match method.as_str() {
            "password" => login.password = Some(password(&mut identity)?),
            "token" => {
                let mut token =
                    identity.object("token")?.ok_or_else(|| identity.error("token", "is required"))?;
                login.token = Some(token.required_text("id")?);
            }
            // Keystone answers 401 to a method that it does not have.
            _ => return Err(Error::Unauthorized),
        }
        login.methods.push(method);
    }
    login.scope = scope(&mut auth)?;
    Ok(login)
}

fn password(identity: &mut Fields) -> Result<(Named, String), InvalidBody> {
    let mut password =
        identity.object("password")?.ok_or_else(|| identity.error("password", "is required"))?;
    let mut user = password.object("user")?.ok_or_else(|| password.error("user", "is required"))?;
    let secret = user.required_text("password")?;
    if secret.len() > PASSWORD_BYTES_MAX {
        return Err(user.error("password", format!("is too long: at most {PASSWORD_BYTES_MAX} bytes")));
    }
    Ok((named(&mut user)?, secret))
}

/// A user or project, by id or by name and domain.
fn named(fields: &mut Fields) -> Result<Named, InvalidBody> {
    if let Some(id) = fields.text("id")? {
        return Ok(Named::Id(id));
    }
    let name = fields.required_text("name")?;
    let mut domain = fields.object("domain")?.ok_or_else(|| fields.error("domain", "is required"))?;
    Ok(Named::Name { name, domain: domain_spec(&mut domain)? })
}

fn domain_spec(fields: &mut Fields) -> Result<DomainSpec, InvalidBody> {
    match fields.text("id")? {
        Some(id) => Ok(DomainSpec::Id(id)),
        None => Ok(DomainSpec::Name(fields.required_text("name")?)),
    }
}

fn scope(auth: &mut Fields) -> Result<ScopeWish, InvalidBody> {
    let value = match auth.take("scope") {
        None | Some(Json::Null) => return Ok(ScopeWish::Default),
        Some(Json::String(word)) if word == "unscoped" => return Ok(ScopeWish::Unscoped),
        Some(value) => value,
    };
    let mut scope = Fields::new("auth.scope", value)?;
    if scope.has("unscoped") {
        return Ok(ScopeWish::Unscoped);
    }
    let kinds = ["project", "domain", "OS-TRUST:trust", "system"];
    if kinds.iter().filter(|kind| scope.has(kind)).count() > 1 {
        return Err(InvalidBody::at("auth.scope", "names more than one scope"));
    }
    if let Some(mut project) = scope.object("project")? {
        return Ok(ScopeWish::Project(named(&mut project)?));
    }
    if let Some(mut domain) = scope.object("domain")? {
        return Ok(ScopeWish::Domain(domain_spec(&mut domain)?));
    }
    if let Some(mut trust) = scope.object("OS-TRUST:trust")? {
        return Ok(ScopeWish::Trust(TrustId(trust.required_text("id")?)));
    }
    match scope.object("system")?.map(|mut system| system.flag("all")) {
        Some(Ok(Some(true))) => Ok(ScopeWish::System),
        Some(Err(invalid)) => Err(invalid),
        Some(Ok(_)) => Err(InvalidBody::at("auth.scope.system.all", "is not true")),
        None => Err(InvalidBody::at("auth.scope", "names no scope that is known")),
    }
}
