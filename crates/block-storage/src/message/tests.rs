//! Messages over the API: who reads them, and when they go.

use serde_json::{Value as Json, json};
use store::Tx;
use testkit::Api;
use types::Timestamp;

use super::model::TIME_TO_LIVE;
use super::{Action, Detail, Level, NewMessage, Subject, ops};
use crate::tests::{ADMIN, MEMBER, Node, OTHER, api, create, golden, status};

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume latest")];

/// Tells a project that something failed, and gives back the message's id.
fn tell(api: &Api, project: &str, (action, detail): (Action, Detail), id: &str) -> String {
    let said = NewMessage {
        project_id: project.into(),
        request_id: Some(format!("req-{id}")),
        action,
        detail,
        subject: Subject::Volume,
        subject_id: Some(id.to_owned()),
        level: Level::Error,
    };
    let left = api.store.write_blocking(move |tx: &mut Tx<'_>| ops::create(tx, said.clone()));
    left.unwrap().id.to_string()
}

#[test]
fn a_message_names_the_request_that_failed() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let kind = json!({"name": "gold", "extra_specs": {"vendor_name": "squid"}});
    assert_eq!(api.post(ADMIN, "/volume/v3/types", &json!({"volume_type": kind})).status, 200);
    let made = create(&api, MEMBER, &json!({"size": 1, "volume_type": "gold"}));
    let id = made.body["volume"]["id"].as_str().unwrap();
    node.work(&api);
    assert_eq!(status(&api, id), "error");
    let found = api.call(MEMBER, "GET", "/volume/v3/messages", &NEWEST, &Json::Null).body;
    let message = &found["messages"][0];
    assert_eq!(
        (&message["resource_uuid"], &message["event_id"]),
        (&json!(id), &json!("VOLUME_VOLUME_001_003"))
    );
    let (_, request) = made.headers.iter().find(|(name, _)| name == "x-openstack-request-id").unwrap();
    assert_eq!(&message["request_id"], request);
}

const NOWHERE: (Action, Detail) = (Action::ScheduleAllocateVolume, Detail::NoBackendAvailable);
const SMALL: (Action, Detail) = (Action::ExtendVolume, Detail::DriverFailedExtend);

#[test]
fn everybody_reads_the_own_ones() {
    let api = api();
    let mine = tell(&api, "alpha", NOWHERE, "squid");
    tell(&api, "alpha", SMALL, "crab");
    tell(&api, "beta", SMALL, "eel");
    let check = |token: &str, query: &str, expected: &[&str]| {
        let path = format!("/volume/v3/messages?sort=resource_uuid:asc&{query}");
        let answer = api.call(token, "GET", &path, &NEWEST, &Json::Null);
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let found = answer.body["messages"].as_array().unwrap().iter();
        let found: Vec<&str> = found.map(|known| known["resource_uuid"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{token} {query}");
    };
    check(MEMBER, "", &["crab", "squid"]);
    check(OTHER, "", &["eel"]);
    check(ADMIN, "", &["crab", "eel", "squid"]);
    check(MEMBER, "event_id=VOLUME_VOLUME_001_003", &["squid"]);
    check(ADMIN, "event_id~=_007_", &["crab", "eel"]);
    check(MEMBER, "resource_uuid=eel", &[]);
    check(MEMBER, "message_level=INFO", &[]);
    check(MEMBER, "limit=1&offset=1", &["squid"]);
    check(MEMBER, "request_id=req-crab", &["crab"]);
    check(ADMIN, "project_id=beta", &["eel"]);
    check(ADMIN, "squid=1", &[]);
    let answered = |token: &str, method: &str, path: &str| {
        api.call(token, method, &format!("/volume/v3/messages{path}"), &NEWEST, &Json::Null).status
    };
    assert_eq!(answered(MEMBER, "GET", "?project_id=beta"), 400);
    assert_eq!(answered(MEMBER, "GET", "?event_id~=_007_"), 400);
    assert_eq!(answered(MEMBER, "GET", "?sort=squid"), 400);
    assert_eq!(answered(OTHER, "GET", &format!("/{mine}")), 404);
    assert_eq!(answered(OTHER, "GET", &format!("?marker={mine}")), 404);
    assert_eq!(answered(OTHER, "DELETE", &format!("/{mine}")), 404);
    assert_eq!(answered("reader@alpha", "DELETE", &format!("/{mine}")), 403);
    assert_eq!(answered(ADMIN, "GET", "/squid"), 404);
    assert_eq!(answered(MEMBER, "DELETE", &format!("/{mine}")), 204);
    assert_eq!(answered(MEMBER, "GET", &format!("/{mine}")), 404);
    assert_eq!(api.get(MEMBER, "/volume/v3/messages").status, 404);
}

#[test]
fn a_message_goes_by_itself() {
    let guard = runtime::simulate(1, Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let path = format!("/volume/v3/messages/{}", tell(&api, "alpha", NOWHERE, "squid"));
    let status = || api.call(MEMBER, "GET", &path, &NEWEST, &Json::Null).status;
    api.settle();
    guard.advance(TIME_TO_LIVE / 2);
    api.settle();
    assert_eq!(status(), 200);
    guard.advance(TIME_TO_LIVE / 2);
    api.settle();
    assert_eq!(status(), 404);
    assert_eq!(api.runner.sweep().unwrap(), []);
}

#[test]
fn conversations_are_as_reviewed() {
    let api = api();
    tell(&api, "alpha", NOWHERE, "7d1bd7d0-6d9c-4a4c-9d4c-1f2f3f4f5f6f");
    golden(&api, "message/golden/life.http");
}
