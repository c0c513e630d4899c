//! Projects through the API.

use serde_json::{Value as Json, json};

use super::model::TagFilter;
use crate::tests::{ADMIN, DEMO, cloud, in_project};

#[test]
fn tag_filters() {
    let words = |text: &str| text.split(',').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let check = |tags: &str, filter: &TagFilter, expected: bool| {
        assert_eq!(filter.allows(&words(tags)), expected, "{tags} {filter:?}");
    };
    let all = TagFilter { all: Some(words("a,b")), ..TagFilter::default() };
    check("a,b,c", &all, true);
    check("a,c", &all, false);
    let any = TagFilter { any: Some(words("a,b")), ..TagFilter::default() };
    check("b", &any, true);
    check("c", &any, false);
    let not_all = TagFilter { not_all: Some(words("a,b")), ..TagFilter::default() };
    check("a", &not_all, true);
    check("a,b", &not_all, false);
    let not_any = TagFilter { not_any: Some(words("a,b")), ..TagFilter::default() };
    check("c", &not_any, true);
    check("a", &not_any, false);
    check("", &TagFilter::default(), true);
}

#[test]
fn life_of_a_project() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let made = cloud.make("projects", "project", json!({"name": "p", "colour": "red", "tags": ["b", "a"]}));
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["domain_id"], "default");
    assert_eq!(made["parent_id"], "default");
    assert_eq!(made["colour"], "red");
    assert_eq!(made["tags"], json!(["a", "b"]));
    let path = format!("projects/{id}");
    assert_eq!(cloud.get(&admin, &path).body["project"], made);
    let names = |query: &str| {
        let listed = cloud.get(&admin, &format!("projects{query}")).body;
        let mut names: Vec<String> = listed["projects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(""), ["admin", "demo", "p", "service"]);
    assert_eq!(names("?name=p"), ["p"]);
    assert_eq!(names("?tags=a,b&enabled=true"), ["p"]);
    assert_eq!(names("?enabled=false"), [] as [&str; 0]);
    assert_eq!(names("?domain_id=other"), [] as [&str; 0]);
    assert_eq!(names("?is_domain=true"), ["Default"]);
    let body = json!({"project": {"name": "q", "description": "d", "enabled": false}});
    let changed = cloud.call(&admin, "PATCH", &path, &body);
    assert_eq!((changed.status, &changed.body["project"]["name"]), (200, &json!("q")));
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &path).status, 404);
}

#[test]
fn bad_projects() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let check = |body: Json, status: u16| {
        let answer = cloud.call(&admin, "POST", "projects", &json!({"project": body}));
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    check(json!({}), 400);
    check(json!({"name": ""}), 400);
    check(json!({"name": " "}), 400);
    check(json!({"name": 1}), 400);
    check(json!({"name": "x".repeat(65)}), 400);
    check(json!({"name": "p", "enabled": "yes"}), 400);
    check(json!({"name": "p", "domain_id": "nowhere"}), 400);
    check(json!({"name": "p", "parent_id": "nowhere"}), 400);
    check(json!({"name": "p", "tags": ["a,b"]}), 400);
    check(json!({"name": "p", "is_domain": true}), 400);
    check(json!({"name": "demo"}), 409);
    assert_eq!(cloud.call(&admin, "POST", "projects", &json!({})).status, 400);
    assert_eq!(cloud.call(&demo, "POST", "projects", &json!({"project": {"name": "p"}})).status, 403);
    assert_eq!(cloud.get(&demo, "projects").status, 403);
    assert_eq!(cloud.get(&demo, "projects/nothing").status, 403);
    assert_eq!(cloud.get(&admin, "projects/nothing").status, 404);
    let own = cloud.get(&demo, "auth/projects").body["projects"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(cloud.get(&demo, &format!("projects/{own}")).status, 200);
    let body = json!({"project": {"domain_id": "other"}});
    assert_eq!(cloud.call(&admin, "PATCH", &format!("projects/{own}"), &body).status, 400);
    let body = json!({"project": {"parent_id": "other"}});
    assert_eq!(cloud.call(&admin, "PATCH", &format!("projects/{own}"), &body).status, 403);
}

#[test]
fn projects_nest_and_a_parent_stays() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let mut parent = cloud.make("projects", "project", json!({"name": "p0"}));
    let top = parent["id"].as_str().unwrap().to_owned();
    for n in 1..4 {
        let body = json!({"name": format!("p{n}"), "parent_id": parent["id"]});
        let child = cloud.make("projects", "project", body);
        assert_eq!(child["parent_id"], parent["id"]);
        parent = child;
    }
    let body = json!({"project": {"name": "too-deep", "parent_id": parent["id"]}});
    assert_eq!(cloud.call(&admin, "POST", "projects", &body).status, 403);
    assert_eq!(cloud.call(&admin, "DELETE", &format!("projects/{top}"), &Json::Null).status, 403);
    let off = json!({"project": {"enabled": false}});
    assert_eq!(cloud.call(&admin, "PATCH", &format!("projects/{top}"), &off).status, 403);
    let below = cloud.get(&admin, &format!("projects?parent_id={top}")).body;
    assert_eq!(below["projects"][0]["name"], "p1");
}

#[test]
fn tags() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let made = cloud.make("projects", "project", json!({"name": "p"}));
    let tags = format!("projects/{}/tags", made["id"].as_str().unwrap());
    let put = cloud.call(&admin, "PUT", &tags, &json!({"tags": ["x", "y"]}));
    assert_eq!((put.status, &put.body["tags"]), (200, &json!(["x", "y"])));
    assert_eq!(cloud.call(&admin, "PUT", &format!("{tags}/z"), &Json::Null).status, 201);
    assert_eq!(cloud.get(&admin, &format!("{tags}/z")).status, 204);
    assert_eq!(cloud.call(&admin, "DELETE", &format!("{tags}/x"), &Json::Null).status, 204);
    assert_eq!(cloud.call(&admin, "DELETE", &format!("{tags}/x"), &Json::Null).status, 404);
    assert_eq!(cloud.get(&admin, &tags).body["tags"], json!(["y", "z"]));
    assert_eq!(cloud.call(&admin, "DELETE", &tags, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &tags).body["tags"], json!([]));
    assert_eq!(cloud.call(&admin, "PUT", &tags, &json!({"tags": [1]})).status, 400);
}

#[test]
fn a_disabled_project_s_tokens_are_worthless() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let listed = cloud.get(&demo, "auth/projects").body;
    let path = format!("projects/{}", listed["projects"][0]["id"].as_str().unwrap());
    let off = json!({"project": {"enabled": false}});
    assert_eq!(cloud.call(&admin, "PATCH", &path, &off).status, 200);
    assert_eq!(cloud.get(&demo, "auth/projects").status, 401);
    assert_eq!(cloud.login(DEMO, "demo-secret", in_project(DEMO)).status, 401);
    let unscoped = cloud.login(DEMO, "demo-secret", Json::Null);
    assert_eq!(unscoped.status, 201);
    assert!(unscoped.body["token"].get("project").is_none());
}

#[test]
fn golden() {
    crate::tests::check_golden("project/golden/life.http");
}
