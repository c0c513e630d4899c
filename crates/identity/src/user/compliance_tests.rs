//! `[security_compliance]` and the options that make exceptions from it.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value as Json, json};
use testkit::Answer;
use types::Timestamp;

use super::compliance::{PasswordPattern, SecurityCompliance};
use crate::Config;
use crate::tests::{ADMIN, Cloud, cloud, cloud_with};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn password_patterns() {
    let check = |pattern: &str, password: &str, expected: bool| {
        let pattern = PasswordPattern::try_from(pattern.to_owned()).unwrap();
        assert_eq!(pattern.allows(password), expected, "{password}");
    };
    let documented = r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$";
    check(documented, "abcdef1", true);
    check(documented, "abcdefg", false);
    check(documented, "1234567", false);
    check(documented, "abcde1", false);
    check(r"^(?=.*[)\]])(?!.*(foo|bar)).+", "a)x", true);
    check(r"^(?=.*[)\]])(?!.*(foo|bar)).+", "a)bar", false);
    check("ab", "abc", true);
    check("ab", "cab", false);
    check("a|b", "b", true);
    for wrong in ["(", "^a(?=b)", "(?=a", "[a"] {
        assert!(PasswordPattern::try_from(wrong.to_owned()).is_err(), "{wrong}");
    }
}

fn strict(change: impl FnOnce(&mut SecurityCompliance)) -> Cloud {
    let mut security_compliance = SecurityCompliance::default();
    change(&mut security_compliance);
    cloud_with(Config { bcrypt_cost: 4, security_compliance, ..Config::default() })
}

fn user(cloud: &Cloud, name: &str, options: Json) -> String {
    let made = cloud.make("users", "user", json!({"name": name, "password": "first", "options": options}));
    format!("users/{}", made["id"].as_str().unwrap())
}

fn choose(cloud: &Cloud, path: &str, original: &str, password: &str) -> Answer {
    let body = json!({"user": {"original_password": original, "password": password}});
    cloud.call("", "POST", &format!("{path}/password"), &body)
}

fn message(answer: &Answer) -> &str {
    answer.body["error"]["message"].as_str().unwrap_or_default()
}

#[test]
fn too_many_wrong_passwords_lock_the_account_for_a_while() {
    let simulation = runtime::simulate(1, Timestamp::from_seconds(1_000_000));
    let cloud = strict(|c| {
        c.lockout_failure_attempts = NonZeroU32::new(3);
        c.lockout_duration = NonZeroU32::new(60).unwrap();
    });
    let path = user(&cloud, "u", json!({}));
    let spared = user(&cloud, "spared", json!({"ignore_lockout_failure_attempts": true}));
    let log_in = |name: &str, password: &str| cloud.login(name, password, Json::Null);
    let fail = |name: &str, times: usize| (0..times).for_each(|_| drop(log_in(name, "wrong")));
    fail("u", 2);
    assert_eq!(log_in("u", "first").status, 201, "the third is right");
    fail("u", 2);
    assert_eq!(log_in("u", "first").status, 201, "and makes the others forgotten");
    fail("u", 3);
    fail("spared", 5);
    let locked = log_in("u", "first");
    let id = path.strip_prefix("users/").unwrap();
    assert_eq!((locked.status, message(&locked)), (401, &*format!("The account is locked for user: {id}.")));
    assert_eq!(choose(&cloud, &path, "first", "second").status, 401);
    assert_eq!(log_in("spared", "first").status, 201);
    simulation.advance(Duration::from_secs(61));
    fail("u", 1);
    assert_eq!(log_in("u", "first").status, 201, "what was before the lock is over");
    fail("u", 3);
    let enable = json!({"user": {"enabled": true}});
    assert_eq!(cloud.call(&cloud.token(ADMIN), "PATCH", &path, &enable).status, 200);
    assert_eq!(log_in("u", "first").status, 201, "an administrator unlocks");
    assert_eq!(cloud.get(&cloud.token(ADMIN), &spared).status, 200);
}

