//! The table of images.

use store::{Column, Condition, Direction, Error, Select, Stored, Table, Tx, Value};
use types::{ImageId, ProjectId};

use super::{Image, Status};

/// What the database knows of an image. Columns are never NULL, so that each can be sorted and paged by.
pub(crate) static IMAGES: Table<Image> = Table {
    name: "image_images",
    id: |i| i.id.into(),
    columns: &[
        Column { name: "name", value: |i| i.name.as_deref().unwrap_or_default().into() },
        Column { name: "owner", value: |i| (&i.owner).into() },
        Column { name: "status", value: |i| i.status.as_str().into() },
        Column { name: "visibility", value: |i| i.visibility.as_str().into() },
        Column { name: "hidden", value: |i| i.hidden.into() },
        Column { name: "protected", value: |i| i.protected.into() },
        Column { name: "disk_format", value: |i| i.disk_format.map_or("", |f| f.as_str()).into() },
        Column {
            name: "container_format",
            value: |i| i.container_format.as_deref().unwrap_or_default().into(),
        },
        Column { name: "size_bytes", value: size },
        Column { name: "min_disk_gib", value: |i| i.min_disk_gib.into() },
        Column { name: "min_ram_mib", value: |i| i.min_ram_mib.into() },
        Column { name: "created_at", value: |i| i.created_at.into() },
        Column { name: "updated_at", value: |i| i.updated_at.into() },
    ],
    unique: &[],
};

/// -1 for an image without bytes, which no filter by size finds.
fn size(image: &Image) -> Value {
    let size = image.stored.as_ref().map(|stored| i64::try_from(stored.size_bytes).unwrap_or(i64::MAX));
    size.unwrap_or(-1).into()
}

/// The value of a column by which a list is sorted.
pub(crate) fn column(image: &Image, name: &str) -> Value {
    let found = IMAGES.columns.iter().find(|column| column.name == name);
    found.map_or_else(|| image.id.into(), |column| (column.value)(image))
}

/// The row of an image that was not deleted.
pub(crate) fn load(tx: &mut Tx<'_>, id: ImageId) -> Result<Option<Stored<Image>>, Error> {
    Ok(IMAGES.load(tx, id)?.filter(|image| image.status != Status::Deleted))
}

/// An image of this project by its name, the oldest if there are several.
pub(crate) fn by_name(
    tx: &mut Tx<'_>,
    owner: &ProjectId,
    name: &str,
) -> Result<Option<Stored<Image>>, Error> {
    let select = Select::all().eq("owner", owner).eq("name", name);
    let select = select.with(Condition::Ne("status", Status::Deleted.as_str().into()));
    IMAGES.first(tx, &select.order("created_at", Direction::Asc))
}

/// The images of a project that were not deleted.
pub(crate) fn of_project(tx: &mut Tx<'_>, owner: &ProjectId) -> Result<Vec<Stored<Image>>, Error> {
    let select = Select::all().eq("owner", owner);
    IMAGES.query(tx, &select.with(Condition::Ne("status", Status::Deleted.as_str().into())))
}

/// Images that are on their way somewhere: being uploaded, or being deleted. What is staged rests.
pub(crate) fn moving(tx: &mut Tx<'_>) -> Result<Vec<ImageId>, Error> {
    let moving = [Status::Saving, Status::Uploading, Status::Deleted];
    let images = IMAGES.query(tx, &Select::all().is_in("status", moving.map(Status::as_str)))?;
    let rests = |image: &&Stored<Image>| image.status == Status::Uploading && image.upload.is_none();
    Ok(images.iter().filter(|image| !rests(image)).map(|image| image.id).collect())
}
