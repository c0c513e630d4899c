//! Trusts.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, Cloud, DEMO, cloud, login};

struct Parties {
    cloud: Cloud,
    /// Demo's token, project and id.
    demo: String,
    project: Json,
    trustor: Json,
    /// The id of the user `helper`, whose password is `helper-secret`.
    trustee: Json,
}

fn parties() -> Parties {
    let cloud = cloud();
    let demo = cloud.token(DEMO);
    let project = cloud.get(&demo, "auth/projects").body["projects"][0]["id"].clone();
    let trustor = cloud.validate(&demo, &demo).body["token"]["user"]["id"].clone();
    let user = json!({"name": "helper", "password": "helper-secret"});
    let trustee = cloud.make("users", "user", user)["id"].clone();
    Parties { cloud, demo, project, trustor, trustee }
}

impl Parties {
    fn body(&self, more: Json) -> Json {
        let mut trust = json!({
            "trustor_user_id": self.trustor, "trustee_user_id": self.trustee, "project_id": self.project,
            "impersonation": false, "roles": [{"name": "reader"}],
        });
        trust.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"trust": trust})
    }

    fn make(&self, more: Json) -> String {
        let made = self.cloud.call(&self.demo, "POST", "OS-TRUST/trusts", &self.body(more));
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["trust"]["id"].as_str().unwrap().to_owned()
    }

    fn use_trust(&self, user: &str, id: &str) -> testkit::Answer {
        let scope = json!({"OS-TRUST:trust": {"id": id}});
        self.cloud.api.post("", "/identity/v3/auth/tokens", &login(user, &format!("{user}-secret"), scope))
    }
}

#[test]
fn a_trustee_acts_with_the_roles_given() {
    let parties = parties();
    let (cloud, id) = (&parties.cloud, parties.make(json!({})));
    let answer = parties.use_trust("helper", &id);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let token = &answer.body["token"];
    assert_eq!(token["user"]["name"], "helper");
    assert_eq!(token["roles"].as_array().unwrap().len(), 1);
    assert_eq!(token["roles"][0]["name"], "reader");
    assert_eq!(token["OS-TRUST:trust"]["trustor_user"]["id"], parties.trustor);
    assert_eq!(parties.use_trust(DEMO, &id).status, 401);
    assert_eq!(parties.use_trust("helper", "nothing").status, 401);
    let path = format!("OS-TRUST/trusts/{id}");
    assert_eq!(cloud.get(&parties.demo, &format!("{path}/roles")).body["roles"][0]["name"], "reader");
    let subject = answer.header("x-subject-token").unwrap();
    assert_eq!(cloud.get(subject, "auth/catalog").status, 200);
    assert_eq!(cloud.call(subject, "DELETE", &path, &Json::Null).status, 403);
    assert_eq!(cloud.call(&parties.demo, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(subject, "auth/catalog").status, 401);
    assert_eq!(cloud.get(&parties.demo, &path).status, 404);
}

#[test]
fn an_impersonating_token_gives_nothing_further() {
    let parties = parties();
    let id = parties.make(json!({"impersonation": true, "remaining_uses": 1}));
    let answer = parties.use_trust("helper", &id);
    assert_eq!(answer.body["token"]["user"]["id"], parties.trustor);
    assert_eq!(parties.use_trust("helper", &id).status, 401);
    let token = answer.header("x-subject-token").unwrap();
    let more = parties.body(json!({"roles": [{"name": "member"}]}));
    assert_eq!(parties.cloud.call(token, "POST", "OS-TRUST/trusts", &more).status, 403);
    let body = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}});
    assert_eq!(parties.cloud.api.post("", "/identity/v3/auth/tokens", &body).status, 403);
}

