//! Uploads and downloads: whole, broken, refused, repeated, and what is left of them.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::json;
use storage::fake::Fake;
use storage::file::{FileConfig, FileImages};
use storage::{DiskFormat, ImageStore, Upload, qcow2};
use store::Tx;
use testkit::Api;
use types::ImageId;

use crate::data::ops::{self, Purpose, Sender};
use crate::data::receive::receive;
use crate::stores::{FIRST, Stores};
use crate::tests::{ADMIN, MEMBER, OTHER, api_over, upload};
use crate::{Config, Error, GuestImage, bootstrap};

fn queued(api: &Api, format: &str) -> String {
    let body = json!({"name": "squid", "disk_format": format, "container_format": "bare"});
    let answer = api.post(MEMBER, "/image/v2/images", &body);
    answer.body["id"].as_str().unwrap().to_owned()
}

fn status(api: &Api, id: &str) -> String {
    let answer = api.get(ADMIN, &format!("/image/v2/images/{id}"));
    answer.body["status"].as_str().unwrap_or("none").to_owned()
}

fn file_api(root: &Path, config: Config) -> (Api, Arc<FileImages>) {
    let mut files = FileConfig::new(root);
    files.reserve_bytes = 0;
    let images = Arc::new(FileImages::open(&files).unwrap());
    (api_over(images.clone(), config), images)
}

fn disk(backing: Option<&str>) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let backing = backing.map(|name| qcow2::Backing { name, format: "raw" });
    qcow2::write_empty(file.as_file(), 1 << 20, backing).unwrap();
    std::fs::read(file.path()).unwrap()
}

#[test]
fn bytes_come_back_as_they_went() {
    let dir = tempfile::tempdir().unwrap();
    let (api, images) = file_api(dir.path(), Config::default());
    let id = queued(&api, "raw");
    let file = format!("/image/v2/images/{id}/file");
    assert_eq!(api.get(MEMBER, &file).status, 204);
    assert_eq!(upload(&api, OTHER, &id, vec![1]).status, 404);
    assert_eq!(api.send(MEMBER, "PUT", &file, &[], vec![1]).status, 415);
    let bytes: Vec<u8> = (0..700_000u32).map(|n| u8::try_from(n % 95 + 32).unwrap()).collect();
    assert_eq!(upload(&api, MEMBER, &id, bytes.clone()).status, 204);
    api.settle();
    let image = api.get(MEMBER, &format!("/image/v2/images/{id}")).body;
    assert_eq!(
        (&image["status"], &image["size"], &image["virtual_size"]),
        (&json!("active"), &json!(700_000), &json!(700_000))
    );
    assert_eq!(image["os_hash_algo"], "sha512");
    let whole = api.get(MEMBER, &file);
    assert_eq!(whole.body.as_str().unwrap().as_bytes(), bytes);
    assert_eq!(whole.header("content-md5"), image["checksum"].as_str());
    let check = |range: &str, status: u16, expected: &[u8]| {
        let part = api.call(MEMBER, "GET", &file, &[("range", range)], &json!(null));
        assert_eq!(part.status, status, "{range}");
        if status < 400 {
            assert_eq!(part.body.as_str().unwrap().as_bytes(), expected, "{range}");
        }
    };
    check("bytes=1-3", 206, &bytes[1..4]);
    check("bytes=699990-", 206, &bytes[699_990..]);
    check("bytes=-5", 206, &bytes[699_995..]);
    check("bytes=699999-9999999", 206, &bytes[699_999..]);
    check("bytes=700000-", 416, &[]);
    check("lines=1-2", 416, &[]);
    check("bytes=5-3", 416, &[]);
    check("bytes=1-2,4-5", 400, &[]);
    let whole = format!("/image/v2/images/{id}/file?prefer=nowhere");
    assert_eq!(api.get(MEMBER, &whole).status, 400);
    let older = api.call(MEMBER, "GET", &file, &[("content-range", "bytes 1-3/*")], &json!(null));
    assert_eq!((older.status, older.header("content-range")), (206, Some("bytes 1-3/700000")));
    let bad = api.call(MEMBER, "GET", &file, &[("content-range", "bytes 1-900000/*")], &json!(null));
    assert_eq!(bad.status, 416);
    assert_eq!(upload(&api, MEMBER, &id, vec![1]).status, 409);
    assert_eq!(api.delete(MEMBER, &format!("/image/v2/images/{id}")).status, 204);
    assert_eq!(images.observe_images().unwrap().len(), 1);
    api.settle();
    assert_eq!(images.observe_images().unwrap(), []);
}

