//! Role assignments through the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, Cloud, DEMO, cloud, in_project};

fn id_of(cloud: &Cloud, collection: &str, name: &str) -> String {
    let listed = cloud.get(&cloud.token(ADMIN), &format!("{collection}?name={name}")).body;
    listed[collection][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_role_given_and_taken() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let (user, role) = (id_of(&cloud, "users", DEMO), id_of(&cloud, "roles", "reader"));
    for target in [
        format!("projects/{}", id_of(&cloud, "projects", "service")),
        "domains/default".to_owned(),
        "system".to_owned(),
    ] {
        let roles = format!("{target}/users/{user}/roles");
        let path = format!("{roles}/{role}");
        assert_eq!(cloud.get(&admin, &path).status, 404, "{path}");
        assert_eq!(cloud.call(&demo, "PUT", &path, &Json::Null).status, 403, "{path}");
        for _ in 0..2 {
            assert_eq!(cloud.call(&admin, "PUT", &path, &Json::Null).status, 204, "{path}");
        }
        assert_eq!(cloud.get(&admin, &path).status, 204, "{path}");
        assert_eq!(cloud.call(&admin, "HEAD", &path, &Json::Null).status, 204, "{path}");
        assert_eq!(cloud.get(&admin, &roles).body["roles"][0]["name"], "reader");
        assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204, "{path}");
        assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 404, "{path}");
    }
    let check = |path: &str| assert_eq!(cloud.call(&admin, "PUT", path, &Json::Null).status, 404, "{path}");
    check(&format!("projects/nothing/users/{user}/roles/{role}"));
    check(&format!("domains/default/users/nobody/roles/{role}"));
    check(&format!("domains/default/users/{user}/roles/nothing"));
}

#[test]
fn the_last_role_taken_ends_the_token() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let (user, role) = (id_of(&cloud, "users", DEMO), id_of(&cloud, "roles", "member"));
    let project = id_of(&cloud, "projects", DEMO);
    let path = format!("projects/{project}/users/{user}/roles/{role}");
    assert_eq!(cloud.get(&demo, "auth/projects").status, 200);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(&demo, "auth/projects").status, 401);
}

#[test]
fn lists() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let (user, project) = (id_of(&cloud, "users", DEMO), id_of(&cloud, "projects", DEMO));
    let list = |query: &str| {
        let answer = cloud.get(&admin, &format!("role_assignments{query}"));
        assert_eq!(answer.status, 200, "{query}");
        answer.body["role_assignments"].as_array().unwrap().clone()
    };
    assert_eq!(list("").len(), 4);
    assert_eq!(list("?scope.system=all").len(), 1);
    assert_eq!(list("?scope.domain.id=default").len(), 1);
    assert_eq!(list(&format!("?scope.project.id={project}&include_subtree=true")).len(), 1);
    assert_eq!(list("?user.id=nobody").len(), 0);
    let one = list(&format!("?user.id={user}&include_names"));
    assert_eq!(
        one[0]["user"],
        json!({"id": user, "name": "demo", "domain": {"id": "default", "name": "Default"}})
    );
    assert_eq!(one[0]["role"]["name"], "member");
    assert_eq!(one[0]["scope"]["project"]["name"], "demo");
    let effective = list(&format!("?user.id={user}&effective"));
    assert_eq!(effective.len(), 2);
    assert!(effective.iter().any(|grant| grant["links"].get("prior_role").is_some()));
    let role = id_of(&cloud, "roles", "reader");
    assert_eq!(list(&format!("?effective=true&role.id={role}")).len(), 4);
    for bad in [
        "?scope.project.id=a&scope.domain.id=b",
        "?scope.system=all&scope.domain.id=b",
        "?user.id=a&group.id=b",
        "?effective&group.id=b",
        "?include_subtree",
    ] {
        assert_eq!(cloud.get(&admin, &format!("role_assignments{bad}")).status, 400, "{bad}");
    }
    assert_eq!(cloud.get(&cloud.token(DEMO), "role_assignments").status, 403);
}

#[test]
fn a_domain_s_manager_stays_in_the_domain_and_below_admin() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let domain = cloud.make("domains", "domain", json!({"name": "d"}));
    let domain = domain["id"].as_str().unwrap();
    let user = id_of(&cloud, "users", DEMO);
    let role = |name: &str| id_of(&cloud, "roles", name);
    let path = format!("domains/default/users/{user}/roles/{}", role("manager"));
    assert_eq!(cloud.call(&admin, "PUT", &path, &Json::Null).status, 204);
    let scope = json!({"domain": {"id": "default"}});
    let answer = cloud.login(DEMO, "demo-secret", scope);
    let manager = answer.header("x-subject-token").unwrap();
    let give = |target: &str, name: &str| {
        cloud.call(manager, "PUT", &format!("{target}/users/{user}/roles/{}", role(name)), &Json::Null).status
    };
    assert_eq!(give("domains/default", "member"), 204);
    assert_eq!(give("domains/default", "admin"), 403);
    assert_eq!(give("domains/default", "service"), 403);
    assert_eq!(give(&format!("domains/{domain}"), "member"), 403);
    assert_eq!(give("system", "reader"), 403);
    let make = |domain: &str| {
        let body = json!({"user": {"name": "n", "domain_id": domain}});
        cloud.call(manager, "POST", "users", &body).status
    };
    assert_eq!((make(domain), make("default")), (403, 201));
    assert_eq!(cloud.get(manager, "projects").status, 200);
    assert_eq!(cloud.get(manager, "domains").body["domains"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.login(DEMO, "demo-secret", in_project("admin")).status, 401);
}

#[test]
fn golden() {
    crate::tests::check_golden("assignment/golden/life.http");
}
