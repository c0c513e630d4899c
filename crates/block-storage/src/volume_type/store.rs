//! The table of volume types.

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique};
use types::QosSpecsId;

use super::VolumeType;

/// What the database knows of a type.
pub(crate) static TYPES: Table<VolumeType> = Table {
    name: "block_storage_volume_types",
    id: |t| t.id.into(),
    columns: &[
        Column { name: "name", value: |t| t.name.as_str().into() },
        Column { name: "is_public", value: |t| t.is_public.into() },
        Column { name: "created_at", value: |t| t.created_at.into() },
    ],
    unique: &[Unique { name: "block_storage_volume_types_name", columns: &["name"] }],
};

/// The type of this name.
pub(crate) fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Stored<VolumeType>>, Error> {
    TYPES.first(tx, &Select::all().eq("name", name))
}

/// All types, the newest first.
pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Stored<VolumeType>>, Error> {
    TYPES.query(tx, &Select::all().order("created_at", Direction::Desc).order("id", Direction::Desc))
}

/// The types that have these QoS specs. Types are few, so that they are looked through.
pub(crate) fn with_qos(tx: &mut Tx<'_>, id: QosSpecsId) -> Result<Vec<Stored<VolumeType>>, Error> {
    let mut found = all(tx)?;
    found.retain(|known| known.qos_specs_id == Some(id));
    Ok(found)
}
