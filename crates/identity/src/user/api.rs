//! `/v3/users`.

use std::sync::Arc;

use rest::{Fields, InvalidBody, Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::{Store, Tx};
use types::{DomainId, ProjectId};

use super::model::{User, UserChange, UserDraft, UserFilter};
use super::ops;
use super::options;
use super::proof::{Attempt, by_password};
use super::view::{UserView, views};
use crate::Error;
use crate::api::{
    Extra, Filters, Kind, changing, extra, filter_of, filtered, flag, flag_of, name, required_name,
};
use crate::federation::user::api as federated;
use crate::login::model::Named;
use crate::password::PASSWORD_BYTES_MAX;
use crate::token::ops::Tokens;

const NAME_MAX: usize = 255;
/// By what lists of users are filtered, here and those of a group.
pub(crate) const FILTERS: Filters = &[
    ("domain_id", Kind::Id),
    ("enabled", Kind::Flag),
    ("name", Kind::Name(NAME_MAX)),
    ("password_expires_at", Kind::Time),
];

pub(crate) fn routes(store: &Store, tokens: &Arc<Tokens>) -> Routes {
    let with = || (store.clone(), tokens.clone());
    let (for_create, for_update, for_password) = (with(), with(), with());
    let (for_list, for_show) = (tokens.clone(), tokens.clone());
    Routes::new()
        .get("/v3/users", move |request, tx| list(&for_list, request, tx))
        .slow(Method::POST, "/v3/users", false, move |request| create(for_create.clone(), request))
        .get("/v3/users/{user_id}", move |request, tx| show(&for_show, request, tx))
        .slow(Method::PATCH, "/v3/users/{user_id}", false, move |request| update(for_update.clone(), request))
        .delete("/v3/users/{user_id}", delete)
        // The original password is the proof; an expired token must not keep anybody from changing it.
        .slow(Method::POST, "/v3/users/{user_id}/password", true, move |request| {
            change_password(for_password.clone(), request)
        })
}

fn list(tokens: &Tokens, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let filter = UserFilter {
        domain_id: filter_of(request, "domain_id").map(DomainId),
        name: filter_of(request, "name"),
        enabled: flag_of(request, "enabled"),
        identity: federated::filter(request),
    };
    let users = ops::list(request.caller(), tx, &tokens.config.security_compliance, &filter)?;
    filtered(request, "users", FILTERS, views(request, &users))
}

async fn create((store, tokens): (Store, Arc<Tokens>), request: Request) -> Result<Reply, Error> {
    let mut fields = request.fields("user")?;
    let password = password(&mut fields, "password")?;
    let mut draft = UserDraft {
        domain_id: fields.text("domain_id")?.map(DomainId),
        name: required_name(&mut fields, "name", NAME_MAX)?,
        enabled: flag(&mut fields, "enabled")?.unwrap_or(true),
        default_project_id: fields.text("default_project_id")?.map(ProjectId),
        password: None,
        options: options::body(&mut fields)?,
        federated: federated::identities(&mut fields)?,
        extra: kept(fields),
    };
    let compliance = &tokens.config.security_compliance;
    if let Some(password) = &password {
        compliance.refuse_weak(password.as_deref())?;
    }
    if let Some(password) = password.flatten() {
        let (caller, checked) = (request.caller().clone(), draft.clone());
        store.read(move |tx| ops::check_create(&caller, tx, &checked)).await?;
        draft.password =
            Some(tokens.passwords.hash(request.address, &request.caller().user_id, password).await?);
    }
    let caller = request.caller().clone();
    let create = move |tx: &mut Tx<'_>| {
        let user = ops::create(&caller, tx, &tokens.config.security_compliance, draft.clone())?;
        let view = whole_view(tx, &request, &user)?;
        Ok::<_, Error>(Reply::created(json!({"user": view})))
    };
    store.write(create).await
}

fn show(tokens: &Tokens, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let compliance = &tokens.config.security_compliance;
    let user = ops::show(request.caller(), tx, compliance, request.param("user_id"))?;
    Ok(Reply::ok(json!({"user": whole_view(tx, request, &user)?})))
}

