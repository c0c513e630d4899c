//! The whole way from a consumer to a token, and every place where it ends early.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha1::Sha1;
use testkit::Answer;
use types::Timestamp;

use super::signature::SignedRequest;
use crate::CredentialKeys;
use crate::tests::{ADMIN, Cloud, DEMO, cloud};

/// What oauthlib makes of the same secrets, parameters and address; each is right, and a little less of it is not.
#[test]
fn signatures_are_those_of_another_implementation() {
    let url = "HTTP://Cloud.Test:80/identity/v3/OS-OAUTH1/access_token";
    let query = [("b", "x y"), ("a", "1+1"), ("c", "é")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let check = |method: &str, signature: &str| {
        let header = format!(
            "OAuth realm=\"a, b\", oauth_nonce=\"123\", oauth_timestamp=\"1700000000\", oauth_version=\"1.0\", \
             oauth_signature_method=\"{method}\", oauth_consumer_key=\"{}\", oauth_token=\"{}\", \
             oauth_callback=\"oob\", oauth_verifier=\"2345abcd\", oauth_signature=\"{signature}\"",
            "a".repeat(32),
            "c".repeat(32)
        );
        let signed = SignedRequest::read(url, &header, &query).unwrap();
        assert_eq!(signed.check(Timestamp::from_seconds(1_700_000_600)), Ok(()));
        let (consumer, token) = ("b".repeat(32), "d".repeat(32));
        assert!(signed.is_signed_with(&consumer, &token), "{method}");
        assert!(!signed.is_signed_with(&consumer, ""));
        assert!(!signed.is_signed_with("", &token));
        assert!(!SignedRequest::read(url, &header, &query[1..]).unwrap().is_signed_with(&consumer, &token));
    };
    check("HMAC-SHA1", "NEqrDxGOcvv3Qpp9uJvhmQnXqxs%3D");
    check("HMAC-SHA256", "6RwQKENFOGrC7hxHd5XtjIjySMKgHlRcmpGakfSOZG8%3D");
    check(
        "HMAC-SHA512",
        "p%2BKynbGjWZoTiyntjKpm14B3l0FiN332N2c9%2BBhm0jry7uVsRRugRce%2BOBFaS7qHMHY0PqFb5bZu2ZyoqE2%2Bcg%3D%3D",
    );
}

/// A key and a secret: of a consumer, or of a token.
#[derive(Debug, Clone, Default)]
struct Pair {
    key: String,
    secret: String,
}

/// A header that signs a request to a path below `/identity/v3`; `more` goes over what every request says.
fn header(path: &str, consumer: &Pair, token: &Pair, more: &[(&str, &str)]) -> String {
    let now = runtime::now().seconds().to_string();
    let mut params: Vec<(String, String)> = Vec::new();
    let usual = [
        ("oauth_consumer_key", consumer.key.as_str()),
        ("oauth_nonce", "1234567890"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", now.as_str()),
        ("oauth_token", token.key.as_str()),
        ("oauth_version", "1.0"),
    ];
    for (name, value) in usual.iter().chain(more).filter(|(_, value)| !value.is_empty()) {
        params.retain(|(known, _)| known != name);
        params.push(((*name).to_owned(), (*value).to_owned()));
    }
    // A parameter that is given as "-" is left out.
    params.retain(|(_, value)| value != "-");
    params.sort();
    // Nothing in these tests needs encoding but what stands between the parts.
    let pairs: Vec<String> = params.iter().map(|(name, value)| format!("{name}%3D{value}")).collect();
    let url = format!("http%3A%2F%2Fcloud.test%2Fidentity%2Fv3%2F{}", path.replace('/', "%2F"));
    let text = format!("POST&{url}&{}", pairs.join("%26"));
    let key = format!("{}&{}", consumer.secret, token.secret);
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    params.push(("oauth_signature".to_owned(), signature));
    let list: Vec<String> = params.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("OAuth {}", list.join(", "))
}

const REQUEST: &str = "OS-OAUTH1/request_token";
const ACCESS: &str = "OS-OAUTH1/access_token";
const LOGIN: &str = "auth/tokens";

/// A cloud with a consumer. Demo's project is the one that it asks for, where the administrator is one too.
struct Dance {
    cloud: Cloud,
    admin: String,
    admin_id: String,
    project: String,
    consumer: Pair,
}

fn dance() -> Dance {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let told = cloud.validate(&admin, &admin).body["token"].clone();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let (admin_id, project) = (text(&told["user"]["id"]), text(&told["project"]["id"]));
    let consumer = consumer(&cloud);
    Dance { cloud, admin, admin_id, project, consumer }
}

fn consumer(cloud: &Cloud) -> Pair {
    let made = cloud.make("OS-OAUTH1/consumers", "consumer", json!({"description": "a program"}));
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Pair { key: text("id"), secret: text("secret") }
}

/// The token that a form tells.
fn pair(answer: &Answer) -> Pair {
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-www-form-urlencoded"));
    let form = answer.body.as_str().unwrap();
    let field = |name: &str| {
        let found = form.split('&').find_map(|part| part.strip_prefix(&format!("{name}=")));
        found.unwrap_or_else(|| panic!("no {name} in {form}")).to_owned()
    };
    assert!(Timestamp::parse(&field("oauth_expires_at")).is_ok());
    Pair { key: field("oauth_token"), secret: field("oauth_token_secret") }
}

impl Dance {
    fn post(&self, path: &str, headers: &[(&str, &str)], body: &Json) -> Answer {
        self.cloud.api.call("", "POST", &format!("/identity/v3/{path}"), headers, body)
    }

    fn ask_with(&self, consumer: &Pair, more: &[(&str, &str)]) -> Answer {
        let more = [&[("oauth_callback", "oob")], more].concat();
        let header = header(REQUEST, consumer, &Pair::default(), &more);
        let headers = [("authorization", header.as_str()), ("requested-project-id", self.project.as_str())];
        self.post(REQUEST, &headers, &Json::Null)
    }

    fn ask(&self) -> Pair {
        pair(&self.ask_with(&self.consumer, &[]))
    }

    fn authorize(&self, token: &str, request_token: &Pair, roles: Json) -> Answer {
        let path = format!("OS-OAUTH1/authorize/{}", request_token.key);
        self.cloud.call(token, "PUT", &path, &json!({"roles": roles}))
    }

    fn granted(&self, request_token: &Pair) -> String {
        let answer = self.authorize(&self.admin, request_token, json!([{"name": "member"}]));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["token"]["oauth_verifier"].as_str().unwrap().to_owned()
    }

    fn exchange_with(&self, consumer: &Pair, token: &Pair, verifier: &str, more: &[(&str, &str)]) -> Answer {
        let more = [&[("oauth_verifier", verifier)], more].concat();
        let header = header(ACCESS, consumer, token, &more);
        self.post(ACCESS, &[("authorization", header.as_str())], &Json::Null)
    }

    /// An access token by which the consumer is a member.
    fn access(&self) -> Pair {
        let asked = self.ask();
        let verifier = self.granted(&asked);
        pair(&self.exchange_with(&self.consumer, &asked, &verifier, &[]))
    }

    fn login_with(&self, consumer: &Pair, access: &Pair, more: &[(&str, &str)]) -> Answer {
        let header = header(LOGIN, consumer, access, more);
        let body = json!({"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}});
        self.post(LOGIN, &[("authorization", header.as_str())], &body)
    }

    fn token(&self, access: &Pair) -> String {
        let answer = self.login_with(&self.consumer, access, &[]);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.header("x-subject-token").unwrap().to_owned()
    }

    fn is_good(&self, token: &str) -> bool {
        self.cloud.get(token, "auth/catalog").status == 200
    }
}

#[test]
fn a_consumer_acts_with_the_roles_granted() {
    let dance = dance();
    let access = dance.access();
    let answer = dance.login_with(&dance.consumer, &access, &[]);
    assert_eq!(answer.status, 201, "{answer:?}");
    let told = &answer.body["token"];
    assert_eq!(told["methods"], json!(["oauth1"]));
    assert_eq!(told["user"]["id"], dance.admin_id.as_str());
    assert_eq!(told["project"]["id"], dance.project.as_str());
    assert_eq!(told["OS-OAUTH1"], json!({"access_token_id": access.key, "consumer_id": dance.consumer.key}));
    let roles: Vec<&str> =
        told["roles"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(roles, ["member", "reader"], "the one granted and what it implies");
    let token = answer.header("x-subject-token").unwrap();
    assert_eq!(dance.cloud.validate(token, token).body["token"]["OS-OAUTH1"], told["OS-OAUTH1"]);
    assert_eq!(dance.cloud.get(token, "users").status, 403, "the user is an administrator, the program none");
}

#[test]
fn what_a_program_was_granted_grants_nothing_further() {
    let dance = dance();
    let asked = dance.ask();
    let answer = dance.authorize(&dance.admin, &asked, json!([{"name": "admin"}]));
    let verifier = answer.body["token"]["oauth_verifier"].as_str().unwrap();
    let access = pair(&dance.exchange_with(&dance.consumer, &asked, verifier, &[]));
    let token = dance.token(&access);
    assert_eq!(dance.cloud.get(&token, "users").status, 200, "an administrator");
    let own = format!("users/{}", dance.admin_id);
    let refused = |method: &str, path: &str, body: Json| {
        let answer = dance.cloud.call(&token, method, path, &body);
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
    };
    refused("GET", &format!("{own}/OS-OAUTH1/access_tokens"), Json::Null);
    refused("DELETE", &format!("{own}/OS-OAUTH1/access_tokens/{}", access.key), Json::Null);
    refused("PUT", &format!("OS-OAUTH1/authorize/{}", dance.ask().key), json!({"roles": []}));
    let credential = json!({"application_credential": {"name": "more"}});
    refused("POST", &format!("{own}/application_credentials"), credential);
    refused("GET", &format!("{own}/application_credentials"), Json::Null);
    let credential = json!({"credential": {"type": "cert", "blob": "x", "user_id": dance.admin_id}});
    refused("POST", "credentials", credential);
    let trust = json!({"trust": {"trustor_user_id": dance.admin_id, "trustee_user_id": dance.admin_id,
        "project_id": dance.project, "impersonation": true, "roles": [{"name": "member"}]}});
    refused("POST", "OS-TRUST/trusts", trust);
    let again = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}});
    assert_eq!(dance.post(LOGIN, &[], &again).status, 403);
    assert!(dance.is_good(&token));
}

#[test]
fn a_bad_signature_gets_nothing() {
    let dance = dance();
    let wrong = Pair { key: dance.consumer.key.clone(), secret: "0".repeat(32) };
    let other = consumer(&dance.cloud);
    assert_eq!(dance.ask_with(&wrong, &[]).status, 401);
    let (asked, unasked) = (dance.ask(), dance.ask());
    let verifier = dance.granted(&asked);
    assert_eq!(dance.exchange_with(&wrong, &asked, &verifier, &[]).status, 401);
    assert_eq!(dance.exchange_with(&other, &asked, &verifier, &[]).status, 401, "granted to another");
    let foreign = Pair { secret: unasked.secret.clone(), ..asked.clone() };
    assert_eq!(dance.exchange_with(&dance.consumer, &foreign, &verifier, &[]).status, 401);
    assert_eq!(dance.exchange_with(&dance.consumer, &asked, "2345abcd", &[]).status, 401, "another verifier");
    assert_eq!(dance.exchange_with(&dance.consumer, &unasked, &verifier, &[]).status, 401, "not granted");
    let access = pair(&dance.exchange_with(&dance.consumer, &asked, &verifier, &[]));
    let again = dance.exchange_with(&dance.consumer, &asked, &verifier, &[]);
    assert_eq!(again.status, 404, "used up: {again:?}");
    assert_eq!(dance.login_with(&wrong, &access, &[]).status, 401);
    assert_eq!(dance.login_with(&other, &access, &[]).status, 401);
    let foreign = Pair { secret: "0".repeat(32), ..access.clone() };
    assert_eq!(dance.login_with(&dance.consumer, &foreign, &[]).status, 401);
    let unknown = Pair { key: "0".repeat(32), ..access.clone() };
    assert_eq!(dance.login_with(&dance.consumer, &unknown, &[]).status, 404);
    // A signature for one address is none for another.
    let elsewhere = header(ACCESS, &dance.consumer, &access, &[]);
    let body = json!({"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}});
    assert_eq!(dance.post(LOGIN, &[("authorization", elsewhere.as_str())], &body).status, 401);
    assert_eq!(dance.post(LOGIN, &[], &body).status, 400);
    assert_eq!(dance.login_with(&dance.consumer, &access, &[]).status, 201);
}

#[test]
fn what_is_no_signed_request() {
    let dance = dance();
    let check = |more: &[(&str, &str)], status: u16, told: &str| {
        let answer = dance.ask_with(&dance.consumer, more);
        let message = answer.body["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == status && message.contains(told), "{more:?}: {answer:?}");
    };
    let long_ago = (runtime::now().seconds() - 700).to_string();
    let ahead = (runtime::now().seconds() + 700).to_string();
    check(&[("oauth_consumer_key", "-")], 400, "Expecting to find oauth_consumer_key in request.");
    check(&[("oauth_consumer_key", "nobody")], 404, "Consumer not found");
    check(&[("oauth_nonce", "-")], 400, "Missing mandatory OAuth parameters.");
    check(&[("oauth_signature_method", "-")], 400, "Missing mandatory OAuth parameters.");
    check(&[("oauth_signature_method", "PLAINTEXT")], 400, "invalid_signature_method");
    check(&[("oauth_version", "2.0")], 400, "Invalid OAuth version.");
    check(&[("oauth_timestamp", "123")], 400, "Invalid timestamp size");
    check(&[("oauth_timestamp", "noon-today")], 400, "Timestamp must be an integer.");
    check(&[("oauth_timestamp", &long_ago)], 400, "by over 600 seconds");
    check(&[("oauth_timestamp", &ahead)], 400, "by over 600 seconds");
    check(&[("oauth_nonce", "xyz")], 400, "Invalid nonce format.");
    check(&[("oauth_callback", "-")], 400, "Missing callback URI.");
    check(&[], 201, "");
    for authorization in ["Bearer x", "OAuth", "OAuth nothing", "oauth ,,=,"] {
        let headers = [("authorization", authorization), ("requested-project-id", dance.project.as_str())];
        let answer = dance.post(REQUEST, &headers, &Json::Null);
        assert_eq!(answer.status, 400, "{authorization}: {answer:?}");
    }
    let good = header(REQUEST, &dance.consumer, &Pair::default(), &[("oauth_callback", "oob")]);
    let twice = format!("{good}, oauth_nonce=\"1\"");
    for (authorization, project, status) in
        [(&twice, dance.project.as_str(), 400), (&good, "nowhere", 404), (&good, "", 400)]
    {
        let mut headers = vec![("authorization", authorization.as_str())];
        if !project.is_empty() {
            headers.push(("requested-project-id", project));
        }
        assert_eq!(dance.post(REQUEST, &headers, &Json::Null).status, status, "{project}");
    }
    let asked = dance.ask();
    dance.granted(&asked);
    let exchange = |token: &Pair, verifier: &str| {
        let answer = dance.exchange_with(&dance.consumer, token, verifier, &[]);
        (answer.status, answer.body["error"]["message"].to_string())
    };
    assert!(exchange(&Pair::default(), "2345abcd").1.contains("oauth_token in request"));
    assert!(exchange(&asked, "-").1.contains("oauth_verifier in request"));
    assert!(exchange(&asked, "loose").1.contains("Invalid verifier format."));
    assert_eq!(exchange(&Pair { key: "0".repeat(32), ..asked }, "2345abcd").0, 404);
}

#[test]
fn only_what_one_has_can_be_granted() {
    let dance = dance();
    let (asked, demo) = (dance.ask(), dance.cloud.token(DEMO));
    assert_eq!(dance.authorize(&demo, &asked, json!([{"name": "member"}])).status, 403);
    assert_eq!(dance.authorize("", &asked, json!([])).status, 401);
    let service = dance.cloud.make("roles", "role", json!({"name": "diver"}));
    let check = |roles: Json, status: u16| {
        let answer = dance.authorize(&dance.admin, &asked, roles.clone());
        assert_eq!(answer.status, status, "{roles}: {answer:?}");
    };
    check(json!([{"id": service["id"]}]), 401);
    check(json!([{"name": "diver"}]), 401);
    check(json!([{"id": "no-role"}]), 401);
    check(json!([{"name": "no-role"}]), 404);
    check(json!([{}]), 400);
    check(json!(["member"]), 400);
    check(json!([{"name": "member", "id": "x"}]), 400);
    check(json!("member"), 400);
    check(json!([{"name": "member"}]), 200);
    let unknown = Pair { key: "0".repeat(32), ..asked };
    assert_eq!(dance.authorize(&dance.admin, &unknown, json!([])).status, 404);
}

#[test]
fn everything_ends_in_its_time() {
    let simulation = runtime::simulate(5, Timestamp::from_seconds(1_700_000_000));
    let mut dance = dance();
    let hours = |hours: u64| {
        simulation.advance(Duration::from_secs(hours * 3600 + 1));
    };
    let (asked, granted) = (dance.ask(), dance.ask());
    let verifier = dance.granted(&granted);
    hours(8);
    dance.admin = dance.cloud.token(ADMIN);
    assert_eq!(dance.authorize(&dance.admin, &asked, json!([])).status, 401);
    assert_eq!(dance.exchange_with(&dance.consumer, &granted, &verifier, &[]).status, 401);
    let access = dance.access();
    let left = dance.exchange_with(&dance.consumer, &granted, &verifier, &[]);
    assert_eq!(left.status, 404, "forgotten when another came");
    hours(23);
    simulation.advance(Duration::from_secs(1800));
    let late = dance.login_with(&dance.consumer, &access, &[]);
    let told = |answer: &Answer, name: &str| {
        Timestamp::parse(answer.body["token"][name].as_str().unwrap()).unwrap().seconds()
    };
    let lasts = told(&late, "expires_at") - told(&late, "issued_at");
    assert!(lasts < 1800, "no token outlives what it rests on: {lasts}");
    hours(1);
    assert_eq!(dance.login_with(&dance.consumer, &access, &[]).status, 401);
}

#[test]
fn what_is_taken_back_is_gone_at_once() {
    let dance = dance();
    let (first, second) = (dance.access(), dance.access());
    let (by_first, by_second) = (dance.token(&first), dance.token(&second));
    let base = format!("users/{}/OS-OAUTH1/access_tokens", dance.admin_id);
    let one = format!("{base}/{}", first.key);
    let shown = dance.cloud.get(&dance.admin, &one).body["access_token"].clone();
    assert_eq!(shown["consumer_id"], dance.consumer.key.as_str());
    assert!(!shown.to_string().contains(&first.secret), "{shown}");
    assert_eq!(dance.cloud.get(&dance.admin, &base).body["access_tokens"].as_array().unwrap().len(), 2);
    let roles = dance.cloud.get(&dance.admin, &format!("{one}/roles")).body;
    let role = format!("{one}/roles/{}", roles["roles"][0]["id"].as_str().unwrap());
    assert_eq!(dance.cloud.get(&dance.admin, &role).body["role"]["name"], "member");
    assert_eq!(dance.cloud.get(&dance.admin, &format!("{one}/roles/none")).status, 404);

    let foreign = one.replace(&dance.admin_id, "somebody");
    let check = |method: &str, path: &str, status: u16| {
        let answer = dance.cloud.call(&dance.admin, method, path, &Json::Null);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    };
    check("GET", &foreign, 404);
    check("GET", &format!("{foreign}/roles"), 404);
    check("GET", &role.replace(&dance.admin_id, "somebody"), 401);
    check("DELETE", &foreign, 401);
    check("DELETE", &format!("{base}/nothing"), 404);
    assert!(dance.is_good(&by_first));
    check("DELETE", &one, 204);
    assert!(!dance.is_good(&by_first));
    assert_eq!(dance.login_with(&dance.consumer, &first, &[]).status, 404);
    assert!(dance.is_good(&by_second));

    let asked = dance.ask();
    check("DELETE", &format!("OS-OAUTH1/consumers/{}", dance.consumer.key), 204);
    assert!(!dance.is_good(&by_second));
    check("GET", &format!("{base}/{}", second.key), 404);
    assert_eq!(dance.authorize(&dance.admin, &asked, json!([])).status, 404);
    let events = dance.cloud.get(&dance.admin, "OS-REVOKE/events").body;
    assert_eq!(events["events"][0]["OS-OAUTH1:consumer_id"], dance.consumer.key.as_str(), "{events}");
}

#[test]
fn a_grant_ends_with_the_user_the_role_or_the_project() {
    let mut dance = dance();
    let project = dance.cloud.make("projects", "project", json!({"name": "reef"}));
    let user = dance.cloud.make("users", "user", json!({"name": "keeper", "password": "keeper-secret"}));
    let id = |of: &Json| of["id"].as_str().unwrap().to_owned();
    let listed = dance.cloud.get(&dance.admin, "roles?name=admin").body;
    dance.project = id(&project);
    let grant = format!("projects/{}/users/{}/roles/{}", id(&project), id(&user), id(&listed["roles"][0]));
    let put =
        |method: &str| assert_eq!(dance.cloud.call(&dance.admin, method, &grant, &Json::Null).status, 204);
    put("PUT");
    let scope = json!({"project": {"id": dance.project}});
    let keeper = dance.cloud.login("keeper", "keeper-secret", scope);
    let keeper = keeper.header("x-subject-token").unwrap().to_owned();
    let asked = dance.ask();
    let answer = dance.authorize(&keeper, &asked, json!([{"name": "member"}]));
    let verifier = answer.body["token"]["oauth_verifier"].as_str().unwrap();
    let access = pair(&dance.exchange_with(&dance.consumer, &asked, verifier, &[]));
    let token = dance.token(&access);
    assert!(dance.is_good(&token));
    put("DELETE");
    assert!(!dance.is_good(&token), "what the user has no more the program has not either");
    assert_eq!(dance.login_with(&dance.consumer, &access, &[]).status, 401);
    put("PUT");
    assert!(dance.is_good(&token));
    let path = format!("users/{}/OS-OAUTH1/access_tokens", id(&user));
    let count = || dance.cloud.get(&dance.admin, &path).body["access_tokens"].as_array().unwrap().len();
    assert_eq!(count(), 1);
    let gone = format!("projects/{}", dance.project);
    assert_eq!(dance.cloud.call(&dance.admin, "DELETE", &gone, &Json::Null).status, 204);
    assert!(!dance.is_good(&token));
    assert_eq!(count(), 0);
}

/// Other keys read the secrets when they are sealed anew, and signatures are right as before.
#[test]
fn secrets_are_sealed_with_the_operator_s_keys() {
    let dance = dance();
    let access = dance.access();
    let asked = dance.ask();
    let stored = dance.cloud.api.store.read_blocking(|tx| {
        tx.rows("SELECT doc FROM identity_consumers", &[]).map(|rows| format!("{rows:?}"))
    });
    assert!(!stored.unwrap().contains(&dance.consumer.secret));
    let old = dance.cloud.tokens.config.credential_keys.clone();
    let new = CredentialKeys::fresh_key();
    let foreign = CredentialKeys::parse(&new).unwrap();
    let refused = dance.cloud.api.store.write_blocking(move |tx| super::reseal(tx, &foreign));
    assert!(refused.is_err(), "keys that cannot read them");
    dance.cloud.api.store.write_blocking(move |tx| super::reseal(tx, &old)).unwrap();
    assert!(dance.is_good(&dance.token(&access)));
    dance.granted(&asked);
}
