//! The table of transfers.

use store::{Column, Error, Select, Stored, Table, Tx, Unique};
use types::VolumeId;

use super::Transfer;

/// What the database knows of a transfer.
pub(crate) static TRANSFERS: Table<Transfer> = Table {
    name: "block_storage_transfers",
    id: |t| t.id.into(),
    columns: &[
        Column { name: "name", value: |t| t.name.as_deref().unwrap_or_default().into() },
        Column { name: "project_id", value: |t| (&t.project_id).into() },
        Column { name: "volume_id", value: |t| t.volume_id.into() },
        Column { name: "created_at", value: |t| t.created_at.into() },
    ],
    unique: &[Unique { name: "block_storage_transfers_volume", columns: &["volume_id"] }],
};

/// The offer of a volume.
pub(crate) fn of_volume(tx: &mut Tx<'_>, id: VolumeId) -> Result<Option<Stored<Transfer>>, Error> {
    TRANSFERS.first(tx, &Select::all().eq("volume_id", id))
}
