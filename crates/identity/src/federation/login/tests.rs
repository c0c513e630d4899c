//! Logging in by an identity provider, through the API.

use serde_json::{Value as Json, json};
use testkit::Answer;

use crate::Config;
use crate::federation::oidc::OidcProvider;
use crate::federation::oidc::tests::{ISSUER, Provider};
use crate::tests::{ADMIN, Cloud, DEMO, cloud_with, in_project};

const AUTH: &str = "/identity/v3/OS-FEDERATION/identity_providers/ocean/protocols/openid/auth";

/// A cloud that trusts a provider; its mapping is to come.
fn ocean(rules: Json, idp: Json) -> (Cloud, Provider) {
    let provider = Provider::new();
    let oidc = provider.trusted(|_: &mut OidcProvider| {});
    let cloud = cloud_with(Config { bcrypt_cost: 4, oidc, ..Config::default() });
    let admin = cloud.token(ADMIN);
    let put = |path: &str, body: Json| {
        let answer = cloud.call(&admin, "PUT", &format!("OS-FEDERATION/{path}"), &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
    };
    let mut body = json!({"remote_ids": [ISSUER], "enabled": true});
    body.as_object_mut().unwrap().extend(idp.as_object().unwrap().clone());
    put("identity_providers/ocean", json!({"identity_provider": body}));
    put("mappings/m", json!({"mapping": rules}));
    put("identity_providers/ocean/protocols/openid", json!({"protocol": {"mapping_id": "m"}}));
    (cloud, provider)
}

/// Users by their subject, in the groups that the token names, in the default domain.
fn by_groups() -> Json {
    json!({"rules": [
        {"local": [{"user": {"name": "{0}", "email": "{1}"}}],
         "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-email"}]},
        {"local": [{"groups": "{0}", "domain": {"name": "Default"}}], "remote": [{"type": "OIDC-groups"}]},
    ]})
}

fn arrive(cloud: &Cloud, bearer: &str) -> Answer {
    let header = format!("Bearer {bearer}");
    cloud.api.call("", "POST", AUTH, &[("authorization", &header)], &Json::Null)
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.header("x-subject-token").unwrap().to_owned()
}

fn rescope(cloud: &Cloud, token: &str, scope: Json) -> Answer {
    let body = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": scope}});
    cloud.api.post("", "/identity/v3/auth/tokens", &body)
}

/// The group `reef`, member of project `demo`.
fn reef(cloud: &Cloud) -> String {
    let group = cloud.make("groups", "group", json!({"name": "reef"}));
    let group = group["id"].as_str().unwrap().to_owned();
    let admin = cloud.token(ADMIN);
    let id = |path: &str, key: &str| cloud.get(&admin, path).body[key][0]["id"].as_str().unwrap().to_owned();
    let (project, role) = (id("projects?name=demo", "projects"), id("roles?name=member", "roles"));
    let grant = format!("projects/{project}/groups/{group}/roles/{role}");
    assert_eq!(cloud.call(&admin, "PUT", &grant, &Json::Null).status, 204);
    group
}

