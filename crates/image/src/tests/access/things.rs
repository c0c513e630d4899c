//! The callers and the things that the table of who may call what is made with.

use std::cell::{Cell, RefCell};

use serde_json::{Value as Json, json};
use storage::fake::Fake;
use testkit::Api;

use crate::Config;
use crate::tests::{ADMIN, api_over, two_stores};

/// Whose a thing is, and who sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The caller's project's, or nobody's.
    Own,
    /// Another project's, shared with the caller's.
    Shared,
    /// Another project's, for everybody.
    Public,
    /// Another project's alone.
    Foreign,
}

const ALL: &[Side] = &[Side::Own, Side::Shared, Side::Public, Side::Foreign];
/// Of namespaces nothing is shared.
const UNSHARED: &[Side] = &[Side::Own, Side::Public, Side::Foreign];

/// The sides that make a difference to a route. What is about members is about shared images.
pub(super) fn sides(_method: &str, route: &str) -> &'static [Side] {
    if route.contains("/members") {
        return &ALL[..2];
    }
    if route.contains("{namespace}") {
        return UNSHARED;
    }
    let owned = route.contains("/images/{id}") || route.starts_with("/v2/stores/");
    let cached = route == "/v2/cache/{id}";
    if owned && !cached { ALL } else { &ALL[..1] }
}

/// A cloud with two projects and two stores.
pub(super) struct World {
    api: Api,
    count: Cell<u32>,
    /// Requests that were no good questions, for what they were answered.
    pub(super) complaints: RefCell<Vec<String>>,
}

impl World {
    pub(super) fn new() -> World {
        let api = api_over(two_stores(&Fake::new(), &Fake::new()), Config::default());
        World { api, count: Cell::new(0), complaints: RefCell::default() }
    }

    /// Method and path of each route.
    pub(super) fn routes(&self) -> Vec<(String, String)> {
        let service =
            crate::service(&self.api.store, two_stores(&Fake::new(), &Fake::new()), Config::default());
        service.routes.table().into_iter().map(|(method, path)| (method.to_string(), path)).collect()
    }

    /// What somebody does so that there is something to ask about.
    fn done(&self, token: &str, method: &str, path: &str, body: &Json) -> Json {
        let answer = self.api.call(token, method, &format!("/image/v2/{path}"), &[], body);
        assert!(answer.status < 300, "{method} {path} {body}: {answer:?}");
        answer.body
    }

    /// A character for no token and for each caller.
    pub(super) fn answers(&self, method: &str, route: &str, side: Side) -> String {
        let mut text = String::from(self.answer("", method, route, side));
        for place in ["alpha", "!domain", "!system"] {
            text.push(' ');
            for role in ["reader", "member", "manager", "admin"] {
                text.push(self.answer(&format!("{role}@{place}"), method, route, side));
            }
        }
        text
    }

    fn answer(&self, token: &str, method: &str, route: &str, side: Side) -> char {
        let path = format!("/image{}", self.path(method, route, side));
        let (media, body) = self.body(method, route);
        let answer = self.api.send(token, method, &path, &[("content-type", media)], body);
        let fine = [200, 201, 202, 204, 300, 401, 403, 404, 405];
        if !fine.contains(&answer.status) {
            let complaint = format!("{token} {method} {route}: {} {}", answer.status, answer.body);
            self.complaints.borrow_mut().push(complaint);
        }
        match answer.status {
            401 => '!',
            403 => '-',
            404 => '?',
            _ => '+',
        }
    }

    fn fresh(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("thing{}", self.count.get())
    }

    /// A route's path, about things made for it.
    fn path(&self, method: &str, route: &str, side: Side) -> String {
        let mut path = Vec::new();
        for part in route.split('/') {
            path.push(match part {
                "{id}" => self.image(method, route, side),
                "{namespace}" => self.namespace(side),
                "{member}" => "alpha".to_owned(),
                "{tag}" => "wet".to_owned(),
                "{store}" => "two".to_owned(),
                "{task}" => self.task(),
                "{name}" if route.starts_with("/v2/schemas/metadefs") => "tag".to_owned(),
                "{name}" if route.starts_with("/v2/schemas") => "image".to_owned(),
                "{name}" if method == "POST" => self.fresh(),
                "{name}" => "some".to_owned(),
                // A route with a part that is new here: say above what it stands for.
                other if other.starts_with('{') => panic!("nothing is known to put in place of {other}"),
                other => other.to_owned(),
            });
        }
        path.join("/")
    }

    /// An image in the state in which something can be done to it.
    fn image(&self, method: &str, route: &str, side: Side) -> String {
        let owner = if side == Side::Own { "alpha" } else { "beta" };
        let visibility = match side {
            Side::Own if route.contains("/members") => "shared",
            Side::Own | Side::Foreign => "private",
            Side::Shared => "shared",
            Side::Public => "public",
        };
        let body = json!({
            "disk_format": "raw", "container_format": "bare", "visibility": visibility, "owner": owner, "tags": ["wet"],
        });
        let id = self.done(ADMIN, "POST", "images", &body)["id"].as_str().unwrap().to_owned();
        let adds = (method, route) == ("POST", "/v2/images/{id}/members");
        if side == Side::Shared || (route.contains("/members") && !adds) {
            self.done(ADMIN, "POST", &format!("images/{id}/members"), &json!({"member": "alpha"}));
        }
        self.fill(&id, method, route);
        id
    }

