//! The table of members.

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique};
use types::{ImageId, ProjectId};

use super::{Member, MemberStatus};

/// What the database knows of a member.
pub(crate) static MEMBERS: Table<Member> = Table {
    name: "image_members",
    id: |m| m.id.as_str().into(),
    columns: &[
        Column { name: "image_id", value: |m| m.image_id.into() },
        Column { name: "member", value: |m| (&m.member).into() },
        Column { name: "status", value: |m| m.status.as_str().into() },
    ],
    unique: &[Unique { name: "image_members_member", columns: &["member", "image_id"] }],
};

/// The members of an image, in the order of projects.
pub(crate) fn of_image(tx: &mut Tx<'_>, image: ImageId) -> Result<Vec<Stored<Member>>, Error> {
    MEMBERS.query(tx, &Select::all().eq("image_id", image).order("member", Direction::Asc))
}

/// One member of an image.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    image: ImageId,
    member: &ProjectId,
) -> Result<Option<Stored<Member>>, Error> {
    MEMBERS.first(tx, &Select::all().eq("image_id", image).eq("member", member))
}

/// The images shared with a project; with a status, only those.
pub(crate) fn shared_with(
    tx: &mut Tx<'_>,
    member: &ProjectId,
    status: Option<MemberStatus>,
) -> Result<Vec<ImageId>, Error> {
    let mut select = Select::all().eq("member", member);
    if let Some(status) = status {
        select = select.eq("status", status.as_str());
    }
    Ok(MEMBERS.query(tx, &select)?.iter().map(|row| row.image_id).collect())
}
