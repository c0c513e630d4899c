//! What callers do with images.

use policy::{Caller, Named, Value};
use store::{Condition, Direction, Select, Stored, Tx};
use types::{ImageId, ProjectId};

use super::store::{self as table, IMAGES};
use super::{Image, ImageChange, ImageDraft, Status, Visibility, reconcile};
use crate::error::Error;
use crate::member::{self, MemberStatus};
use crate::policy::{ImageTarget, RULES};
use crate::quota::{self, ops::Limits};

/// Properties and tags of one image, each.
pub const PROPERTIES_MAX: usize = 128;
/// Tags of one image.
pub const TAGS_MAX: usize = 128;
/// Rows looked through at a time by a list that filters on what the database does not know.
const BATCH: u32 = 500;

/// Which images a list shows.
#[derive(Debug, Clone, Default)]
pub struct ImageList {
    /// Conditions on columns.
    pub(crate) conditions: Vec<Condition>,
    /// Tags that an image must have, all of them.
    pub(crate) tags: Vec<String>,
    /// Properties that an image must have.
    pub(crate) properties: Vec<(String, String)>,
    /// MD5 or SHA-512 of its bytes.
    pub(crate) hashes: Vec<String>,
    /// With this visibility only; without, all but what others offer to the community.
    pub(crate) visibility: Option<Visibility>,
    /// What others offer to the community too.
    pub(crate) community: bool,
    /// Which shared images: `None` is all of them.
    pub(crate) member_status: Option<MemberStatus>,
    /// Columns to sort by; the last is `id`.
    pub(crate) order: Vec<(&'static str, Direction)>,
    /// After this image.
    pub(crate) marker: Option<ImageId>,
    /// At most this many.
    pub(crate) limit: u32,
}

/// Creates an image without bytes.
pub fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    limits: Limits,
    draft: ImageDraft,
) -> Result<Stored<Image>, Error> {
    let owner = match (&draft.owner, caller.project_id()) {
        (Some(owner), _) => owner.clone(),
        (None, Some(own)) => own.clone(),
        (None, None) => return Err(Error::Forbidden("An image needs a project to own it.".to_owned())),
    };
    let image = image_of(tx, draft, owner);
    check_create(caller, &image)?;
    check_count("properties", image.properties.len(), PROPERTIES_MAX)?;
    check_count("tags", image.tags.len(), TAGS_MAX)?;
    if IMAGES.load(tx, image.id)?.is_some() {
        return Err(Error::Conflict(format!("Image ID {} already exists!", image.id)));
    }
    if let Some(own) = caller.project_id() {
        quota::ops::check_total(tx, limits, own)?;
    }
    Ok(IMAGES.insert(tx, image)?)
}

fn check_create(caller: &Caller, image: &Image) -> Result<(), Error> {
    let others = caller.project_id() != Some(&image.owner);
    RULES.check("add_image", caller, &ImageTarget { image, member: None }).map_err(|denied| {
        if others {
            let text = format!("You are not permitted to create images owned by '{}'", image.owner);
            return Error::Forbidden(text);
        }
        denied.into()
    })?;
    check_visibility(caller, image, image.visibility)
}

fn image_of(tx: &Tx<'_>, draft: ImageDraft, owner: ProjectId) -> Image {
    let now = tx.now();
    Image {
        id: draft.id.unwrap_or_else(|| runtime::new_uuid().into()),
        name: draft.name,
        owner,
        status: Status::Queued,
        visibility: draft.visibility.unwrap_or(Visibility::Shared),
        container_format: draft.container_format,
        disk_format: draft.disk_format,
        min_disk_gib: draft.min_disk_gib,
        min_ram_mib: draft.min_ram_mib,
        protected: draft.protected,
        hidden: draft.hidden,
        tags: draft.tags,
        properties: draft.properties,
        stored: None,
        stores: Vec::new(),
        upload: None,
        watcher: None,
        created_at: now,
        updated_at: now,
    }
}

/// An image that the caller sees.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<Stored<Image>, Error> {
    Ok(seen(caller, tx, id)?.image)
}

/// The stores that a caller learns of. Of what an operator keeps from being used, others learn none.
pub(crate) fn places(caller: &Caller, image: &Image) -> Vec<String> {
    match image.status {
        Status::Deactivated if !caller.is_admin() => Vec::new(),
        _ => image.places(),
    }
}

