//! `/v3/OS-TRUST/trusts`.

use rest::{Fields, InvalidBody, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::{ProjectId, RoleId, Timestamp, UserId};

use super::model::{RoleSpec, Trust, TrustDraft};
use super::ops;
use crate::Error;
use crate::api::{filter_of, flag, links, listed};
use crate::role::api::view as role_view;

pub(crate) fn routes() -> Routes {
    let base = "/v3/OS-TRUST/trusts";
    let one = "/v3/OS-TRUST/trusts/{trust_id}";
    Routes::new()
        .get(base, list)
        .post(base, create)
        .get(one, show)
        .delete(one, delete)
        .get("/v3/OS-TRUST/trusts/{trust_id}/roles", list_roles)
        .get("/v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}", show_role)
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let trustor = filter_of(request, "trustor_user_id").map(UserId);
    let trustee = filter_of(request, "trustee_user_id").map(UserId);
    let trusts = ops::list(request.caller(), tx, trustor.as_ref(), trustee.as_ref())?;
    Ok(listed(request, "trusts", trusts.iter().map(|trust| view(request, trust)).collect()))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let trust = ops::create(request.caller(), tx, draft(request)?)?;
    let whole = whole_view(request, tx, &trust)?;
    Ok(Reply::created(json!({"trust": whole})))
}

fn draft(request: &Request) -> Result<TrustDraft, InvalidBody> {
    let mut fields = request.fields("trust")?;
    let expires_at = match fields.text("expires_at")? {
        None => None,
        Some(text) => Some(Timestamp::parse(&text).map_err(|_| fields.error("expires_at", "is not a time"))?),
    };
    let remaining_uses = count(&mut fields, "remaining_uses", 1)?;
    let mut roles = fields.objects("roles")?.unwrap_or_default();
    let roles = roles.iter_mut().map(role_spec).collect::<Result<_, _>>()?;
    Ok(TrustDraft {
        trustor_id: UserId(fields.required_text("trustor_user_id")?),
        trustee_id: UserId(fields.required_text("trustee_user_id")?),
        project_id: fields.text("project_id")?.map(ProjectId),
        roles,
        impersonation: flag(&mut fields, "impersonation")?
            .ok_or_else(|| fields.error("impersonation", "is required"))?,
        expires_at,
        remaining_uses,
        allow_redelegation: flag(&mut fields, "allow_redelegation")?.unwrap_or(false),
        redelegation_count: count(&mut fields, "redelegation_count", 0)?,
    })
}

fn count(fields: &mut Fields, name: &str, min: i64) -> Result<Option<u32>, InvalidBody> {
    let number = fields.int_in(name, min, i64::from(u32::MAX))?;
    Ok(number.and_then(|number| u32::try_from(number).ok()))
}

/// Reads a role that is named by its id or its name.
pub(crate) fn role_spec(fields: &mut Fields) -> Result<RoleSpec, InvalidBody> {
    match fields.text("id")? {
        Some(id) => Ok(RoleSpec::Id(RoleId(id))),
        None => Ok(RoleSpec::Name(fields.required_text("name")?)),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let trust = ops::show(request.caller(), tx, request.param("trust_id"))?;
    Ok(Reply::ok(json!({"trust": whole_view(request, tx, &trust)?})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("trust_id"))?;
    Ok(Reply::empty(204))
}

fn list_roles(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let roles = ops::list_roles(request.caller(), tx, request.param("trust_id"))?;
    Ok(listed(request, "roles", roles.iter().map(|role| role_view(request, role)).collect()))
}

fn show_role(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (trust, role) = (request.param("trust_id"), request.param("role_id"));
    let role = ops::show_role(request.caller(), tx, trust, role)?;
    Ok(Reply::ok(json!({"role": role_view(request, &role)})))
}

/// A trust with its roles, which lists leave out.
fn whole_view(request: &Request, tx: &mut Tx<'_>, trust: &Trust) -> Result<Json, Error> {
    let roles = ops::roles(tx, trust)?;
    let mut whole = view(request, trust);
    whole["roles"] = roles.iter().map(|role| role_view(request, role)).collect();
    let url = format!("{}/v3/OS-TRUST/trusts/{}/roles", request.base_url, trust.id);
    whole["roles_links"] = json!({"self": url, "next": null, "previous": null});
    Ok(whole)
}

fn view(request: &Request, trust: &Trust) -> Json {
    json!({
        "id": trust.id.0,
        "trustor_user_id": trust.trustor_id.as_str(),
        "trustee_user_id": trust.trustee_id.as_str(),
        "project_id": trust.project_id.as_ref().map(|id| id.as_str()),
        "impersonation": trust.impersonation,
        "expires_at": trust.expires_at.map(Timestamp::iso_micros_z),
        "remaining_uses": trust.remaining_uses,
        "deleted_at": null,
        "redelegation_count": trust.redelegation_count,
        "redelegated_trust_id": trust.redelegated_from.as_ref().map(|id| id.0.as_str()),
        "links": links(request, &format!("OS-TRUST/trusts/{}", trust.id)),
    })
}