async fn update((store, tokens): (Store, Arc<Tokens>), request: Request) -> Result<Reply, Error> {
    let mut fields = changing(request.fields("user")?, request.param("user_id"))?;
    let password = password(&mut fields, "password")?;
    let mut change = UserChange {
        domain_id: fields.text("domain_id")?,
        name: name(&mut fields, "name", NAME_MAX)?,
        enabled: flag(&mut fields, "enabled")?,
        default_project_id: fields.nullable_text("default_project_id")?.map(|id| id.map(ProjectId)),
        password: None,
        options: options::body(&mut fields)?,
        federated: federated::identities(&mut fields)?,
        extra: kept(fields),
    };
    let (caller, id) = (request.caller().clone(), request.param("user_id").to_owned());
    if let Some(password) = password {
        let (caller, id) = (caller.clone(), id.clone());
        store.read(move |tx| ops::find(&caller, tx, "identity:update_user", &id).map(|_| ())).await?;
        tokens.config.security_compliance.refuse_weak(password.as_deref())?;
        change.password = Some(match password {
            Some(password) => {
                Some(tokens.passwords.hash(request.address, &request.caller().user_id, password).await?)
            }
            None => None,
        });
    }
    let update = move |tx: &mut Tx<'_>| {
        let user = ops::update(&caller, tx, &tokens.config.security_compliance, &id, change.clone())?;
        let mut view = whole_view(tx, &request, &user)?;
        // Keystone repeats in this answer alone what it keeps without knowing it.
        view["extra"] = Json::Object(user.extra);
        Ok::<_, Error>(Reply::ok(json!({"user": view})))
    };
    store.write(update).await
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("user_id"))?;
    Ok(Reply::empty(204))
}

async fn change_password((store, tokens): (Store, Arc<Tokens>), request: Request) -> Result<Reply, Error> {
    let mut fields = request.fields("user")?;
    let original = password(&mut fields, "original_password")?.flatten();
    let original = original.ok_or_else(|| fields.error("original_password", "is required"))?;
    let new = password(&mut fields, "password")?.flatten();
    let new = new.ok_or_else(|| fields.error("password", "is required"))?;
    fields.finish()?;
    let named = Named::Id(request.param("user_id").to_owned());
    let attempt =
        Attempt { address: request.address, named: &named, password: original, may_be_expired: true };
    let user = by_password(&store, &tokens, attempt).await?;
    let Some(compared) = user.password.clone() else { return Err(Error::Unauthorized) };
    let compliance = &tokens.config.security_compliance;
    compliance.refuse_weak(Some(&new))?;
    ops::refuse_own_password(compliance, &user, runtime::now())?;
    let barred = compliance.barred(&user);
    if tokens.passwords.is_any(request.address, &user.id, new.clone(), barred).await? {
        return Err(Error::Invalid(format!(
            "The new password cannot be identical to a previous password. The total number which includes the new \
             password must be unique is {}.",
            compliance.unique_last_password_count
        )));
    }
    let new = tokens.passwords.hash(request.address, &user.id, new).await?;
    let change = move |tx: &mut Tx<'_>| {
        ops::change_password(tx, &tokens.config.security_compliance, &user.id, &compared, new.clone())
    };
    store.write(change).await?;
    Ok(Reply::empty(204))
}

/// A password, or null for none.
fn password(fields: &mut Fields, name: &str) -> Result<Option<Option<String>>, InvalidBody> {
    let password = fields.nullable_text(name)?;
    match &password {
        Some(Some(text)) if text.len() > PASSWORD_BYTES_MAX => {
            Err(fields.error(name, format!("is too long: at most {PASSWORD_BYTES_MAX} bytes")))
        }
        _ => Ok(password),
    }
}

/// What else there is, without what the view computes.
fn kept(fields: Fields) -> Extra {
    let mut left = extra(fields);
    for ours in ["password_expires_at", "original_password", "extra"] {
        left.remove(ours);
    }
    left
}

/// A user, and who the user is elsewhere, which lists do not say.
fn whole_view(tx: &mut Tx<'_>, request: &Request, user: &User) -> Result<Json, Error> {
    let mut view = json!(UserView::of(request, user));
    federated::add_identities(tx, &user.id, &mut view)?;
    Ok(view)
}