/// An image that a caller sees, and whether it was shared with the caller.
pub(crate) struct Seen {
    pub(crate) image: Stored<Image>,
    member: Option<ProjectId>,
}

impl Seen {
    /// Asks a rule about it.
    pub(crate) fn check(&self, rule: &str, caller: &Caller) -> Result<(), Error> {
        let target = ImageTarget { image: &self.image, member: self.member.as_ref() };
        Ok(RULES.check(rule, caller, &target)?)
    }
}

/// An image that the caller sees, for asking more about it.
pub(crate) fn seen(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<Seen, Error> {
    let not_found = || Error::NotFound(id.to_string());
    let image = table::load(tx, id)?.ok_or_else(not_found)?;
    let member = match caller.project_id() {
        Some(own) if image.visibility == Visibility::Shared && *own != image.owner => {
            member::store::find(tx, id, own)?.map(|_| own.clone())
        }
        _ => None,
    };
    let own = caller.project_id() == Some(&image.owner);
    let visible = match image.visibility {
        _ if caller.is_admin() || own => true,
        Visibility::Public | Visibility::Community => true,
        Visibility::Shared => member.is_some(),
        Visibility::Private => false,
    };
    let seen = Seen { image, member };
    if visible && seen.check("get_image", caller).is_ok() { Ok(seen) } else { Err(not_found()) }
}

/// An image that the caller may make a disk of: visible, and its bytes are there.
pub fn load_for_boot(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<Image, Error> {
    let image = show(caller, tx, id)?.into_inner();
    if image.is_active() { Ok(image) } else { Err(Error::NotActive { id, status: image.status }) }
}

/// The images that the caller sees and asked for, in the order asked for.
pub fn list(caller: &Caller, tx: &mut Tx<'_>, query: &ImageList) -> Result<Vec<Image>, Error> {
    let own = Value::of(caller.project_id().map(ProjectId::as_str));
    RULES.check("get_images", caller, &Named(&[("project_id", own)]))?;
    let mut select = Select::all().with(Condition::Ne("status", Status::Deleted.as_str().into()));
    for condition in visible_to(caller, tx, query)?.into_iter().chain(query.conditions.iter().cloned()) {
        select = select.with(condition);
    }
    for (column, direction) in &query.order {
        select = select.order(column, *direction);
    }
    let mut last = match query.marker {
        None => None,
        Some(marker) => {
            let unknown = |_| Error::Invalid(format!("No image found with ID {marker}"));
            Some(show(caller, tx, marker).map_err(unknown)?.into_inner())
        }
    };
    let in_database = query.tags.is_empty() && query.properties.is_empty() && query.hashes.is_empty();
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let batch = if in_database { query.limit } else { BATCH };
    let mut found = Vec::new();
    loop {
        let mut page = select.clone().limit(batch);
        if let Some(last) = &last {
            let values: Vec<_> = query.order.iter().map(|(name, _)| table::column(last, name)).collect();
            page = page.after(&values);
        }
        let rows = IMAGES.values(tx, &page)?;
        if in_database {
            return Ok(rows);
        }
        let full = u32::try_from(rows.len()).is_ok_and(|count| count == batch);
        last = rows.last().cloned();
        found.extend(rows.into_iter().filter(|image| query.wants(image)));
        if found.len() >= limit || !full {
            found.truncate(limit);
            return Ok(found);
        }
    }
}

/// The images of a project that have these properties, newest first.
pub fn list_by_properties(
    tx: &mut Tx<'_>,
    owner: &ProjectId,
    properties: &[(&str, &str)],
) -> Result<Vec<Stored<Image>>, Error> {
    let mut found = table::of_project(tx, owner)?;
    let has =
        |image: &Image, key: &str, value: &str| image.properties.get(key).is_some_and(|found| found == value);
    found.retain(|image| properties.iter().all(|(key, value)| has(image, key, value)));
    found.sort_by_key(|image| std::cmp::Reverse((image.created_at, image.id)));
    Ok(found)
}

impl ImageList {
    /// The conditions that the database does not know.
    fn wants(&self, image: &Image) -> bool {
        let hashed = |hash: &String| {
            image.stored.as_ref().is_some_and(|stored| stored.md5 == *hash || stored.sha512 == *hash)
        };
        self.tags.iter().all(|tag| image.tags.contains(tag))
            && self.properties.iter().all(|(key, value)| image.properties.get(key) == Some(value))
            && self.hashes.iter().all(hashed)
    }
}

/// What narrows a list to what the caller sees: images of its own, and others unless something keeps them from it. Said
/// so, and not by what lets it see them, the newest come in the order of their index; SQLite would look up each reason by an
/// index of its own and sort what it finds.
fn visible_to(caller: &Caller, tx: &mut Tx<'_>, query: &ImageList) -> Result<Vec<Condition>, Error> {
    let own = caller.project_id().map(|own| Condition::Eq("owner", own.into()));
    let unless = |visibility: Visibility, but: Option<Condition>| {
        let other = Condition::Ne("visibility", visibility.as_str().into());
        Condition::Any([other].into_iter().chain(own.clone()).chain(but).collect())
    };
    let mut conditions = Vec::new();
    match query.visibility {
        Some(visibility) => conditions.push(Condition::Eq("visibility", visibility.as_str().into())),
        None if query.community => {}
        None => conditions.push(unless(Visibility::Community, None)),
    }
    if caller.is_admin() {
        return Ok(conditions);
    }
    let shared = match caller.project_id() {
        None => Vec::new(),
        Some(project) => member::store::shared_with(tx, project, query.member_status)?,
    };
    let ids = shared.into_iter().map(Into::into).collect();
    conditions.push(unless(Visibility::Private, None));
    conditions.push(unless(Visibility::Shared, Some(Condition::In("id", ids))));
    Ok(conditions)
}

/// Changes an image, all of it or nothing.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    changes: &[ImageChange],
) -> Result<Stored<Image>, Error> {
    if changes.is_empty() {
        return show(caller, tx, id);
    }
    let mut image = show_for(caller, tx, id, "modify_image")?;
    for change in changes {
        apply(caller, &mut image, change)?;
    }
    check_count("properties", image.properties.len(), PROPERTIES_MAX)?;
    check_count("tags", image.tags.len(), TAGS_MAX)?;
    save(tx, &mut image)?;
    Ok(image)
}

fn apply(caller: &Caller, image: &mut Image, change: &ImageChange) -> Result<(), Error> {
    let queued = matches!(image.status, Status::Queued | Status::Importing) && !image.is_written_by_node();
    let format =
        |name: &str| Error::Forbidden(format!("Attribute {name} can be only replaced for a queued image."));
    let absent = |key: &str| Error::Conflict(format!("Property {key} does not exist."));
    match change.clone() {
        ImageChange::Name(name) => image.name = name,
        ImageChange::Visibility(visibility) => {
            check_visibility(caller, image, visibility)?;
            image.visibility = visibility;
        }
        ImageChange::ContainerFormat(_) if !queued => return Err(format("container_format")),
        ImageChange::ContainerFormat(container) => image.container_format = container,
        ImageChange::DiskFormat(_) if !queued => return Err(format("disk_format")),
        ImageChange::DiskFormat(disk) => image.disk_format = disk,
        ImageChange::MinDisk(gib) => image.min_disk_gib = gib,
        ImageChange::MinRam(mib) => image.min_ram_mib = mib,
        ImageChange::Protected(protected) => image.protected = protected,
        ImageChange::Hidden(hidden) => image.hidden = hidden,
        ImageChange::Tags(tags) => image.tags = tags,
        ImageChange::Owner(_) if !caller.is_admin() => {
            return Err(Error::Forbidden("Owner can't be updated by non admin.".to_owned()));
        }
        ImageChange::Owner(owner) => image.owner = owner,
        ImageChange::New(key, _) if image.properties.contains_key(&key) => {
            return Err(Error::Conflict(format!("Property {key} already present.")));
        }
        ImageChange::Add(key, value) | ImageChange::New(key, value) => {
            image.properties.insert(key, value);
        }
        ImageChange::Replace(key, value) => {
            let property = image.properties.get_mut(&key).ok_or_else(|| absent(&key))?;
            *property = value;
        }
        ImageChange::Remove(key) => {
            image.properties.remove(&key).ok_or_else(|| absent(&key))?;
        }
    }
    Ok(())
}

/// Hides an image at once; the reconciler removes its bytes.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<(), Error> {
    let missing = |error| match error {
        Error::NotFound(_) => Error::NoSuch(format!("Failed to find image {id} to delete")),
        other => other,
    };
    let mut image = show_for(caller, tx, id, "delete_image").map_err(missing)?;
    if image.protected {
        let text = format!("Image {id} is protected and cannot be deleted.");
        return Err(Error::Forbidden(text));
    }
    begin_delete(tx, &mut image)
}

