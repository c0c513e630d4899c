//! What callers do with members.

use policy::Caller;
use store::{Stored, Tx};
use types::{ImageId, ProjectId};

use super::store::{self as table, MEMBERS};
use super::{Member, MemberStatus};
use crate::error::Error;
use crate::image::Visibility;
use crate::image::ops::{Seen, check_count, seen};

/// Members of one image.
const MEMBERS_MAX: usize = 128;

/// Shares an image with a project.
pub fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    member: ProjectId,
) -> Result<Stored<Member>, Error> {
    shared_for(caller, tx, id, "add_member").map_err(|e| forbidden(e, || not_allowed("create", id)))?;
    let members = table::of_image(tx, id)?;
    if members.iter().any(|known| known.member == member) {
        return Err(Error::Conflict(format!("Member {member} is duplicated for image {id}")));
    }
    check_count("members for this image", members.len() + 1, MEMBERS_MAX)?;
    let now = tx.now();
    let member = Member {
        id: runtime::new_uuid().to_string(),
        image_id: id,
        member,
        status: MemberStatus::Pending,
        created_at: now,
        updated_at: now,
    };
    Ok(MEMBERS.insert(tx, member)?)
}

/// The members of an image: all for its owner, oneself for a member.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<Vec<Stored<Member>>, Error> {
    let seen = shared_for(caller, tx, id, "get_members").map_err(|error| match error {
        Error::Forbidden(why) => forbidden_list(id, &why),
        denied @ Error::Denied(_) => forbidden_list(id, &denied.to_string()),
        other => other,
    })?;
    let mut members = table::of_image(tx, id)?;
    if !sees_all(caller, &seen) {
        members.retain(|member| Some(&member.member) == caller.project_id());
    }
    Ok(members)
}

/// One member.
pub(crate) fn find(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    member: &ProjectId,
) -> Result<Stored<Member>, Error> {
    let seen = shared(caller, tx, id).map_err(hidden)?;
    seen.check("get_member", caller).map_err(|_| {
        Error::NoSuch(format!("You are not authorized to lookup the members of the image {id}."))
    })?;
    of(caller, tx, &seen, member)
}

/// Says what a project thinks of an image. Only the project itself can say so.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, member): (ImageId, &ProjectId),
    status: MemberStatus,
) -> Result<Stored<Member>, Error> {
    let seen = shared(caller, tx, id).map_err(|e| forbidden(e, || not_allowed("update", id)))?;
    let mut row = of(caller, tx, &seen, member)?;
    seen.check("modify_member", caller)?;
    row.status = status;
    row.updated_at = tx.now();
    MEMBERS.save(tx, &mut row)?;
    Ok(row)
}

/// Shares an image no longer.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: ImageId, member: &ProjectId) -> Result<(), Error> {
    let refused = |e| forbidden(e, || not_allowed("delete", id));
    let seen = shared_for(caller, tx, id, "delete_member").map_err(refused)?;
    let row = of(caller, tx, &seen, member)?;
    Ok(MEMBERS.remove(tx, &row)?)
}

/// An image that has members, seen by the caller.
fn shared(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<Seen, Error> {
    let seen = seen(caller, tx, id).map_err(|error| match error {
        Error::NotFound(_) => Error::NoSuch(format!("Image {id} not found.")),
        other => other,
    })?;
    match seen.image.visibility {
        Visibility::Shared => Ok(seen),
        Visibility::Public | Visibility::Community | Visibility::Private => {
            Err(Error::Forbidden("Only shared images have members.".to_owned()))
        }
    }
}

fn shared_for(caller: &Caller, tx: &mut Tx<'_>, id: ImageId, rule: &str) -> Result<Seen, Error> {
    let seen = shared(caller, tx, id)?;
    seen.check(rule, caller)?;
    Ok(seen)
}

/// A member that the caller sees.
fn of(caller: &Caller, tx: &mut Tx<'_>, seen: &Seen, member: &ProjectId) -> Result<Stored<Member>, Error> {
    let id = seen.image.id;
    let visible = sees_all(caller, seen) || caller.project_id() == Some(member);
    let found = if visible { table::find(tx, id, member)? } else { None };
    found.ok_or_else(|| Error::NoSuch(format!("{member} not found in the member list of the image {id}.")))
}

/// A member of an image sees of its members only itself.
fn sees_all(caller: &Caller, seen: &Seen) -> bool {
    caller.is_admin() || caller.project_id() == Some(&seen.image.owner)
}

fn not_allowed(doing: &str, id: ImageId) -> String {
    format!("Not allowed to {doing} members for image {id}.")
}

fn forbidden_list(id: ImageId, why: &str) -> Error {
    Error::Forbidden(format!("Not allowed to list members for image {id}: {why}"))
}

/// Says in these words that the image has no members.
fn forbidden(error: Error, words: impl FnOnce() -> String) -> Error {
    match error {
        Error::Forbidden(_) => Error::Forbidden(words()),
        other => other,
    }
}

/// Where Glance hides a refusal behind a 404.
fn hidden(error: Error) -> Error {
    match error {
        Error::Forbidden(why) => Error::NoSuch(why),
        denied @ Error::Denied(_) => Error::NoSuch(denied.to_string()),
        other => other,
    }
}