#[test]
fn somebody_from_elsewhere_works_here() {
    let (cloud, provider) = ocean(by_groups(), json!({}));
    let group = reef(&cloud);
    let bearer = provider.token(json!({"email": "ada@test", "groups": ["reef", "unknown"]}));
    let answer = arrive(&cloud, &bearer);
    let unscoped = token(&answer);
    let told = &answer.body["token"];
    assert_eq!((&told["methods"], &told["user"]["name"]), (&json!(["openid"]), &json!("ada")));
    let federation = json!({
        "groups": [{"id": group}], "identity_provider": {"id": "ocean"}, "protocol": {"id": "openid"},
    });
    assert_eq!(told["user"]["OS-FEDERATION"], federation);
    assert!(told["user"].get("password_expires_at").is_none());
    for path in ["auth/projects", "OS-FEDERATION/projects"] {
        assert_eq!(cloud.get(&unscoped, path).body["projects"][0]["name"], "demo", "{path}");
    }
    assert_eq!(cloud.get(&unscoped, "OS-FEDERATION/domains").body["domains"], json!([]));
    let scoped = rescope(&cloud, &unscoped, in_project(DEMO));
    let told = &scoped.body["token"];
    assert_eq!((&told["methods"], &told["project"]["name"]), (&json!(["token", "openid"]), &json!("demo")));
    assert_eq!(told["user"]["OS-FEDERATION"], federation);
    assert_eq!(told["roles"][0]["name"], "member");
    assert_eq!(told["expires_at"], answer.body["token"]["expires_at"]);
    assert_eq!(cloud.validate(&cloud.token(ADMIN), &token(&scoped)).body["token"]["user"], told["user"]);
    assert_eq!(rescope(&cloud, &unscoped, in_project("admin")).status, 401);
    // Without the group there is nothing.
    let bearer = provider.token(json!({"email": "ada@test"}));
    let without = token(&arrive(&cloud, &bearer));
    assert_eq!(rescope(&cloud, &without, in_project(DEMO)).status, 401);
    assert_eq!(cloud.get(&without, "auth/projects").body["projects"], json!([]));
}

#[test]
fn the_same_somebody_stays_the_same_user() {
    let (cloud, provider) = ocean(by_groups(), json!({}));
    let admin = cloud.token(ADMIN);
    let of = |email: &str| provider.token(json!({"sub": "demo", "email": email}));
    let first = arrive(&cloud, &of("d@test")).body["token"]["user"]["id"].clone();
    let again = arrive(&cloud, &of("e@test")).body["token"]["user"]["id"].clone();
    assert_eq!(first, again);
    let user = cloud.get(&admin, &format!("users/{}", first.as_str().unwrap())).body["user"].clone();
    let federated =
        json!([{"idp_id": "ocean", "protocols": [{"protocol_id": "openid", "unique_id": "demo"}]}]);
    assert_eq!((&user["federated"], &user["email"]), (&federated, &json!("e@test")));
    let count =
        |query: &str| cloud.get(&admin, &format!("users?{query}")).body["users"].as_array().unwrap().len();
    assert_eq!(count("idp_id=ocean"), 1);
    assert_eq!(count("unique_id=demo&protocol_id=openid"), 1);
    assert_eq!((count("idp_id=lake"), count("unique_id=nobody")), (0, 0));
    // The user of this cloud with the same name is another, and has nothing to do with it.
    assert_eq!(count("name=demo"), 2);
    assert_eq!(cloud.login(DEMO, "demo-secret", in_project(DEMO)).status, 201);
}

#[test]
fn bad_logins() {
    let (cloud, provider) = ocean(by_groups(), json!({}));
    let admin = cloud.token(ADMIN);
    let good = || provider.token(json!({"email": "a@test"}));
    assert_eq!(arrive(&cloud, &good()).status, 201);
    assert_eq!(cloud.api.call("", "GET", AUTH, &[], &Json::Null).status, 401);
    let basic = [("authorization", "Basic YTpi")];
    assert_eq!(cloud.api.call("", "GET", AUTH, &basic, &Json::Null).status, 401);
    assert_eq!(arrive(&cloud, "junk").status, 401);
    assert_eq!(arrive(&cloud, &provider.token(json!({"email": "a@test", "exp": 1}))).status, 401);
    // No rule applies but the one for groups, and that names no user: the subject is the name.
    assert_eq!(arrive(&cloud, &provider.token(json!({}))).status, 401);
    assert_eq!(arrive(&cloud, &provider.token(json!({"sub": "x".repeat(256), "email": "a"}))).status, 401);
    let header = format!("Bearer {}", good());
    for path in ["identity_providers/lake/protocols/openid", "identity_providers/ocean/protocols/other"] {
        let url = format!("/identity/v3/OS-FEDERATION/{path}/auth");
        assert_eq!(cloud.api.call("", "GET", &url, &[("authorization", &header)], &Json::Null).status, 404);
    }
    let path = "OS-FEDERATION/identity_providers/ocean";
    let patch = |body: Json| cloud.call(&admin, "PATCH", path, &json!({"identity_provider": body})).status;
    let unscoped = token(&arrive(&cloud, &good()));
    assert_eq!(patch(json!({"enabled": false})), 200);
    assert_eq!(arrive(&cloud, &good()).status, 403);
    assert_eq!(rescope(&cloud, &unscoped, json!("unscoped")).status, 403);
    assert_eq!(patch(json!({"enabled": true, "remote_ids": ["https://other.test"]})), 200);
    assert_eq!(arrive(&cloud, &good()).status, 401);
    assert_eq!(patch(json!({"remote_ids": [ISSUER]})), 200);
    let protocol = format!("{path}/protocols/openid");
    let attribute = |name: &str| {
        let body = json!({"protocol": {"mapping_id": "m", "remote_id_attribute": name}});
        assert_eq!(cloud.call(&admin, "PATCH", &protocol, &body).status, 200);
    };
    attribute("OIDC-email");
    assert_eq!(arrive(&cloud, &good()).status, 403);
    attribute("OIDC-nothing");
    assert_eq!(arrive(&cloud, &good()).status, 401);
}

