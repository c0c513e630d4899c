//! Limits as clients meet them, and the models by which they go together.

use serde_json::{Value as Json, json};

use super::model::{LimitModel, is_more};
use crate::Config;
use crate::tests::{ADMIN, Cloud, DEMO, check_golden, cloud_with};

#[test]
fn the_life_of_a_limit() {
    check_golden("limit/golden/life.http");
}

#[test]
fn refusals_look_as_keystone_s() {
    check_golden("limit/golden/refusals.http");
}

#[test]
fn no_bound_is_more_than_any() {
    let check = |amount: i64, than: i64, expected: bool| {
        assert_eq!(is_more(amount, than), expected, "{amount} > {than}");
    };
    check(2, 1, true);
    check(1, 1, false);
    check(-1, 5, true);
    check(5, -1, false);
    check(-1, -1, false);
    check(1, 0, true);
}

/// A cloud with a registered limit of 10 on fish, and the token of its administrator.
struct Limited {
    cloud: Cloud,
    admin: String,
    service: Json,
}

fn limited(model: LimitModel) -> Limited {
    let cloud = cloud_with(Config { limit_model: model, bcrypt_cost: 4, ..Config::default() });
    let admin = cloud.token(ADMIN);
    let service = cloud.make("services", "service", json!({"type": "t"}))["id"].clone();
    let body = json!({"service_id": service, "resource_name": "fish", "default_limit": 10});
    let answer = cloud.call(&admin, "POST", "registered_limits", &json!({"registered_limits": [body]}));
    assert_eq!(answer.status, 201, "{answer:?}");
    Limited { cloud, admin, service }
}

#[test]
fn a_service_is_told_what_binds_a_project() {
    let Limited { cloud, admin, service } = limited(LimitModel::Flat);
    let whales = json!({"service_id": service, "resource_name": "whales", "default_limit": 1});
    let answer = cloud.call(&admin, "POST", "registered_limits", &json!({"registered_limits": [whales]}));
    assert_eq!(answer.status, 201, "{answer:?}");
    let project =
        cloud.make("projects", "project", json!({"name": "near"}))["id"].as_str().unwrap().to_owned();
    let fewer =
        json!({"project_id": project, "service_id": service, "resource_name": "fish", "resource_limit": 3});
    assert_eq!(cloud.call(&admin, "POST", "limits", &json!({"limits": [fewer]})).status, 201);
    let check = |project: &str, service: &'static str, expected: &[(&str, i64)]| {
        let project = project.into();
        let limits =
            cloud.api.store.read_blocking(move |tx| crate::limits_of(tx, &project, service)).unwrap();
        let expected = expected.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect();
        assert_eq!(limits, expected);
    };
    check(&project, "t", &[("fish", 3), ("whales", 1)]);
    check("another", "t", &[("fish", 10), ("whales", 1)]);
    check(&project, "image", &[]);
}

impl Limited {
    fn project(&self, name: &str, parent: &str) -> String {
        let project = self.cloud.make("projects", "project", json!({"name": name, "parent_id": parent}));
        project["id"].as_str().unwrap().to_owned()
    }

    fn limit(&self, owner: &str, id: &str, amount: i64) -> Json {
        json!({owner: id, "service_id": self.service, "resource_name": "fish", "resource_limit": amount})
    }

    fn set(&self, limits: &[Json]) -> (u16, Vec<String>) {
        let answer = self.cloud.call(&self.admin, "POST", "limits", &json!({"limits": limits}));
        let made = answer.body["limits"].as_array().cloned().unwrap_or_default();
        (answer.status, made.iter().map(|limit| limit["id"].as_str().unwrap().to_owned()).collect())
    }

    fn change(&self, id: &str, amount: i64) -> u16 {
        let body = json!({"limit": {"resource_limit": amount}});
        self.cloud.call(&self.admin, "PATCH", &format!("limits/{id}"), &body).status
    }

    fn seen_by(&self, token: &str) -> usize {
        self.cloud.get(token, "limits").body["limits"].as_array().unwrap().len()
    }
}

#[test]
fn in_the_flat_model_nothing_binds_a_project() {
    let all = limited(LimitModel::Flat);
    let project = all.project("p", "default");
    let inner = all.project("q", &project);
    assert_eq!(
        all.set(&[all.limit("domain_id", "default", 5), all.limit("project_id", &project, 50)]).0,
        201
    );
    assert_eq!(all.set(&[all.limit("project_id", &inner, 500)]).0, 201);
    assert_eq!(all.cloud.get(&all.admin, "limits/model").body["model"]["name"], "flat");
}

