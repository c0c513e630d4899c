//! Projects through the API.

use serde_json::{Value as Json, json};

use super::model::{Project, TagFilter, Tree};
use crate::domain::model::Domain;
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
    check(json!({"name": "p", "is_domain": true, "domain_id": "default"}), 400);
    check(json!({"name": "Default", "is_domain": true}), 409);
    check(json!({"name": "p", "tags": ["a", "a"]}), 400);
    check(json!({"name": "p", "options": {"colour": true}}), 400);
    check(json!({"name": "p", "options": {"immutable": "x"}}), 400);
    check(json!({"name": "p", "parent_id": "a_b"}), 400);
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
    for n in 1..5 {
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
    let leaf = format!("projects/{}", parent["id"].as_str().unwrap());
    assert_eq!(cloud.call(&admin, "PATCH", &leaf, &off).status, 200);
    let body = json!({"project": {"name": "dark", "parent_id": parent["id"]}});
    assert_eq!(cloud.call(&admin, "POST", "projects", &body).status, 400);
}

#[test]
fn trees() {
    let check = |projects: &[(&str, &str)], root: &str, expected: &str| {
        let all: Vec<Project> = projects
            .iter()
            .map(|(id, parent)| {
                let domain = Domain {
                    id: "d".into(),
                    name: "d".to_owned(),
                    description: None,
                    enabled: true,
                    tags: Vec::new(),
                    immutable: None,
                    extra: crate::api::Extra::new(),
                };
                let parent_id = (*parent != "d").then(|| (*parent).into());
                Project { id: (*id).into(), parent_id, is_domain: false, ..Project::from(domain) }
            })
            .collect();
        assert_eq!(written(&Tree::below(root, &all)), expected, "{root}");
    };
    let projects = [("a", "d"), ("b", "a"), ("c", "a"), ("e", "b"), ("f", "d")];
    check(&projects, "a", "b(e)c");
    check(&projects, "d", "a(b(e)c)f");
    check(&projects, "e", "");
    assert_eq!(written(&Tree::line(["b", "a", "d"].into_iter())), "b(a(d))");
}

fn written(tree: &Tree) -> String {
    let one = |(id, below): (&String, &Tree)| match written(below) {
        below if below.is_empty() => id.clone(),
        below => format!("{id}({below})"),
    };
    tree.0.iter().map(one).collect()
}

#[test]
fn what_is_above_and_below() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let top = cloud.make("projects", "project", json!({"name": "top"}));
    let mid = cloud.make("projects", "project", json!({"name": "mid", "parent_id": top["id"]}));
    let low = cloud.make("projects", "project", json!({"name": "low", "parent_id": mid["id"]}));
    let id = |project: &Json| project["id"].as_str().unwrap().to_owned();
    let (top_id, mid_id, low_id) = (id(&top), id(&mid), id(&low));
    let show = |id: &str, query: &str| cloud.get(&admin, &format!("projects/{id}?{query}"));
    let ids = show(&mid_id, "parents_as_ids&subtree_as_ids").body["project"].clone();
    assert_eq!(ids["parents"], json!({&top_id: {"default": null}}));
    assert_eq!(ids["subtree"], json!({&low_id: null}));
    let all = show("default", "subtree_as_ids&parents_as_ids").body["project"].clone();
    assert_eq!(all["subtree"][&top_id], json!({&mid_id: {&low_id: null}}));
    assert_eq!(all["parents"], Json::Null);
    let lists = "parents_as_list&subtree_as_list&include_limits";
    let shown = show(&mid_id, lists).body["project"].clone();
    assert_eq!((&shown["parents"], &shown["subtree"]), (&json!([]), &json!([])));
    let me = cloud.get(&admin, "users?name=admin").body["users"][0]["id"].as_str().unwrap().to_owned();
    let role = cloud.get(&admin, "roles?name=reader").body["roles"][0]["id"].as_str().unwrap().to_owned();
    for project in [&top_id, &low_id] {
        let path = format!("projects/{project}/users/{me}/roles/{role}");
        assert_eq!(cloud.call(&admin, "PUT", &path, &Json::Null).status, 204);
    }
    let shown = show(&mid_id, lists).body["project"].clone();
    assert_eq!(shown["parents"][0]["project"]["name"], "top");
    assert_eq!(shown["subtree"][0]["project"]["limits"], json!([]));
    assert_eq!(show(&mid_id, "parents_as_list=0&parents_as_ids=0").body["project"], mid);
    for bad in ["parents_as_list&parents_as_ids", "subtree_as_list&subtree_as_ids"] {
        assert_eq!(show(&mid_id, bad).status, 400, "{bad}");
    }
}

