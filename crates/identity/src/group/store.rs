//! The tables of groups and memberships.

use store::{Column, Error, Select, Table, Tx, Unique};
use types::UserId;

use super::model::{Group, Membership};
use crate::federation::user::store::groups_now;
use crate::ids::{GroupId, key_of};

pub(crate) static GROUPS: Table<Group> = Table {
    name: "identity_groups",
    id: |g| (&g.id).into(),
    columns: &[
        Column { name: "domain_id", value: |g| (&g.domain_id).into() },
        Column { name: "name", value: |g| g.name.as_str().into() },
    ],
    unique: &[Unique { name: "identity_groups_name", columns: &["domain_id", "name"] }],
};

/// The id is made of both ids, so that nobody is in a group twice.
pub(crate) static MEMBERSHIPS: Table<Membership> = Table {
    name: "identity_memberships",
    id: |m| membership_key(&m.group_id, &m.user_id).into(),
    columns: &[
        Column { name: "group_id", value: |m| (&m.group_id).into() },
        Column { name: "user_id", value: |m| (&m.user_id).into() },
    ],
    unique: &[],
};

pub(crate) fn membership_key(group: &GroupId, user: &UserId) -> String {
    key_of(&[&group.0, user.as_str()])
}

/// The groups that a user is in, those that a login elsewhere put it into for some time included.
pub(crate) fn groups_of(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<GroupId>, Error> {
    let found = MEMBERSHIPS.query(tx, &Select::all().eq("user_id", user))?;
    let mut groups: Vec<GroupId> = found.into_iter().map(|m| m.into_inner().group_id).collect();
    groups.extend(groups_now(tx, user)?.into_iter().map(|(group, _)| group));
    Ok(groups)
}