#[test]
fn passwords_expire() {
    let simulation = runtime::simulate(2, Timestamp::from_seconds(1_000_000));
    let cloud = strict(|c| c.password_expires_days = NonZeroU32::new(10));
    let path = user(&cloud, "u", json!({}));
    user(&cloud, "exempt", json!({"ignore_password_expiry": true}));
    let show = |path: &str| cloud.get(&cloud.token(ADMIN), path).body["user"]["password_expires_at"].clone();
    assert_eq!(show(&path), "1970-01-22T13:46:40.000000");
    let login = cloud.login("u", "first", Json::Null);
    assert_eq!(login.body["token"]["user"]["password_expires_at"], "1970-01-22T13:46:40.000000");
    let soon = "users?password_expires_at=lt:1970-01-22T13:46:41Z";
    let listed = cloud.get(&cloud.token(ADMIN), soon);
    assert_eq!(listed.body["users"].as_array().unwrap().len(), 1, "{:?}", listed.body);
    simulation.advance(DAY * 10);
    let expired = cloud.login("u", "first", Json::Null);
    let id = path.strip_prefix("users/").unwrap();
    let told = format!("The password is expired and needs to be changed for user: {id}.");
    assert_eq!((expired.status, message(&expired)), (401, &*told));
    assert_eq!(cloud.login("u", "wrong", Json::Null).status, 401);
    assert_eq!(cloud.login("exempt", "first", Json::Null).status, 201);
    assert_eq!(choose(&cloud, &path, "first", "second").status, 204);
    assert_eq!(cloud.login("u", "second", Json::Null).status, 201);
    assert_eq!(show(&path), "1970-02-01T13:46:40.000000");
}

#[test]
fn a_password_of_an_administrator_s_choice_is_changed_at_first_use() {
    let cloud = strict(|c| c.change_password_upon_first_use = true);
    let path = user(&cloud, "u", json!({}));
    user(&cloud, "service", json!({"ignore_change_password_upon_first_use": true}));
    assert_eq!(cloud.login("u", "first", Json::Null).status, 401);
    assert_eq!(cloud.login("service", "first", Json::Null).status, 201);
    assert_eq!(choose(&cloud, &path, "first", "second").status, 204);
    assert_eq!(cloud.login("u", "second", Json::Null).status, 201);
    let reset = json!({"user": {"password": "third"}});
    assert_eq!(cloud.call(&cloud.token(ADMIN), "PATCH", &path, &reset).status, 200);
    assert_eq!(cloud.login("u", "third", Json::Null).status, 401);
}

#[test]
fn old_passwords_do_not_come_back() {
    let cloud = strict(|c| c.unique_last_password_count = 3);
    let path = user(&cloud, "u", json!({}));
    assert_eq!(choose(&cloud, &path, "first", "second").status, 204);
    let again = choose(&cloud, &path, "second", "first");
    assert_eq!(again.status, 400);
    assert!(message(&again).starts_with("The new password cannot be identical to a previous password."));
    assert_eq!(choose(&cloud, &path, "second", "second").status, 400);
    assert_eq!(choose(&cloud, &path, "second", "third").status, 204);
    assert_eq!(choose(&cloud, &path, "third", "first").status, 400);
    assert_eq!(choose(&cloud, &path, "third", "fourth").status, 204);
    assert_eq!(choose(&cloud, &path, "fourth", "first").status, 204, "three others were in between");
}

#[test]
fn a_chosen_password_is_kept_for_a_while() {
    let simulation = runtime::simulate(3, Timestamp::from_seconds(1_000_000));
    let cloud = strict(|c| c.minimum_password_age = 2);
    let path = user(&cloud, "u", json!({}));
    assert_eq!(choose(&cloud, &path, "first", "second").status, 204, "it was not the user's own");
    simulation.advance(DAY / 2);
    let young = choose(&cloud, &path, "second", "third");
    assert_eq!(young.status, 400);
    assert!(message(&young).contains("must be used for 2 day(s)"), "{}", message(&young));
    assert!(message(&young).contains("try again in 1 day(s)"), "{}", message(&young));
    let reset = json!({"user": {"password": "reset"}});
    assert_eq!(cloud.call(&cloud.token(ADMIN), "PATCH", &path, &reset).status, 200);
    assert_eq!(choose(&cloud, &path, "reset", "third").status, 204);
    simulation.advance(DAY * 2);
    assert_eq!(choose(&cloud, &path, "third", "fourth").status, 204);
}