#[test]
fn bad_trusts() {
    let parties = parties();
    let check = |more: Json, status: u16| {
        let answer =
            parties.cloud.call(&parties.demo, "POST", "OS-TRUST/trusts", &parties.body(more.clone()));
        assert_eq!(answer.status, status, "{more}: {}", answer.body);
    };
    check(json!({"roles": [{"name": "admin"}]}), 404);
    check(json!({"roles": []}), 403);
    check(json!({"roles": [{}]}), 400);
    check(json!({"expires_at": "bad.123Z"}), 400);
    check(json!({"expires_at": "2001-01-01T00:00:00Z"}), 400);
    check(json!({"trustor_user_id": parties.trustee}), 403);
    check(json!({"trustee_user_id": "nobody"}), 404);
    check(json!({"project_id": "nothing"}), 404);
    check(json!({"impersonation": null}), 400);
    check(json!({"remaining_uses": 0}), 400);
}

#[test]
fn lists() {
    let parties = parties();
    let id = parties.make(json!({"expires_at": "2999-01-01T00:00:00Z"}));
    let admin = parties.cloud.token(ADMIN);
    let all = parties.cloud.get(&admin, "OS-TRUST/trusts").body;
    assert_eq!(all["trusts"][0]["id"], id.as_str());
    assert_eq!(all["trusts"][0]["expires_at"], "2999-01-01T00:00:00.000000Z");
    assert!(all["trusts"][0].get("roles").is_none());
    assert_eq!(parties.cloud.get(&parties.demo, "OS-TRUST/trusts").status, 403);
    let own = format!("OS-TRUST/trusts?trustor_user_id={}", parties.trustor.as_str().unwrap());
    assert_eq!(parties.cloud.get(&parties.demo, &own).body["trusts"].as_array().unwrap().len(), 1);
    let foreign = format!("OS-TRUST/trusts?trustee_user_id={}", parties.trustee.as_str().unwrap());
    assert_eq!(parties.cloud.get(&parties.demo, &foreign).status, 403);
}

#[test]
fn a_trust_is_handed_on_as_often_as_it_allows() {
    let parties = parties();
    let cloud = &parties.cloud;
    let third = json!({"name": "third", "password": "third-secret"});
    let third = cloud.make("users", "user", third)["id"].clone();
    let first = parties.make(json!({
        "impersonation": true, "allow_redelegation": true, "redelegation_count": 2, "roles": [{"name": "member"}],
    }));
    let acting = parties.use_trust("helper", &first);
    let acting = acting.header("x-subject-token").unwrap();
    let hand_on = |token: &str, more: Json| {
        let mut body = parties.body(json!({
            "trustee_user_id": third, "impersonation": true, "roles": [{"name": "member"}],
        }));
        body["trust"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cloud.call(token, "POST", "OS-TRUST/trusts", &body)
    };
    assert_eq!(hand_on(acting, json!({"remaining_uses": 2})).status, 403);
    assert_eq!(hand_on(acting, json!({"allow_redelegation": true, "redelegation_count": 2})).status, 403);
    let second = hand_on(acting, json!({"allow_redelegation": true}));
    assert_eq!(second.status, 201, "{}", second.body);
    let second = &second.body["trust"];
    assert_eq!((&second["redelegation_count"], &second["redelegated_trust_id"]), (&json!(1), &json!(first)));
    let last = second["id"].as_str().unwrap();
    let answer = parties.use_trust("third", last);
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["token"]["user"]["name"], "demo");
    let token = answer.header("x-subject-token").unwrap();

    let plain = parties.make(json!({}));
    let plain = parties.use_trust("helper", &plain);
    let plain = plain.header("x-subject-token").unwrap();
    let own = parties.cloud.validate(plain, plain).body["token"]["user"]["id"].clone();
    let refused = hand_on(
        plain,
        json!({"trustor_user_id": own, "impersonation": false, "roles": [{"name": "reader"}]}),
    );
    assert_eq!(refused.status, 403, "it does not allow that: {}", refused.body);

    let path = format!("OS-TRUST/trusts/{first}");
    assert_eq!(cloud.call(&parties.demo, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(token, "auth/projects").status, 401, "what was handed on goes with it");
    assert_eq!(parties.use_trust("third", last).status, 401);
}
