//! The cache over HTTP.

use std::future::Future;
use std::sync::Arc;

use rest::{Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use storage::file::{Cached, ImageCache, Pruned};
use types::{ImageId, Timestamp};

use super::ops;
use crate::Shared;
use crate::error::Error;
use crate::image::api::image_id;

/// The routes of the cache.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    Routes::new()
        .slow(Method::GET, "/v2/cache", false, with(shared, index))
        .slow(Method::DELETE, "/v2/cache", false, with(shared, clear))
        .slow(Method::PUT, "/v2/cache/{id}", false, with(shared, queue))
        .slow(Method::DELETE, "/v2/cache/{id}", false, with(shared, delete))
        .slow(Method::GET, "/v2/cache/nodes/{id}", false, with(shared, nodes))
        .slow(Method::POST, "/v2/cache/clean", false, with(shared, clean))
        .slow(Method::POST, "/v2/cache/prune", false, with(shared, prune))
}

/// The handler that runs this.
fn with<F: Future>(
    shared: &Arc<Shared>,
    run: fn(Arc<Shared>, Request) -> F,
) -> impl Fn(Request) -> F + use<F> {
    let shared = shared.clone();
    move |request| run(shared.clone(), request)
}

async fn index(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    let cache = ops::open(request.caller(), &shared.stores, "cache_list")?;
    let (cached, wanted) = in_folder(cache, |cache| Ok((cache.cached()?, cache.wanted()?))).await?;
    let queued: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let cached: Vec<Json> = cached.iter().map(view).collect();
    Ok(Reply::ok(json!({"cached_images": cached, "queued_images": queued})))
}

fn view(cached: &Cached) -> Json {
    json!({
        "image_id": cached.image.to_string(),
        "hits": cached.uses.hits,
        "last_accessed": seconds(cached.uses.read_at),
        "last_modified": seconds(cached.uses.fetched_at),
        "size": cached.size_bytes,
    })
}

/// Seconds since 1970 with a fraction.
#[allow(clippy::cast_precision_loss)] // A float is what clients expect; its microseconds are exact until the year 2255.
fn seconds(time: Timestamp) -> f64 {
    time.0 as f64 / 1e6
}

async fn clear(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    let cache = ops::open(request.caller(), &shared.stores, "cache_delete")?;
    let target = request.header("x-image-cache-clear-target").unwrap_or_default().to_lowercase();
    let (images, wishes) = match target.as_str() {
        "" => (true, true),
        "cache" => (true, false),
        "queue" => (false, true),
        _ => {
            let text = "If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.";
            return Err(Error::Invalid(text.to_owned()));
        }
    };
    let cleared = in_folder(cache, move |cache| {
        // The wishes first, so that none comes true meanwhile.
        if wishes {
            cache.forget_wanted()?;
        }
        if images { cache.forget_cached() } else { Ok(()) }
    });
    cleared.await?;
    Ok(Reply::empty(204))
}

async fn queue(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    let id = id_of(&request)?;
    let (caller, stores) = (request.caller().clone(), shared.stores.clone());
    let found = shared.store.read(move |tx| {
        let found = ops::open_for(&caller, tx, &stores, ("cache_image", id))?;
        let (cache, image) = found.ok_or_else(|| not_found(&id.to_string()))?;
        let content = ops::cacheable(&cache, &image)?;
        Ok::<_, Error>((cache, content))
    });
    let (cache, content) = found.await?;
    in_folder(cache, move |cache| if cache.has(id, &content)? { Ok(()) } else { cache.want(id) }).await?;
    Ok(Reply::empty(202))
}

async fn delete(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    let id = id_of(&request)?;
    let (caller, stores) = (request.caller().clone(), shared.stores.clone());
    let found = shared.store.read(move |tx| ops::open_for(&caller, tx, &stores, ("cache_delete", id)));
    let cache = match found.await? {
        Some((cache, _)) => cache,
        None => left_of(&shared, &request, id).await?,
    };
    in_folder(cache, move |cache| cache.forget(id)).await?;
    Ok(Reply::empty(204))
}

/// The cache, if it has something of an image that is no more. Who may not ask does not hear of that.
async fn left_of(shared: &Shared, request: &Request, id: ImageId) -> Result<ImageCache, Error> {
    let missing = || not_found(&id.to_string());
    let cache = ops::open(request.caller(), &shared.stores, "cache_delete").map_err(|_| missing())?;
    let is_known = in_folder(cache.clone(), move |cache| {
        Ok(cache.wanted()?.contains(&id) || cache.cached()?.iter().any(|cached| cached.image == id))
    });
    if is_known.await? { Ok(cache) } else { Err(missing()) }
}

/// A host knows what is in its own cache only. This is how Glance says that.
async fn nodes(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    ops::open(request.caller(), &shared.stores, "list_cached_nodes")?;
    Err(Error::Conflict("Centralized caching is not enabled".to_owned()))
}

async fn clean(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    let cache = ops::open(request.caller(), &shared.stores, "cache_clean")?;
    in_folder(cache, ImageCache::sweep).await?;
    Ok(Reply::empty(200))
}

async fn prune(shared: Arc<Shared>, request: Request) -> Result<Reply, Error> {
    let cache = ops::open(request.caller(), &shared.stores, "cache_prune")?;
    let Pruned { images, bytes } = in_folder(cache, ImageCache::prune).await?;
    Ok(Reply::ok(json!({"total_files_pruned": images, "total_bytes_pruned": bytes})))
}

fn id_of(request: &Request) -> Result<ImageId, Error> {
    image_id(request).map_err(|_| not_found(request.param("id")))
}

fn not_found(id: &str) -> Error {
    Error::NoSuch(format!("Image {id} not found."))
}

/// Does something with the cache's files, beside the threads that answer.
async fn in_folder<T: Send + 'static>(
    cache: ImageCache,
    act: impl FnOnce(&ImageCache) -> storage::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let acted = tokio::task::spawn_blocking(move || act(&cache)).await;
    Ok(acted.map_err(|_| Error::Internal("the thread that looks into the cache died".to_owned()))??)
}
