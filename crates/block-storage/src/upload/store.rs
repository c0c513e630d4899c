//! The table of uploads.

use store::{Column, Error, Select, Stored, Table, Tx};
use types::{CopyId, VolumeId};

use super::Upload;

/// What the database knows of an upload.
pub(crate) static UPLOADS: Table<Upload> = Table {
    name: "block_storage_uploads",
    id: |u| u.copy.id.into(),
    columns: &[Column { name: "volume_id", value: |u| u.volume_id.into() }],
    unique: &[],
};

/// The images that are being made of a volume.
pub(crate) fn of_volume(tx: &mut Tx<'_>, id: VolumeId) -> Result<Vec<CopyId>, Error> {
    let found = UPLOADS.query(tx, &Select::all().eq("volume_id", id))?;
    Ok(found.iter().map(|upload| upload.copy.id).collect())
}

/// All of them: somebody must do something about each.
pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Stored<Upload>>, Error> {
    UPLOADS.query(tx, &Select::all())
}