#[test]
fn a_provider_takes_its_users_along() {
    for path in ["identity_providers/ocean", "identity_providers/ocean/protocols/openid"] {
        let (cloud, provider) = ocean(by_groups(), json!({"domain_id": "default"}));
        let answer = arrive(&cloud, &provider.token(json!({"email": "a@test"})));
        let (admin, token) = (cloud.token(ADMIN), token(&answer));
        let user = format!("users/{}", answer.body["token"]["user"]["id"].as_str().unwrap());
        assert_eq!(cloud.get(&token, "auth/projects").status, 200);
        let gone = cloud.call(&admin, "DELETE", &format!("OS-FEDERATION/{path}"), &Json::Null);
        assert_eq!(gone.status, 204);
        assert_eq!(cloud.get(&token, "auth/projects").status, 401);
        assert_eq!(cloud.get(&admin, &user).status, 404);
    }
}

#[test]
fn memberships_for_some_time() {
    let (cloud, provider) = ocean(by_groups(), json!({"authorization_ttl": 10}));
    let group = reef(&cloud);
    let admin = cloud.token(ADMIN);
    let answer = arrive(&cloud, &provider.token(json!({"email": "a@test", "groups": ["reef"]})));
    let user = answer.body["token"]["user"]["id"].as_str().unwrap();
    let (groups, member) = (format!("users/{user}/groups"), format!("groups/{group}/users/{user}"));
    let names = || {
        let groups = cloud.get(&admin, &groups).body["groups"].as_array().unwrap().len();
        assert_eq!(
            cloud.call(&admin, "HEAD", &member, &Json::Null).status,
            if groups == 1 { 204 } else { 404 }
        );
        groups
    };
    assert_eq!(names(), 1);
    let until = cloud.get(&admin, &groups).body["groups"][0]["membership_expires_at"].clone();
    assert!(until.as_str().is_some_and(|until| types::Timestamp::parse(until).is_ok()), "{until}");
    // As upstream, the list of the members has only those who are in it for good.
    let members = cloud.get(&admin, &format!("groups/{group}/users"));
    assert_eq!(members.body["users"], json!([]));
    // A login without the group ends it, though the time is not over.
    arrive(&cloud, &provider.token(json!({"email": "a@test"})));
    assert_eq!(names(), 0);
    arrive(&cloud, &provider.token(json!({"email": "a@test", "groups": ["reef"]})));
    let patch = json!({"identity_provider": {"authorization_ttl": null}});
    assert_eq!(cloud.call(&admin, "PATCH", "OS-FEDERATION/identity_providers/ocean", &patch).status, 200);
    assert_eq!(names(), 0);
}

