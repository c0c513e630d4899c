//! A cache, and none.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use storage::fake::Fake;
use storage::file::{FileConfig, FileImages, ImageCache};
use storage::{ImageStore, Upload};
use testkit::{Answer, Api};
use types::ImageId;

use super::worker::Worker;
use crate::stores::{Place, Stores};
use crate::tests::{ADMIN, MEMBER, api_over, check_golden, check_golden_on, upload};
use crate::{Config, MIGRATIONS};

#[test]
fn a_cache_is_not_at_this_site() {
    check_golden("cache/golden/absent.http");
}

#[test]
fn images_are_queued_and_taken_out() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new(Elsewhere::default(), dir.path(), 1000);
    check_golden_on(&host.api, "cache/golden/queue.http");
}

/// A store that is not this host's files.
#[derive(Clone, Default)]
struct Elsewhere(Fake);

impl From<Elsewhere> for Stores {
    fn from(elsewhere: Elsewhere) -> Stores {
        let images: Arc<dyn ImageStore> = Arc::new(elsewhere.0);
        let id = "ceph".to_owned();
        Stores::new(Place { id, kind: "rbd", description: None, properties: json!({}), images }, Vec::new())
    }
}

/// A control plane with a cache.
struct Host {
    api: Api,
    worker: Worker,
}

impl Host {
    fn new(stores: impl Into<Stores>, dir: &Path, size_bytes_max: u64) -> Host {
        let stores = stores.into().with_cache(open(dir, 0, size_bytes_max));
        let api = api_over(stores.clone(), Config::default());
        Host { worker: worker(&api, stores), api }
    }

    /// An image of so many bytes of this value.
    fn image(&self, byte: u8, length: usize) -> String {
        let body = json!({"name": "squid", "disk_format": "raw", "container_format": "bare"});
        let id = self.api.post(MEMBER, "/image/v2/images", &body).body["id"].as_str().unwrap().to_owned();
        assert_eq!(upload(&self.api, MEMBER, &id, vec![byte; length]).status, 204);
        self.api.settle();
        id
    }

    fn download(&self, who: &str, id: &str) -> Answer {
        self.api.get(who, &format!("/image/v2/images/{id}/file"))
    }

    fn queue(&self, id: &str) -> u16 {
        self.api.put(ADMIN, &format!("/image/v2/cache/{id}"), &Json::Null).status
    }

    /// Ids of what is cached, in order, and of what waits.
    fn lists(&self) -> (Vec<String>, Vec<String>) {
        let lists = self.api.get(ADMIN, "/image/v2/cache").body;
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        let cached = lists["cached_images"].as_array().unwrap().iter().map(|image| text(&image["image_id"]));
        (cached.collect(), lists["queued_images"].as_array().unwrap().iter().map(text).collect())
    }

    fn cached(&self) -> Vec<String> {
        self.lists().0
    }
}

fn open(dir: &Path, reserve_bytes: u64, size_bytes_max: u64) -> ImageCache {
    ImageCache::open(&FileConfig { root: dir.to_owned(), reserve_bytes }, size_bytes_max).unwrap()
}

fn worker(api: &Api, stores: Stores) -> Worker {
    Worker { store: api.store.clone(), cache: stores.cache().unwrap().clone(), stores }
}

fn id_of(text: &str) -> ImageId {
    text.parse().unwrap()
}

#[test]
fn a_download_leaves_a_wish_and_the_next_is_a_hit() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = Elsewhere::default();
    let host = Host::new(elsewhere.clone(), dir.path(), 10_000);
    let id = host.image(b'a', 5000);
    let file = format!("/image/v2/images/{id}/file");
    let part = [("range", "bytes=10-12")];
    // A part is not the whole: nothing is wished for.
    assert_eq!(host.api.call(MEMBER, "GET", &file, &part, &Json::Null).status, 206);
    assert_eq!(host.lists(), (vec![], vec![]));
    let first = host.download(MEMBER, &id);
    assert_eq!(host.lists(), (vec![], vec![id.clone()]));
    host.worker.pass();
    assert_eq!(host.lists(), (vec![id.clone()], vec![]));
    let entry = |host: &Host| host.api.get(ADMIN, "/image/v2/cache").body["cached_images"][0].clone();
    let fetched_at = entry(&host)["last_modified"].as_f64().unwrap();
    assert_eq!(
        entry(&host),
        json!({"image_id": id, "hits": 0, "size": 5000, "last_modified": fetched_at, "last_accessed": fetched_at})
    );
    // From here on the store is of no use.
    elsewhere.0.remove_image(id_of(&id)).unwrap();
    let second = host.download(MEMBER, &id);
    assert_eq!(second.header("content-md5"), first.header("content-md5"));
    assert_eq!((second.status, second.body), (200, first.body));
    let piece = host.api.call(MEMBER, "GET", &file, &part, &Json::Null);
    assert_eq!((piece.status, piece.body.as_str()), (206, Some("aaa")));
    assert_eq!(piece.header("content-range"), Some("bytes 10-12/5000"));
    let entry = entry(&host);
    assert_eq!((&entry["hits"], &entry["last_modified"]), (&json!(2), &json!(fetched_at)));
    assert!(entry["last_accessed"].as_f64().unwrap() > fetched_at, "{entry}");
    // A restart forgets nothing of it.
    let again = open(dir.path(), 0, 10_000).cached().unwrap();
    assert_eq!((again.len(), again[0].uses.hits), (1, 2));
}

