//! What can be done with access rules.

use policy::{AccessRule, Caller, Target};
use store::{Direction, Select, Stored, Tx};
use types::UserId;

use super::model::{OwnedRule, RuleSpec};
use super::store::{ACCESS_RULES, said};
use crate::Error;
use crate::application_credential::ops::refuse_trust;
use crate::application_credential::store::of_user;
use crate::ids::fresh;
use crate::policy::RULES;

fn find(
    caller: &Caller,
    tx: &mut Tx<'_>,
    rule: &str,
    (user, id): (&UserId, &str),
) -> Result<Stored<OwnedRule>, Error> {
    RULES.check(rule, caller, &Target::user(user))?;
    refuse_trust(caller)?;
    let found = ACCESS_RULES.load(tx, id)?.filter(|found| found.user_id == *user);
    found.ok_or_else(|| Error::not_found("Access Rule", id))
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, which: (&UserId, &str)) -> Result<AccessRule, Error> {
    Ok(find(caller, tx, "identity:get_access_rule", which)?.into_inner().rule)
}

pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<AccessRule>, Error> {
    RULES.check("identity:list_access_rules", caller, &Target::user(user))?;
    refuse_trust(caller)?;
    let select = Select::all().eq("user_id", user).order("id", Direction::Asc);
    Ok(ACCESS_RULES.query(tx, &select)?.into_iter().map(|found| found.into_inner().rule).collect())
}

/// Removes a rule that no application credential is limited to.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, which: (&UserId, &str)) -> Result<(), Error> {
    let found = find(caller, tx, "identity:delete_access_rule", which)?;
    let used = of_user(tx, which.0)?;
    let holds = |rules: &Vec<AccessRule>| rules.iter().any(|rule| rule.id == found.rule.id);
    if used.iter().any(|credential| credential.access_rules.as_ref().is_some_and(holds)) {
        return Err(Error::Forbidden("May not delete access rule in use".to_owned()));
    }
    Ok(ACCESS_RULES.remove(tx, &found)?)
}

/// The user's rule that is named, made if it is new.
pub(crate) fn ensure(tx: &mut Tx<'_>, user: &UserId, spec: RuleSpec) -> Result<AccessRule, Error> {
    match spec {
        RuleSpec::Id(id) => {
            let found = ACCESS_RULES.load(tx, &id)?.filter(|found| found.user_id == *user);
            Ok(found.ok_or_else(|| Error::not_found("Access Rule", &id))?.into_inner().rule)
        }
        RuleSpec::New { service, method, path } => {
            let select = Select::all().eq("user_id", user).eq("said", said(&service, &method, &path));
            if let Some(found) = ACCESS_RULES.first(tx, &select)? {
                return Ok(found.into_inner().rule);
            }
            let rule = AccessRule { id: fresh(), service, method, path };
            ACCESS_RULES.insert(tx, OwnedRule { user_id: user.clone(), rule: rule.clone() })?;
            Ok(rule)
        }
    }
}

/// Removes all rules of a user.
pub(crate) fn remove_of_user(tx: &mut Tx<'_>, user: &UserId) -> Result<(), Error> {
    for found in ACCESS_RULES.query(tx, &Select::all().eq("user_id", user))? {
        ACCESS_RULES.remove(tx, &found)?;
    }
    Ok(())
}
