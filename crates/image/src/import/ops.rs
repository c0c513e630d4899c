//! Asking for an import.

use policy::Caller;
use rest::Request;
use store::{Stored, Tx};
use types::ImageId;

use super::reconcile;
use crate::Shared;
use crate::error::Error;
use crate::image::ops::{self as images, Seen, save, seen};
use crate::image::{Image, ImageDraft, Status};
use crate::quota;
use crate::task::store::TASKS;
use crate::task::{Asked, Import, Method, Task, TaskId, TaskKind, TaskStatus};

/// The properties by which an image tells of its import.
pub(crate) const TASK: &str = "os_glance_import_task";
/// The stores that are still to get the bytes.
pub(crate) const IMPORTING: &str = "os_glance_importing_to_stores";
/// The stores that cannot get them.
pub(crate) const FAILED: &str = "os_glance_failed_import";

/// An import as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) method: Method,
    pub(crate) asked: Asked,
    /// The store that the header `x-image-meta-store` names.
    pub(crate) header: Option<String>,
}

/// Whose request it is.
struct From<'r> {
    caller: &'r Caller,
    request_id: &'r str,
}

impl<'r> From<'r> {
    fn of(request: &'r Request) -> From<'r> {
        From { caller: request.caller(), request_id: &request.request_id }
    }
}

/// Begins an import. Nothing is begun if every store has the bytes already.
pub(crate) fn start(
    request: &Request,
    tx: &mut Tx<'_>,
    shared: &Shared,
    id: ImageId,
    wanted: Wanted,
) -> Result<(), Error> {
    let from = From::of(request);
    if let Some(project) = from.caller.project_id() {
        quota::ops::check_size(tx, shared.config.limits, project, None)?;
    }
    let seen = seen(from.caller, tx, id)?;
    check_state(&seen.image, &wanted.method)?;
    check_rule(&seen, from.caller, &wanted.method)?;
    if seen.image.properties.contains_key(TASK) || seen.image.upload.is_some() {
        return Err(Error::Conflict("Image has active task".to_owned()));
    }
    let Some(stores) = stores(shared, &seen.image, &wanted)? else { return Ok(()) };
    if let Method::WebDownload { uri } = &wanted.method
        && shared.config.filtering.target(uri).is_none()
    {
        let text = format!("URI for web-download does not pass filtering: {uri}");
        return Err(Error::Invalid(text));
    }
    let import = Import {
        all_must_succeed: wanted.asked.all_stores_must_succeed.unwrap_or(true),
        method: wanted.method,
        stores,
        asked: wanted.asked,
        done: Vec::new(),
        failed: Vec::new(),
    };
    begin(tx, &from, seen.image, (TaskKind::ApiImageImport, import))?;
    Ok(())
}

/// Makes an image and begins to fill it from the web.
pub(crate) fn start_new(
    request: &Request,
    tx: &mut Tx<'_>,
    shared: &Shared,
    mut draft: ImageDraft,
    (kind, uri): (TaskKind, String),
) -> Result<Stored<Task>, Error> {
    let from = From::of(request);
    if shared.config.filtering.target(&uri).is_none() || !shared.config.offers("web-download") {
        let text = format!("URI for legacy import task does not pass filtering: {uri}");
        return Err(Error::Invalid(text));
    }
    draft.container_format.get_or_insert_with(|| "bare".to_owned());
    if let TaskKind::Import { format, .. } = &kind
        && draft.disk_format.is_none()
    {
        let unknown = |()| Error::Invalid(format!("The format {format} is not known."));
        draft.disk_format = Some(format.parse().map_err(unknown)?);
    }
    let image = images::create(from.caller, tx, shared.config.limits, draft)?;
    let import = Import {
        method: Method::WebDownload { uri },
        stores: vec![shared.stores.default().id.clone()],
        all_must_succeed: true,
        asked: Asked::default(),
        done: Vec::new(),
        failed: Vec::new(),
    };
    begin(tx, &from, image, (kind, import))
}

fn begin(
    tx: &mut Tx<'_>,
    from: &From<'_>,
    mut image: Stored<Image>,
    (kind, import): (TaskKind, Import),
) -> Result<Stored<Task>, Error> {
    let now = tx.now();
    let id = TaskId(runtime::new_uuid().to_string());
    if import.method != Method::CopyImage {
        image.status = Status::Importing;
    }
    image.properties.insert(TASK.to_owned(), id.0.clone());
    image.properties.insert(IMPORTING.to_owned(), import.stores.join(","));
    image.properties.insert(FAILED.to_owned(), String::new());
    save(tx, &mut image)?;
    let task = Task {
        id: id.clone(),
        kind,
        status: TaskStatus::Pending,
        message: String::new(),
        image_id: image.id,
        owner: from.caller.project_id().unwrap_or(&image.owner).clone(),
        user_id: from.caller.user_id.clone(),
        request_id: from.request_id.to_owned(),
        import,
        claim: None,
        created_at: now,
        updated_at: now,
        expires_at: None,
    };
    tx.kick(reconcile::KIND, &id.0)?;
    Ok(TASKS.insert(tx, task)?)
}

fn check_state(image: &Image, method: &Method) -> Result<(), Error> {
    let conflict = |text: &str| Err(Error::Conflict(text.to_owned()));
    let copies = *method == Method::CopyImage;
    if image.status == Status::Active && !copies {
        return conflict("Image with status active cannot be target for import");
    }
    if image.status != Status::Active && copies {
        return conflict("Only images with status active can be targeted for copying");
    }
    if matches!(method, Method::WebDownload { .. })
        && (image.status != Status::Queued || image.upload.is_some())
    {
        return conflict("Image needs to be in 'queued' state to use 'web-download' method");
    }
    let staged = image.status == Status::Uploading && image.upload.is_none();
    if *method == Method::GlanceDirect && !staged {
        return conflict("Image needs to be staged before 'glance-direct' method can be used");
    }
    match image.missing_formats().last() {
        Some(missing) => conflict(&format!("'{missing}' needs to be set before import")),
        None => Ok(()),
    }
}

fn check_rule(seen: &Seen, caller: &Caller, method: &Method) -> Result<(), Error> {
    match method {
        Method::CopyImage => seen.check("copy_image", caller),
        Method::GlanceDirect | Method::WebDownload { .. } => seen.check("modify_image", caller),
    }
}

/// The stores that are to get the bytes; `None` if all of them have them.
fn stores(shared: &Shared, image: &Image, wanted: &Wanted) -> Result<Option<Vec<String>>, Error> {
    let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
    let (asked, header) = (&wanted.asked, &wanted.header);
    let all = asked.all_stores.unwrap_or(false);
    let mut stores = match (&asked.stores, header) {
        (Some(_), _) | (_, Some(_)) if all => {
            return invalid(
                "All_stores parameter can't be used with x-image-meta-store header or stores parameter",
            );
        }
        (Some(_), Some(_)) => {
            return invalid("Stores parameter and x-image-meta-store header can't be both specified");
        }
        (Some(stores), None) => stores.clone(),
        (None, Some(store)) => vec![store.clone()],
        (None, None) if all => shared.stores.ids(),
        (None, None) => vec![shared.stores.default().id.clone()],
    };
    if let Some(unknown) = stores.iter().find(|id| shared.stores.named(id).is_none()) {
        return Err(Error::Conflict(format!("Store for identifier {unknown} not found")));
    }
    stores.sort();
    stores.dedup();
    if wanted.method == Method::CopyImage {
        let there = image.places();
        if all {
            stores.retain(|id| !there.contains(id));
            return Ok((!stores.is_empty()).then_some(stores));
        }
        if let Some(there) = stores.iter().find(|id| there.contains(id)) {
            return Err(Error::Invalid(format!("Image is already present at store '{there}'")));
        }
    }
    match stores.is_empty() {
        true => invalid("An import needs a store."),
        false => Ok(Some(stores)),
    }
}