/// Nobody sees the image any more, and nobody has a part in it.
pub(crate) fn begin_delete(tx: &mut Tx<'_>, image: &mut Stored<Image>) -> Result<(), Error> {
    image.status = Status::Deleted;
    save(tx, image)?;
    for member in member::store::of_image(tx, image.id)? {
        member::store::MEMBERS.remove(tx, &member)?;
    }
    Ok(tx.kick(reconcile::KIND, image.id)?)
}

/// Keeps an image from being used.
pub fn deactivate(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<(), Error> {
    switch(caller, tx, id, ("deactivate", Status::Active, Status::Deactivated))
}

/// Lets an image be used again.
pub fn reactivate(caller: &Caller, tx: &mut Tx<'_>, id: ImageId) -> Result<(), Error> {
    switch(caller, tx, id, ("reactivate", Status::Deactivated, Status::Active))
}

fn switch(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    (rule, from, to): (&str, Status, Status),
) -> Result<(), Error> {
    let mut image = show_for(caller, tx, id, rule)?;
    if image.status != from && image.status != to {
        let text = format!("Not allowed to {rule} image in status '{}'", image.status);
        return Err(Error::Forbidden(text));
    }
    image.status = to;
    save(tx, &mut image)
}

/// Adds a tag.
pub fn add_tag(caller: &Caller, tx: &mut Tx<'_>, id: ImageId, tag: &str) -> Result<(), Error> {
    let mut image = show_for(caller, tx, id, "modify_image").map_err(|e| of_tags(e, id))?;
    image.tags.insert(tag.to_owned());
    check_count("tags", image.tags.len(), TAGS_MAX)?;
    save(tx, &mut image)
}

/// Removes a tag.
pub fn remove_tag(caller: &Caller, tx: &mut Tx<'_>, id: ImageId, tag: &str) -> Result<(), Error> {
    let mut image = show_for(caller, tx, id, "modify_image").map_err(|e| of_tags(e, id))?;
    if !image.tags.remove(tag) {
        return Err(Error::NoSuch("The resource could not be found.".to_owned()));
    }
    save(tx, &mut image)
}

/// As Glance says it where tags are concerned.
fn of_tags(error: Error, id: ImageId) -> Error {
    match error {
        Error::NotFound(_) => Error::NoSuch(format!("Image {id} not found.")),
        other => other,
    }
}

/// An image that the caller sees, if a rule lets the caller do this to it.
pub(crate) fn show_for(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: ImageId,
    rule: &str,
) -> Result<Stored<Image>, Error> {
    let seen = seen(caller, tx, id)?;
    seen.check(rule, caller)?;
    Ok(seen.image)
}

/// Writes a changed image back.
pub(crate) fn save(tx: &mut Tx<'_>, image: &mut Stored<Image>) -> Result<(), Error> {
    image.updated_at = tx.now();
    Ok(IMAGES.save(tx, image)?)
}

fn check_visibility(caller: &Caller, image: &Image, visibility: Visibility) -> Result<(), Error> {
    let rule = match visibility {
        Visibility::Public => "publicize_image",
        Visibility::Community => "communitize_image",
        Visibility::Shared | Visibility::Private => return Ok(()),
    };
    Ok(RULES.check(rule, caller, &ImageTarget { image, member: None })?)
}

/// Refuses more of something than an image may have.
pub(crate) fn check_count(what: &str, count: usize, max: usize) -> Result<(), Error> {
    if count <= max {
        return Ok(());
    }
    let text = format!(
        "The limit has been exceeded on the number of allowed image {what}. Attempted: {count}, Maximum: {max}"
    );
    Err(Error::OverLimit(text))
}