#[test]
fn who_may_not_download_may_not_from_the_cache_either() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new(Elsewhere::default(), dir.path(), 10_000);
    let id = host.image(1, 100);
    assert_eq!(host.queue(&id), 202);
    host.worker.pass();
    assert_eq!(host.cached(), [id.as_str()]);
    assert_eq!(host.download("member@beta", &id).status, 404);
    assert_eq!(host.download("reader@alpha", &id).status, 403);
    let path = format!("/image/v2/images/{id}/actions/deactivate");
    assert_eq!(host.api.post(ADMIN, &path, &Json::Null).status, 204);
    host.worker.pass();
    assert_eq!(host.cached(), [id.as_str()], "it may be activated again");
    assert_eq!(host.download(MEMBER, &id).status, 403);
    assert_eq!(host.download(ADMIN, &id).status, 200);
}

#[test]
fn what_was_not_read_for_longest_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new(Elsewhere::default(), dir.path(), 10_000);
    let ids: Vec<String> = (0..3).map(|n| host.image(n, 4000)).collect();
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    for id in &ids[..2] {
        assert_eq!(host.queue(id), 202);
        host.worker.pass();
    }
    assert_eq!(host.cached(), sorted(ids[..2].to_vec()));
    assert_eq!(host.download(MEMBER, &ids[0]).status, 200);
    assert_eq!(host.queue(&ids[2]), 202);
    host.worker.pass();
    assert_eq!(host.cached(), sorted(vec![ids[0].clone(), ids[2].clone()]));
    // A smaller limit is kept from the start.
    assert_eq!(open(dir.path(), 0, 5000).cached().unwrap().len(), 1);
}

#[test]
fn what_is_larger_than_the_cache_is_not_cached() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new(Elsewhere::default(), dir.path(), 100);
    let small = host.image(1, 100);
    assert_eq!(host.queue(&small), 202);
    host.worker.pass();
    let id = host.image(1, 101);
    assert_eq!(host.queue(&id), 413);
    assert_eq!(host.download(MEMBER, &id).status, 200);
    assert_eq!(host.lists(), (vec![small.clone()], vec![]));
    // One that was wished for under a larger limit.
    host.worker.cache.want(id_of(&id)).unwrap();
    host.worker.pass();
    assert_eq!(host.lists(), (vec![small], vec![]));
}

#[test]
fn the_reserve_of_the_disk_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new(Elsewhere::default(), dir.path(), 10_000);
    let id = host.image(1, 5000);
    assert_eq!(host.queue(&id), 202);
    let stores = host.worker.stores.clone().with_cache(open(dir.path(), u64::MAX, 10_000));
    worker(&host.api, stores).pass();
    assert_eq!(host.lists(), (vec![], vec![id.clone()]), "it waits for room");
    host.worker.pass();
    assert_eq!(host.lists(), (vec![id], vec![]));
}

