//! What callers do with members.

use policy::{Caller, Target};
use store::{Stored, Tx};
use types::{ImageId, ProjectId};

use super::store::{self as table, MEMBERS};
use super::{Member, MemberStatus};
use crate::error::Error;
use crate::image::ops::{check_count, show, show_for};
use crate::image::{Image, Visibility};
use crate::policy::RULES;

/// Members of one image.
const MEMBERS_MAX: usize = 128;

/// Shares an image with a project.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    member: ProjectId,
) -> Result<Stored<Member>, Error> {
    let image = show_for(caller, tx, id, "add_member")?;
    check_shared(&image)?;
    let members = table::of_image(tx, id)?;
    if members.iter().any(|known| known.member == member) {
        return Err(Error::Conflict(format!("Image member {member} already exists for image {id}")));
    }
    check_count("members", members.len() + 1, MEMBERS_MAX)?;
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
    let image = show(caller, tx, id)?;
    check_shared(&image)?;
    let mut members = table::of_image(tx, id)?;
    if !sees_all(caller, &image) {
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
    let image = show(caller, tx, id)?;
    let visible = sees_all(caller, &image) || caller.project_id() == Some(member);
    let found = if visible { table::find(tx, id, member)? } else { None };
    found.ok_or_else(|| Error::NoSuch(format!("{member} not found in the member list of the image {id}.")))
}

/// Says what a project thinks of an image. Only the project itself can say so.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (id, member): (ImageId, &ProjectId),
    status: MemberStatus,
) -> Result<Stored<Member>, Error> {
    let mut row = find(caller, tx, id, member)?;
    RULES.check("modify_member", caller, &Target::project(member))?;
    row.status = status;
    row.updated_at = tx.now();
    MEMBERS.save(tx, &mut row)?;
    Ok(row)
}

/// Shares an image no longer.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: ImageId, member: &ProjectId) -> Result<(), Error> {
    let image = show_for(caller, tx, id, "delete_member")?;
    check_shared(&image)?;
    let row = find(caller, tx, id, member)?;
    Ok(MEMBERS.remove(tx, &row)?)
}

fn sees_all(caller: &Caller, image: &Image) -> bool {
    RULES.allows("get_members", caller, &Target::project(&image.owner))
}

fn check_shared(image: &Image) -> Result<(), Error> {
    match image.visibility {
        Visibility::Shared => Ok(()),
        Visibility::Public | Visibility::Community | Visibility::Private => {
            Err(Error::Forbidden("Only shared images have members.".to_owned()))
        }
    }
}
