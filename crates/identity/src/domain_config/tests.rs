//! Domains' options as clients meet them.

use serde_json::{Value as Json, json};

use super::model::{Groups, Part, refusal};
use crate::tests::{ADMIN, DEMO, check_golden, cloud, cloud_with};
use crate::{Config, PasswordPattern, SecurityCompliance};

#[test]
fn the_life_of_a_configuration() {
    check_golden("domain_config/golden/life.http");
}

#[test]
fn refusals_look_as_keystone_s() {
    check_golden("domain_config/golden/refusals.http");
}

#[test]
fn what_can_be_set_where() {
    let check = |config: Json, group: Option<&str>, option: Option<&str>, expected: Option<&str>| {
        let groups: Groups = serde_json::from_value(config.clone()).unwrap();
        let refusal = refusal(&groups, Part { group, option });
        match expected {
            None => assert_eq!(refusal, None, "{config}"),
            Some(part) => {
                assert!(refusal.as_ref().is_some_and(|r| r.contains(part)), "{config}: {refusal:?}")
            }
        }
    };
    let url = json!({"ldap": {"url": "u"}});
    let two = json!({"ldap": {"url": "u", "user": "v"}, "identity": {"driver": "ldap"}});
    check(url.clone(), None, None, None);
    check(two.clone(), None, None, None);
    check(json!({}), None, None, Some("No options specified"));
    check(json!({"token": {"url": "u"}}), None, None, Some("Group token is not supported"));
    check(json!({"ldap": {"colour": "u"}}), None, None, Some("Option colour in group ldap is not supported"));
    check(url.clone(), Some("ldap"), None, None);
    check(url.clone(), Some("token"), None, Some("Group token is not supported"));
    check(url.clone(), Some("identity"), None, Some("contains group ldap instead"));
    check(two, Some("ldap"), None, Some("only that, group"));
    check(url.clone(), Some("ldap"), Some("url"), None);
    check(url, Some("ldap"), Some("user"), Some("contains option url instead"));
    check(json!({"ldap": {"url": "u", "user": "v"}}), Some("ldap"), Some("url"), Some("only that, option"));
}

/// Wherever a secret could be told, it is not; nor is it in the database.
#[test]
fn a_secret_is_never_told() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let body = json!({"config": {"ldap": {"url": "u", "password": "hush"}}});
    let mut told = Vec::new();
    for (method, path) in [
        ("PUT", "domains/default/config"),
        ("PATCH", "domains/default/config"),
        ("PATCH", "domains/default/config/ldap"),
        ("GET", "domains/default/config"),
        ("GET", "domains/default/config/ldap"),
        ("GET", "domains/config/default"),
    ] {
        let answer = cloud.call(&admin, method, path, &body);
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        told.push(answer.body.to_string());
    }
    let rows = cloud.api.store.read_blocking(|tx| {
        super::store::DOMAIN_CONFIGS.query(tx, &store::Select::all()).map_err(crate::Error::from)
    });
    told.push(format!("{:?}", rows.unwrap()));
    for text in &told {
        assert!(!text.contains("hush"), "{text}");
    }
    let option = "domains/default/config/ldap/password";
    assert_eq!(cloud.get(&admin, option).status, 404);
    let changed = json!({"config": {"password": "hush hush"}});
    assert_eq!(cloud.call(&admin, "PATCH", option, &changed).status, 200);
    assert_eq!(cloud.call(&admin, "DELETE", option, &Json::Null).status, 204);
    assert_eq!(cloud.call(&admin, "DELETE", option, &Json::Null).status, 404);
}

#[test]
fn a_configuration_goes_with_its_domain() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let domain = cloud.make("domains", "domain", json!({"name": "d", "enabled": false}))["id"].clone();
    let domain = format!("domains/{}", domain.as_str().unwrap());
    let path = format!("{domain}/config");
    let body = json!({"config": {"identity": {"driver": "ldap"}}});
    assert_eq!(cloud.call(&admin, "PUT", &path, &body).status, 201);
    assert_eq!(cloud.call(&admin, "DELETE", &domain, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &path).status, 404);
}

#[test]
fn password_rules_are_for_everybody_to_read() {
    let cloud = cloud();
    let demo = cloud.token(DEMO);
    let path = "domains/default/config/security_compliance";
    let rules = json!({"password_regex": null, "password_regex_description": null});
    assert_eq!(cloud.get(&demo, path).body, json!({"config": {"security_compliance": rules}}));
    let option = cloud.get(&demo, &format!("{path}/password_regex"));
    assert_eq!(option.body, json!({"config": {"password_regex": null}}));
    assert_eq!(cloud.get(&demo, &format!("{path}/lockout_duration")).status, 403);
    assert_eq!(cloud.get(&demo, "domains/other/config/security_compliance").status, 403);
    let told = cloud_with(Config {
        bcrypt_cost: 4,
        security_compliance: SecurityCompliance {
            password_regex: Some(PasswordPattern::try_from("^.{4,}$".to_owned()).unwrap()),
            password_regex_description: Some("four or more".to_owned()),
            ..SecurityCompliance::default()
        },
        ..Config::default()
    });
    let rules = json!({"password_regex": "^.{4,}$", "password_regex_description": "four or more"});
    let shown = told.get(&told.token(DEMO), path);
    assert_eq!(shown.body, json!({"config": {"security_compliance": rules}}));
    let body = json!({"config": {"security_compliance": {"password_regex": "."}}});
    assert_eq!(cloud.call(&cloud.token(ADMIN), "PATCH", path, &body).status, 403);
}
