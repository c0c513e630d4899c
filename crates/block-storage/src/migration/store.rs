//! The table of migrations.

use agent_api::block::Elsewhere;
use store::{Column, Error, Select, Stored, Table, Tx, Unique};
use types::{HostId, ProjectId, VolumeId, VolumeTypeId};

use super::Migration;
use crate::quota::usage::{Amount, ByType};

/// What the database knows of a migration. A volume has one at a time.
pub(crate) static MIGRATIONS: Table<Migration> = Table {
    name: "block_storage_migrations",
    id: |m| m.id.into(),
    columns: &[
        Column { name: "volume_id", value: |m| m.volume_id.into() },
        Column { name: "project_id", value: |m| (&m.project_id).into() },
        Column { name: "host", value: |m| (&m.host).into() },
    ],
    unique: &[Unique { name: "block_storage_migrations_volume", columns: &["volume_id"] }],
};

/// The migration of a volume.
pub(crate) fn of_volume(tx: &mut Tx<'_>, id: VolumeId) -> Result<Option<Stored<Migration>>, Error> {
    MIGRATIONS.first(tx, &Select::all().eq("volume_id", id))
}

/// What a volume's host is to have of it beside the volume itself.
pub(crate) fn elsewhere(tx: &mut Tx<'_>, id: VolumeId) -> Result<Option<Elsewhere>, Error> {
    Ok(of_volume(tx, id)?.map(|migration| migration.elsewhere()))
}

/// Whether this is no volume, but what one is copied to before it takes its place, or the clone of an image that is copied.
pub(crate) fn is_copy(tx: &mut Tx<'_>, id: VolumeId) -> Result<bool, Error> {
    let is_it = |migration: &Migration| {
        migration.copy_id() == Some(id) || migration.reimage.is_some() && migration.id.0 == id.0
    };
    Ok(all(tx)?.iter().any(|migration| is_it(migration)))
}

/// Whether a volume is about to be of this type.
pub(crate) fn takes_type(tx: &mut Tx<'_>, id: VolumeTypeId) -> Result<bool, Error> {
    Ok(all(tx)?.iter().any(|migration| migration.volume_type_id == Some(id)))
}

/// How much is on its way to a backend of a host.
pub(crate) fn arriving_gib(tx: &mut Tx<'_>, host: &HostId, backend: &str) -> Result<i64, Error> {
    let found = MIGRATIONS.query(tx, &Select::all().eq("host", host))?;
    let arriving = found.iter().filter(|migration| migration.is_arriving() && migration.to == backend);
    Ok(arriving.map(|migration| i64::from(migration.size_gib)).sum())
}

/// What a project's volumes that are about to have other types will count for in those.
pub(crate) fn arriving_by_type(tx: &mut Tx<'_>, project: &ProjectId) -> Result<ByType, Error> {
    let mut amounts = ByType::new();
    for migration in MIGRATIONS.query(tx, &Select::all().eq("project_id", project))? {
        if let Some(id) = migration.volume_type_id.filter(|_| migration.is_arriving()) {
            let Amount { count, gib } = amounts.entry(id).or_default();
            *count += 1;
            *gib += i64::from(migration.size_gib);
        }
    }
    Ok(amounts)
}

/// All of them: somebody must do something about each.
pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<Stored<Migration>>, Error> {
    MIGRATIONS.query(tx, &Select::all())
}