    fn fill(&self, id: &str, method: &str, route: &str) {
        let put = |what: &str| {
            let headers = [("content-type", "application/octet-stream")];
            let path = format!("/image/v2/images/{id}/{what}");
            assert_eq!(self.api.send(ADMIN, "PUT", &path, &headers, b"bytes".to_vec()).status, 204);
        };
        let leaves = route.starts_with("/v2/stores/");
        if route.ends_with("/import") {
            put("stage");
        }
        if leaves || route.contains("/actions/") || (method, route) == ("GET", "/v2/images/{id}/file") {
            put("file");
        }
        if route.ends_with("/reactivate") {
            self.done(ADMIN, "POST", &format!("images/{id}/actions/deactivate"), &Json::Null);
        }
        if leaves {
            let copy = json!({"method": {"name": "copy-image"}, "stores": ["two"]});
            self.done(ADMIN, "POST", &format!("images/{id}/import"), &copy);
            let begun = runtime::monotonic();
            while self.done(ADMIN, "GET", &format!("images/{id}"), &Json::Null)["stores"] != "one,two"
                || !self.done(ADMIN, "GET", &format!("images/{id}"), &Json::Null)["os_glance_import_task"]
                    .is_null()
            {
                self.api.settle();
                assert!(begun.elapsed().as_secs() < 60, "the copy does not end");
                std::thread::yield_now();
            }
        }
    }

    /// A namespace with one of each kind in it.
    fn namespace(&self, side: Side) -> String {
        let name = self.fresh();
        let body = json!({
            "namespace": name,
            "owner": if side == Side::Own { "alpha" } else { "beta" },
            "visibility": if side == Side::Public { "public" } else { "private" },
            "tags": [{"name": "some"}],
            "objects": [{"name": "some"}],
            "properties": {"some": {"title": "Some", "type": "string"}},
            "resource_type_associations": [{"name": "some"}],
        });
        self.done(ADMIN, "POST", "metadefs/namespaces", &body);
        name
    }

    fn task(&self) -> String {
        let body = json!({"type": "import", "input": {
            "import_from": "http://a.example/disk",
            "import_from_format": "raw",
            "image_properties": {"disk_format": "raw"},
        }});
        self.done(ADMIN, "POST", "tasks", &body)["id"].as_str().unwrap().to_owned()
    }

    fn body(&self, method: &str, route: &str) -> (&'static str, Vec<u8>) {
        let property = || json!({"name": self.fresh(), "title": "Some", "type": "string"});
        let json = match (method, route.trim_start_matches("/v2/")) {
            ("GET" | "DELETE", _) => Json::Null,
            ("PUT", "images/{id}/file" | "images/{id}/stage") => {
                return ("application/octet-stream", b"bytes".to_vec());
            }
            ("PATCH", "images/{id}") => {
                let body = json!([{"op": "replace", "path": "/name", "value": "other"}]);
                let media = "application/openstack-images-v2.1-json-patch";
                return (media, body.to_string().into_bytes());
            }
            ("POST", "images") => json!({"name": "squid"}),
            ("POST", "images/{id}/members") => json!({"member": "gamma"}),
            ("PUT", "images/{id}/members/{member}") => json!({"status": "accepted"}),
            ("POST", "images/{id}/import") => json!({"method": {"name": "glance-direct"}}),
            ("POST", "images/{id}/locations") => json!({"url": "http://a.example/disk"}),
            ("POST", "tasks") => json!({"type": "import", "input": {
                "import_from": "http://a.example/disk",
                "import_from_format": "raw",
                "image_properties": {"disk_format": "raw"},
            }}),
            ("POST", "metadefs/namespaces") | ("PUT", "metadefs/namespaces/{namespace}") => {
                json!({"namespace": self.fresh()})
            }
            (
                _,
                "metadefs/namespaces/{namespace}/properties"
                | "metadefs/namespaces/{namespace}/properties/{name}",
            ) => property(),
            ("POST", "metadefs/namespaces/{namespace}/tags") => json!({"tags": [{"name": self.fresh()}]}),
            (_, path) if path.starts_with("metadefs/") => json!({"name": self.fresh()}),
            (_, path)
                if path.contains("/actions/") || path.contains("/tags/") || path.starts_with("cache") =>
            {
                Json::Null
            }
            // A route that is new here: say above what it is asked with.
            (method, route) => panic!("nothing is known to send with {method} {route}"),
        };
        let bytes = if json.is_null() { Vec::new() } else { json.to_string().into_bytes() };
        ("application/json", bytes)
    }
}
