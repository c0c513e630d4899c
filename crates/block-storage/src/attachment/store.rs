//! The table of attachments: where each is found, and what lists are sorted and filtered by. What an attachment is says
//! its volume's row.

use serde::{Deserialize, Serialize};
use store::{Column, Error, Select, Stored, Table, Tx};
use types::{AttachmentId, ProjectId, ServerId, Timestamp, VolumeId};

use crate::volume::store::VOLUMES;
use crate::volume::{Attachment, Volume};

/// Where an attachment is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    id: AttachmentId,
    /// The volume that has it.
    pub(crate) volume_id: VolumeId,
    project_id: ProjectId,
    server_id: Option<ServerId>,
    status: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Listed {
    /// Which attachment.
    pub(crate) fn id(&self) -> AttachmentId {
        self.id
    }
}

/// What the database knows of an attachment.
pub(crate) static ATTACHMENTS: Table<Listed> = Table {
    name: "block_storage_attachments",
    id: |a| a.id.into(),
    columns: &[
        Column { name: "volume_id", value: |a| a.volume_id.into() },
        Column { name: "project_id", value: |a| (&a.project_id).into() },
        Column { name: "server_id", value: |a| a.server_id.into() },
        Column { name: "attach_status", value: |a| a.status.as_str().into() },
        Column { name: "created_at", value: |a| a.created_at.into() },
        Column { name: "updated_at", value: |a| a.updated_at.into() },
    ],
    unique: &[],
};

/// The volume that has this attachment.
pub(crate) fn volume_with(tx: &mut Tx<'_>, id: AttachmentId) -> Result<Option<Stored<Volume>>, Error> {
    match ATTACHMENTS.load(tx, id)? {
        Some(listed) => VOLUMES.load(tx, listed.volume_id),
        None => Ok(None),
    }
}

/// Writes a volume back whose attachments changed.
pub(crate) fn save(tx: &mut Tx<'_>, volume: &mut Stored<Volume>) -> Result<(), Error> {
    let now = tx.now();
    volume.updated_at = now;
    VOLUMES.save(tx, volume)?;
    let mut listed = ATTACHMENTS.query(tx, &Select::all().eq("volume_id", volume.id))?;
    for held in &volume.attachments {
        match listed.iter().position(|row| row.id == held.id) {
            Some(at) => {
                let mut row = listed.swap_remove(at);
                let new = Listed {
                    created_at: row.created_at,
                    updated_at: row.updated_at,
                    ..listing(volume, held, now)
                };
                if *row != new {
                    *row = Listed { updated_at: now, ..new };
                    ATTACHMENTS.save(tx, &mut row)?;
                }
            }
            None => drop(ATTACHMENTS.insert(tx, listing(volume, held, now))?),
        }
    }
    listed.iter().try_for_each(|gone| ATTACHMENTS.remove(tx, gone))
}

fn listing(volume: &Volume, held: &Attachment, now: Timestamp) -> Listed {
    Listed {
        id: held.id,
        volume_id: volume.id,
        project_id: volume.project_id.clone(),
        server_id: held.server_id,
        status: held.status().to_owned(),
        created_at: now,
        updated_at: now,
    }
}
