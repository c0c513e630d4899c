//! What happens to federated users: they come by logging in, and go with their identity provider.

use std::collections::BTreeSet;

use store::{Select, Stored, Tx};
use types::{DomainId, UserId};

use super::model::{ExpiringMembership, FederatedUser, Identity};
use super::store::{EXPIRING_MEMBERSHIPS, FEDERATED_USERS, load, of_user};
use crate::Error;
use crate::federation::{identity_provider, protocol};
use crate::ids::{GroupId, IdentityProviderId, ProtocolId, key_of};
use crate::token::ops::changed;
use crate::user::model::{LoginRecord, User};
use crate::user::options::UserOptions;
use crate::user::store::USERS;

/// Where a user's address is kept, as Keystone does.
const EMAIL: &str = "email";

/// What is known of somebody who logs in.
pub(crate) struct Arrival {
    /// Who that is there.
    pub(crate) identity: Identity,
    /// The domain here.
    pub(crate) domain_id: DomainId,
    /// The name.
    pub(crate) name: String,
    /// The address.
    pub(crate) email: Option<String>,
}

/// The user for somebody who logs in: the one who is known, with today's name, or a new one.
pub(crate) fn ensure(tx: &mut Tx<'_>, arrival: Arrival) -> Result<UserId, Error> {
    match load(tx, &arrival.identity)? {
        Some(known) => refresh(tx, known, arrival),
        None => create(tx, arrival),
    }
}

fn create(tx: &mut Tx<'_>, arrival: Arrival) -> Result<UserId, Error> {
    let Arrival { identity, domain_id, name, email } = arrival;
    let id = UserId(key_of(&[&identity.idp_id, &identity.protocol_id, &identity.unique_id]));
    let user = User {
        id: id.clone(),
        domain_id,
        name: name.clone(),
        enabled: true,
        default_project_id: None,
        password: None,
        options: UserOptions::default(),
        login: LoginRecord { created_at: Some(tx.now()), ..LoginRecord::default() },
        ephemeral: true,
        extra: email.map(|email| (EMAIL.to_owned(), email.into())).into_iter().collect(),
    };
    USERS.insert(tx, user)?;
    attach(tx, (&id, &name), identity)?;
    Ok(id)
}

fn refresh(tx: &mut Tx<'_>, mut known: Stored<FederatedUser>, arrival: Arrival) -> Result<UserId, Error> {
    let mut user = USERS.load(tx, &known.user_id)?.ok_or(Error::Unauthorized)?;
    let before = (*user).clone();
    // A user who is also one of this cloud keeps the name that it has here.
    if user.ephemeral {
        user.name = arrival.name.clone();
    }
    if let Some(email) = arrival.email {
        user.extra.insert(EMAIL.to_owned(), email.into());
    }
    if *user != before {
        USERS.save(tx, &mut user)?;
        changed(tx);
    }
    known.name = arrival.name;
    FEDERATED_USERS.save(tx, &mut known)?;
    Ok(known.into_inner().user_id)
}

fn attach(tx: &mut Tx<'_>, (id, name): (&UserId, &str), identity: Identity) -> Result<(), Error> {
    if load(tx, &identity)?.is_some() {
        return Err(Error::Conflict { kind: "federated_user", detail: "Duplicate entry".to_owned() });
    }
    let Identity { idp_id, protocol_id, unique_id } = identity;
    let user = FederatedUser {
        user_id: id.clone(),
        idp_id: IdentityProviderId(idp_id),
        protocol_id: ProtocolId(protocol_id),
        unique_id,
        name: name.to_owned(),
    };
    FEDERATED_USERS.insert(tx, user)?;
    Ok(())
}

/// Makes a user these people elsewhere, and nobody else.
pub(crate) fn replace(tx: &mut Tx<'_>, user: &User, identities: Vec<Identity>) -> Result<(), Error> {
    refuse_unknown(tx, &identities)?;
    for known in of_user(tx, &user.id)? {
        FEDERATED_USERS.remove(tx, &known)?;
    }
    identities.into_iter().try_for_each(|identity| attach(tx, (&user.id, &user.name), identity))
}

