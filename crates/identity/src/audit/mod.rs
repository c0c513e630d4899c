//! Records of who logged in and who changed what, in CADF as Keystone's notifications carry it.
//!
//! They come from one place, the answer to a request, and so after the commit: what was refused or failed is on record as
//! a failure, what was done as a success. No body is recorded, for bodies carry secrets.

#[cfg(test)]
mod tests;

use policy::{Caller, Delegation, Scope};
use rest::{Answered, Method};
use serde_json::{Value as Json, json};

/// Writes the record of a request to the log, as a line of JSON.
pub(crate) fn record(answered: &Answered<'_>) {
    if let Some(event) = event(answered) {
        tracing::info!(target: "audit", "{event}");
    }
}

/// The event that a request was; none for one that only looks.
fn event(answered: &Answered<'_>) -> Option<Json> {
    let act = act(answered)?;
    let success = answered.status < 400;
    let created = answered.reply.and_then(|reply| reply.as_object()?.values().next()?.get("id")?.as_str());
    let named =
        answered.params.iter().rev().find(|(name, _)| name.ends_with("id")).or(answered.params.last());
    let target = created.or(named.map(|(_, value)| value.as_str())).unwrap_or("unknown");
    let mut event = json!({
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "eventType": "activity",
        "id": runtime::new_uuid().to_string(),
        "eventTime": runtime::now().iso_micros_z(),
        "action": act.action,
        "outcome": if success { "success" } else { "failure" },
        "initiator": initiator(answered),
        "target": {"id": target, "typeURI": act.target},
        "observer": {"id": "identity", "typeURI": "service/security"},
        "requestPath": answered.path,
        "requestMethod": answered.method.as_str(),
    });
    if !success {
        event["reason"] = json!({"reasonType": "HTTP", "reasonCode": answered.status.to_string()});
    }
    if act.action == "authenticate" {
        event["target"]["id"] = event["initiator"]["id"].clone();
    }
    Some(event)
}

/// What was done, in CADF's words.
#[derive(Debug, PartialEq, Eq)]
struct Act {
    action: String,
    target: String,
}

/// What a route does, by its own words: the method is the verb and the last word of the path the noun.
fn act(answered: &Answered<'_>) -> Option<Act> {
    let words: Vec<&str> = answered.route.split('/').filter(|word| !word.is_empty()).collect();
    let looks = answered.method == Method::GET || answered.method == Method::HEAD;
    let last = words.iter().rev().find(|word| !word.starts_with('{')).copied()?;
    let is_login = last == "auth" || (last == "tokens" && answered.method == Method::POST);
    if is_login {
        let target = "service/security/account/user".to_owned();
        return Some(Act { action: "authenticate".to_owned(), target });
    }
    if looks || last == "ec2tokens" || last == "s3tokens" {
        return None;
    }
    let noun = noun(&words, last);
    let ends_in_password = last == "password";
    let verb = match answered.method.as_str() {
        "DELETE" => "deleted",
        "PATCH" => "updated",
        _ if ends_in_password => "updated",
        _ => "created",
    };
    let kind = match noun.as_str() {
        "user" => "account/user",
        "trust" | "credential" | "group" | "project" | "role" | "domain" | "region" | "endpoint"
        | "service" | "policy" => noun.as_str(),
        "application_credential" | "ec2" => "credential",
        other => other,
    };
    Some(Act { action: format!("{verb}.{noun}"), target: format!("data/security/{kind}") })
}

/// The thing that a path is about, in the singular.
fn noun(words: &[&str], last: &str) -> String {
    let has = |word: &str| words.contains(&word);
    if has("roles") && (has("users") || has("groups")) {
        return "role_assignment".to_owned();
    }
    match last {
        "users" if has("groups") => "group_membership".to_owned(),
        "password" => "user".to_owned(),
        "OS-EC2" => "credential".to_owned(),
        "policies" | "identity_providers" if last == "policies" => "policy".to_owned(),
        word => {
            let word = word.to_lowercase().replace('-', "_");
            match word.strip_suffix("ies") {
                Some(stem) => format!("{stem}y"),
                None => word.strip_suffix('s').unwrap_or(&word).to_owned(),
            }
        }
    }
}

/// Who asked, as far as it is known: the token's user, who a login made known, or who a failed login claims to be.
fn initiator(answered: &Answered<'_>) -> Json {
    let mut initiator = match answered.caller {
        Some(caller) => of_caller(caller),
        None => of_login(answered),
    };
    initiator["typeURI"] = "service/security/account/user".into();
    initiator["request_id"] = answered.request_id.into();
    if let Some(address) = answered.address {
        initiator["host"]["address"] = address.to_string().into();
    }
    if let Some(agent) = answered.agent {
        initiator["host"]["agent"] = agent.into();
    }
    initiator
}

fn of_caller(caller: &Caller) -> Json {
    let mut of = json!({
        "id": caller.user_id,
        "user_id": caller.user_id,
        "username": caller.user_name,
        "user_domain_id": caller.user_domain_id,
    });
    match &caller.scope {
        Scope::Unscoped => {}
        Scope::Project { id, .. } => of["project_id"] = id.as_str().into(),
        Scope::Domain { id } => of["domain_id"] = id.as_str().into(),
        Scope::System => of["system_scope"] = "all".into(),
    }
    match &caller.delegation {
        Some(Delegation::Ec2Key) | None => {}
        Some(Delegation::Trust { id }) => of["trust_id"] = id.as_str().into(),
        Some(Delegation::ApplicationCredential { id, .. }) => {
            of["application_credential_id"] = id.as_str().into();
        }
        Some(Delegation::AccessToken { id }) => of["access_token_id"] = id.as_str().into(),
    }
    of
}

fn of_login(answered: &Answered<'_>) -> Json {
    let user = answered.reply.and_then(|reply| reply.get("token")?.get("user"));
    if let Some(user) = user {
        return json!({
            "id": user["id"], "user_id": user["id"], "username": user["name"],
            "user_domain_id": user["domain"]["id"],
        });
    }
    let claimed = serde_json::from_slice::<Json>(answered.claimed).unwrap_or_default();
    let methods = ["password", "totp", "application_credential"];
    let identity = &claimed["auth"]["identity"];
    let user = methods.iter().map(|method| &identity[*method]["user"]).find(|user| user.is_object());
    let text = |value: Option<&Json>| {
        value.and_then(Json::as_str).map(|text| text.chars().take(255).collect::<String>())
    };
    let mut of =
        json!({"id": text(user.and_then(|user| user.get("id"))).unwrap_or_else(|| "unknown".to_owned())});
    if let Some(name) = text(user.and_then(|user| user.get("name"))) {
        of["username"] = name.into();
    }
    of
}