#[test]
fn weak_and_locked_passwords() {
    let cloud = strict(|c| {
        c.password_regex = Some(PasswordPattern::try_from(r"^(?=.*\d).{5,}".to_owned()).unwrap());
        c.password_regex_description = Some("five letters and a digit".to_owned());
    });
    let admin = cloud.token(ADMIN);
    let create = |password: Json| {
        cloud.call(&admin, "POST", "users", &json!({"user": {"name": "u", "password": password}}))
    };
    let weak = create(json!("short"));
    let told = "The password does not match the requirements: five letters and a digit.";
    assert_eq!((weak.status, message(&weak)), (400, told));
    assert_eq!(create(Json::Null).status, 400);
    let made = create(json!("first1"));
    assert_eq!(made.status, 201);
    let path = format!("users/{}", made.body["user"]["id"].as_str().unwrap());
    assert_eq!(choose(&cloud, &path, "first1", "weak").status, 400);
    assert_eq!(choose(&cloud, &path, "first1", "second2").status, 204);
    let change = |body: Json| cloud.call(&admin, "PATCH", &path, &json!({"user": body}));
    assert_eq!(change(json!({"password": "weak"})).status, 400);
    assert_eq!(change(json!({"options": {"lock_password": true}})).status, 200);
    let locked = choose(&cloud, &path, "second2", "third3");
    assert_eq!(locked.status, 400);
    assert!(message(&locked).contains("policy disallowing password changes"));
    assert_eq!(cloud.login("u", "second2", Json::Null).status, 201);
    assert_eq!(change(json!({"password": "third3"})).status, 200, "an administrator still can");
}

#[test]
fn who_stays_away_is_disabled() {
    let simulation = runtime::simulate(4, Timestamp::from_seconds(1_000_000));
    let cloud = strict(|c| c.disable_user_account_days_inactive = NonZeroU32::new(30));
    let path = user(&cloud, "u", json!({}));
    user(&cloud, "exempt", json!({"ignore_user_inactivity": true}));
    for _ in 0..2 {
        simulation.advance(DAY * 29);
        cloud.token(ADMIN);
        assert_eq!(cloud.login("u", "first", Json::Null).status, 201);
    }
    simulation.advance(DAY);
    cloud.token(ADMIN);
    simulation.advance(DAY * 29);
    let gone = cloud.login("u", "first", Json::Null);
    assert!(message(&gone).starts_with("The account is disabled for user"), "{gone:?}");
    assert_eq!(cloud.login("exempt", "first", Json::Null).status, 201);
    let admin = cloud.token(ADMIN);
    assert_eq!(cloud.get(&admin, &path).body["user"]["enabled"], false);
    let listed = cloud.get(&admin, "users?enabled=false").body;
    assert!(listed["users"].as_array().unwrap().iter().any(|user| user["name"] == "u"));
    assert_eq!(cloud.call(&admin, "PATCH", &path, &json!({"user": {"enabled": true}})).status, 200);
    assert_eq!(cloud.login("u", "first", Json::Null).status, 201);
}

#[test]
fn options() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let rules = json!([["password", "totp"], ["token"]]);
    let path = user(&cloud, "u", json!({"lock_password": false, "multi_factor_auth_rules": rules}));
    let shown = || cloud.get(&admin, &path).body["user"]["options"].clone();
    assert_eq!(shown(), json!({"lock_password": false, "multi_factor_auth_rules": rules}));
    let change =
        |options: Json| cloud.call(&admin, "PATCH", &path, &json!({"user": {"options": options}})).status;
    assert_eq!(change(json!({"lock_password": null, "ignore_user_inactivity": true})), 200);
    assert_eq!(shown(), json!({"ignore_user_inactivity": true, "multi_factor_auth_rules": rules}));
    for wrong in [
        json!({"colour": "red"}),
        json!({"lock_password": "yes"}),
        json!({"lock_password": 1}),
        json!({"multi_factor_auth_rules": "password"}),
        json!({"multi_factor_auth_rules": ["password"]}),
        json!({"multi_factor_auth_rules": [[]]}),
        json!({"multi_factor_auth_rules": [[1]]}),
        json!({"multi_factor_auth_rules": [["totp", "totp"]]}),
        json!({"multi_factor_auth_rules": [["totp"], ["totp"]]}),
        json!([]),
        Json::Null,
    ] {
        assert_eq!(change(wrong.clone()), 400, "{wrong}");
    }
    assert_eq!(change(json!({"multi_factor_auth_rules": null})), 200);
    assert_eq!(shown(), json!({"ignore_user_inactivity": true}));
}
