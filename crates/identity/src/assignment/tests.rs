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
    assert_eq!(list(&format!("?effective=true&role.id={role}")).len(), 3);
    for bad in [
        "?scope.project.id=a&scope.domain.id=b",
        "?scope.system=all&scope.domain.id=b",
        "?user.id=a&group.id=b",
        "?effective&group.id=b",
        "?include_subtree",
        "?effective&scope.domain.id=b&scope.OS-INHERIT:inherited_to=projects",
        "?role.id=a_b",
    ] {
        assert_eq!(cloud.get(&admin, &format!("role_assignments{bad}")).status, 400, "{bad}");
    }
    for absent in
        ["?effective&user.id=nobody", "?effective&scope.project.id=x", "?scope.project.id=x&include_subtree"]
    {
        assert_eq!(cloud.get(&admin, &format!("role_assignments{absent}")).status, 404, "{absent}");
    }
    assert_eq!(list("?scope.system=some&effective=0").len(), 4);
    assert_eq!(cloud.get(&cloud.token(DEMO), "role_assignments").status, 403);
}

/// A cloud with the projects `top`, `mid` below it and `leaf` below that, in the default domain.
struct Nested {
    cloud: Cloud,
    admin: String,
    user: String,
    ids: [String; 3],
}

fn nested() -> Nested {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let user = id_of(&cloud, "users", DEMO);
    let mut parent = json!("default");
    let ids = ["top", "mid", "leaf"].map(|name| {
        parent = cloud.make("projects", "project", json!({"name": name, "parent_id": parent}))["id"].clone();
        parent.as_str().unwrap().to_owned()
    });
    Nested { cloud, admin, user, ids }
}

impl Nested {
    fn inherit(&self, method: &str, target: &str, role: &str) -> u16 {
        let (user, role) = (&self.user, id_of(&self.cloud, "roles", role));
        let path = format!("OS-INHERIT/{target}/users/{user}/roles/{role}/inherited_to_projects");
        self.cloud.call(&self.admin, method, &path, &Json::Null).status
    }

