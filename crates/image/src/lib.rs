//! Glance: images, their bytes, members and tags.
//!
//! An image's row says what it is; its bytes are in a [`storage::ImageStore`] under the image's id, hashed and inspected
//! while they stream in.
//!
//! Invariants: an active image has bytes, and they never change; an image without a row has no bytes once the
//! reconciler came by; nothing waits for bytes inside a transaction; whoever may not see an image is told that there is
//! none.
//!
//! Reading order: `image/model`, `image/ops`, `data/ops`, `data/api`, `image/reconcile`, `member`, then the rest.

mod api;
mod bootstrap;
mod cache;
mod data;
mod error;
pub mod image;
mod import;
mod location;
pub mod member;
mod metadef;
mod policy;
mod quota;
mod schema;
pub mod stores;
mod task;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upstream;
mod version;

use std::sync::Arc;

use reconcile::Reconciler;
use rest::{FaultStyle, Service};
use store::{Migration, Store};

pub use bootstrap::{GuestImage, bootstrap};
pub use cache::keep_cache;
pub use error::Error;
pub use import::web::ImportFiltering;
pub use metadef::resource_type::ops::bootstrap as bootstrap_types;
pub use policy::RULES;
pub use quota::ops::Limits;
pub use stores::Stores;

/// This crate's schema.
pub const MIGRATIONS: &[Migration] = &[
    migration(1, include_str!("../migrations/0001_image.sql")),
    migration(2, include_str!("../migrations/0002_metadefs.sql")),
    migration(3, include_str!("../migrations/0003_tasks.sql")),
];

const fn migration(version: u32, sql: &'static str) -> Migration {
    Migration { service: "image", version, sql }
}

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// The largest image.
    pub size_bytes_max: u64,
    /// Whether bytes must be of the format they were said to be. Turned off, anything is kept, but no disk is made of
    /// what is not safe.
    pub enforce_format: bool,
    /// How bytes may come beside by an upload, in the order in which clients are told.
    pub import_methods: Vec<String>,
    /// What web-download may reach.
    pub filtering: ImportFiltering,
    /// How much a project may have.
    pub limits: Limits,
}

impl Config {
    /// Whether bytes may come this way.
    pub(crate) fn offers(&self, method: &str) -> bool {
        self.import_methods.iter().any(|known| known == method)
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            size_bytes_max: 1 << 40,
            enforce_format: true,
            import_methods: IMPORT_METHODS.map(str::to_owned).to_vec(),
            filtering: ImportFiltering::default(),
            limits: quota::ops::unlimited,
        }
    }
}

/// Every method of import there is.
pub const IMPORT_METHODS: [&str; 3] = ["glance-direct", "web-download", "copy-image"];

/// What handlers need beside a transaction.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) stores: Stores,
    pub(crate) config: Config,
}

/// The service, at `/image`.
pub fn service(store: &Store, stores: impl Into<Stores>, mut config: Config) -> Service {
    let stores = stores.into();
    // Where there is one store, nothing can be copied to another.
    config.import_methods.retain(|method| method != "copy-image" || stores.all().count() > 1);
    let shared = Arc::new(Shared { store: store.clone(), stores, config });
    let routes = version::routes(&shared)
        .and(schema::routes())
        .and(quota::api::routes(&shared))
        .and(image::api::routes(&shared))
        .and(data::api::routes(&shared))
        .and(member::api::routes())
        .and(metadef::routes())
        .and(import::api::routes(&shared))
        .and(task::api::routes(&shared))
        .and(location::api::routes(&shared))
        .and(cache::api::routes(&shared));
    Service { prefix: "/image", types: &["image"], faults: FaultStyle::Image, microversions: None, routes }
}

/// The reconcilers to run.
pub fn reconcilers(stores: impl Into<Stores>, config: Config) -> Vec<Arc<dyn Reconciler>> {
    let stores = stores.into();
    let imports = import::reconcile::Imports::new(stores.clone(), config);
    vec![Arc::new(image::reconcile::Images { stores }), Arc::new(imports)]
}
