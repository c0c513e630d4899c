//! What can be done with credentials.

use policy::{Caller, Target};
use sha2::{Digest, Sha256};
use store::{Direction, Select, Stored, Tx};
use types::UserId;

use super::ec2_key::{DELEGATIONS, Ec2Key, NoEc2Key, ec2_fields};
use super::keys::CredentialKeys;
use super::model::{Credential, CredentialDraft, EC2, Opened};
use super::store::CREDENTIALS;
use crate::Error;
use crate::ids::{CredentialId, fresh};
use crate::oauth1;
use crate::policy::RULES;

fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<Credential>, Error> {
    let found = CREDENTIALS.load(tx, id)?;
    let user_id = found.as_ref().map(|credential| &credential.user_id);
    RULES.check(rule, caller, &Target { user_id, ..Target::default() })?;
    let credential = found.ok_or_else(|| Error::not_found("credential", id))?;
    refuse_delegated(caller)?;
    Ok(credential)
}

/// Who acts by a trust or an application credential could otherwise make itself a key that outlives it.
pub(crate) fn refuse_delegated(caller: &Caller) -> Result<(), Error> {
    match caller.delegation {
        None => Ok(()),
        Some(_) => Err(Error::Denied("Delegated tokens cannot access credentials directly".to_owned())),
    }
}

/// A credential with its secret.
pub(crate) fn opened(keys: &CredentialKeys, credential: Stored<Credential>) -> Result<Opened, Error> {
    let blob = keys.open(&credential.sealed)?;
    Ok(Opened { credential: credential.into_inner(), blob })
}

pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    draft: CredentialDraft,
) -> Result<Opened, Error> {
    RULES.check("identity:create_credential", caller, &Target::user(&draft.user_id))?;
    refuse_delegated(caller)?;
    insert(tx, keys, draft)
}

/// Keeps a credential. That its user and its project are there is not asked, as upstream.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    draft: CredentialDraft,
) -> Result<Opened, Error> {
    let id = match draft.is_ec2() {
        true => ec2_id(&Ec2Key::parse(&draft.blob).map_err(no_ec2_key)?.access),
        false => CredentialId(fresh()),
    };
    if CREDENTIALS.load(tx, &id)?.is_some() {
        let detail = format!("Duplicate entry found with ID {id}");
        return Err(Error::Conflict { kind: "credential", detail });
    }
    let CredentialDraft { user_id, project_id, kind, blob, extra } = draft;
    let credential =
        Credential { id, user_id, project_id, kind, sealed: keys.seal(&blob)?, totp_step: None, extra };
    Ok(Opened { credential: CREDENTIALS.insert(tx, credential)?.into_inner(), blob })
}

fn no_ec2_key(problem: NoEc2Key) -> Error {
    match problem {
        NoEc2Key::Malformed => Error::Invalid("Invalid blob in credential".to_owned()),
        NoEc2Key::Empty => Error::expecting("blob", "credential"),
        NoEc2Key::NoAccess => Error::expecting("access", "credential"),
    }
}

/// The id of an EC2 credential, as Keystone computes it: the SHA-256 of the access key.
pub(crate) fn ec2_id(access: &str) -> CredentialId {
    CredentialId(Sha256::digest(access.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) fn show(
    caller: &Caller,
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    id: &str,
) -> Result<Opened, Error> {
    opened(keys, find(caller, tx, "identity:get_credential", id)?)
}

/// Those the caller may see: its own, or everybody's; none for who acts by a delegation.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    (user_id, kind): (Option<&UserId>, Option<&str>),
) -> Result<Vec<Opened>, Error> {
    RULES.check("identity:list_credentials", caller, &Target::user(&caller.user_id))?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(user) = user_id {
        select = select.eq("user_id", user);
    }
    if let Some(kind) = kind {
        select = select.eq("type", kind);
    }
    let visible = |credential: &Stored<Credential>| {
        caller.delegation.is_none()
            && RULES.allows("identity:get_credential", caller, &Target::user(&credential.user_id))
    };
    let found = CREDENTIALS.query(tx, &select)?.into_iter().filter(visible);
    found.map(|credential| opened(keys, credential)).collect()
}

/// Gives a credential another secret, which is all of it that can change.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    id: &str,
    (blob, said): (&str, &[(&str, Option<String>)]),
) -> Result<Opened, Error> {
    let mut credential = find(caller, tx, "identity:update_credential", id)?;
    // Only the secret changes. Keystone refuses to hear of the rest; the client's `credential set` always says it.
    for (name, text) in said {
        let known = match *name {
            "type" => Some(credential.kind.as_str()),
            "user_id" => Some(credential.user_id.as_str()),
            _ => credential.project_id.as_ref().map(|id| id.as_str()),
        };
        if text.as_deref() != known {
            return Err(Error::Invalid(format!("The {name} of a credential cannot change.")));
        }
    }
    if credential.kind.eq_ignore_ascii_case(EC2) {
        Ec2Key::parse(blob).map_err(no_ec2_key)?;
        refuse_other_delegation(&keys.open(&credential.sealed)?, blob)?;
    }
    credential.sealed = keys.seal(blob)?;
    credential.totp_step = None;
    CREDENTIALS.save(tx, &mut credential)?;
    opened(keys, credential)
}

fn refuse_other_delegation(old: &str, new: &str) -> Result<(), Error> {
    let (old, new) = (ec2_fields(old).unwrap_or_default(), ec2_fields(new).unwrap_or_default());
    let differs = |name: &&&str| {
        old.get(**name).filter(|value| !value.is_null()) != new.get(**name).filter(|value| !value.is_null())
    };
    match DELEGATIONS.iter().find(differs) {
        Some(name) => Err(Error::Invalid(format!("{name} can not be updated for credential"))),
        None => Ok(()),
    }
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let credential = find(caller, tx, "identity:delete_credential", id)?;
    Ok(CREDENTIALS.remove(tx, &credential)?)
}

/// How everything begins that a key has encrypted, and no secret of a known kind.
const SEALED: &str = "gAAAA";

/// Encrypts anew what older keys wrote, so that they can go, and what the first version of this service kept as it came;
/// says if there is something that no key reads.
pub fn reseal(tx: &mut Tx<'_>, keys: &CredentialKeys) -> Result<(), Error> {
    for mut credential in CREDENTIALS.query(tx, &Select::all())? {
        if !keys.is_current(&credential.sealed) {
            let is_plain = !credential.sealed.starts_with(SEALED);
            let blob = if is_plain { credential.sealed.clone() } else { keys.open(&credential.sealed)? };
            credential.sealed = keys.seal(&blob)?;
            CREDENTIALS.save(tx, &mut credential)?;
        }
    }
    oauth1::reseal(tx, keys)
}
