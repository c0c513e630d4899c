//! The table of uploads.

use store::{Column, Error, Select, Stored, Table, Tx};
use types::{CopyId, EncryptionKeyId, ImageId, VolumeId};

use super::{Phase, Upload};

/// What the database knows of an upload.
pub(crate) static UPLOADS: Table<Upload> = Table {
    name: "block_storage_uploads",
    id: |u| u.copy.id.into(),
    columns: &[Column { name: "volume_id", value: |u| u.volume_id.into() }],
    unique: &[],
};

/// The images that are being made of a volume.
pub(crate) fn of_volume(tx: &mut Tx<'_>, id: VolumeId) -> Result<Vec<CopyId>, Error> {
    let mut found = UPLOADS.query(tx, &Select::all().eq("volume_id", id))?;
    found.retain(|upload| upload.phase != Phase::Kept);
    Ok(found.iter().map(|upload| upload.copy.id).collect())
}

/// All of them, with those that only keep a key.
pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Stored<Upload>>, Error> {
    UPLOADS.query(tx, &Select::all())
}

/// The upload that keeps this key, if it made this image.
pub(crate) fn of_key(
    tx: &mut Tx<'_>,
    image: ImageId,
    key_id: EncryptionKeyId,
) -> Result<Option<Stored<Upload>>, Error> {
    Ok(UPLOADS.load(tx, CopyId(key_id.0))?.filter(|upload| upload.copy.image_id == image))
}
