//! The tables of federated users and of memberships that expire.

use std::time::Duration;

use store::{Column, Error, Select, Stored, Table, Tx};
use types::{Timestamp, UserId};

use super::model::{ExpiringMembership, FederatedUser, Identity, IdentityFilter};
use crate::federation::identity_provider::store::IDENTITY_PROVIDERS;
use crate::ids::{GroupId, key_of};

/// The id is made of provider, protocol and what the user is known by there, so that nobody is two users here.
pub(crate) static FEDERATED_USERS: Table<FederatedUser> = Table {
    name: "identity_federated_users",
    id: |u| key_of(&[&u.idp_id.0, &u.protocol_id.0, &u.unique_id]).into(),
    columns: &[
        Column { name: "user_id", value: |u| (&u.user_id).into() },
        Column { name: "idp_id", value: |u| (&u.idp_id).into() },
        Column { name: "protocol_id", value: |u| (&u.protocol_id).into() },
        Column { name: "unique_hash", value: |u| key_of(&[&u.unique_id]).into() },
        Column { name: "name_hash", value: |u| key_of(&[&u.name]).into() },
    ],
    unique: &[],
};

pub(crate) static EXPIRING_MEMBERSHIPS: Table<ExpiringMembership> = Table {
    name: "identity_expiring_memberships",
    id: |m| key_of(&[m.user_id.as_str(), &m.group_id.0, &m.idp_id.0]).into(),
    columns: &[
        Column { name: "user_id", value: |m| (&m.user_id).into() },
        Column { name: "group_id", value: |m| (&m.group_id).into() },
        Column { name: "idp_id", value: |m| (&m.idp_id).into() },
    ],
    unique: &[],
};

/// The user here who is this somebody.
pub(crate) fn load(tx: &mut Tx<'_>, of: &Identity) -> Result<Option<Stored<FederatedUser>>, Error> {
    FEDERATED_USERS.load(tx, key_of(&[&of.idp_id, &of.protocol_id, &of.unique_id]))
}

/// Who a user is elsewhere.
pub(crate) fn of_user(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<Stored<FederatedUser>>, Error> {
    FEDERATED_USERS.query(tx, &Select::all().eq("user_id", user))
}

/// Those that the filter asks for.
pub(crate) fn query(tx: &mut Tx<'_>, filter: &IdentityFilter) -> Result<Vec<Stored<FederatedUser>>, Error> {
    let mut select = Select::all();
    if let Some(id) = &filter.idp_id {
        select = select.eq("idp_id", id.as_str());
    }
    if let Some(id) = &filter.protocol_id {
        select = select.eq("protocol_id", id.as_str());
    }
    if let Some(id) = &filter.unique_id {
        select = select.eq("unique_hash", key_of(&[id]));
    }
    FEDERATED_USERS.query(tx, &select)
}

/// Those who are called so there.
pub(crate) fn named(tx: &mut Tx<'_>, name: &str) -> Result<Vec<UserId>, Error> {
    let found = FEDERATED_USERS.query(tx, &Select::all().eq("name_hash", key_of(&[name])))?;
    Ok(found.into_iter().map(|known| known.into_inner().user_id).collect())
}

/// The groups that logins put the user into and that have not expired, and when they will.
pub(crate) fn groups_now(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<(GroupId, Timestamp)>, Error> {
    let now = tx.now();
    let mut groups = Vec::new();
    for membership in EXPIRING_MEMBERSHIPS.query(tx, &Select::all().eq("user_id", user))? {
        let Some(provider) = IDENTITY_PROVIDERS.load(tx, &membership.idp_id)? else { continue };
        let minutes = u64::try_from(provider.authorization_ttl.unwrap_or(0)).unwrap_or(0);
        let until = membership.verified_at.plus(Duration::from_secs(minutes * 60));
        if until > now {
            groups.push((membership.group_id.clone(), until));
        }
    }
    Ok(groups)
}
