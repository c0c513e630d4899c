//! What can be done with application credentials. Secrets arrive here as hashes.

use policy::{Caller, Delegation, Target};
use store::{Select, Stored, Tx};
use types::{ProjectId, RoleId, UserId};

use super::model::{ApplicationCredential, ApplicationCredentialDraft};
use super::store::{APPLICATION_CREDENTIALS, named, of_user};
use crate::Error;
use crate::access_rule;
use crate::assignment::model::Target as AssignedIn;
use crate::ids::fresh;
use crate::policy::RULES;
use crate::role::model::{Role, implied};
use crate::role::store::{ROLES, implications};
use crate::token::ops::changed;
use crate::token::resolve::effective_roles;
use crate::trust::ops::role_named;

/// What a trust or an access token gave ends with it; a credential made by it would not.
pub(crate) fn refuse_trust(caller: &Caller) -> Result<(), Error> {
    match &caller.delegation {
        Some(Delegation::Trust { .. } | Delegation::AccessToken { .. }) => Err(Error::Forbidden(
            "Cannot manage application credentials with a token issued via delegation.".to_owned(),
        )),
        Some(Delegation::ApplicationCredential { .. } | Delegation::Ec2Key) | None => Ok(()),
    }
}

fn refuse_restricted(caller: &Caller) -> Result<(), Error> {
    match &caller.delegation {
        Some(Delegation::ApplicationCredential { unrestricted: false, .. }) => Err(Error::Denied(
            "Using method 'application_credential' is not allowed for managing additional application credentials."
                .to_owned(),
        )),
        Some(
            Delegation::ApplicationCredential { .. }
            | Delegation::Trust { .. }
            | Delegation::Ec2Key
            | Delegation::AccessToken { .. },
        )
        | None => Ok(()),
    }
}

fn find(
    caller: &Caller,
    tx: &mut Tx<'_>,
    rule: &str,
    (user, id): (&UserId, &str),
) -> Result<Stored<ApplicationCredential>, Error> {
    RULES.check(rule, caller, &Target::user(user))?;
    refuse_trust(caller)?;
    let found = APPLICATION_CREDENTIALS.load(tx, id)?.filter(|found| found.user_id == *user);
    found.ok_or_else(|| Error::not_found("Application Credential", id))
}

/// What an accepted draft comes to: where it is good, and with which roles.
pub(crate) struct Accepted {
    project_id: ProjectId,
    roles: Vec<RoleId>,
}

/// Whether the caller may make this one; asked before the secret is hashed for it, and again after.
pub(crate) fn check_create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: &ApplicationCredentialDraft,
) -> Result<Accepted, Error> {
    let rule = "identity:create_application_credential";
    RULES.check(rule, caller, &Target::user(&draft.user_id))?;
    refuse_trust(caller)?;
    refuse_restricted(caller)?;
    let project_id = caller.project_id().ok_or_else(|| Error::Denied(rule.to_owned()))?.clone();
    if draft.expires_at.is_some_and(|at| at <= tx.now()) {
        return Err(Error::Invalid(
            "The 'expires_at' must not be before now. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
                .to_owned(),
        ));
    }
    let roles = roles_held(caller, tx, draft, &project_id)?;
    if named(tx, &draft.user_id, &draft.name)?.is_some() {
        return Err(Error::duplicate("application_credential", &draft.name, None));
    }
    Ok(Accepted { project_id, roles })
}

/// The roles asked for and those they imply; all of them the caller has now, by this very token.
fn roles_held(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: &ApplicationCredentialDraft,
    project_id: &ProjectId,
) -> Result<Vec<RoleId>, Error> {
    let here = AssignedIn::Project(project_id.clone());
    let held = effective_roles(tx, &caller.user_id, &here)?;
    let held: Vec<RoleId> =
        held.into_iter().filter(|role| caller.has_role(&role.name)).map(|role| role.id).collect();
    let asked = match &draft.roles {
        Some(asked) if !asked.is_empty() => {
            asked.iter().map(|spec| Ok(role_named(tx, spec)?.id)).collect::<Result<_, Error>>()?
        }
        Some(_) | None => return Ok(held),
    };
    let all: Vec<RoleId> = implied(&asked, &implications(tx)?).into_iter().collect();
    if all.iter().all(|role| held.contains(role)) {
        return Ok(all);
    }
    Err(Error::Invalid(
        "Invalid application credential: Cannot create an application credential with unassigned role"
            .to_owned(),
    ))
}

pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: ApplicationCredentialDraft,
    secret: String,
) -> Result<ApplicationCredential, Error> {
    let Accepted { project_id, roles } = check_create(caller, tx, &draft)?;
    let access_rules = match draft.access_rules {
        None => None,
        Some(specs) => {
            let rules = specs.into_iter().map(|spec| access_rule::ops::ensure(tx, &draft.user_id, spec));
            Some(rules.collect::<Result<Vec<_>, _>>()?)
        }
    };
    let credential = ApplicationCredential {
        id: fresh(),
        user_id: draft.user_id,
        project_id,
        name: draft.name,
        description: draft.description,
        secret,
        roles,
        expires_at: draft.expires_at,
        unrestricted: draft.unrestricted,
        access_rules,
    };
    Ok(APPLICATION_CREDENTIALS.insert(tx, credential)?.into_inner())
}

pub(crate) fn show(
    caller: &Caller,
    tx: &mut Tx<'_>,
    which: (&UserId, &str),
) -> Result<ApplicationCredential, Error> {
    Ok(find(caller, tx, "identity:get_application_credential", which)?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    user: &UserId,
) -> Result<Vec<ApplicationCredential>, Error> {
    RULES.check("identity:list_application_credentials", caller, &Target::user(user))?;
    refuse_trust(caller)?;
    Ok(of_user(tx, user)?.into_iter().map(Stored::into_inner).collect())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, which: (&UserId, &str)) -> Result<(), Error> {
    let found = find(caller, tx, "identity:delete_application_credential", which)?;
    refuse_restricted(caller)?;
    APPLICATION_CREDENTIALS.remove(tx, &found)?;
    changed(tx);
    Ok(())
}

/// The roles of a credential, as far as they still exist.
pub(crate) fn roles(tx: &mut Tx<'_>, credential: &ApplicationCredential) -> Result<Vec<Role>, Error> {
    let found = ROLES.query(tx, &Select::all().is_in("id", &credential.roles))?;
    Ok(found.into_iter().map(Stored::into_inner).collect())
}

/// Removes those of a user, or those in one project, when what they rest on ends.
pub(crate) fn remove_of(
    tx: &mut Tx<'_>,
    user: Option<&UserId>,
    project: Option<&ProjectId>,
) -> Result<(), Error> {
    let mut select = Select::all();
    if let Some(user) = user {
        select = select.eq("user_id", user);
    }
    if let Some(project) = project {
        select = select.eq("project_id", project);
    }
    for found in APPLICATION_CREDENTIALS.query(tx, &select)? {
        APPLICATION_CREDENTIALS.remove(tx, &found)?;
    }
    changed(tx);
    Ok(())
}
