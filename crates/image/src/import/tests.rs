//! Imports: from the stage, from the web, between stores; refused, broken off, taken up again.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value as Json, json};
use storage::fake::Fake;
use storage::{ImageStore, qcow2};
use store::Tx;
use testkit::{Answer, Api};
use types::{ImageId, Timestamp};

use crate::image::UploadClaim;
use crate::task::store::TASKS;
use crate::tests::{ADMIN, MEMBER, OTHER, api, api_over, check_golden, two_stores, upload};
use crate::{Config, ImportFiltering};

/// Two stores, and what is behind them.
struct Cloud {
    api: Api,
    one: Fake,
    two: Fake,
}

fn cloud_with(config: Config) -> Cloud {
    let (one, two) = (Fake::new(), Fake::new());
    Cloud { api: api_over(two_stores(&one, &two), config), one, two }
}

fn cloud() -> Cloud {
    cloud_with(Config::default())
}

impl Cloud {
    fn image(&self, format: &str) -> String {
        let body = json!({"name": "squid", "disk_format": format, "container_format": "bare"});
        self.api.post(MEMBER, "/image/v2/images", &body).body["id"].as_str().unwrap().to_owned()
    }

    fn stage(&self, id: &str, bytes: Vec<u8>) -> Answer {
        let headers = [("content-type", "application/octet-stream")];
        self.api.send(MEMBER, "PUT", &format!("/image/v2/images/{id}/stage"), &headers, bytes)
    }

    fn staged(&self, format: &str, bytes: &[u8]) -> String {
        let id = self.image(format);
        assert_eq!(self.stage(&id, bytes.to_vec()).status, 204);
        id
    }

    fn import(&self, token: &str, id: &str, body: &Json) -> Answer {
        self.api.post(token, &format!("/image/v2/images/{id}/import"), body)
    }

    fn show(&self, id: &str) -> Json {
        self.api.get(ADMIN, &format!("/image/v2/images/{id}")).body
    }

    fn task(&self, id: &str) -> Json {
        let tasks = self.api.get(MEMBER, &format!("/image/v2/images/{id}/tasks")).body["tasks"].clone();
        tasks.as_array().and_then(|tasks| tasks.last().cloned()).unwrap_or_default()
    }