#[test]
fn in_the_strict_model_a_domain_binds_its_projects() {
    let all = limited(LimitModel::StrictTwoLevel);
    let project = all.project("p", "default");
    let of_project = |amount: i64| all.limit("project_id", &project, amount);
    let of_domain = |amount: i64| all.limit("domain_id", "default", amount);
    // The registered limit of 10 stands for the domain's.
    assert_eq!(all.set(&[of_project(11)]).0, 403);
    assert_eq!(all.set(&[of_project(-1)]).0, 403);
    // In one request the domain's own counts.
    assert_eq!(all.set(&[of_domain(20), of_project(21)]).0, 403);
    let (status, ids) = all.set(&[of_project(20), of_domain(20)]);
    assert_eq!(status, 201);
    assert_eq!((all.change(&ids[0], 21), all.change(&ids[1], 19)), (403, 403));
    assert_eq!((all.change(&ids[0], 15), all.change(&ids[1], 15)), (200, 200));
    assert_eq!(all.change(&ids[1], -1), 200);
    assert_eq!(all.change(&ids[0], 1000), 200);
    let inner = all.project("q", &project);
    assert_eq!(all.set(&[all.limit("project_id", &inner, 1)]).0, 403);
    assert_eq!(all.cloud.get(&all.admin, "limits/model").body["model"]["name"], "strict_two_level");
}

#[test]
fn a_token_sees_the_limits_of_what_it_is_for() {
    let all = limited(LimitModel::Flat);
    let demo = all.cloud.token(DEMO);
    let id_of = |name: &str| {
        let found = all.cloud.get(&all.admin, &format!("projects?name={name}"));
        found.body["projects"][0]["id"].as_str().unwrap().to_owned()
    };
    let domain = all.cloud.make("domains", "domain", json!({"name": "other"}))["id"].clone();
    let domain = domain.as_str().unwrap();
    let (status, ids) = all.set(&[
        all.limit("project_id", &id_of("demo"), 1),
        all.limit("project_id", &id_of("admin"), 2),
        all.limit("domain_id", "default", 3),
        all.limit("project_id", domain, 4),
    ]);
    assert_eq!(status, 201);
    let user = all.cloud.get(&all.admin, "users?name=demo").body["users"][0]["id"].clone();
    let role = all.cloud.get(&all.admin, "roles?name=reader").body["roles"][0]["id"].clone();
    let (user, role) = (user.as_str().unwrap(), role.as_str().unwrap());
    let scoped = |scope: Json| {
        let answer = all.cloud.login(DEMO, "demo-secret", scope);
        answer.header("x-subject-token").unwrap().to_owned()
    };
    let grant = |target: &str| {
        let path = format!("{target}/users/{user}/roles/{role}");
        assert_eq!(all.cloud.call(&all.admin, "PUT", &path, &Json::Null).status, 204);
    };
    grant("domains/default");
    grant("system");
    let of_domain = scoped(json!({"domain": {"id": "default"}}));
    let of_system = scoped(json!({"system": {"all": true}}));
    let of_nothing = scoped(json!("unscoped"));
    let counts = [&all.admin, &demo, &of_domain, &of_system, &of_nothing].map(|token| all.seen_by(token));
    assert_eq!(counts, [4, 1, 3, 4, 0]);
    let shown = |token: &str| -> Vec<u16> {
        ids.iter().map(|id| all.cloud.get(token, &format!("limits/{id}")).status).collect()
    };
    assert_eq!(shown(&demo), [200, 403, 403, 403]);
    assert_eq!(shown(&of_domain), [200, 200, 200, 403]);
    assert_eq!(shown(&of_system), [200; 4]);
}

#[test]
fn limits_go_with_their_projects_and_domains() {
    let all = limited(LimitModel::Flat);
    let project = all.project("p", "default");
    let domain = all.cloud.make("domains", "domain", json!({"name": "other"}))["id"].clone();
    let domain = domain.as_str().unwrap();
    all.set(&[all.limit("project_id", &project, 1), all.limit("domain_id", domain, 2)]);
    assert_eq!(all.seen_by(&all.admin), 2);
    let delete = |path: &str| all.cloud.call(&all.admin, "DELETE", path, &Json::Null).status;
    assert_eq!(delete(&format!("projects/{project}")), 204);
    assert_eq!(all.seen_by(&all.admin), 1);
    let off = json!({"domain": {"enabled": false}});
    let path = format!("domains/{domain}");
    assert_eq!(all.cloud.call(&all.admin, "PATCH", &path, &off).status, 200);
    assert_eq!(delete(&path), 204);
    assert_eq!(all.seen_by(&all.admin), 0);
}