#[test]
fn what_is_not_safe_or_not_as_said_is_refused_and_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (api, images) = file_api(dir.path(), Config { size_bytes_max: 1 << 20, ..Config::default() });
    let check = |format: &str, bytes: Vec<u8>, expected: u16| {
        let id = queued(&api, format);
        let answer = upload(&api, MEMBER, &id, bytes);
        assert_eq!(answer.status, expected, "{format}: {answer:?}");
        let wanted = if expected == 204 { "active" } else { "queued" };
        assert_eq!(status(&api, &id), wanted);
        id
    };
    let secret = disk(Some("/etc/shadow"));
    let id = check("qcow2", secret.clone(), 415);
    check("raw", secret, 415);
    check("raw", disk(None), 415);
    check("qcow2", vec![7; 4096], 415);
    check("raw", vec![7; (1 << 20) + 1], 413);
    let mut absurd = disk(None);
    absurd[24..32].copy_from_slice(&u64::MAX.to_be_bytes());
    check("qcow2", absurd, 415);
    let kept: Vec<_> = std::fs::read_dir(dir.path().join("images")).unwrap().collect();
    assert!(kept.is_empty(), "{kept:?}");
    assert_eq!(upload(&api, MEMBER, &id, disk(None)).status, 204);
    let image = api.get(MEMBER, &format!("/image/v2/images/{id}")).body;
    assert_eq!((&image["status"], &image["virtual_size"]), (&json!("active"), &json!(1 << 20)));
    assert_eq!(images.observe_images().unwrap().len(), 1);
    let id = api.post(MEMBER, "/image/v2/images", &json!({})).body["id"].as_str().unwrap().to_owned();
    assert_eq!(upload(&api, MEMBER, &id, vec![1]).status, 400);
}

#[test]
fn what_is_not_as_long_as_announced_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (api, images) = file_api(dir.path(), Config::default());
    let id = queued(&api, "raw");
    let send = |announced: &str, expected: u16| {
        let headers = [("content-type", "application/octet-stream"), ("x-openstack-image-size", announced)];
        let path = format!("/image/v2/images/{id}/file");
        assert_eq!(api.send(MEMBER, "PUT", &path, &headers, vec![7; 4096]).status, expected, "{announced}");
    };
    send("4095", 400);
    send("4097", 400);
    assert_eq!(status(&api, &id), "queued");
    assert_eq!(images.observe_images().unwrap(), []);
    send("4096", 204);
    assert_eq!(status(&api, &id), "active");
}

#[test]
fn nothing_announced_is_a_length_not_known() {
    let api = api_over(Arc::new(Fake::new()), Config::default());
    let id = queued(&api, "raw");
    let headers = [("content-type", "application/octet-stream"), ("x-openstack-image-size", "0")];
    let path = format!("/image/v2/images/{id}/file");
    assert_eq!(api.send(MEMBER, "PUT", &path, &headers, vec![7; 4096]).status, 204);
    assert_eq!(api.get(MEMBER, &format!("/image/v2/images/{id}")).body["size"], 4096);
}

#[test]
fn without_enforcement_any_bytes_are_kept() {
    let api = api_over(Arc::new(Fake::new()), Config { enforce_format: false, ..Config::default() });
    let id = queued(&api, "qcow2");
    assert_eq!(upload(&api, MEMBER, &id, vec![7; 4096]).status, 204);
    assert_eq!(status(&api, &id), "active");
}

#[test]
fn a_full_or_broken_disk_is_said_and_leaves_the_image_queued() {
    let fake = Fake::new();
    let api = api_over(Arc::new(fake.clone()), Config::default());
    let id = queued(&api, "raw");
    fake.set_full(true);
    assert_eq!(upload(&api, MEMBER, &id, vec![1]).status, 413);
    fake.set_full(false);
    fake.fail_next("the controller is on fire");
    let answer = upload(&api, MEMBER, &id, vec![1]);
    assert_eq!(answer.status, 500);
    assert!(!answer.body.to_string().contains("fire"), "{answer:?}");
    assert_eq!(status(&api, &id), "queued");
    assert_eq!(upload(&api, MEMBER, &id, vec![1]).status, 204);
}

/// A body that sends a little and breaks off.
struct Broken(u32);

impl http_body::Body for Broken {
    type Data = rest::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<rest::Bytes>, std::io::Error>>> {
        self.0 += 1;
        Poll::Ready(Some(match self.0 {
            1..=3 => Ok(http_body::Frame::data(vec![7; 100_000].into())),
            _ => Err(std::io::Error::other("the client went away")),
        }))
    }
}

#[test]
fn an_upload_that_breaks_off_leaves_no_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let images = Arc::new(FileImages::open(&FileConfig::new(dir.path())).unwrap());
    let upload = Upload {
        image: runtime::new_uuid().into(),
        format: DiskFormat::Raw,
        size_bytes_max: 1 << 30,
        enforce: true,
    };
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let received = tokio.block_on(receive(images, upload, rest::Body::new(Broken(0)), None));
    assert!(matches!(received, Err(Error::Invalid(_))), "{received:?}");
    let kept: Vec<_> = std::fs::read_dir(dir.path().join("images")).unwrap().collect();
    assert!(kept.is_empty(), "{kept:?}");
}

