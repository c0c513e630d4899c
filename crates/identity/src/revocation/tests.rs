//! What is revoked, and what is told of it.

use std::time::Duration;

use serde_json::{Value as Json, json};
use types::Timestamp;

use super::model::{Revocation, Subject};
use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn an_event_covers_what_is_older() {
    let event = |subject| Revocation {
        id: "e".into(),
        subject,
        subject_id: Some("s".into()),
        issued_before: Timestamp(100),
        expires_at: Timestamp(1000),
    };
    assert!(event(Subject::User).covers(Timestamp(99)));
    assert!(!event(Subject::User).covers(Timestamp(100)));
    assert!(event(Subject::Token).covers(Timestamp(100)));
    // As the rows of the first schema were written.
    let old: Revocation = serde_json::from_str(r#"{"audit_id": "a", "expires_at": 5}"#).unwrap();
    assert_eq!((old.subject_id(), old.subject), ("a", Subject::Token));
}

#[test]
fn revocations_are_listed() {
    let simulation = runtime::simulate(3, Timestamp::from_seconds(1_000_000));
    let cloud = cloud();
    let (demo, other) = (cloud.token(DEMO), cloud.token(DEMO));
    let user = cloud.validate(&demo, &demo).body["token"]["user"]["id"].clone();
    simulation.advance(Duration::from_secs(1));
    let headers = [("x-subject-token", demo.as_str())];
    let gone = cloud.api.call(&demo, "DELETE", "/identity/v3/auth/tokens", &headers, &Json::Null);
    assert_eq!(gone.status, 204);
    simulation.advance(Duration::from_secs(1));
    let path = format!("users/{}", user.as_str().unwrap());
    let admin = cloud.token(ADMIN);
    for enabled in [false, true] {
        let change = json!({"user": {"enabled": enabled}});
        assert_eq!(cloud.call(&admin, "PATCH", &path, &change).status, 200);
    }
    assert_eq!(cloud.get(&other, "auth/projects").status, 401, "revoked though enabled again");
    assert_eq!(cloud.get(&cloud.token(DEMO), "auth/projects").status, 200, "younger than the event");

    let events = cloud.get(&admin, "OS-REVOKE/events").body;
    assert!(events["events"][0]["audit_id"].is_string(), "{events}");
    assert_eq!(events["events"][1]["user_id"], user);
    assert_eq!(events["events"].as_array().unwrap().len(), 2);
    let since = events["events"][1]["issued_before"].as_str().unwrap();
    let later = cloud.get(&admin, &format!("OS-REVOKE/events?since={since}")).body;
    assert_eq!(later["events"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.get(&admin, "OS-REVOKE/events?since=noon").status, 400);
    assert_eq!(cloud.get(&cloud.token(DEMO), "OS-REVOKE/events").status, 403);
}

#[test]
fn events_are_forgotten_when_no_token_is_left() {
    let simulation = runtime::simulate(4, Timestamp::from_seconds(1_000_000));
    let cloud = cloud();
    let mut left = Vec::new();
    for _ in 0..3 {
        let demo = cloud.token(DEMO);
        let headers = [("x-subject-token", demo.as_str())];
        cloud.api.call(&demo, "DELETE", "/identity/v3/auth/tokens", &headers, &Json::Null);
        let events = cloud.get(&cloud.token(ADMIN), "OS-REVOKE/events").body;
        left.push(events["events"].as_array().unwrap().len());
        simulation.advance(Duration::from_secs(6 * 86_400));
    }
    assert_eq!(left, [1, 2, 2]);
}
