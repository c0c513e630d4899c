//! Application credentials: what they give, and what they do not.

use serde_json::{Value as Json, json};
use testkit::Answer;

use crate::tests::{ADMIN, Cloud, DEMO, cloud};

struct Owner {
    cloud: Cloud,
    /// Demo's token, and the path of its application credentials.
    demo: String,
    path: String,
    user: Json,
}

fn owner() -> Owner {
    let cloud = cloud();
    let demo = cloud.token(DEMO);
    let user = cloud.validate(&demo, &demo).body["token"]["user"]["id"].clone();
    let path = format!("users/{}/application_credentials", user.as_str().unwrap());
    Owner { cloud, demo, path, user }
}

impl Owner {
    fn create(&self, token: &str, body: Json) -> Answer {
        self.cloud.call(token, "POST", &self.path, &json!({"application_credential": body}))
    }

    fn make(&self, body: Json) -> Json {
        let made = self.create(&self.demo, body);
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["application_credential"].clone()
    }

    fn log_in(&self, credential: Json) -> Answer {
        let identity = json!({"methods": ["application_credential"], "application_credential": credential});
        let body = json!({"auth": {"identity": identity}});
        self.cloud.api.post("", "/identity/v3/auth/tokens", &body)
    }

    fn token(&self, made: &Json) -> String {
        let answer = self.log_in(json!({"id": made["id"], "secret": made["secret"]}));
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.header("x-subject-token").unwrap().to_owned()
    }

    fn path_of(&self, made: &Json) -> String {
        format!("{}/{}", self.path, made["id"].as_str().unwrap())
    }
}

#[test]
fn a_program_acts_with_the_roles_given() {
    let owner = owner();
    let made = owner.make(json!({"name": "a", "roles": [{"name": "reader"}], "description": "d"}));
    assert!(made["secret"].as_str().unwrap().len() > 80);
    let listed = owner.cloud.get(&owner.demo, &format!("{}?name=a", owner.path)).body;
    assert_eq!(listed["application_credentials"][0]["id"], made["id"]);
    assert!(listed["application_credentials"][0].get("secret").is_none());
    for named in [json!({"id": made["id"]}), json!({"name": "a", "user": {"id": owner.user}})] {
        let mut credential = named;
        credential["secret"] = made["secret"].clone();
        let answer = owner.log_in(credential);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let token = &answer.body["token"];
        assert_eq!(token["roles"].as_array().unwrap().len(), 1);
        assert_eq!(token["project"]["name"], "demo");
        let by = json!({"id": made["id"], "name": "a", "restricted": true});
        assert_eq!(token["application_credential"], by);
    }
    assert_eq!(owner.log_in(json!({"id": made["id"], "secret": "wrong"})).status, 401);
    assert_eq!(owner.log_in(json!({"id": "nothing", "secret": "x"})).status, 404);
    assert_eq!(owner.log_in(json!({"secret": "x"})).status, 400);
}

#[test]
fn a_token_of_one_gives_no_more_than_it() {
    let owner = owner();
    let made = owner.make(json!({"name": "a"}));
    let token = owner.token(&made);
    assert_eq!(owner.create(&token, json!({"name": "b"})).status, 403);
    let one = owner.path_of(&made);
    assert_eq!(owner.cloud.call(&token, "DELETE", &one, &Json::Null).status, 403);
    assert_eq!(owner.cloud.get(&token, &one).status, 200);
    let user = owner.user.as_str().unwrap();
    assert_eq!(owner.cloud.get(&token, &format!("OS-TRUST/trusts?trustor_user_id={user}")).status, 403);
    let again = |scope: Json| {
        let mut auth = json!({"identity": {"methods": ["token"], "token": {"id": token}}});
        if !scope.is_null() {
            auth["scope"] = scope;
        }
        owner.cloud.api.post("", "/identity/v3/auth/tokens", &json!({"auth": auth}))
    };
    assert_eq!(again(json!("unscoped")).status, 403);
    assert_eq!(again(Json::Null).status, 403);

    let free = owner.make(json!({"name": "free", "unrestricted": true, "roles": [{"name": "reader"}]}));
    let token = owner.token(&free);
    assert_eq!(owner.create(&token, json!({"name": "c", "roles": [{"name": "member"}]})).status, 400);
    assert_eq!(owner.create(&token, json!({"name": "c"})).status, 201);
}

