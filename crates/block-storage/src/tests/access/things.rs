//! The callers and the things that the table of who may call what is made with.

use std::cell::{Cell, RefCell};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};
use testkit::Api;

use crate::message::{Action, Detail, Level, NewMessage, Subject};
use crate::tests::{ADMIN, Node, api, new_image};

/// Whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The caller's project's, or nobody's.
    Own,
    /// Another project's.
    Foreign,
}

const BOTH: &[Side] = &[Side::Own, Side::Foreign];
const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume latest")];

/// The actions of volumes and their bodies. An action that is new belongs here too.
const VOLUME_ACTIONS: [(&str, &str); 25] = [
    ("os-extend", r#"{"new_size": 2}"#),
    ("os-extend_volume_completion", r#"{"error": false}"#),
    ("os-retype", r#"{"new_type": "other"}"#),
    ("os-migrate_volume", r#"{"host": "one@more"}"#),
    ("os-migrate_volume_completion", r#"{"new_volume": "VOLUME"}"#),
    ("revert", r#"{"snapshot_id": "SNAPSHOT"}"#),
    ("os-reimage", r#"{"image_id": "IMAGE"}"#),
    ("os-volume_upload_image", r#"{"image_name": "squid"}"#),
    ("os-set_bootable", r#"{"bootable": true}"#),
    ("os-update_readonly_flag", r#"{"readonly": true}"#),
    ("os-reset_status", r#"{"status": "error"}"#),
    ("os-force_delete", "{}"),
    ("os-set_image_metadata", r#"{"metadata": {"k": "v"}}"#),
    ("os-unset_image_metadata", r#"{"key": "k"}"#),
    ("os-show_image_metadata", "{}"),
    ("os-reserve", "{}"),
    ("os-unreserve", "{}"),
    ("os-attach", r#"{"host_name": "far", "mountpoint": "/dev/vdb"}"#),
    ("os-begin_detaching", "{}"),
    ("os-roll_detaching", "{}"),
    ("os-detach", "{}"),
    ("os-force_detach", "{}"),
    ("os-initialize_connection", r#"{"connector": {"host": "far"}}"#),
    ("os-terminate_connection", r#"{"connector": {"host": "far"}}"#),
    ("os-unmanage", "{}"),
];
const ATTACHMENT_ACTIONS: [(&str, &str); 1] = [("os-complete", "{}")];
const SNAPSHOT_ACTIONS: [(&str, &str); 4] = [
    ("os-reset_status", r#"{"status": "error"}"#),
    ("os-update_snapshot_status", r#"{"status": "available"}"#),
    ("os-force_delete", "{}"),
    ("os-unmanage", "{}"),
];
const BACKUP_ACTIONS: [(&str, &str); 2] =
    [("os-reset_status", r#"{"status": "error"}"#), ("os-force_delete", "{}")];
const GROUP_ACTIONS: [(&str, &str); 6] = [
    ("delete", r#"{"delete-volumes": true}"#),
    ("reset_status", r#"{"status": "error"}"#),
    ("enable_replication", "{}"),
    ("disable_replication", "{}"),
    ("failover_replication", "{}"),
    ("list_replication_targets", "{}"),
];
const GROUP_SNAPSHOT_ACTIONS: [(&str, &str); 1] = [("reset_status", r#"{"status": "error"}"#)];
const GROUPS_ACTIONS: [(&str, &str); 1] = [("create-from-src", r#"{"source_group_id": "GROUP"}"#)];
const TYPE_ACTIONS: [(&str, &str); 2] =
    [("addProjectAccess", r#"{"project": "gamma"}"#), ("removeProjectAccess", r#"{"project": "alpha"}"#)];

/// Actions that nothing here can do, for whoever may ask for them.
const IN_VAIN: [&str; 5] = [
    "enable_replication",
    "disable_replication",
    "failover_replication",
    "list_replication_targets",
    "os-extend_volume_completion",
];

fn actions(route: &str) -> &'static [(&'static str, &'static str)] {
    match route {
        "/v3/volumes/{id}/action" => &VOLUME_ACTIONS,
        "/v3/snapshots/{id}/action" => &SNAPSHOT_ACTIONS,
        "/v3/attachments/{id}/action" => &ATTACHMENT_ACTIONS,
        "/v3/backups/{id}/action" => &BACKUP_ACTIONS,
        "/v3/types/{id}/action" => &TYPE_ACTIONS,
        "/v3/groups/{id}/action" => &GROUP_ACTIONS,
        "/v3/group_snapshots/{id}/action" => &GROUP_SNAPSHOT_ACTIONS,
        "/v3/groups/action" => &GROUPS_ACTIONS,
        other => panic!("nothing is known of the actions of {other}"),
    }
}

/// Method, path and action of all there is to ask, but for the paths that name a project.
pub(super) fn requests() -> Vec<(String, String, &'static str)> {
    let mut requests = Vec::new();
    for (method, route) in crate::tests::service().routes.table() {
        if route.contains("{project_id}") {
            continue;
        }
        let method = method.to_string();
        match route.ends_with("/action") {
            true => {
                let named = actions(&route).iter();
                requests.extend(named.map(|(action, _)| (method.clone(), route.clone(), *action)));
            }
            false => requests.push((method, route, "")),
        }
    }
    requests
}

/// The sides that make a difference to a route.
pub(super) fn sides(method: &str, route: &str) -> &'static [Side] {
    let owned = [
        "/volumes/{id}",
        "/attachments/{id}",
        "/snapshots/{id}",
        "-transfer/{id}",
        "/volume-transfers/{id}",
        "/backups/{id}",
        "/groups/{id}",
        "/group_snapshots/{id}",
        "/consistencygroups/{id}",
        "/cgsnapshots/{id}",
        "/messages/{id}",
        "/os-quota-sets/",
    ];
    let private = method == "GET" && (route == "/v3/types/{id}" || route.contains("/types/{id}/extra_specs"));
    let names_volume = method == "POST"
        && [
            "/v3/attachments",
            "/v3/snapshots",
            "/v3/os-snapshot-manage",
            "/v3/manageable_snapshots",
            "/v3/backups",
            "/v3/groups/action",
            "/v3/group_snapshots",
            "/v3/cgsnapshots",
            "/v3/consistencygroups/create_from_src",
            "/v3/os-volume-transfer",
            "/v3/volume-transfers",
        ]
        .contains(&route);
    let both = private || names_volume || owned.iter().any(|part| route.contains(part));
    if both { BOTH } else { &BOTH[..1] }
}

fn project(side: Side) -> &'static str {
    match side {
        Side::Own => "alpha",
        Side::Foreign => "beta",
    }
}

/// A cloud with two projects and a host.
pub(super) struct World {
    api: Api,
    node: RefCell<Node>,
    count: Cell<u32>,
    /// An image that everybody sees.
    image: String,
    /// The snapshot that was made last.
    snapshot: RefCell<String>,
    /// The key of the transfer that was made last.
    key: RefCell<String>,
    /// Requests that were no good questions, for what they were answered.
    pub(super) complaints: RefCell<Vec<String>>,
}

impl World {
    pub(super) fn new() -> World {
        let api = api();
        let node = RefCell::new(Node::join_over(&api, "one", &[("file", 100_000), ("more", 100_000)]));
        let image = new_image(&api);
        let headers = [("content-type", "application/openstack-images-v2.1-json-patch")];
        let public = json!([{"op": "replace", "path": "/visibility", "value": "public"}]);
        assert_eq!(
            api.call(ADMIN, "PATCH", &format!("/image/v2/images/{image}"), &headers, &public).status,
            200
        );
        let world = World {
            api,
            node,
            count: Cell::new(0),
            image,
            snapshot: RefCell::default(),
            key: RefCell::default(),
            complaints: RefCell::default(),
        };
        let unlimited = json!({"quota_class_set": {"volumes": -1, "gigabytes": -1, "snapshots": -1, "backups": -1, "backup_gigabytes": -1, "groups": -1}});
        world.done(ADMIN, "PUT", "os-quota-class-sets/default", &unlimited);
        world.done(ADMIN, "POST", "types", &json!({"volume_type": {"name": "other"}}));
        world
    }

    pub(super) fn status(&self, token: &str, path: &str) -> u16 {
        self.api.get(token, path).status
    }

    /// What somebody does so that there is something to ask about.
    fn done(&self, token: &str, method: &str, path: &str, body: &Json) -> Json {
        let answer = self.api.call(token, method, &format!("/volume/v3/{path}"), &NEWEST, body);
        assert!(answer.status < 300, "{method} {path} {body}: {answer:?}");
        answer.body
    }

    /// Makes something by what is under `key`, and gives back its id.
    fn made(&self, token: &str, path: &str, key: &str, body: Json) -> String {
        let made = self.done(token, "POST", path, &json!({key: body}));
        made[key]["id"].as_str().unwrap().to_owned()
    }

    /// A character for no token and for each caller.
    pub(super) fn answers(&self, method: &str, route: &str, action: &str, side: Side) -> String {
        let mut text = String::from(self.answer("", (method, route, action), side));
        for place in ["alpha", "!domain", "!system"] {
            text.push(' ');
            for role in ["reader", "member", "manager", "admin"] {
                text.push(self.answer(&format!("{role}@{place}"), (method, route, action), side));
            }
        }
        text
    }

    fn answer(&self, token: &str, (method, route, action): (&str, &str, &str), side: Side) -> char {
        let path = format!("/volume{}", self.path(method, route, action, side));
        let body = self.body(method, route, action, side);
        let answer = self.api.call(token, method, &path, &NEWEST, &body);
        let is_refused = answer.status == 400 && IN_VAIN.contains(&action);
        if [400, 405, 409, 413].contains(&answer.status) && !is_refused || answer.status >= 500 {
            let complaint =
                format!("{method} {route} {action}: {} {} for {body}", answer.status, answer.body);
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
    fn path(&self, method: &str, route: &str, action: &str, side: Side) -> String {
        let mut path = Vec::new();
        let mut before = "";
        for part in route.split('/') {
            path.push(match part {
                "{id}" => self.thing(before, (method, route, action), side),
                "{key}" if before == "encryption" && route.contains("/volumes/") => {
                    "encryption_key_id".to_owned()
                }
                "{key}" if before == "encryption" => "provider".to_owned(),
                "{key}" if before == "extra_specs" => "replication_enabled".to_owned(),
                "{key}" if before == "group_specs" => "k".to_owned(),
                "{key}" => "k".to_owned(),
                "{target}" => project(side).to_owned(),
                "{name}" => "some".to_owned(),
                "{host}" => "one@file".to_owned(),
                "{alias}" => "qos-specs".to_owned(),
                // A route with a part that is new here: say above what it stands for.
                other if other.starts_with('{') => panic!("nothing is known to put in place of {other}"),
                other => other.to_owned(),
            });
            before = part;
        }
        if (method, route) == ("GET", "/v3/default-types/{target}") {
            let body = json!({"default_type": {"volume_type": "default"}});
            self.done(ADMIN, "PUT", "default-types/alpha", &body);
        }
        if route.ends_with("/freeze") || route.ends_with("/thaw") {
            let before = if route.ends_with("/thaw") { "freeze" } else { "thaw" };
            self.api.put(ADMIN, &format!("/volume/v3/os-services/{before}"), &json!({"host": "one@file"}));
        }
        let mut path = path.join("/");
        if method == "GET" && ["manageable_", "-manage"].iter().any(|part| route.contains(part)) {
            path.push_str("?host=one@file");
        }
        if route.ends_with("/associate") || route.ends_with("/disassociate") {
            path = format!("{path}?vol_type_id={}", self.volume_type(true));
        }
        path
    }

    fn thing(&self, kind: &str, (method, route, action): (&str, &str, &str), side: Side) -> String {
        match kind {
            "volumes" => self.volume(action, side),
            "attachments" => {
                let body = json!({"volume_uuid": self.volume("", side)});
                self.made(&format!("member@{}", project(side)), "attachments", "attachment", body)
            }
            "snapshots" => self.snapshot(action, side),
            "os-volume-transfer" | "volume-transfers" => {
                let body = json!({"volume_id": self.volume("", side)});
                let member = format!("member@{}", project(side));
                let made = self.done(&member, "POST", "volume-transfers", &json!({"transfer": body}));
                *self.key.borrow_mut() = made["transfer"]["auth_key"].as_str().unwrap().to_owned();
                made["transfer"]["id"].as_str().unwrap().to_owned()
            }
            "types" => {
                let access = route.ends_with("os-volume-type-access") || !action.is_empty();
                let id = self.volume_type(side == Side::Own && !access);
                if access {
                    let body = json!({"addProjectAccess": {"project": "alpha"}});
                    self.done(ADMIN, "POST", &format!("types/{id}/action"), &body);
                }
                if route.contains("/encryption") && method != "POST" {
                    let body = json!({"encryption": {"provider": "luks", "control_location": "front-end"}});
                    self.done(ADMIN, "POST", &format!("types/{id}/encryption"), &body);
                }
                id
            }
            "qos-specs" => {
                self.made(ADMIN, "qos-specs", "qos_specs", json!({"name": self.fresh(), "k": "v"}))
            }
            "backups" => {
                let body = json!({"volume_id": self.volume("", side)});
                let id = self.made(&format!("member@{}", project(side)), "backups", "backup", body);
                self.node.borrow_mut().work(&self.api);
                id
            }
            "group_types" => {
                let body = json!({"name": self.fresh(), "group_specs": {"k": "v"}});
                self.made(ADMIN, "group_types", "group_type", body)
            }
            "groups" | "consistencygroups" => self.group(side),
            "group_snapshots" | "cgsnapshots" => {
                let body = json!({"group_id": self.group(side)});
                let member = format!("member@{}", project(side));
                let id = self.made(&member, "group_snapshots", "group_snapshot", body);
                self.node.borrow_mut().work(&self.api);
                id
            }
            "messages" => self.message(side),
            other => panic!("nothing is known to put behind {other}"),
        }
    }

    /// A volume in the state in which something can be done to it.
    fn volume(&self, action: &str, side: Side) -> String {
        let member = format!("member@{}", project(side));
        let id = self.made(&member, "volumes", "volume", json!({"size": 1, "metadata": {"k": "v"}}));
        self.node.borrow_mut().work(&self.api);
        let attach = json!({"os-attach": {"host_name": "far", "mountpoint": "/dev/vdb"}});
        let before = match action {
            "os-unreserve" => vec![json!({"os-reserve": {}})],
            "revert" => {
                let snapshot = self.made(&member, "snapshots", "snapshot", json!({"volume_id": id}));
                *self.snapshot.borrow_mut() = snapshot;
                self.node.borrow_mut().work(&self.api);
                Vec::new()
            }
            "os-unset_image_metadata" => vec![json!({"os-set_image_metadata": {"metadata": {"k": "v"}}})],
            "os-begin_detaching" | "os-detach" | "os-force_detach" => vec![attach],
            "os-roll_detaching" => vec![attach, json!({"os-begin_detaching": {}})],
            _ => Vec::new(),
        };
        for body in before {
            self.done(ADMIN, "POST", &format!("volumes/{id}/action"), &body);
        }
        id
    }

    /// A snapshot, whose making is still waited for where something is said of that.
    fn snapshot(&self, action: &str, side: Side) -> String {
        let body = json!({"volume_id": self.volume("", side), "metadata": {"k": "v"}});
        let id = self.made(&format!("member@{}", project(side)), "snapshots", "snapshot", body);
        if action != "os-update_snapshot_status" {
            self.node.borrow_mut().work(&self.api);
        }
        id
    }

    /// A group with a volume.
    fn group(&self, side: Side) -> String {
        let (group_type, volume_type) =
            (self.thing("group_types", ("", "", ""), side), self.volume_type(true));
        let body = json!({"group_type": group_type, "volume_types": [volume_type]});
        let member = format!("member@{}", project(side));
        let id = self.made(&member, "groups", "group", body);
        let body = json!({"size": 1, "volume_type": volume_type, "group_id": id});
        self.made(&member, "volumes", "volume", body);
        self.node.borrow_mut().work(&self.api);
        id
    }

    /// A type with an extra spec that everybody sees. A private one is nobody's.
    fn volume_type(&self, public: bool) -> String {
        let body = json!({
            "name": self.fresh(),
            "os-volume-type-access:is_public": public,
            "extra_specs": {"replication_enabled": "<is> False", "test:k": "v"},
        });
        self.made(ADMIN, "types", "volume_type", body)
    }

    fn message(&self, side: Side) -> String {
        let said = NewMessage {
            project_id: project(side).into(),
            request_id: None,
            action: Action::AttachVolume,
            detail: Detail::AttachError,
            subject: Subject::Volume,
            subject_id: None,
            level: Level::Error,
        };
        let left = self
            .api
            .store
            .write_blocking(move |tx: &mut store::Tx<'_>| crate::message::ops::create(tx, said.clone()));
        left.unwrap().id.to_string()
    }

    /// The body of an action with what was made for it.
    fn filled(&self, body: &str, side: Side) -> String {
        match body {
            body if body.contains("VOLUME") => body.replace("VOLUME", &self.volume("", side)),
            body if body.contains("GROUP") => body.replace("GROUP", &self.group(side)),
            body => body.replace("IMAGE", &self.image).replace("SNAPSHOT", &self.snapshot.borrow()),
        }
    }

    fn managed(&self, side: Side) -> Json {
        managed("snapshot", "volume_id", &self.volume("", side))
    }

    fn body(&self, method: &str, route: &str, action: &str, side: Side) -> Json {
        if !action.is_empty() {
            let (_, body) = actions(route).iter().find(|(known, _)| *known == action).unwrap();
            let body = self.filled(body, side);
            return json!({action: serde_json::from_str::<Json>(&body).unwrap()});
        }
        let part = json!({"host": "one@file", "binary": "cinder-volume"});
        match (method, route.trim_start_matches("/v3/")) {
            ("GET" | "DELETE", _) => Json::Null,
            ("POST", "volumes") => json!({"volume": {"size": 1}}),
            ("PUT", "volumes/{id}") => json!({"volume": {"name": "other"}}),
            (_, "volumes/{id}/metadata") => json!({"metadata": {"k": "w"}}),
            (_, "volumes/{id}/metadata/{key}") => json!({"meta": {"k": "w"}}),
            ("POST", "attachments") => json!({"attachment": {"volume_uuid": self.volume("", side)}}),
            ("PUT", "attachments/{id}") => json!({"attachment": {"connector": {"host": "far"}}}),
            ("POST", "os-volume-transfer" | "volume-transfers") => {
                json!({"transfer": {"volume_id": self.volume("", side)}})
            }
            ("POST", "os-volume-transfer/{id}/accept" | "volume-transfers/{id}/accept") => {
                json!({"accept": {"auth_key": *self.key.borrow()}})
            }
            ("POST", "snapshots") => json!({"snapshot": {"volume_id": self.volume("", side)}}),
            ("POST", "backups") => json!({"backup": {"volume_id": self.volume("", side)}}),
            ("PUT", "backups/{id}") => json!({"backup": {"name": "other"}}),
            ("POST", "backups/import_record") => backup_record(),
            ("POST", "backups/{id}/restore") => json!({"restore": {"volume_id": self.volume("", side)}}),
            ("PUT", "snapshots/{id}") => json!({"snapshot": {"name": "other"}}),
            (_, "snapshots/{id}/metadata") => json!({"metadata": {"k": "w"}}),
            (_, "snapshots/{id}/metadata/{key}") => json!({"meta": {"k": "w"}}),
            ("POST", "group_types") => json!({"group_type": {"name": self.fresh()}}),
            ("PUT", "group_types/{id}") => json!({"group_type": {"description": "other"}}),
            ("POST", "group_types/{id}/group_specs") => json!({"group_specs": {"k": "w"}}),
            ("PUT", "group_types/{id}/group_specs/{key}") => json!({"k": "w"}),
            ("POST", "groups") => {
                let group_type = self.thing("group_types", ("", "", ""), side);
                json!({"group": {"group_type": group_type, "volume_types": ["default"]}})
            }
            ("PUT", "groups/{id}") => json!({"group": {"name": "other"}}),
            ("POST", "group_snapshots") => json!({"group_snapshot": {"group_id": self.group(side)}}),
            ("POST", "cgsnapshots") => json!({"cgsnapshot": {"consistencygroup_id": self.group(side)}}),
            ("POST", "consistencygroups") => json!({"consistencygroup": {"volume_types": "default"}}),
            ("POST", "consistencygroups/create_from_src") => {
                json!({"consistencygroup-from-src": {"source_cgid": self.group(side)}})
            }
            ("POST", "consistencygroups/{id}/delete") => json!({"consistencygroup": {"force": true}}),
            ("PUT", "consistencygroups/{id}" | "consistencygroups/{id}/update") => {
                json!({"consistencygroup": {"name": "other"}})
            }
            ("POST", "os-volume-manage" | "manageable_volumes") => managed("volume", "host", "one@file"),
            ("POST", "os-snapshot-manage" | "manageable_snapshots") => self.managed(side),
            ("POST", "types") => json!({"volume_type": {"name": self.fresh()}}),
            ("PUT", "types/{id}") => json!({"volume_type": {"description": "other"}}),
            ("POST", "types/{id}/extra_specs") => json!({"extra_specs": {"test:k": "w"}}),
            ("PUT", "types/{id}/extra_specs/{key}") => json!({"replication_enabled": "<is> False"}),
            ("POST" | "PUT", "types/{id}/encryption" | "types/{id}/encryption/{key}") => {
                json!({"encryption": {"provider": "luks", "control_location": "front-end"}})
            }
            ("POST", "qos-specs") => json!({"qos_specs": {"name": self.fresh()}}),
            ("PUT", "qos-specs/{id}") => json!({"qos_specs": {"k": "w"}}),
            ("PUT", "qos-specs/{id}/delete_keys") => json!({"keys": ["k"]}),
            ("PUT", "default-types/{target}") => json!({"default_type": {"volume_type": "default"}}),
            ("PUT", "os-quota-sets/{target}") => json!({"quota_set": {"snapshots": 7000}}),
            ("PUT", "os-quota-class-sets/{name}") => json!({"quota_class_set": {"snapshots": 7}}),
            ("PUT", "os-services/disable-log-reason" | "os-services/enable" | "os-services/disable") => part,
            ("PUT", "os-services/set-log") => json!({"level": "INFO", "prefix": "rest"}),
            (_, "os-services/get-log" | "workers/cleanup") => json!({}),
            ("PUT", "os-services/freeze" | "os-services/thaw") => json!({"host": "one@file"}),
            ("PUT", "clusters/enable" | "clusters/disable") => json!({"name": "some"}),
            // A route that is new here: say above what it is asked with.
            (method, route) => panic!("nothing is known to send with {method} {route}"),
        }
    }
}

/// Something that is to be managed, and where it is.
fn managed(what: &str, key: &str, place: &str) -> Json {
    json!({what: {key: place, "ref": {"source-name": "some"}}})
}

/// A record of a backup that is nowhere.
fn backup_record() -> Json {
    let fields = json!({
        "id": runtime::new_uuid().to_string(), "volume_id": runtime::new_uuid().to_string(), "size": 1,
        "display_name": null, "display_description": null, "container": null, "object_count": 1,
        "service_metadata": null,
    });
    let record = BASE64_STANDARD.encode(fields.to_string());
    json!({"backup-record": {"backup_service": "cinder.backup.drivers.cuttle", "backup_url": record}})
}
