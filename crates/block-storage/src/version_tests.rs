//! What the service says of itself, and which versions of it can be had.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, MEMBER, api, golden};

#[test]
fn a_version_is_asked_for_by_header() {
    let api = api();
    let check = |asked: Option<&str>, status: u16, told: &str| {
        let headers: Vec<(&str, &str)> =
            asked.iter().map(|version| ("openstack-api-version", *version)).collect();
        let answer = api.call(MEMBER, "GET", "/volume/v3/volumes", &headers, &Json::Null);
        let header = |name: &str| {
            let found = answer.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        assert_eq!(answer.status, status, "{asked:?}: {answer:?}");
        assert_eq!(header("openstack-api-version"), told, "{asked:?}");
        assert!(header("vary").contains("OpenStack-API-Version"), "{asked:?}");
    };
    check(None, 200, "volume 3.0");
    check(Some("volume 3.0"), 200, "volume 3.0");
    check(Some("volume 3.71"), 200, "volume 3.71");
    check(Some("volume latest"), 200, "volume 3.71");
    check(Some("compute 2.90, volume 3.62"), 200, "volume 3.62");
    check(Some("compute 2.90"), 200, "volume 3.0");
    check(Some("volume 3.72"), 406, "volume 3.0");
    check(Some("volume 2.0"), 406, "volume 3.0");
    check(Some("volume 4.0"), 406, "volume 3.0");
    check(Some("volume three"), 400, "volume 3.0");
}

#[test]
fn a_route_is_there_from_its_version_on() {
    let api = api();
    let check = |route: &str, first: u16, status: u16| {
        for (minor, expected) in [(first - 1, 404), (first, status), (71, status)] {
            let version = format!("volume 3.{minor}");
            let headers = [("openstack-api-version", version.as_str())];
            let answer = api.call(ADMIN, "GET", &format!("/volume/v3/{route}"), &headers, &Json::Null);
            assert_eq!(answer.status, expected, "{route} in 3.{minor}: {answer:?}");
        }
    };
    check("messages", 3, 200);
    check("clusters", 7, 200);
    check("clusters/detail?is_up=true", 7, 200);
    check("volumes/summary", 12, 200);
    check("attachments", 27, 200);
    check("resource_filters", 33, 200);
    check("default-types", 62, 200);
    let newest = [("openstack-api-version", "volume latest")];
    let shown = api.call(ADMIN, "GET", "/volume/v3/resource_filters?resource=pool", &newest, &Json::Null);
    let expected = json!({"resource_filters": [{"resource": "pool", "filters": ["name", "volume_type"]}]});
    assert_eq!(shown.body, expected);
}

#[test]
fn conversations_are_as_reviewed() {
    golden(&api(), "golden/about.http");
}
