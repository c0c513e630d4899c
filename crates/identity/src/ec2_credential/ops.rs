//! What can be done with EC2 keys.

use policy::{Caller, Target};
use serde_json::json;
use store::{Direction, Select, Stored, Tx};
use types::{ProjectId, UserId};

use crate::Error;
use crate::api::Extra;
use crate::credential;
use crate::credential::keys::CredentialKeys;
use crate::credential::model::{Credential, CredentialDraft, EC2, Opened};
use crate::credential::ops::{ec2_id, opened, refuse_delegated};
use crate::credential::store::CREDENTIALS;
use crate::ids::fresh;
use crate::policy::RULES;
use crate::project::store::PROJECTS;
use crate::user::store::USERS;

/// A fresh pair of keys for a user in a project.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    user_id: UserId,
    project_id: Option<ProjectId>,
) -> Result<Opened, Error> {
    RULES.check("identity:ec2_create_credential", caller, &Target::user(&user_id))?;
    refuse_no_user(tx, &user_id)?;
    // Keystone looks for the project that was not named under Python's word for nothing.
    let project_id = project_id.unwrap_or_else(|| "None".into());
    if PROJECTS.load(tx, &project_id)?.is_none() {
        return Err(Error::not_found("project", &project_id));
    }
    refuse_delegated(caller)?;
    let blob = json!({"access": fresh(), "secret": fresh(), "trust_id": null}).to_string();
    let draft = CredentialDraft {
        user_id,
        project_id: Some(project_id),
        kind: EC2.to_owned(),
        blob,
        extra: Extra::new(),
    };
    credential::ops::insert(tx, keys, draft)
}

/// A user's keys, those stored as credentials included.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    user_id: &UserId,
) -> Result<Vec<Opened>, Error> {
    RULES.check("identity:ec2_list_credentials", caller, &Target::user(user_id))?;
    refuse_delegated(caller)?;
    refuse_no_user(tx, user_id)?;
    let select = Select::all().eq("user_id", user_id).eq("type", EC2).order("id", Direction::Asc);
    let found = CREDENTIALS.query(tx, &select)?;
    found.into_iter().map(|credential| opened(keys, credential)).collect()
}

pub(crate) fn show(
    caller: &Caller,
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    (user_id, access): (&UserId, &str),
) -> Result<Opened, Error> {
    let credential = find(caller, tx, "identity:ec2_get_credential", (user_id, access))?;
    opened(keys, credential)
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, user_id: &UserId, access: &str) -> Result<(), Error> {
    let credential = find(caller, tx, "identity:ec2_delete_credential", (user_id, access))?;
    Ok(CREDENTIALS.remove(tx, &credential)?)
}

fn find(
    caller: &Caller,
    tx: &mut Tx<'_>,
    rule: &str,
    (user_id, access): (&UserId, &str),
) -> Result<Stored<Credential>, Error> {
    let id = ec2_id(access);
    let credential = CREDENTIALS.load(tx, &id)?.ok_or_else(|| Error::not_found("credential", &id))?;
    RULES.check(rule, caller, &Target::user(&credential.user_id))?;
    refuse_no_user(tx, user_id)?;
    refuse_delegated(caller)?;
    Ok(credential)
}

fn refuse_no_user(tx: &mut Tx<'_>, id: &UserId) -> Result<(), Error> {
    USERS.load(tx, id)?.map(|_| ()).ok_or_else(|| Error::not_found("user", id))
}
