//! What a fresh cloud has: the guest image.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use storage::{DiskFormat, ImageStore, Upload};
use store::{Store, Tx};
use types::{ImageId, ProjectId};

use crate::data::ops::{finish, release};
use crate::error::Error;
use crate::image::store::{self as table, IMAGES};
use crate::image::{Image, Status, UploadClaim, Visibility};
use crate::stores::Stores;

/// The name of the guest image.
const NAME: &str = "cuttle-guest";
/// How much of the file is read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The guest image that a fresh cloud is given.
#[derive(Debug, Clone)]
pub struct GuestImage {
    /// A qcow2 file.
    pub path: PathBuf,
    /// The project `admin`, which will own it.
    pub owner: ProjectId,
    /// Properties, `os_admin_user` among them.
    pub properties: Vec<(String, String)>,
}

/// Registers the guest image once. One that is there stays as it is, whatever the file has become; one that an earlier
/// start did not finish is finished. It holds the calling thread.
pub fn bootstrap(store: &Store, stores: &Stores, guest: &GuestImage) -> Result<(), Error> {
    let place = stores.default().clone();
    let token = runtime::new_uuid().to_string();
    let (wanted, claimed) = (guest.clone(), token.clone());
    let Some(id) = store.write_blocking(move |tx| claim(tx, &wanted, &claimed))? else { return Ok(()) };
    match read(place.images.as_ref(), guest, id) {
        Ok(stored) => {
            store.write_blocking(move |tx| finish(tx, id, &token, (&place.id, stored.clone())))?;
            Ok(())
        }
        Err(error) => {
            store.write_blocking(move |tx| release(tx, id, &token))?;
            Err(error)
        }
    }
}

/// The image to fill, unless there is one with bytes.
fn claim(tx: &mut Tx<'_>, guest: &GuestImage, token: &str) -> Result<Option<ImageId>, Error> {
    let now = tx.now();
    let upload = Some(UploadClaim { token: token.to_owned(), heard_at: now, by_node: false });
    if let Some(mut found) = table::by_name(tx, &guest.owner, NAME)? {
        let unfinished = match found.status {
            Status::Queued => true,
            Status::Saving => found.is_upload_lost(now),
            Status::Uploading
            | Status::Importing
            | Status::Active
            | Status::Deactivated
            | Status::Deleted => false,
        };
        if !unfinished {
            return Ok(None);
        }
        found.status = Status::Saving;
        found.upload = upload;
        IMAGES.save(tx, &mut found)?;
        return Ok(Some(found.id));
    }
    let image = Image {
        id: runtime::new_uuid().into(),
        name: Some(NAME.to_owned()),
        owner: guest.owner.clone(),
        status: Status::Saving,
        visibility: Visibility::Public,
        container_format: Some("bare".to_owned()),
        disk_format: Some(DiskFormat::Qcow2),
        min_disk_gib: 0,
        min_ram_mib: 0,
        protected: false,
        hidden: false,
        tags: [].into(),
        properties: guest.properties.iter().cloned().collect(),
        stored: None,
        stores: Vec::new(),
        upload,
        watcher: None,
        created_at: now,
        updated_at: now,
    };
    Ok(Some(IMAGES.insert(tx, image)?.id))
}

fn read(images: &dyn ImageStore, guest: &GuestImage, id: ImageId) -> Result<storage::StoredImage, Error> {
    let unreadable = |error: std::io::Error| {
        Error::Internal(format!("cannot read the guest image {}: {error}", guest.path.display()))
    };
    let mut file = File::open(&guest.path).map_err(unreadable)?;
    let upload = Upload { image: id, format: DiskFormat::Qcow2, size_bytes_max: u64::MAX, enforce: true };
    let mut writer = images.writer(&upload)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk).map_err(unreadable)? {
            0 => return Ok(writer.finish()?),
            count => writer.write(&chunk[..count])?,
        }
    }
}
