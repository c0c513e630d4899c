//! Group types over the API: what their list shows to whom.

use serde_json::{Value as Json, json};
use testkit::Api;

use crate::tests::{ADMIN, MEMBER, api};

const NEWEST: [(&str, &str); 1] = [("openstack-api-version", "volume 3.71")];

/// The names that a list shows.
fn names(api: &Api, token: &str, query: &str) -> Vec<String> {
    let answer = api.call(token, "GET", &format!("/volume/v3/group_types{query}"), &NEWEST, &Json::Null);
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let found = answer.body["group_types"].as_array().unwrap().iter();
    found.map(|known| known["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn private_types_are_the_administrators() {
    let api = api();
    let make = |name: &str, is_public: bool| {
        let body = json!({"group_type": {"name": name, "is_public": is_public}});
        let answer = api.call(ADMIN, "POST", "/volume/v3/group_types", &NEWEST, &body);
        answer.body["group_type"]["id"].as_str().unwrap().to_owned()
    };
    let (hidden, _open) = (make("hidden", false), make("open", true));
    let path = format!("/volume/v3/group_types/{hidden}");
    assert_eq!(api.call(MEMBER, "GET", &path, &NEWEST, &Json::Null).status, 404);
    let group = json!({"group": {"group_type": "hidden", "volume_types": ["default"]}});
    assert_eq!(api.call(MEMBER, "POST", "/volume/v3/groups", &NEWEST, &group).status, 404);
    let sorted = "?sort=name:asc";
    assert_eq!(names(&api, MEMBER, sorted), ["default_cgsnapshot_type", "open"]);
    assert_eq!(names(&api, MEMBER, "?is_public=none&sort=name:asc").len(), 2);
    assert_eq!(names(&api, ADMIN, sorted).len(), 2);
    assert_eq!(names(&api, ADMIN, "?is_public=false"), ["hidden"]);
    assert_eq!(names(&api, ADMIN, "?is_public=none&sort=name:asc&limit=1"), ["default_cgsnapshot_type"]);
    let change = json!({"group_type": {"is_public": true}});
    assert_eq!(api.call(ADMIN, "PUT", &path, &NEWEST, &change).status, 200);
    assert_eq!(names(&api, MEMBER, "").len(), 3);
    assert_eq!(api.call(ADMIN, "DELETE", &path, &NEWEST, &Json::Null).status, 202);
    assert_eq!(names(&api, MEMBER, "").len(), 2);
}
