//! Who somebody from an identity provider is here, and what it takes to be so.

use std::collections::BTreeSet;

use store::{Select, Tx};
use types::{DomainId, UserId};

use super::assertion::{ISSUER, REMOTE_USER, assertion};
use super::projects;
use crate::Error;
use crate::domain::store::DOMAINS;
use crate::federation::identity_provider::model::IdentityProvider;
use crate::federation::mapping::engine::apply;
use crate::federation::mapping::language;
use crate::federation::mapping::model::{Assertion, Mapped, MappedUser, Mapping};
use crate::federation::oidc::Claims;
use crate::federation::protocol::model::Protocol;
use crate::federation::user::model::Identity;
use crate::federation::user::ops::{Arrival, ensure, renew_groups};
use crate::federation::{identity_provider, mapping, protocol};
use crate::group::store::GROUPS;
use crate::ids::GroupId;
use crate::login::model::{DomainSpec, Named, Proven};
use crate::login::ops::user_named;
use crate::token::model::Federated;

/// The longest name of a user.
const NAME_MAX: usize = 255;

/// The provider and protocol of a login; both must be there, and the provider enabled.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    (idp_id, protocol_id): (&str, &str),
) -> Result<(IdentityProvider, Protocol), Error> {
    let provider = identity_provider::ops::find(tx, idp_id)?.into_inner();
    let protocol = protocol::ops::find(tx, idp_id, protocol_id)?.into_inner();
    refuse_disabled(&provider)?;
    Ok((provider, protocol))
}

fn refuse_disabled(provider: &IdentityProvider) -> Result<(), Error> {
    match provider.enabled {
        true => Ok(()),
        false => Err(Error::Forbidden(format!("Identity Provider {} is disabled", provider.id))),
    }
}

/// Refuses a login by a token of somebody whose provider is disabled.
pub(crate) fn refuse_stale(tx: &mut Tx<'_>, federated: &Federated) -> Result<(), Error> {
    refuse_disabled(&*identity_provider::ops::find(tx, &federated.idp_id)?)
}

/// Whether provider and protocol of a token are still there.
pub(crate) fn is_known(tx: &mut Tx<'_>, federated: &Federated) -> Result<bool, store::Error> {
    let provider = identity_provider::store::IDENTITY_PROVIDERS.load(tx, federated.idp_id.as_str())?;
    let key = protocol::store::protocol_key(&federated.idp_id, &federated.protocol_id);
    Ok(provider.is_some() && protocol::store::PROTOCOLS.load(tx, key)?.is_some())
}

/// The user whom the claims mean here, made or renewed by that.
pub(crate) fn log_in(tx: &mut Tx<'_>, ids: (&str, &str), claims: &Claims) -> Result<Proven, Error> {
    let (provider, protocol) = find(tx, ids)?;
    let assertion = assertion(claims);
    refuse_remote(&provider, &protocol, &assertion)?;
    let mapping = mapping::ops::find(tx, &protocol.mapping_id.0)?.into_inner();
    let mapped = map(&mapping, &assertion)?;
    let methods = vec![protocol.id.0.clone()];
    if mapped.user.local {
        let user_id = local_user(tx, &mapped.user)?;
        return Ok(Proven {
            user_id,
            methods,
            password: None,
            from: None,
            federated: None,
            application_credential_id: None,
            access_token_id: None,
        });
    }
    let groups = groups(tx, &mapped, &mapping)?;
    let arrival = arrival(tx, (&provider, &protocol), &mapped.user, &assertion)?;
    let domain_id = arrival.domain_id.clone();
    projects::refuse(tx, &mapped.projects, &domain_id)?;
    let user_id = ensure(tx, arrival)?;
    renew_groups(tx, &user_id, &provider.id, &groups)?;
    projects::ensure(tx, (&user_id, &provider.domain_id), &mapped.projects, mapping.schema_version)?;
    let federated = Federated {
        idp_id: provider.id.0,
        protocol_id: protocol.id.0,
        group_ids: groups.into_iter().collect(),
    };
    Ok(Proven {
        user_id,
        methods,
        password: None,
        from: None,
        federated: Some(federated),
        application_credential_id: None,
        access_token_id: None,
    })
}