    /// Waits until the image's last task has ended, and tells how.
    fn ended(&self, id: &str) -> String {
        let begun = runtime::monotonic();
        loop {
            self.api.settle();
            let status = self.task(id)["status"].as_str().unwrap_or("none").to_owned();
            if ["success", "failure"].contains(&status.as_str()) {
                self.api.settle();
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the import does not end: {status}");
            std::thread::yield_now();
        }
    }

    fn kept(&self) -> (usize, usize) {
        (self.one.observe_images().unwrap().len(), self.two.observe_images().unwrap().len())
    }
}

fn direct(more: Json) -> Json {
    with(json!({"method": {"name": "glance-direct"}}), more)
}

fn with(mut body: Json, more: Json) -> Json {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn staged_bytes_become_the_image_s() {
    let cloud = cloud();
    let id = cloud.staged("raw", b"bytes");
    let image = cloud.show(&id);
    assert_eq!((&image["status"], &image["size"]), (&json!("uploading"), &json!(5)));
    assert_eq!((&image["checksum"], &image["stores"]), (&Json::Null, &Json::Null));
    assert_eq!(cloud.api.get(MEMBER, &format!("/image/v2/images/{id}/file")).status, 204);
    assert_eq!(cloud.stage(&id, vec![1]).status, 409);
    assert_eq!(upload(&cloud.api, MEMBER, &id, vec![1]).status, 409);
    let answer = cloud.import(MEMBER, &id, &direct(json!({})));
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(cloud.ended(&id), "success");
    let image = cloud.show(&id);
    assert_eq!((&image["status"], &image["stores"]), (&json!("active"), &json!("one")));
    assert_eq!(image["os_glance_importing_to_stores"], "");
    assert_eq!(image["os_glance_import_task"], Json::Null);
    let task = cloud.task(&id);
    assert_eq!(task["request_id"], json!(answer.header("x-openstack-request-id")));
    assert_eq!(task["input"]["import_req"]["method"]["name"], "glance-direct");
    assert_eq!(task["result"]["image_id"], json!(id));
    let whole = cloud.api.get(MEMBER, &format!("/image/v2/images/{id}/file"));
    assert_eq!((whole.status, whole.body), (200, json!("bytes")));
    assert_eq!(cloud.kept(), (1, 0));
    assert_eq!(cloud.api.runner.sweep().unwrap(), []);
}

#[test]
fn an_image_can_be_in_several_stores() {
    let cloud = cloud();
    let id = cloud.staged("raw", b"bytes");
    assert_eq!(cloud.import(MEMBER, &id, &direct(json!({"stores": ["two"]}))).status, 202);
    assert_eq!(cloud.ended(&id), "success");
    assert_eq!((cloud.kept(), &cloud.show(&id)["stores"]), ((0, 1), &json!("two")));
    let copy = json!({"method": {"name": "copy-image"}, "stores": ["one"]});
    assert_eq!(cloud.import(MEMBER, &id, &copy).status, 403);
    assert_eq!(cloud.import(ADMIN, &id, &with(copy.clone(), json!({"stores": ["two"]}))).status, 400);
    assert_eq!(cloud.import(ADMIN, &id, &copy).status, 202);
    assert_eq!(cloud.ended(&id), "success");
    assert_eq!((cloud.kept(), &cloud.show(&id)["stores"]), ((1, 1), &json!("two,one")));
    // Nothing is left to copy.
    let all = json!({"method": {"name": "copy-image"}, "all_stores": true});
    assert_eq!(cloud.import(ADMIN, &id, &all).status, 202);
    let remove =
        |token: &str, store: &str| cloud.api.delete(token, &format!("/image/v2/stores/{store}/{id}")).status;
    assert_eq!(remove(MEMBER, "two"), 403);
    assert_eq!(remove(ADMIN, "three"), 409);
    assert_eq!(remove(ADMIN, "two"), 204);
    cloud.api.settle();
    assert_eq!((cloud.kept(), &cloud.show(&id)["stores"]), ((1, 0), &json!("one")));
    assert_eq!(remove(ADMIN, "two"), 403);
    assert_eq!(remove(ADMIN, "one"), 403);
    let file = cloud.api.get(MEMBER, &format!("/image/v2/images/{id}/file?prefer=two"));
    assert_eq!((file.status, file.body), (200, json!("bytes")));
    assert_eq!(cloud.api.delete(MEMBER, &format!("/image/v2/images/{id}")).status, 204);
    cloud.api.settle();
    assert_eq!(cloud.kept(), (0, 0));
}

#[test]
fn what_fails_leaves_nothing_unless_some_may_fail() {
    let cloud = cloud();
    let id = cloud.staged("qcow2", b"no disk at all");
    assert_eq!(cloud.import(MEMBER, &id, &direct(json!({}))).status, 202);
    assert_eq!(cloud.ended(&id), "failure");
    assert!(cloud.task(&id)["message"].as_str().unwrap().contains("qcow2"), "{}", cloud.task(&id));
    assert_eq!((cloud.kept(), &cloud.show(&id)["status"]), ((0, 0), &json!("queued")));
    // It can be tried again with better bytes.
    assert_eq!(cloud.stage(&id, disk()).status, 204);
    cloud.two.set_full(true);
    assert_eq!(cloud.import(MEMBER, &id, &direct(json!({"all_stores": true}))).status, 202);
    assert_eq!(cloud.ended(&id), "failure");
    assert_eq!((cloud.kept(), &cloud.show(&id)["status"]), ((0, 0), &json!("queued")));
    assert_eq!(cloud.show(&id)["os_glance_failed_import"], "two");
    assert_eq!(cloud.stage(&id, disk()).status, 204);
    let some = direct(json!({"all_stores": true, "all_stores_must_succeed": false}));
    assert_eq!(cloud.import(MEMBER, &id, &some).status, 202);
    assert_eq!(cloud.ended(&id), "success");
    let image = cloud.show(&id);
    assert_eq!((&image["status"], &image["stores"]), (&json!("active"), &json!("one")));
    assert_eq!((&image["os_glance_failed_import"], &image["virtual_size"]), (&json!("two"), &json!(1 << 20)));
    // A copy that fails takes nothing from the image.
    let copy = json!({"method": {"name": "copy-image"}, "stores": ["two"]});
    assert_eq!(cloud.import(ADMIN, &id, &copy).status, 202);
    assert_eq!(cloud.ended(&id), "failure");
    let image = cloud.show(&id);
    assert_eq!((&image["status"], &image["stores"]), (&json!("active"), &json!("one")));
    assert_eq!(cloud.kept(), (1, 0));
}

fn disk() -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    qcow2::write_empty(file.as_file(), 1 << 20, None).unwrap();
    std::fs::read(file.path()).unwrap()
}

#[test]
fn requests_that_do_not_fit_change_nothing() {
    let cloud = cloud();
    let (queued, staged) = (cloud.image("raw"), cloud.staged("raw", b"bytes"));
    let check = |token: &str, id: &str, body: Json, status: u16| {
        let answer = cloud.import(token, id, &body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    };
    check(MEMBER, &staged, json!([]), 400);
    check(MEMBER, &staged, json!({}), 400);
    check(MEMBER, &staged, json!({"method": "glance-direct"}), 400);
    check(MEMBER, &staged, json!({"method": {}}), 400);
    check(MEMBER, &staged, json!({"method": {"name": "glance-download"}}), 400);
    check(MEMBER, &staged, json!({"method": {"name": "glance-direct", "uri": "http://a.example"}}), 400);
    check(MEMBER, &staged, direct(json!({"all_stores": 1})), 400);
    check(MEMBER, &staged, direct(json!({"all_stores_must_succeed": "no"})), 400);
    check(MEMBER, &staged, direct(json!({"stores": "one"})), 400);
    check(MEMBER, &staged, direct(json!({"stores": []})), 400);
    check(MEMBER, &staged, direct(json!({"stores": ["three"]})), 409);
    check(MEMBER, &staged, direct(json!({"stores": ["one"], "all_stores": true})), 400);
    check(MEMBER, &queued, direct(json!({})), 409);
    check(MEMBER, &queued, json!({"method": {"name": "copy-image"}}), 409);
    check(MEMBER, &queued, json!({"method": {"name": "web-download"}}), 400);
    check(MEMBER, &staged, json!({"method": {"name": "web-download", "uri": "http://a.example"}}), 409);
    for uri in ["ftp://a.example/", "http://a.example:22/", "http://", "a.example", "http://127.1/"] {
        check(MEMBER, &queued, json!({"method": {"name": "web-download", "uri": uri}}), 400);
    }
    check("reader@alpha", &staged, direct(json!({})), 403);
    check(OTHER, &staged, direct(json!({})), 404);
    let bare = cloud.api.post(MEMBER, "/image/v2/images", &json!({})).body["id"].as_str().unwrap().to_owned();
    assert_eq!(cloud.stage(&bare, vec![1]).status, 204);
    check(MEMBER, &bare, direct(json!({})), 409);
    assert_eq!(cloud.show(&staged)["status"], "uploading");
    assert_eq!(cloud.task(&staged), Json::Null);
    assert_eq!(cloud.api.delete(MEMBER, &format!("/image/v2/images/{bare}")).status, 204);
    cloud.api.settle();
    assert_eq!(cloud.kept(), (1, 0));
}

#[test]
fn an_import_whose_worker_died_is_taken_up_where_it_was() {
    let cloud = cloud();
    let id = cloud.staged("raw", b"bytes");
    assert_eq!(cloud.import(MEMBER, &id, &direct(json!({"all_stores": true}))).status, 202);
    let task = cloud.task(&id)["id"].as_str().unwrap().to_owned();
    // Another process began, filled the first store, and was killed.
    claim_for(&cloud.api, &task, "dead", runtime::now());
    cloud.api.settle();
    assert_eq!(cloud.show(&id)["status"], "importing");
    assert_eq!(cloud.task(&id)["status"], "pending");
    let long_ago = runtime::now().minus(crate::image::SILENCE_MAX * 2);
    claim_for(&cloud.api, &task, "dead", long_ago);
    assert_eq!(cloud.api.runner.sweep().unwrap().len(), 0, "it is in the work table");
    cloud
        .api
        .store
        .write_blocking({
            let task = task.clone();
            move |tx: &mut Tx<'_>| tx.kick(super::reconcile::KIND, &task)
        })
        .unwrap();
    assert_eq!(cloud.ended(&id), "success");
    assert_eq!((cloud.kept(), &cloud.show(&id)["stores"]), ((1, 1), &json!("one,two")));
}

fn claim_for(api: &Api, task: &str, token: &'static str, heard_at: Timestamp) {
    let task = task.to_owned();
    api.store
        .write_blocking(move |tx: &mut Tx<'_>| {
            let mut task = TASKS.load(tx, task.as_str())?.unwrap();
            task.claim = Some(UploadClaim { token: token.to_owned(), heard_at, by_node: false });
            TASKS.save(tx, &mut task)
        })
        .unwrap();
}

#[test]
fn an_image_deleted_while_it_is_imported_leaves_nothing() {
    let cloud = cloud();
    let id = cloud.staged("raw", b"bytes");
    assert_eq!(cloud.import(MEMBER, &id, &direct(json!({"all_stores": true}))).status, 202);
    let task = cloud.task(&id)["id"].as_str().unwrap().to_owned();
    assert_eq!(cloud.api.delete(MEMBER, &format!("/image/v2/images/{id}")).status, 204);
    let begun = runtime::monotonic();
    loop {
        cloud.api.settle();
        let answer = cloud.api.get(ADMIN, &format!("/image/v2/tasks/{task}"));
        if answer.body["status"] == "failure" {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{answer:?}");
        std::thread::yield_now();
    }
    cloud.api.settle();
    assert_eq!(cloud.kept(), (0, 0));
}

#[test]
fn a_stage_can_be_turned_off() {
    let cloud = cloud_with(Config { import_methods: vec![], ..Config::default() });
    let id = cloud.image("raw");
    assert_eq!(cloud.stage(&id, vec![1]).status, 404);
    // With one store there is nothing to copy.
    let methods = api().get(MEMBER, "/image/v2/info/import").body["import-methods"]["value"].clone();
    assert_eq!(methods, json!(["glance-direct", "web-download"]));
}

#[test]
fn tasks_are_shown_to_administrators() {
    check_golden("task/golden/refusals.http");
}

/// A server on this machine that answers these, one connection after the other.
fn serve(answers: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime::spawn_thread("web", move || {
        for answer in answers {
            let Ok((mut client, _)) = listener.accept() else { return };
            let mut asked = [0; 4096];
            let _ = client.read(&mut asked);
            let _ = client.write_all(&answer);
        }
    })
    .unwrap();
    port
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut all = format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n").into_bytes();
    all.extend_from_slice(body);
    all
}

fn has_curl() -> bool {
    let there = std::process::Command::new("curl").arg("--version").output().is_ok();
    if !there {
        println!("skipped: web-download: curl is not installed");
    }
    there
}

fn filtering(ports: Vec<u16>) -> ImportFiltering {
    ImportFiltering {
        allowed_ports: ports,
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..ImportFiltering::default()
    }
}

#[test]
fn bytes_come_from_the_web_and_follow_only_where_they_may() {
    if !has_curl() {
        return;
    }
    let there = answer("302 Found", "location: /disk\r\n", b"");
    let whole = answer("200 OK", "content-length: 5\r\n", b"bytes");
    let inside = answer("302 Found", "location: http://169.254.169.254/latest\r\n", b"");
    let cut = answer("200 OK", "content-length: 50\r\n", b"bytes");
    let absent = answer("404 Not Found", "", b"");
    let endless = answer("302 Found", "location: /again\r\n", b"");
    let mut answers = vec![there, whole.clone(), inside, cut, absent];
    answers.extend(std::iter::repeat_n(endless, 6));
    answers.extend([whole.clone(), whole]);
    let port = serve(answers);
    let cloud = cloud_with(Config { filtering: filtering(vec![port, 80]), ..Config::default() });
    let from_web = |status: &str, said: &str| {
        let id = cloud.image("raw");
        let uri = format!("http://localhost:{port}/first?x=1");
        let body = json!({"method": {"name": "web-download", "uri": uri}, "all_stores": true});
        assert_eq!(cloud.import(MEMBER, &id, &body).status, 202);
        assert_eq!(cloud.ended(&id), status, "{}", cloud.task(&id));
        let message = cloud.task(&id)["message"].as_str().unwrap().to_owned();
        assert!(message.contains(said), "{message}");
        let wanted = if status == "success" { "active" } else { "queued" };
        assert_eq!(cloud.show(&id)["status"], wanted);
        id
    };
    let id = from_web("success", "");
    assert_eq!(cloud.api.get(MEMBER, &format!("/image/v2/images/{id}/file")).body, "bytes");
    assert_eq!((cloud.kept(), &cloud.show(&id)["stores"]), ((1, 1), &json!("one,two")));
    from_web("failure", "not on the public internet");
    from_web("failure", "broke off");
    from_web("failure", "status 404");
    from_web("failure", "redirects");
    assert_eq!(cloud.kept(), (1, 1));
    // A disk format that the bytes are not.
    let id = cloud.image("qcow2");
    let uri = format!("http://localhost:{port}/");
    let body = json!({"method": {"name": "web-download", "uri": uri}});
    assert_eq!(cloud.import(MEMBER, &id, &body).status, 202);
    assert_eq!(cloud.ended(&id), "failure");
    // The older way makes the image too.
    let task = json!({"type": "import", "input": {
        "import_from": uri,
        "import_from_format": "raw",
        "image_properties": {"name": "old", "disk_format": "raw", "container_format": "bare"},
    }});
    assert_eq!(cloud.api.post(MEMBER, "/image/v2/tasks", &task).status, 403);
    let made = cloud.api.post(ADMIN, "/image/v2/tasks", &task);
    assert_eq!((made.status, &made.body["type"]), (201, &json!("import")), "{made:?}");
    let id: ImageId = made.body["image_id"].as_str().unwrap().parse().unwrap();
    let begun = runtime::monotonic();
    while cloud.show(&id.to_string())["status"] != "active" {
        cloud.api.settle();
        assert!(begun.elapsed() < Duration::from_secs(60), "the image is not there");
        std::thread::yield_now();
    }
    let listed = cloud.api.get(ADMIN, "/image/v2/tasks?type=import&status=success").body;
    assert_eq!(listed["tasks"].as_array().unwrap().len(), 1);
}

#[test]
fn this_machine_is_not_asked_unless_an_operator_says_so() {
    if !has_curl() {
        return;
    }
    let port = serve(vec![answer("200 OK", "", b"secret")]);
    let filtering = ImportFiltering { allowed_ports: vec![port], ..ImportFiltering::default() };
    let cloud = cloud_with(Config { filtering, ..Config::default() });
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let id = cloud.image("raw");
        let body = json!({"method": {"name": "web-download", "uri": format!("http://{host}:{port}/")}});
        assert_eq!(cloud.import(MEMBER, &id, &body).status, 202, "{host}");
        assert_eq!(cloud.ended(&id), "failure", "{host}");
        let message = cloud.task(&id)["message"].as_str().unwrap().to_owned();
        assert!(message.contains("not on the public internet"), "{host}: {message}");
    }
    assert_eq!(cloud.kept(), (0, 0));
}

#[test]
fn imports_are_asked_for_as_of_glance() {
    let cloud = cloud();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/import/golden/asked.http");
    testkit::check_golden(&cloud.api, path);
}
