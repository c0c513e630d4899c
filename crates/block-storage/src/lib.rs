//! Cinder: volumes, their types and attachments, groups of volumes, QoS specs, quotas.
//!
//! A volume's row says what is wanted; a document tells a host to make it, and the host's report says that it did. Not
//! here: migration between hosts.
//!
//! Invariants: a volume is in one server at a time, unless it was made for several; what compute attached only compute
//! detaches; a row goes only after its host has reported that nothing is left; no request waits for a host.
//!
//! Reading order: `volume/model`, `volume/ops`, `volume/attach`, `volume/reconcile`, then the rest.

mod api;
mod attachment;
pub mod backup;
mod copies;
mod default_type;
pub mod encryption;
mod error;
mod filters;
pub(crate) mod group;
pub(crate) mod group_snapshot;
pub(crate) mod group_type;
mod list;
pub(crate) mod manageable;
pub mod message;
pub(crate) mod migration;
mod policy;
mod pool;
pub mod qos_specs;
pub mod quota;
pub mod service;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod transfer;
pub(crate) mod upload;
#[cfg(test)]
mod upstream;
mod version;
#[cfg(test)]
mod version_tests;
pub mod volume;
pub mod volume_type;

use std::sync::Arc;

use ::image::image::by_node::Terms;
use encryption::Keyring;
use reconcile::Reconciler;
use rest::{FaultStyle, Service};
use store::{Migration, Store, Tx};

pub use error::Error;
pub use policy::RULES;
pub use service::LogLevels;

/// This crate's schema.
pub const MIGRATIONS: &[Migration] = &[
    migration(1, include_str!("../migrations/0001_block_storage.sql")),
    migration(2, include_str!("../migrations/0002_volume_types.sql")),
    migration(3, include_str!("../migrations/0003_quota_classes.sql")),
    migration(4, include_str!("../migrations/0004_services.sql")),
    migration(5, include_str!("../migrations/0005_messages.sql")),
    migration(6, include_str!("../migrations/0006_snapshots.sql")),
    migration(7, include_str!("../migrations/0007_transfers.sql")),
    migration(10, include_str!("../migrations/0010_backups.sql")),
    migration(13, include_str!("../migrations/0013_uploads.sql")),
    migration(15, include_str!("../migrations/0015_migrations.sql")),
    migration(16, include_str!("../migrations/0016_groups.sql")),
    migration(18, include_str!("../migrations/0018_attach_status.sql")),
    migration(20, include_str!("../migrations/0020_attachments.sql")),
    migration(22, include_str!("../migrations/0022_usage.sql")),
    migration(23, include_str!("../migrations/0023_indexes.sql")),
];

const fn migration(version: u32, sql: &'static str) -> Migration {
    Migration { service: "block-storage", version, sql }
}

/// The one availability zone, named as compute's.
pub const ZONE: &str = "nova";
/// The type of volumes for which no other was asked.
pub const DEFAULT_TYPE: &str = "default";

/// The service, at `/volume`. Paths may name the caller's project, as clients of old do. `inquiries` asks hosts what lies on
/// their backends; `images` is what the image service says of images that are made here; `log` is how much this process tells.
pub fn service(
    store: &Store,
    inquiries: &nodes::Inquiries,
    images: Terms,
    log: Arc<dyn LogLevels>,
) -> Service {
    let routes = volume::api::routes(images)
        .and(snapshot::api::routes())
        .and(transfer::api::routes())
        .and(attachment::api::routes())
        .and(manageable::api::routes(store, inquiries))
        .and(backup::api::routes())
        .and(group_type::api::routes())
        .and(group::api::routes())
        .and(group_snapshot::api::routes())
        .and(volume_type::api::routes())
        .and(encryption::api::routes())
        .and(qos_specs::api::routes())
        .and(default_type::api::routes())
        .and(filters::routes())
        .and(quota::api::routes())
        .and(service::api::routes(log))
        .and(pool::api::routes())
        .and(message::api::routes())
        .and(version::routes())
        .also_below("/{project_id}")
        .below("/v3");
    Service {
        prefix: "/volume",
        types: &["block-storage", "volumev3"],
        faults: FaultStyle::BlockStorage,
        microversions: Some(version::MICROVERSIONS),
        routes: version::documents().and(routes),
    }
}

/// The reconcilers to run. `keys` has the keys of encrypted volumes.
pub fn reconcilers(keys: Arc<dyn Keyring>) -> Vec<Arc<dyn Reconciler>> {
    vec![
        Arc::new(volume::reconcile::Volumes { keys: keys.clone() }),
        Arc::new(snapshot::reconcile::Snapshots),
        Arc::new(upload::reconcile::Uploads),
        Arc::new(backup::reconcile::Backups),
        Arc::new(group::reconcile::Groups),
        Arc::new(group_snapshot::reconcile::GroupSnapshots),
        Arc::new(migration::reconcile::Migrations { keys }),
        Arc::new(message::reconcile::Messages),
    ]
}

/// What a fresh cloud has: the default volume type, and the type of groups that Cinder's schema brings along.
pub fn bootstrap(tx: &mut Tx<'_>) -> Result<(), Error> {
    volume_type::ops::ensure_default(tx)?;
    group_type::ops::ensure_migrated(tx)
}