/// The provider must say that it is one of those that the operator means by it.
fn refuse_remote(
    provider: &IdentityProvider,
    protocol: &Protocol,
    assertion: &Assertion,
) -> Result<(), Error> {
    let attribute = protocol.remote_id_attribute.as_deref().filter(|name| !name.is_empty()).unwrap_or(ISSUER);
    let Some(values) = assertion.get(attribute) else {
        let message = "Could not find Identity Provider identifier in environment";
        return Err(Error::LoginRefused(message.to_owned()));
    };
    match values.iter().all(|value| provider.remote_ids.contains(value)) {
        true => Ok(()),
        false => Err(Error::Forbidden(
            "Incoming identity provider identifier not included among the accepted identifiers.".to_owned(),
        )),
    }
}

fn map(mapping: &Mapping, assertion: &Assertion) -> Result<Mapped, Error> {
    let refused = |why: &dyn std::fmt::Display| {
        tracing::info!(target: "identity::federation", "mapping {} refuses a login: {why}", mapping.id);
        Error::LoginRefused(why.to_string())
    };
    let rules = language::rules(mapping.schema_version, &mapping.rules).map_err(|e| refused(&e))?;
    apply(mapping.schema_version, &rules, assertion).map_err(|e| refused(&e))
}

/// A user who was there before, and can log in.
fn local_user(tx: &mut Tx<'_>, user: &MappedUser) -> Result<UserId, Error> {
    let named = match (&user.id, &user.name, &user.domain) {
        (Some(id), _, _) => Named::Id(id.clone()),
        (None, Some(name), Some(domain)) => Named::Name { name: name.clone(), domain: domain.clone() },
        (None, _, _) => return Err(Error::Unauthorized),
    };
    Ok(user_named(tx, &named)?.filter(|user| user.enabled).ok_or(Error::Unauthorized)?.id)
}

/// The groups: those named by id must be there, those named by name count if they are.
fn groups(tx: &mut Tx<'_>, mapped: &Mapped, mapping: &Mapping) -> Result<BTreeSet<GroupId>, Error> {
    let mut groups = BTreeSet::new();
    for id in &mapped.group_ids {
        let Some(group) = GROUPS.load(tx, id.as_str())? else {
            let message =
                format!("Group {id} returned by mapping {} was not found in the backend.", mapping.id);
            return Err(Error::LoginRefused(message));
        };
        groups.insert(group.into_inner().id);
    }
    for (name, domain) in &mapped.groups {
        let Some(domain_id) = domain_named(tx, domain)? else { continue };
        let select = Select::all().eq("domain_id", &domain_id).eq("name", name.as_str());
        groups.extend(GROUPS.first(tx, &select)?.map(|group| group.into_inner().id));
    }
    Ok(groups)
}

pub(super) fn domain_named(tx: &mut Tx<'_>, domain: &DomainSpec) -> Result<Option<DomainId>, store::Error> {
    let found = match domain {
        DomainSpec::Id(id) => DOMAINS.load(tx, id.as_str())?,
        DomainSpec::Name(name) => DOMAINS.first(tx, &Select::all().eq("name", name.as_str()))?,
    };
    Ok(found.map(|domain| domain.into_inner().id))
}

/// Who arrives: by id or name of the rules, else by what the provider calls its user.
fn arrival(
    tx: &mut Tx<'_>,
    (provider, protocol): (&IdentityProvider, &Protocol),
    user: &MappedUser,
    assertion: &Assertion,
) -> Result<Arrival, Error> {
    let remote_user = assertion.get(REMOTE_USER).and_then(|values| values.first());
    let told = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let name = told(&user.name).or_else(|| remote_user.cloned());
    let id = told(&user.id).or_else(|| name.clone());
    let (Some(id), Some(name)) = (id, name) else { return Err(Error::Unauthorized) };
    if name.chars().count() > NAME_MAX || id.chars().count() > NAME_MAX {
        return Err(Error::LoginRefused(format!("The user's name is longer than {NAME_MAX} characters.")));
    }
    let domain_id = match &user.domain {
        None => provider.domain_id.clone(),
        Some(domain) => domain_named(tx, domain)?.ok_or(Error::Unauthorized)?,
    };
    let identity = Identity {
        idp_id: provider.id.0.clone(),
        protocol_id: protocol.id.0.clone(),
        unique_id: quoted(&id),
    };
    Ok(Arrival { identity, domain_id, name, email: user.email.clone() })
}

/// As Python quotes a part of a URL, for that is what Keystone keeps.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
