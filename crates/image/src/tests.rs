//! What the tests of this crate share.

mod access;
mod varied;

use std::sync::Arc;

use serde_json::json;

use storage::fake::Fake;
use testkit::{Answer, Api, Scratch};

use crate::stores::Place;
use crate::{Config, MIGRATIONS, Stores, reconcilers, service};

/// A member of one project, of another, and the administrator.
pub(crate) const MEMBER: &str = "member@alpha";
pub(crate) const OTHER: &str = "member@beta";
pub(crate) const ADMIN: &str = "admin@admin";

/// The API over a store in memory.
pub(crate) fn api() -> Api {
    api_over(Arc::new(Fake::new()), Config::default())
}

/// The API over this store.
pub(crate) fn api_over(stores: impl Into<Stores>, config: Config) -> Api {
    api_on(None, stores, config)
}

/// The same over a database on a server, where one is given.
pub(crate) fn api_on(scratch: Option<Scratch>, stores: impl Into<Stores>, config: Config) -> Api {
    let stores = stores.into();
    let build = |store: &store::Store| {
        (vec![service(store, stores.clone(), config.clone())], reconcilers(stores, config))
    };
    match scratch {
        None => Api::new(&[MIGRATIONS], build),
        Some(scratch) => Api::new_on(scratch, &[MIGRATIONS], build),
    }
}

/// Uploads bytes.
pub(crate) fn upload(api: &Api, token: &str, id: &str, bytes: Vec<u8>) -> Answer {
    let headers = [("content-type", "application/octet-stream")];
    api.send(token, "PUT", &format!("/image/v2/images/{id}/file"), &headers, bytes)
}

/// Replays a golden conversation with a fresh cloud.
pub(crate) fn check_golden(path: &str) {
    check_golden_on(&api(), path);
}

/// Replays a golden conversation with this cloud.
pub(crate) fn check_golden_on(api: &Api, path: &str) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    testkit::check_golden(api, root.join(path));
}

/// Two stores, `one` and `two`.
pub(crate) fn two_stores(one: &Fake, two: &Fake) -> Stores {
    let place = |id: &str, fake: &Fake| Place {
        id: id.to_owned(),
        kind: "file",
        description: None,
        properties: json!({}),
        images: Arc::new(fake.clone()),
    };
    Stores::new(place("one", one), vec![place("two", two)])
}
