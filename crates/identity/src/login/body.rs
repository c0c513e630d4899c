//! Reading `{"auth": {"identity": …, "scope": …}}`.

use rest::{Fields, InvalidBody, Request};
use serde_json::Value as Json;

use super::model::{DomainSpec, Login, Named, NamedCredential, ScopeWish, Shown};
use crate::Error;
use crate::ids::TrustId;
use crate::oauth1::api::signed_login;
use crate::password::PASSWORD_BYTES_MAX;

/// The login that a request spells.
pub(crate) fn login(request: &Request) -> Result<Login, Error> {
    let mut auth = request.fields("auth")?;
    let mut identity = auth.object("identity")?.ok_or_else(|| auth.error("identity", "is required"))?;
    let mut methods = identity.texts("methods")?.ok_or_else(|| identity.error("methods", "is required"))?;
    methods.sort();
    methods.dedup();
    let shown = methods.iter().map(|method| shown(request, &mut identity, method));
    let shown = shown.collect::<Result<_, Error>>()?;
    let by_credential = methods.iter().any(|method| method == "application_credential");
    if by_credential && auth.has("scope") {
        return Err(Error::LoginRefused(
            "Error authenticating with application credential: Application credentials cannot request a scope."
                .to_owned(),
        ));
    }
    let receipt = request.header("openstack-auth-receipt").map(str::to_owned);
    Ok(Login { shown, scope: scope(&mut auth)?, receipt })
}

fn shown(request: &Request, identity: &mut Fields, method: &str) -> Result<Shown, Error> {
    let missing = |identity: &Fields| Error::from(identity.error(method, "is required"));
    let fields = identity.object(method)?;
    match method {
        "password" => password(fields.ok_or_else(|| missing(identity))?).map_err(Error::from),
        "token" => {
            let mut token = fields.ok_or_else(|| missing(identity))?;
            Ok(Shown::Token(token.required_text("id")?))
        }
        "totp" => {
            let mut totp = fields.ok_or_else(|| missing(identity))?;
            let mut user = totp.object("user")?.ok_or_else(|| totp.error("user", "is required"))?;
            let passcode = user.required_text("passcode")?;
            Ok(Shown::Totp { user: named(&mut user)?, passcode })
        }
        "application_credential" => {
            let mut fields = fields.ok_or_else(|| missing(identity))?;
            let secret = fields.required_text("secret")?;
            Ok(Shown::ApplicationCredential { credential: named_credential(&mut fields)?, secret })
        }
        "oauth1" => match fields {
            Some(_) => Ok(Shown::Signature(signed_login(request)?)),
            None => Err(missing(identity)),
        },
        _ => Err(Error::LoginRefused("Attempted to authenticate with an unsupported method.".to_owned())),
    }
}

fn named_credential(fields: &mut Fields) -> Result<NamedCredential, InvalidBody> {
    if let Some(id) = fields.text("id")? {
        return Ok(NamedCredential::Id(id));
    }
    let name = fields.text("name")?.ok_or_else(|| fields.error("name", "or id is required"))?;
    let mut user = fields.object("user")?.ok_or_else(|| fields.error("user", "is required"))?;
    Ok(NamedCredential::Name { name, user: named(&mut user)? })
}

fn password(mut password: Fields) -> Result<Shown, InvalidBody> {
    let mut user = password.object("user")?.ok_or_else(|| password.error("user", "is required"))?;
    let password = user.required_text("password")?;
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(user.error("password", format!("is too long: at most {PASSWORD_BYTES_MAX} bytes")));
    }
    Ok(Shown::Password { user: named(&mut user)?, password })
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
