//! `/metrics`: how the storage is, for Prometheus.
//!
//! A thread for each backend, and one for the image cache, looks at it now and then, so that one that does not answer keeps
//! neither the request nor the figures of the others waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rest::{Reply, ReplyBody, Request, Routes};
use storage::VolumeBackend;
use storage::figures::{Figure, written};
use storage::file::ImageCache;
use storage::rbd::Rbd;
use store::Tx;

use crate::storage_config::Storage;

const INTERVAL: Duration = Duration::from_secs(15);
const TYPE: &str = "text/plain; version=0.0.4";

/// What was last seen of each thing.
#[derive(Clone, Default)]
pub struct Metrics {
    seen: Arc<Mutex<BTreeMap<String, Vec<Figure>>>>,
}

impl Metrics {
    /// Looks at every backend from now on, as long as the process lives.
    pub fn watch(&self, storage: &Storage) -> anyhow::Result<()> {
        for (name, _) in storage.backends.all() {
            let backend = storage.backends.shared(Some(name)).map_err(anyhow::Error::msg)?.clone();
            let cluster = storage.clusters.iter().find(|(known, _)| known == name);
            let cluster = cluster.map(|(_, cluster)| cluster.clone());
            let name = name.to_owned();
            self.keep(name.clone(), move || look(&name, backend.as_ref(), cluster.as_ref()))?;
        }
        match storage.stores.cache().cloned() {
            Some(cache) => self.keep("image cache".to_owned(), move || look_at_cache(&cache)),
            None => Ok(()),
        }
    }

    /// Keeps what is seen of one thing.
    fn keep(&self, thing: String, look: impl Fn() -> Vec<Figure> + Send + 'static) -> anyhow::Result<()> {
        let metrics = self.clone();
        runtime::spawn_thread("metrics", move || {
            loop {
                let figures = look();
                metrics.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(thing.clone(), figures);
                runtime::sleep_blocking(INTERVAL);
            }
        })?;
        Ok(())
    }

    /// The route.
    pub fn routes(&self) -> Routes {
        let metrics = self.clone();
        Routes::new()
            .open("/metrics", move |_: &Request, _: &mut Tx<'_>| Ok::<_, image::Error>(metrics.reply()))
    }

    fn reply(&self) -> Reply {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let body = written(seen.values().flatten()).into_bytes();
        Reply { status: 200, headers: vec![("content-type", TYPE.to_owned())], body: ReplyBody::Bytes(body) }
    }
}

/// The figures of a backend, and of its cluster if it is one.
fn look(name: &str, backend: &dyn VolumeBackend, cluster: Option<&Rbd>) -> Vec<Figure> {
    let of = |what: &str, value| Figure::new(format!("cuttle_storage_{what}"), &[("backend", name)], value);
    let status = cluster.map(Rbd::status).transpose();
    let now = runtime::now().0.unsigned_abs() / 1_000_000;
    let mut figures = vec![of("seen_timestamp_seconds", now)];
    match backend.capacity().and_then(|room| Ok((room, status?))) {
        Ok((room, status)) => {
            figures.push(of("up", 1));
            figures.push(of("total_bytes", room.total_bytes));
            figures.push(of("free_bytes", room.free_bytes));
            figures.extend(status.iter().flat_map(|status| status.figures(name)));
        }
        Err(error) => {
            tracing::debug!("backend {name} tells no figures: {error}");
            figures.push(of("up", 0));
        }
    }
    figures
}

/// The figures of the image cache, if it can be read.
fn look_at_cache(cache: &ImageCache) -> Vec<Figure> {
    let of = |what: &str, value| Figure::new(format!("cuttle_image_cache_{what}"), &[], value);
    let mut figures = vec![of("max_bytes", cache.size_bytes_max())];
    match cache.cached() {
        Ok(cached) => {
            figures.push(of("images", cached.len() as u64));
            figures.push(of("bytes", cached.iter().map(|image| image.size_bytes).sum()));
        }
        Err(error) => tracing::debug!("the image cache tells no figures: {error}"),
    }
    figures
}