/// Refuses providers and protocols that are not there.
pub(crate) fn refuse_unknown(tx: &mut Tx<'_>, identities: &[Identity]) -> Result<(), Error> {
    for identity in identities {
        if identity_provider::store::IDENTITY_PROVIDERS.load(tx, identity.idp_id.as_str())?.is_none() {
            return Err(Error::Invalid(format!("Could not find Identity Provider: {}", identity.idp_id)));
        }
        if let Err(Error::Absent(message)) = protocol::ops::find(tx, &identity.idp_id, &identity.protocol_id)
        {
            return Err(Error::Invalid(message));
        }
    }
    Ok(())
}

/// Puts a user who just logged in into these groups for as long as the provider says, and out of those that the provider
/// no longer names.
pub(crate) fn renew_groups(
    tx: &mut Tx<'_>,
    user_id: &UserId,
    idp_id: &IdentityProviderId,
    groups: &BTreeSet<GroupId>,
) -> Result<(), Error> {
    let mut missing = groups.clone();
    let select = Select::all().eq("user_id", user_id).eq("idp_id", idp_id);
    let mut left = false;
    for mut membership in EXPIRING_MEMBERSHIPS.query(tx, &select)? {
        if missing.remove(&membership.group_id) {
            membership.verified_at = tx.now();
            EXPIRING_MEMBERSHIPS.save(tx, &mut membership)?;
        } else {
            EXPIRING_MEMBERSHIPS.remove(tx, &membership)?;
            left = true;
        }
    }
    // What is renewed gives nothing new: only a change is worth forgetting all tokens that were checked.
    if left || !missing.is_empty() {
        changed(tx);
    }
    for group_id in missing {
        let verified_at = tx.now();
        let (user_id, idp_id) = (user_id.clone(), idp_id.clone());
        EXPIRING_MEMBERSHIPS.insert(tx, ExpiringMembership { user_id, group_id, idp_id, verified_at })?;
    }
    Ok(())
}

/// Forgets who a user that goes is elsewhere, and its groups.
pub(crate) fn forget(tx: &mut Tx<'_>, user_id: &UserId) -> Result<(), Error> {
    for known in of_user(tx, user_id)? {
        FEDERATED_USERS.remove(tx, &known)?;
    }
    remove_memberships(tx, &Select::all().eq("user_id", user_id))
}

/// Forgets who was put into a group that goes.
pub(crate) fn forget_group(tx: &mut Tx<'_>, group_id: &GroupId) -> Result<(), Error> {
    remove_memberships(tx, &Select::all().eq("group_id", group_id))
}

fn remove_memberships(tx: &mut Tx<'_>, select: &Select) -> Result<(), Error> {
    for membership in EXPIRING_MEMBERSHIPS.query(tx, select)? {
        EXPIRING_MEMBERSHIPS.remove(tx, &membership)?;
    }
    Ok(())
}

/// Forgets everybody of a protocol that goes; those who are nobody else go with it.
pub(crate) fn remove_of_protocol(
    tx: &mut Tx<'_>,
    idp_id: &IdentityProviderId,
    protocol_id: &ProtocolId,
) -> Result<(), Error> {
    let select = Select::all().eq("idp_id", idp_id).eq("protocol_id", protocol_id);
    for known in FEDERATED_USERS.query(tx, &select)? {
        FEDERATED_USERS.remove(tx, &known)?;
        let left = of_user(tx, &known.user_id)?.is_empty();
        if let (true, Some(user)) = (left, USERS.load(tx, &known.user_id)?.filter(|user| user.ephemeral)) {
            crate::user::ops::remove(tx, &user)?;
        }
    }
    Ok(())
}

/// Forgets who was put into groups by a provider that goes.
pub(crate) fn remove_of_provider(tx: &mut Tx<'_>, idp_id: &IdentityProviderId) -> Result<(), Error> {
    remove_memberships(tx, &Select::all().eq("idp_id", idp_id))
}