#[test]
fn projects_that_come_with_the_user() {
    let rules = |version: &str| {
        json!({"schema_version": version, "rules": [{
            "local": [{"user": {"name": "{0}"},
                "projects": [{"name": "of {0}", "roles": [{"name": "member"}], "domain": {"name": "Default"}}]}],
            "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-staff", "not_any_of": ["no"]}],
        }, {
            "local": [{"user": {"name": "{0}"}, "projects": []}],
            "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-staff", "any_one_of": ["no"]}],
        }]})
    };
    for (version, kept) in [("2.0", 1), ("3.0", 0)] {
        let (cloud, provider) = ocean(rules(version), json!({}));
        let unscoped = token(&arrive(&cloud, &provider.token(json!({"staff": true}))));
        let scoped = rescope(&cloud, &unscoped, in_project("of ada"));
        assert_eq!(scoped.body["token"]["roles"][0]["name"], "member", "{}", scoped.body);
        let unscoped = token(&arrive(&cloud, &provider.token(json!({"staff": "no"}))));
        let left = cloud.get(&unscoped, "auth/projects").body["projects"].as_array().unwrap().len();
        assert_eq!(left, kept, "{version}");
    }
    let mut bad = rules("2.0");
    bad["rules"][0]["local"][0]["projects"][0]["roles"][0]["name"] = json!("pirate");
    let (cloud, provider) = ocean(bad, json!({}));
    assert_eq!(arrive(&cloud, &provider.token(json!({"staff": true}))).status, 404);
    assert_eq!(cloud.get(&cloud.token(ADMIN), "projects?name=of%20ada").body["projects"], json!([]));
}

#[test]
fn users_who_were_here_before() {
    let rules = json!({"rules": [{
        "local": [{"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}}],
        "remote": [{"type": "HTTP_OIDC_PREFERRED_USERNAME"}],
    }]});
    let (cloud, provider) = ocean(rules, json!({}));
    let answer = arrive(&cloud, &provider.token(json!({"preferred_username": "demo"})));
    let unscoped = token(&answer);
    assert!(answer.body["token"]["user"].get("OS-FEDERATION").is_none());
    assert_eq!(rescope(&cloud, &unscoped, in_project(DEMO)).status, 201);
    assert_eq!(arrive(&cloud, &provider.token(json!({"preferred_username": "nobody"}))).status, 401);
}

#[test]
fn users_of_this_cloud_who_are_somebody_elsewhere() {
    let (cloud, provider) = ocean(by_groups(), json!({}));
    let admin = cloud.token(ADMIN);
    let of = |unique: &str| json!([{"idp_id": "ocean", "protocols": [{"protocol_id": "openid", "unique_id": unique}]}]);
    let made = cloud.make("users", "user", json!({"name": "ada l.", "federated": of("ada")}));
    assert_eq!(made["federated"], of("ada"));
    let answer = arrive(&cloud, &provider.token(json!({"email": "a@test"})));
    let user = &answer.body["token"]["user"];
    assert_eq!((&user["id"], &user["name"]), (&made["id"], &json!("ada l.")));
    let check = |federated: Json, status: u16| {
        let body = json!({"user": {"name": "b", "federated": federated}});
        let answer = cloud.call(&admin, "POST", "users", &body);
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    check(of("ada"), 409);
    check(json!([{"idp_id": "lake", "protocols": [{"protocol_id": "openid", "unique_id": "u"}]}]), 400);
    check(json!([{"idp_id": "ocean", "protocols": [{"protocol_id": "x", "unique_id": "u"}]}]), 400);
    check(json!([{"idp_id": "ocean", "protocols": []}]), 400);
    check(json!([{"protocols": [{"protocol_id": "openid", "unique_id": "u"}]}]), 400);
    check(json!("x"), 400);
    assert_eq!(cloud.get(&admin, "users?name=b").body["users"], json!([]));
    let path = format!("users/{}", made["id"].as_str().unwrap());
    let patch = |federated: Json| {
        cloud.call(&admin, "PATCH", &path, &json!({"user": {"federated": federated}})).body["user"].clone()
    };
    assert_eq!(patch(of("eve"))["federated"], of("eve"));
    assert_eq!(patch(json!([]))["federated"], of("eve"));
    // The provider goes; a user of this cloud stays.
    assert_eq!(
        cloud.call(&admin, "DELETE", "OS-FEDERATION/identity_providers/ocean", &Json::Null).status,
        204
    );
    assert!(cloud.get(&admin, &path).body["user"].get("federated").is_none());
}
