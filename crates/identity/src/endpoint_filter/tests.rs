//! What is chosen for a project, and what its catalog then shows.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, Cloud, DEMO, check_golden, cloud, in_project};

#[test]
fn choices_and_refusals() {
    check_golden("endpoint_filter/golden/life.http");
}

/// A cloud, the id of project `demo`, and those of an endpoint and of a group that has another one.
struct Filtered {
    cloud: Cloud,
    project: String,
    endpoint: String,
    group: String,
}

fn filtered() -> Filtered {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let id_of = |object: &Json| object["id"].as_str().unwrap().to_owned();
    let project = id_of(&cloud.get(&admin, "projects?name=demo").body["projects"][0]);
    let made = |kind: &str| {
        let service = cloud.make("services", "service", json!({"type": kind}));
        let body =
            json!({"service_id": service["id"], "interface": "public", "url": format!("http://{kind}")});
        (id_of(&service), id_of(&cloud.make("endpoints", "endpoint", body)))
    };
    let (_, endpoint) = made("one");
    let (service, _) = made("two");
    let group = json!({"name": "g", "filters": {"service_id": service}});
    let group = id_of(&cloud.make("OS-EP-FILTER/endpoint_groups", "endpoint_group", group));
    Filtered { cloud, project, endpoint, group }
}

impl Filtered {
    fn call(&self, method: &str, path: &str) -> u16 {
        self.cloud.call(&self.cloud.token(ADMIN), method, &format!("OS-EP-FILTER/{path}"), &Json::Null).status
    }

    fn endpoint_path(&self) -> String {
        format!("projects/{}/endpoints/{}", self.project, self.endpoint)
    }

    fn group_path(&self) -> String {
        format!("endpoint_groups/{}/projects/{}", self.group, self.project)
    }

    /// Kinds of the services in the catalog of a token with this scope.
    fn catalog(&self, user: &str, scope: Json) -> Vec<String> {
        let answer = self.cloud.login(user, &format!("{user}-secret"), scope);
        let catalog = answer.body["token"]["catalog"].as_array().unwrap().clone();
        catalog.iter().map(|entry| entry["type"].as_str().unwrap().to_owned()).collect()
    }

    fn demo_s_catalog(&self) -> Vec<String> {
        self.catalog(DEMO, in_project(DEMO))
    }
}

#[test]
fn a_catalog_shows_what_was_chosen_and_all_if_nothing_was() {
    let all = filtered();
    let before = all.demo_s_catalog();
    assert!(before.len() > 2);
    assert_eq!(all.call("PUT", &all.endpoint_path()), 204);
    assert_eq!(all.demo_s_catalog(), ["one"]);
    assert_eq!(all.call("PUT", &all.group_path()), 204);
    assert_eq!(all.demo_s_catalog(), ["one", "two"]);
    // Another project's tokens, and tokens without a project, are as before.
    assert_eq!(all.catalog(ADMIN, in_project(ADMIN)), before);
    assert_eq!(all.catalog(ADMIN, json!({"system": {"all": true}})), before);
    assert_eq!(all.call("DELETE", &all.endpoint_path()), 204);
    assert_eq!(all.demo_s_catalog(), ["two"]);
    assert_eq!(all.call("DELETE", &format!("endpoint_groups/{}", all.group)), 204);
    assert_eq!(all.demo_s_catalog(), before);
    assert_eq!(all.call("DELETE", &all.endpoint_path()), 404);
}

/// A token that was checked before, so that the answer is remembered, shows a choice at once.
#[test]
fn a_token_s_remembered_catalog_follows_choices() {
    let all = filtered();
    let (admin, demo) = (all.cloud.token(ADMIN), all.cloud.token(DEMO));
    let seen = || all.cloud.validate(&admin, &demo).body["token"]["catalog"].as_array().unwrap().len();
    let before = seen();
    assert_eq!(all.call("PUT", &all.endpoint_path()), 204);
    assert_eq!(seen(), 1);
    assert_eq!(all.call("DELETE", &all.endpoint_path()), 204);
    assert_eq!(seen(), before);
}

#[test]
fn what_goes_takes_its_choices_along() {
    let all = filtered();
    let admin = all.cloud.token(ADMIN);
    for path in [all.endpoint_path(), all.group_path()] {
        assert_eq!(all.call("PUT", &path), 204);
    }
    let gone = |path: &str| assert_eq!(all.cloud.call(&admin, "DELETE", path, &Json::Null).status, 204);
    gone(&format!("endpoints/{}", all.endpoint));
    assert_eq!(all.demo_s_catalog(), ["two"]);
    gone(&format!("projects/{}", all.project));
    let left = all.cloud.get(&admin, &format!("OS-EP-FILTER/endpoint_groups/{}/projects", all.group));
    assert_eq!((left.status, &left.body["projects"]), (200, &json!([])));
    let choices = all.cloud.api.store.read_blocking(|tx| {
        super::store::CHOICES.count(tx, &store::Select::all()).map_err(crate::Error::from)
    });
    assert_eq!(choices.unwrap(), 0);
}
