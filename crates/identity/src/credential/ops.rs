//! What can be done with credentials.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};
use types::UserId;

use super::model::{Credential, CredentialChange, CredentialDraft};
use super::store::CREDENTIALS;
use crate::Error;
use crate::ids::{CredentialId, fresh};
use crate::policy::RULES;
use crate::project::store::PROJECTS;
use crate::user::store::USERS;

fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<Credential>, Error> {
    let found = CREDENTIALS.load(tx, id)?;
    let user_id = found.as_ref().map(|credential| &credential.user_id);
    RULES.check(rule, caller, &Target { user_id, ..Target::default() })?;
    found.ok_or_else(|| Error::not_found("credential", id))
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: CredentialDraft) -> Result<Credential, Error> {
    let CredentialDraft { user_id, project_id, kind, blob, access, extra } = draft;
    let user_id = user_id.unwrap_or_else(|| caller.user_id.clone());
    RULES.check("identity:create_credential", caller, &Target::user(&user_id))?;
    if kind == "ec2" && project_id.is_none() {
        return Err(Error::Invalid(
            "Expecting to find project_id in credential. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
                .to_owned(),
        ));
    }
    let id = CredentialId(match access {
        Some(access) => digest(&access),
        None => fresh(),
    });
    if CREDENTIALS.load(tx, &id)?.is_some() {
        return Err(Error::Conflict { kind: "credential", detail: "Duplicate entry".to_owned() });
    }
    let credential = Credential { id, user_id, project_id, kind, blob, totp_step: None, extra };
    refuse(tx, &credential)?;
    Ok(CREDENTIALS.insert(tx, credential)?.into_inner())
}

/// The id of an EC2 credential, as Keystone computes it: the SHA-256 of the access key.
fn digest(access: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(access.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refuse(tx: &mut Tx<'_>, credential: &Credential) -> Result<(), Error> {
    if USERS.load(tx, &credential.user_id)?.is_none() {
        return Err(Error::not_found("user", &credential.user_id));
    }
    match &credential.project_id {
        Some(id) if PROJECTS.load(tx, id)?.is_none() => Err(Error::not_found("project", id)),
        _ => Ok(()),
    }
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Credential, Error> {
    Ok(find(caller, tx, "identity:get_credential", id)?.into_inner())
}

/// Those the caller may see: its own, or everybody's.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    user_id: Option<&UserId>,
    kind: Option<&str>,
) -> Result<Vec<Credential>, Error> {
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(user) = user_id {
        select = select.eq("user_id", user);
    }
    if let Some(kind) = kind {
        select = select.eq("type", kind);
    }
    let found = CREDENTIALS.query(tx, &select)?.into_iter().map(|credential| credential.into_inner());
    let visible = |credential: &Credential| {
        RULES.allows("identity:list_credentials", caller, &Target::user(&credential.user_id))
    };
    Ok(found.filter(visible).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: CredentialChange,
) -> Result<Credential, Error> {
    let mut credential = find(caller, tx, "identity:update_credential", id)?;
    if let Some(user) = change.user_id {
        // Nobody gives a secret to somebody else whom it would then speak for.
        RULES.check("identity:update_credential", caller, &Target::user(&user))?;
        credential.user_id = user;
    }
    if let Some(project) = change.project_id {
        credential.project_id = Some(project);
    }
    if let Some(kind) = change.kind {
        credential.kind = kind;
    }
    if let Some(blob) = change.blob {
        credential.blob = blob;
    }
    credential.extra.extend(change.extra);
    refuse(tx, &credential)?;
    CREDENTIALS.save(tx, &mut credential)?;
    Ok(credential.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let credential = find(caller, tx, "identity:delete_credential", id)?;
    Ok(CREDENTIALS.remove(tx, &credential)?)
}
