//! What can be done with the options of a domain.

use policy::{Caller, Target};
use store::Tx;
use types::DomainId;

use super::model::{DomainConfig, Groups, Part, public, refusal, without_secrets};
use super::options::{OPTIONS, Preset};
use super::store::DOMAIN_CONFIGS;
use crate::Error;
use crate::domain::store::DOMAINS;
use crate::policy::RULES;

/// The domain whose security rules clients may read, as Keystone's `default_domain_id`.
const DEFAULT_DOMAIN: &str = "default";

/// Sets a domain's options in place of all that were set before. Tells whether there were none.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    domain: &str,
    groups: Groups,
) -> Result<(Groups, bool), Error> {
    RULES.check("identity:create_domain_config", caller, &Target::default())?;
    refuse_missing(tx, domain)?;
    refuse(refusal(&groups, Part::ALL))?;
    let before = options_of(tx, domain)?;
    let groups = without_secrets(groups);
    put(tx, domain, groups.clone())?;
    Ok((public(&groups), before.is_empty()))
}

/// The options that were set, without secrets.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, domain: &str, part: Part<'_>) -> Result<Groups, Error> {
    RULES.check("identity:get_domain_config", caller, &Target::default())?;
    refuse(part.refusal())?;
    let found = part.of(&public(&options_of(tx, domain)?));
    if found.is_empty() { Err(absent(domain, part)) } else { Ok(found) }
}

/// What new passwords must look like is known to everybody who has a token, and set for no domain apart.
pub(crate) fn refuse_password_rules(
    caller: &Caller,
    domain: &str,
    option: Option<&str>,
) -> Result<(), Error> {
    RULES.check("identity:get_security_compliance_domain_config", caller, &Target::default())?;
    let other =
        option.is_some_and(|option| !["password_regex", "password_regex_description"].contains(&option));
    refuse(if domain != DEFAULT_DOMAIN {
        let message = "Reading security compliance information for any domain other than the default domain is \
                       not allowed or supported.";
        Some(message.to_owned())
    } else if other {
        let message = "Reading security compliance values other than password_regex and \
                       password_regex_description is not allowed.";
        Some(message.to_owned())
    } else {
        None
    })
}

/// Sets some options and leaves the others. A group or an option that the path names must have been set before.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    domain: &str,
    part: Part<'_>,
    groups: Groups,
) -> Result<Groups, Error> {
    RULES.check("identity:update_domain_config", caller, &Target::default())?;
    refuse_missing(tx, domain)?;
    refuse(refusal(&groups, part))?;
    let mut all = options_of(tx, domain)?;
    if part.group.is_some() && part.of(&all).is_empty() {
        return Err(absent(domain, part));
    }
    for (group, options) in without_secrets(groups) {
        all.entry(group).or_default().extend(options);
    }
    put(tx, domain, all.clone())?;
    Ok(public(&all))
}

/// Forgets options. A group or an option that the path names must have been set before.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, domain: &str, part: Part<'_>) -> Result<(), Error> {
    RULES.check("identity:delete_domain_config", caller, &Target::default())?;
    refuse_missing(tx, domain)?;
    refuse(part.refusal())?;
    let all = options_of(tx, domain)?;
    if part.group.is_some() && part.of(&all).is_empty() {
        return Err(absent(domain, part));
    }
    put(tx, domain, part.rest_of(&all))
}

/// The options that hold where a domain sets none.
pub(crate) fn presets(
    caller: &Caller,
    part: Part<'_>,
) -> Result<Vec<(&'static str, &'static str, Preset)>, Error> {
    RULES.check("identity:get_domain_config_default", caller, &Target::default())?;
    refuse(part.refusal())?;
    let named = |name: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| wanted == name);
    let known =
        OPTIONS.iter().filter(|known| named(known.group, part.group) && named(known.name, part.option));
    let told = known.filter(|known| !matches!(known.preset, Preset::Secret));
    let told: Vec<_> = told.map(|known| (known.group, known.name, known.preset)).collect();
    match (part.group, part.option) {
        (Some(group), Some(option)) if told.is_empty() => Err(invalid(&format!(
            "Reading the default for option {option} in group {group} is not supported"
        ))),
        _ => Ok(told),
    }
}

/// Forgets the options of a domain that goes.
pub(crate) fn forget_domain(tx: &mut Tx<'_>, id: &DomainId) -> Result<(), Error> {
    put(tx, id.as_str(), Groups::new())
}

fn refuse_missing(tx: &mut Tx<'_>, domain: &str) -> Result<(), Error> {
    DOMAINS.load(tx, domain)?.map(|_| ()).ok_or_else(|| Error::not_found("domain", domain))
}

fn refuse(reason: Option<String>) -> Result<(), Error> {
    reason.map_or(Ok(()), |reason| Err(invalid(&reason)))
}

fn invalid(reason: &str) -> Error {
    Error::Forbidden(format!("Invalid domain specific configuration: {reason}."))
}

fn absent(domain: &str, part: Part<'_>) -> Error {
    let what = part.told();
    Error::Absent(format!("Could not find {what} in domain configuration for domain {domain}."))
}

fn options_of(tx: &mut Tx<'_>, domain: &str) -> Result<Groups, Error> {
    Ok(DOMAIN_CONFIGS.load(tx, domain)?.map(|row| row.into_inner().groups).unwrap_or_default())
}

/// Writes a domain's options; without any there is no row.
fn put(tx: &mut Tx<'_>, domain: &str, groups: Groups) -> Result<(), Error> {
    match DOMAIN_CONFIGS.load(tx, domain)? {
        Some(row) if groups.is_empty() => DOMAIN_CONFIGS.remove(tx, &row)?,
        Some(mut row) => {
            row.groups = groups;
            DOMAIN_CONFIGS.save(tx, &mut row)?;
        }
        None if groups.is_empty() => {}
        None => {
            DOMAIN_CONFIGS.insert(tx, DomainConfig { domain_id: DomainId::from(domain), groups })?;
        }
    }
    Ok(())
}