#[test]
fn it_ends_with_what_it_rests_on() {
    let owner = owner();
    let (cloud, admin) = (&owner.cloud, owner.cloud.token(ADMIN));
    let (one, two) = (owner.make(json!({"name": "a"})), owner.make(json!({"name": "b"})));
    let token = owner.token(&one);
    assert_eq!(cloud.call(&owner.demo, "DELETE", &owner.path_of(&one), &Json::Null).status, 204);
    assert_eq!(cloud.get(&token, "auth/projects").status, 401);
    let token = owner.token(&two);
    let role = cloud.get(&admin, "roles?name=member").body["roles"][0]["id"].clone();
    let grant = format!(
        "projects/{}/users/{}/roles/{}",
        two["project_id"].as_str().unwrap(),
        owner.user.as_str().unwrap(),
        role.as_str().unwrap()
    );
    assert_eq!(cloud.call(&admin, "DELETE", &grant, &Json::Null).status, 204);
    assert_eq!(cloud.call(&admin, "PUT", &grant, &Json::Null).status, 204);
    assert_eq!(cloud.get(&token, "auth/projects").status, 401);
    assert_eq!(cloud.get(&owner.demo, &owner.path).body["application_credentials"], json!([]));
}

#[test]
fn access_rules_hold_it_to_some_requests() {
    let owner = owner();
    let cloud = &owner.cloud;
    let rules = json!([
        {"service": "identity", "method": "GET", "path": "/v3/auth/*"},
        {"service": "compute", "method": "POST", "path": "/v2.1/servers"},
    ]);
    let made = owner.make(json!({"name": "a", "access_rules": rules}));
    let token = owner.token(&made);
    assert_eq!(cloud.get(&token, "auth/projects").status, 200);
    assert_eq!(cloud.get(&token, &owner.path).status, 401);
    let admin = cloud.token(ADMIN);
    assert_eq!(cloud.validate(&admin, &token).status, 404, "who does not know of rules cannot keep them");
    let headers = [("x-subject-token", token.as_str()), ("openstack-identity-access-rules", "1.0")];
    let told = cloud.api.call(&admin, "GET", "/identity/v3/auth/tokens", &headers, &Json::Null);
    assert_eq!(told.body["token"]["application_credential"]["access_rules"], made["access_rules"]);

    let path = format!("users/{}/access_rules", owner.user.as_str().unwrap());
    let listed = cloud.get(&owner.demo, &format!("{path}?service=compute")).body;
    let rule = listed["access_rules"][0]["id"].as_str().unwrap().to_owned();
    let same = owner.make(json!({"name": "b", "access_rules": [{"id": rule}]}));
    assert_eq!(same["access_rules"], json!([made["access_rules"][1]]));
    let one = format!("{path}/{rule}");
    assert_eq!(cloud.call(&owner.demo, "DELETE", &one, &Json::Null).status, 403);
    for made in [&made, &same] {
        assert_eq!(cloud.call(&owner.demo, "DELETE", &owner.path_of(made), &Json::Null).status, 204);
    }
    assert_eq!(cloud.call(&owner.demo, "DELETE", &one, &Json::Null).status, 204);
    assert_eq!(cloud.get(&owner.demo, &one).status, 404);
}

#[test]
fn bad_ones_are_refused() {
    let owner = owner();
    let check = |body: Json, status: u16| {
        let answer = owner.create(&owner.demo, body.clone());
        assert_eq!(answer.status, status, "{body} {}", answer.body);
    };
    check(json!({}), 400);
    check(json!({"name": ""}), 400);
    check(json!({"name": "x", "colour": 1}), 400);
    check(json!({"name": "x", "secret": 1}), 400);
    check(json!({"name": "x", "expires_at": "2000-01-01T00:00:00"}), 400);
    check(json!({"name": "x", "expires_at": "soon"}), 400);
    check(json!({"name": "x", "roles": [{"name": "admin"}]}), 400);
    check(json!({"name": "x", "roles": [{"name": "nothing"}]}), 404);
    check(json!({"name": "x", "access_rules": [{"path": "x", "method": "GET", "service": "compute"}]}), 400);
    check(json!({"name": "x", "access_rules": [{"path": "/x", "method": "get", "service": "compute"}]}), 400);
    check(json!({"name": "x", "access_rules": [{"id": "nothing"}]}), 404);
    owner.make(json!({"name": "x"}));
    check(json!({"name": "x"}), 409);
    let admin = owner.cloud.token(ADMIN);
    assert_eq!(owner.create(&admin, json!({"name": "y"})).status, 403);
    assert_eq!(owner.cloud.get(&admin, &owner.path).status, 200);
    let unscoped = owner.cloud.login(DEMO, "demo-secret", json!("unscoped"));
    let unscoped = unscoped.header("x-subject-token").unwrap();
    assert_eq!(owner.create(unscoped, json!({"name": "y"})).status, 403);
}