#[test]
fn a_domain_is_a_project_too() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let made = cloud.make("projects", "project", json!({"name": "d", "is_domain": true, "tags": ["t"]}));
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["domain_id"], &made["parent_id"]), (&Json::Null, &Json::Null));
    let path = format!("projects/{id}");
    assert_eq!(cloud.get(&admin, &path).body["project"], made);
    assert_eq!(cloud.get(&admin, &format!("domains/{id}")).body["domain"]["tags"], json!(["t"]));
    assert_eq!(cloud.get(&admin, "projects?is_domain=true&tags=t").body["projects"], json!([made]));
    assert_eq!(cloud.get(&cloud.token(DEMO), &path).status, 403);
    assert_eq!(cloud.call(&admin, "PUT", &format!("{path}/tags/u"), &Json::Null).status, 201);
    let inside = cloud.make("projects", "project", json!({"name": "p", "domain_id": id}));
    assert_eq!(inside["parent_id"], id);
    let change = |body: Json| {
        let answer = cloud.call(&admin, "PATCH", &path, &json!({"project": body}));
        (answer.status, answer.body)
    };
    assert_eq!(change(json!({"is_domain": false})).0, 400);
    assert_eq!(change(json!({"domain_id": "default"})).0, 400);
    assert_eq!(change(json!({"parent_id": "default"})).0, 403);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 403);
    let (status, body) = change(json!({"enabled": false, "name": "e"}));
    assert_eq!((status, &body["project"]["name"]), (200, &json!("e")));
    assert_eq!(cloud.get(&admin, &format!("domains/{id}")).body["domain"]["enabled"], false);
    let body = json!({"project": {"name": "q", "domain_id": id}});
    assert_eq!(cloud.call(&admin, "POST", "projects", &body).status, 400);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    for gone in [&path, &format!("domains/{id}"), &format!("projects/{}", inside["id"].as_str().unwrap())] {
        assert_eq!(cloud.get(&admin, gone).status, 404, "{gone}");
    }
}

#[test]
fn what_is_immutable_stays() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let options = |immutable: Json| json!({"immutable": immutable});
    for (collection, key) in [("projects", "project"), ("domains", "domain"), ("roles", "role")] {
        let made = cloud.make(collection, key, json!({"name": "kept", "options": options(json!(true))}));
        assert_eq!(made["options"], options(json!(true)), "{key}");
        let path = format!("{collection}/{}", made["id"].as_str().unwrap());
        let change = |body: Json| cloud.call(&admin, "PATCH", &path, &json!({key: body}));
        assert_eq!(change(json!({"name": "x"})).status, 403, "{key}");
        assert_eq!(change(json!({"name": "x", "options": options(json!(false))})).status, 403, "{key}");
        assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 403, "{key}");
        assert_eq!(cloud.get(&admin, &path).body[key], made, "{key}");
        let free = change(json!({"options": options(json!(false))}));
        assert_eq!((free.status, &free.body[key]["options"]), (200, &options(json!(false))), "{key}");
        let none = change(json!({"options": options(Json::Null), "description": "y"}));
        assert_eq!((none.status, &none.body[key]["options"]), (200, &json!({})), "{key}");
        assert_eq!(change(json!({"options": {"colour": true}})).status, 400, "{key}");
        assert_eq!(change(json!({"options": options(json!("yes"))})).status, 400, "{key}");
    }
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
    for bad in [json!([1]), json!(["a", "a"]), json!(["a,b"]), json!([""]), json!("a")] {
        assert_eq!(cloud.call(&admin, "PUT", &tags, &json!({"tags": bad})).status, 400, "{bad}");
    }
    assert_eq!(cloud.call(&admin, "PUT", &format!("{tags}/z"), &Json::Null).status, 201);
    assert_eq!(cloud.call(&admin, "PUT", &format!("{tags}/z"), &Json::Null).status, 400);
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
    crate::tests::check_golden("project/golden/hierarchy.http");
}