fn begin(api: &Api, id: ImageId, token: &'static str) {
    let shared = crate::Shared {
        store: api.store.clone(),
        stores: Arc::new(Fake::new()).into(),
        config: Config::default(),
    };
    let sender = Sender {
        caller: testkit::caller(MEMBER).unwrap(),
        purpose: Purpose::Upload,
        size_bytes: None,
        token: token.to_owned(),
    };
    api.store.write_blocking(move |tx: &mut Tx<'_>| ops::claim(tx, &shared, id, &sender)).unwrap();
}

#[test]
fn a_lost_upload_becomes_a_queued_image() {
    let _guard = runtime::simulate(1, types::Timestamp::from_seconds(1_800_000_000));
    let fake = Fake::new();
    let api = api_over(Arc::new(fake.clone()), Config::default());
    let id: ImageId = queued(&api, "raw").parse().unwrap();
    begin(&api, id, "lost");
    // All its bytes were there, but nobody was left to say so.
    let upload_of = Upload { image: id, format: DiskFormat::Raw, size_bytes_max: 10, enforce: true };
    fake.writer(&upload_of).unwrap().finish().unwrap();
    api.settle();
    assert_eq!(status(&api, &id.to_string()), "saving");
    assert_eq!(upload(&api, MEMBER, &id.to_string(), vec![1]).status, 409);
    _guard.advance(crate::image::SILENCE_MAX + crate::image::SILENCE_MAX);
    api.settle();
    assert_eq!(status(&api, &id.to_string()), "queued");
    assert_eq!(fake.observe_images().unwrap(), []);
    let late = api.store.write_blocking(move |tx: &mut Tx<'_>| ops::renew(tx, id, "lost"));
    assert!(matches!(late, Err(Error::Gone(_))));
    assert_eq!(upload(&api, MEMBER, &id.to_string(), vec![1]).status, 204);
}

#[test]
fn an_image_deleted_during_its_upload_leaves_nothing() {
    let fake = Fake::new();
    let api = api_over(Arc::new(fake.clone()), Config::default());
    let id: ImageId = queued(&api, "raw").parse().unwrap();
    begin(&api, id, "slow");
    assert_eq!(api.delete(MEMBER, &format!("/image/v2/images/{id}")).status, 204);
    api.settle();
    let upload = Upload { image: id, format: DiskFormat::Raw, size_bytes_max: 10, enforce: true };
    let stored = fake.writer(&upload).unwrap().finish().unwrap();
    let finished =
        api.store.write_blocking(move |tx: &mut Tx<'_>| ops::finish(tx, id, "slow", (FIRST, stored.clone())));
    assert!(!finished.unwrap(), "it was deleted");
    assert_eq!(status(&api, &id.to_string()), "none");
    api.settle();
    assert_eq!(fake.observe_images().unwrap(), []);
    assert_eq!(api.runner.sweep().unwrap(), []);
}

#[test]
fn bytes_without_an_image_are_found_by_the_sweep() {
    let fake = Fake::new();
    let api = api_over(Arc::new(fake.clone()), Config::default());
    let upload = Upload {
        image: runtime::new_uuid().into(),
        format: DiskFormat::Raw,
        size_bytes_max: 10,
        enforce: true,
    };
    fake.writer(&upload).unwrap().finish().unwrap();
    assert_eq!(api.runner.sweep().unwrap().len(), 1);
    api.settle();
    assert_eq!(fake.observe_images().unwrap(), []);
}

#[test]
fn the_guest_image_is_registered_once() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::new();
    let api = api_over(Arc::new(fake.clone()), Config::default());
    let stores = Stores::from(Arc::new(fake));
    let guest = GuestImage {
        path: dir.path().join("guest.qcow2"),
        owner: "admin".into(),
        properties: vec![("os_admin_user".to_owned(), "cuttle".to_owned())],
    };
    assert!(bootstrap(&api.store, &stores, &guest).is_err());
    std::fs::write(&guest.path, disk(None)).unwrap();
    bootstrap(&api.store, &stores, &guest).unwrap();
    std::fs::write(&guest.path, b"another").unwrap();
    bootstrap(&api.store, &stores, &guest).unwrap();
    let images = api.get(MEMBER, "/image/v2/images?name=cuttle-guest").body["images"].clone();
    assert_eq!(images.as_array().unwrap().len(), 1);
    assert_eq!(
        (&images[0]["status"], &images[0]["visibility"], &images[0]["os_admin_user"]),
        (&json!("active"), &json!("public"), &json!("cuttle"))
    );
}