    /// The roles in the token that the user gets for a project; none if it gets no token.
    fn roles_in(&self, project: &str) -> Vec<String> {
        let answer = self.cloud.login(DEMO, "demo-secret", in_project(project));
        let roles = answer.body["token"]["roles"].as_array().cloned().unwrap_or_default();
        roles.iter().map(|role| role["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn what_a_project_passes_on_is_in_force_below_it_and_not_in_it() {
    let nested = nested();
    let top = format!("projects/{}", nested.ids[0]);
    assert_eq!(nested.inherit("GET", &top, "member"), 404);
    assert_eq!(nested.inherit("DELETE", &top, "member"), 404);
    for _ in 0..2 {
        assert_eq!(nested.inherit("PUT", &top, "member"), 204);
    }
    assert_eq!((nested.inherit("GET", &top, "member"), nested.inherit("HEAD", &top, "member")), (204, 204));
    assert_eq!(nested.roles_in("top"), [] as [&str; 0]);
    assert_eq!(nested.roles_in("mid"), ["member", "reader"]);
    assert_eq!(nested.roles_in("leaf"), ["member", "reader"]);
    let token = nested.cloud.login(DEMO, "demo-secret", in_project("leaf"));
    let token = token.header("x-subject-token").unwrap();
    let projects = nested.cloud.get(token, "auth/projects").body;
    let mut names: Vec<&str> =
        projects["projects"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["demo", "leaf", "mid"]);
    let (user, role) = (&nested.user, id_of(&nested.cloud, "roles", "member"));
    let plain = format!("{top}/users/{user}/roles");
    assert_eq!(nested.cloud.get(&nested.admin, &plain).body["roles"], json!([]));
    assert_eq!(nested.cloud.get(&nested.admin, &format!("{plain}/{role}")).status, 404);
    assert_eq!(nested.inherit("DELETE", &top, "member"), 204);
    assert_eq!(nested.cloud.get(token, "auth/projects").status, 401);
}

#[test]
fn what_a_domain_passes_on_is_in_force_in_all_its_projects() {
    let nested = nested();
    assert_eq!(nested.inherit("PUT", "domains/default", "manager"), 204);
    for project in ["top", "leaf", "service"] {
        assert_eq!(nested.roles_in(project), ["manager", "member", "reader"], "{project}");
    }
    let scope = json!({"domain": {"id": "default"}});
    assert_eq!(nested.cloud.login(DEMO, "demo-secret", scope).status, 401);
    assert_eq!(nested.cloud.get(&nested.cloud.token(DEMO), "auth/domains").body["domains"], json!([]));
    let path = format!("OS-INHERIT/domains/default/users/{}/roles/inherited_to_projects", nested.user);
    let listed = nested.cloud.get(&nested.admin, &path).body;
    assert_eq!(listed["roles"].as_array().unwrap().len(), 1);
    assert_eq!(listed["roles"][0]["name"], "manager");
    let plain = format!("domains/default/users/{}/roles", nested.user);
    assert_eq!(nested.cloud.get(&nested.admin, &plain).body["roles"], json!([]));
    let other = nested.cloud.make("domains", "domain", json!({"name": "other"}));
    let far = json!({"name": "far", "domain_id": other["id"]});
    let far = nested.cloud.make("projects", "project", far);
    let scope = json!({"project": {"id": far["id"]}});
    assert_eq!(nested.cloud.login(DEMO, "demo-secret", scope).status, 401);
    for absent in ["domains/nowhere", "projects/nowhere"] {
        assert_eq!(nested.inherit("PUT", absent, "member"), 404, "{absent}");
    }
    let demo = nested.cloud.token(DEMO);
    // A role that is not there is 404 to everybody, as upstream.
    for (role, expected) in [("x".to_owned(), 404), (id_of(&nested.cloud, "roles", "member"), 403)] {
        let path = path.replace("/inherited", &format!("/{role}/inherited"));
        assert_eq!(nested.cloud.call(&demo, "PUT", &path, &Json::Null).status, expected, "{role}");
    }
}

#[test]
fn groups_pass_on_what_they_inherit() {
    let nested = nested();
    let cloud = &nested.cloud;
    let group = cloud.make("groups", "group", json!({"name": "g"}));
    let group = group["id"].as_str().unwrap();
    let (role, mid) = (id_of(cloud, "roles", "reader"), &nested.ids[1]);
    let path = format!("OS-INHERIT/projects/{mid}/groups/{group}/roles/{role}/inherited_to_projects");
    assert_eq!(cloud.call(&nested.admin, "PUT", &path, &Json::Null).status, 204);
    assert_eq!(nested.roles_in("leaf"), [] as [&str; 0]);
    let member = format!("groups/{group}/users/{}", nested.user);
    assert_eq!(cloud.call(&nested.admin, "PUT", &member, &Json::Null).status, 204);
    assert_eq!(nested.roles_in("leaf"), ["reader"]);
    let query =
        format!("role_assignments?user.id={}&effective&scope.project.id={}", nested.user, nested.ids[2]);
    let listed = cloud.get(&nested.admin, &query).body;
    let expected = json!({
        "links": {
            "assignment": format!("http://cloud.test/identity/v3/{path}"),
            "membership": format!("http://cloud.test/identity/v3/{member}"),
        },
        "role": {"id": role},
        "scope": {"project": {"id": nested.ids[2]}, "OS-INHERIT:inherited_to": "projects"},
        "user": {"id": nested.user},
    });
    assert_eq!(listed["role_assignments"], json!([expected]));
}

#[test]
fn lists_of_what_is_inherited() {
    let nested = nested();
    let [top, mid, leaf] = &nested.ids;
    for target in ["domains/default".to_owned(), format!("projects/{mid}")] {
        assert_eq!(nested.inherit("PUT", &target, "member"), 204);
    }
    let user = &nested.user;
    let check = |query: &str, expected: usize| {
        let answer = nested.cloud.get(&nested.admin, &format!("role_assignments?user.id={user}{query}"));
        assert_eq!(answer.status, 200, "{query}");
        let listed = answer.body["role_assignments"].as_array().unwrap().len();
        assert_eq!(listed, expected, "{query} {}", answer.body);
    };
    check("", 3);
    check("&scope.OS-INHERIT:inherited_to=projects", 2);
    check("&scope.OS-INHERIT:inherited_to=none", 1);
    check("&scope.domain.id=default", 1);
    check(&format!("&scope.project.id={mid}"), 1);
    check(&format!("&scope.project.id={top}&include_subtree"), 1);
    // In force: member and reader in the six projects of the domain, in `leaf` also from `mid`, in `demo` as such.
    check("&effective", 12 + 2 + 2);
    check("&effective&scope.OS-INHERIT:inherited_to=projects", 12 + 2);
    check("&effective&scope.OS-INHERIT:inherited_to=none", 2);
    check("&effective&scope.domain.id=default", 0);
    check(&format!("&effective&scope.project.id={leaf}"), 4);
    check(&format!("&effective&scope.project.id={mid}&include_subtree"), 2 + 4);
    let (role, query) = (id_of(&nested.cloud, "roles", "member"), "&effective&role.id=");
    check(&format!("{query}{role}"), 6 + 1 + 1);
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
    crate::tests::check_golden("assignment/golden/inherited.http");
}