#[test]
fn a_deleted_image_leaves_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new(Elsewhere::default(), dir.path(), 10_000);
    let (cached, queued) = (host.image(1, 100), host.image(2, 100));
    assert_eq!(host.queue(&cached), 202);
    host.worker.pass();
    assert_eq!(host.queue(&queued), 202);
    for id in [&cached, &queued] {
        assert_eq!(host.api.delete(MEMBER, &format!("/image/v2/images/{id}")).status, 204);
    }
    host.api.settle();
    assert_eq!(host.lists(), (vec![], vec![]));
    let left: Vec<_> = std::fs::read_dir(dir.path().join("image-cache")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_image_that_another_host_deleted_leaves_the_cache_and_is_never_mistaken() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let elsewhere = Stores::from(Elsewhere::default());
    let here = elsewhere.clone().with_cache(open(one.path(), 0, 10_000));
    let there = elsewhere.with_cache(open(two.path(), 0, 10_000));
    let api = Api::new(&[MIGRATIONS], |store| {
        let service = |stores: &Stores, prefix| {
            let service = crate::service(store, stores.clone(), Config::default());
            rest::Service { prefix, ..service }
        };
        let services = vec![service(&here, "/image"), service(&there, "/there")];
        (services, crate::reconcilers(here.clone(), Config::default()))
    });
    let other = worker(&api, there);
    let host = Host { worker: worker(&api, here), api };
    let kept = || other.cache.cached().unwrap();
    let id = host.image(b'a', 100);
    other.cache.want(id_of(&id)).unwrap();
    other.pass();
    assert_eq!((kept().len(), host.cached().len()), (1, 0), "each host has its own");
    let path = format!("/image/v2/images/{id}");
    assert_eq!(host.api.delete(MEMBER, &path).status, 204);
    host.api.settle();
    assert_eq!(kept().len(), 1);
    // Another image, of this id and length.
    let body = json!({"id": id, "name": "ray", "disk_format": "raw", "container_format": "bare"});
    assert_eq!(host.api.post(MEMBER, "/image/v2/images", &body).status, 201);
    assert_eq!(upload(&host.api, MEMBER, &id, vec![b'b'; 100]).status, 204);
    let read = || host.api.get(MEMBER, &format!("/there/v2/images/{id}/file")).body;
    assert_eq!(read(), json!("b".repeat(100)));
    other.pass();
    assert_eq!((kept().len(), kept()[0].uses.hits), (1, 0));
    assert_eq!(read(), json!("b".repeat(100)));
    assert_eq!((kept().len(), kept()[0].uses.hits), (1, 1));
    assert_eq!(host.api.delete(MEMBER, &path).status, 204);
    host.api.settle();
    // An administrator need not wait until it goes by itself.
    let entry = format!("/there/v2/cache/{id}");
    assert_eq!(host.api.delete(MEMBER, &entry).status, 404);
    assert_eq!(host.api.delete(ADMIN, &entry).status, 204);
    assert_eq!(host.api.delete(ADMIN, &entry).status, 404);
    assert_eq!(kept(), []);
}

#[test]
fn what_the_store_lost_or_changed_is_not_cached() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = Elsewhere::default();
    let host = Host::new(elsewhere.clone(), dir.path(), 10_000);
    let check = |length: Option<usize>| {
        let id = host.image(1, 100);
        elsewhere.0.remove_image(id_of(&id)).unwrap();
        if let Some(length) = length {
            let format = storage::DiskFormat::Raw;
            let of = Upload { image: id_of(&id), format, size_bytes_max: 1000, enforce: false };
            let mut writer = elsewhere.0.writer(&of).unwrap();
            writer.write(&vec![2; length]).unwrap();
            writer.finish().unwrap();
        }
        assert_eq!(host.queue(&id), 202);
        host.worker.pass();
        assert_eq!(host.lists(), (vec![], vec![]), "{length:?}");
    };
    check(None);
    check(Some(100));
    check(Some(99));
}

#[test]
fn an_image_of_this_host_takes_no_room_twice() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let mut files = FileConfig::new(dir.path());
    files.reserve_bytes = 0;
    let images = Arc::new(FileImages::open(&files).unwrap());
    let host = Host::new(images.clone(), dir.path(), 10_000);
    let id = host.image(1, 5000);
    assert_eq!(host.download(MEMBER, &id).status, 200);
    assert_eq!(host.lists(), (vec![], vec![]), "nothing is won by a cache");
    assert_eq!(host.queue(&id), 202);
    host.worker.pass();
    assert_eq!(host.cached(), [id.as_str()]);
    assert_eq!(std::fs::metadata(images.path(id_of(&id))).unwrap().nlink(), 2);
    assert_eq!(host.api.delete(ADMIN, "/image/v2/cache").status, 204);
    assert_eq!(host.cached(), Vec::<String>::new());
    assert_eq!(host.download(MEMBER, &id).status, 200);
}

#[test]
fn an_image_without_a_byte_is_cached_too() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new(Elsewhere::default(), dir.path(), 10_000);
    let id = host.image(1, 0);
    assert_eq!(host.queue(&id), 202);
    host.worker.pass();
    assert_eq!(host.cached(), [id.as_str()]);
    assert_eq!(host.download(MEMBER, &id).status, 200);
}
