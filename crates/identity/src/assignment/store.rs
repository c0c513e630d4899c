//! The table of role assignments.

use store::{Column, Error, Select, Table, Tx, Value};
use types::{RoleId, UserId};

use super::model::{Actor, Assignment, Target};
use crate::group::store::groups_of;
use crate::ids::{GroupId, key_of};

/// The id is made of all that an assignment says, so that none is there twice.
pub(crate) static ASSIGNMENTS: Table<Assignment> = Table {
    name: "identity_assignments",
    id: |a| assignment_key(a).into(),
    columns: &[
        Column { name: "actor_kind", value: |a| a.actor.kind().into() },
        Column { name: "actor_id", value: |a| a.actor.id().into() },
        Column { name: "target_kind", value: |a| a.target.kind().into() },
        Column { name: "target_id", value: |a| a.target.id().into() },
        Column { name: "role_id", value: |a| (&a.role_id).into() },
    ],
    unique: &[],
};

pub(crate) fn assignment_key(a: &Assignment) -> String {
    let own = [a.actor.kind(), a.actor.id(), a.target.kind(), a.target.id(), a.role_id.as_str()];
    let parts: Vec<&str> = own.into_iter().chain(a.inherited.then_some("inherited")).collect();
    key_of(&parts)
}

/// The assignments of a user and of the groups that the user is in.
pub(crate) fn of_user(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<Assignment>, Error> {
    let mut actors = vec![Value::from(user)];
    actors.extend(groups_of(tx, user)?.iter().map(Value::from));
    let found = ASSIGNMENTS.query(tx, &Select::all().is_in("actor_id", actors))?;
    Ok(found.into_iter().map(|a| a.into_inner()).collect())
}

/// The assignments of some groups.
pub(crate) fn of_groups(tx: &mut Tx<'_>, groups: &[GroupId]) -> Result<Vec<Assignment>, Error> {
    let select = Select::all().eq("actor_kind", "group").is_in("actor_id", groups);
    Ok(ASSIGNMENTS.query(tx, &select)?.into_iter().map(|a| a.into_inner()).collect())
}

/// The assignments of one user, or of one group.
pub(crate) fn of_actor(tx: &mut Tx<'_>, actor: &Actor) -> Result<Vec<Assignment>, Error> {
    let select = Select::all().eq("actor_kind", actor.kind()).eq("actor_id", actor.id());
    Ok(ASSIGNMENTS.query(tx, &select)?.into_iter().map(|a| a.into_inner()).collect())
}

/// Takes away every assignment of an actor.
pub(crate) fn remove_of_actor(tx: &mut Tx<'_>, actor: &Actor) -> Result<(), Error> {
    remove(tx, &Select::all().eq("actor_kind", actor.kind()).eq("actor_id", actor.id()))
}

/// Takes away every assignment in a project or domain.
pub(crate) fn remove_in(tx: &mut Tx<'_>, target: &Target) -> Result<(), Error> {
    remove(tx, &Select::all().eq("target_kind", target.kind()).eq("target_id", target.id()))
}

/// Takes away every assignment of a role.
pub(crate) fn remove_of_role(tx: &mut Tx<'_>, role: &RoleId) -> Result<(), Error> {
    remove(tx, &Select::all().eq("role_id", role))
}

fn remove(tx: &mut Tx<'_>, select: &Select) -> Result<(), Error> {
    let found = ASSIGNMENTS.query(tx, select)?;
    found.iter().try_for_each(|row| ASSIGNMENTS.remove(tx, row))
}
