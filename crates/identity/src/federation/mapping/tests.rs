//! The mapping language as tables: what is a mapping, and whom an assertion means by one.

use serde_json::{Value as Json, json};

use super::engine::apply;
use super::language;
use super::model::{Assertion, Mapped, Version};
use crate::login::model::DomainSpec;
use crate::tests::{ADMIN, DEMO, cloud};

fn assertion(of: &Json) -> Assertion {
    let values = |value: &Json| match value {
        Json::Array(items) => items.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    };
    of.as_object().unwrap().iter().map(|(name, value)| (name.clone(), values(value))).collect()
}

fn as_json(mapped: &Mapped) -> Json {
    let domain = |of: &DomainSpec| match of {
        DomainSpec::Id(id) => format!("id:{id}"),
        DomainSpec::Name(name) => name.clone(),
    };
    let user = &mapped.user;
    let mut out = json!({"user": {}});
    for (key, value) in [("id", &user.id), ("name", &user.name), ("email", &user.email)] {
        if let Some(value) = value {
            out["user"][key] = json!(value);
        }
    }
    if let Some(of) = &user.domain {
        out["user"]["domain"] = json!(domain(of));
    }
    if user.local {
        out["user"]["local"] = json!(true);
    }
    if !mapped.group_ids.is_empty() {
        out["group_ids"] = json!(mapped.group_ids);
    }
    if !mapped.groups.is_empty() {
        out["groups"] = mapped.groups.iter().map(|(name, of)| format!("{name}@{}", domain(of))).collect();
    }
    if !mapped.projects.is_empty() {
        let project = |p: &super::model::MappedProject| {
            let of = p.domain.as_ref().map(domain).unwrap_or_default();
            format!("{}@{of}:{}", p.name, p.roles.join(","))
        };
        out["projects"] = mapped.projects.iter().map(project).collect();
    }
    out
}

fn mapped(version: Version, rules: Json, of: Json) -> Result<Json, String> {
    let rules = language::rules(version, &rules).unwrap();
    apply(version, &rules, &assertion(&of)).map(|mapped| as_json(&mapped)).map_err(|e| e.to_string())
}

fn rule(local: Json, remote: Json) -> Json {
    json!([{"local": local, "remote": remote}])
}

#[test]
fn users_and_what_they_are_called() {
    let name = json!([{"user": {"name": "{0}"}}]);
    let check = |local: &Json, remote: Json, of: Json, expected: Json| {
        assert_eq!(mapped(Version::V1, rule(local.clone(), remote), of), Ok(expected));
    };
    check(&name, json!([{"type": "sub"}]), json!({"sub": "coral"}), json!({"user": {"name": "coral"}}));
    check(
        &json!([{"user": {"name": "{0} {1}", "email": "{2}", "id": "x-{2}"}}]),
        json!([{"type": "first"}, {"type": "last"}, {"type": "mail"}]),
        json!({"first": "Ada", "last": "Reef", "mail": "ada@reef"}),
        json!({"user": {"name": "Ada Reef", "email": "ada@reef", "id": "x-ada@reef"}}),
    );
    check(
        &json!([{"user": {"name": "{{{0}}} {}{}"}}]),
        json!([{"type": "sub"}, {"type": "sub"}]),
        json!({"sub": "a"}),
        json!({"user": {"name": "{a} aa"}}),
    );
    // Conditions take no place, so `{0}` is what is taken first.
    check(
        &name,
        json!([{"type": "org", "any_one_of": ["ocean", "lake"]}, {"type": "sub"}]),
        json!({"org": "lake", "sub": "a"}),
        json!({"user": {"name": "a"}}),
    );
    check(&name, json!([{"type": "g"}]), json!({"g": ["a", "b"]}), json!({"user": {"name": "['a', 'b']"}}));
    check(
        &json!([{"user": {"name": "{0}", "type": "local", "domain": {"name": "Default"}}}]),
        json!([{"type": "sub"}]),
        json!({"sub": "demo"}),
        json!({"user": {"name": "demo", "domain": "Default", "local": true}}),
    );
    // The first user counts.
    check(
        &json!([{"user": {"name": "a"}}, {"user": {"name": "b", "email": "b@b"}}]),
        json!([{"type": "sub"}]),
        json!({"sub": "x"}),
        json!({"user": {"name": "a"}}),
    );
    // A rule may speak of groups alone.
    check(
        &json!([{"group": {"id": "g1"}}]),
        json!([{"type": "sub"}]),
        json!({"sub": "x"}),
        json!({"user": {}, "group_ids": ["g1"]}),
    );
}

#[test]
fn when_a_rule_applies() {
    let check = |remote: Json, of: Json, applies: bool| {
        let result = mapped(Version::V1, rule(json!([{"user": {"name": "n"}}]), json!([remote])), of);
        assert_eq!(result.is_ok(), applies, "{result:?}");
    };
    check(json!({"type": "a"}), json!({"a": "x"}), true);
    check(json!({"type": "a"}), json!({"b": "x"}), false);
    check(json!({"type": "a"}), json!({"a": []}), false);
    check(json!({"type": "a"}), json!({"A": "x"}), false);
    check(json!({"type": "a", "any_one_of": ["x", "y"]}), json!({"a": ["w", "y"]}), true);
    check(json!({"type": "a", "any_one_of": ["x", "y"]}), json!({"a": "xx"}), false);
    check(json!({"type": "a", "any_one_of": []}), json!({"a": "x"}), false);
    check(json!({"type": "a", "any_one_of": ["^x.$"], "regex": true}), json!({"a": "xx"}), true);
    check(json!({"type": "a", "any_one_of": ["x"], "regex": true}), json!({"a": "axa"}), true);
    check(json!({"type": "a", "any_one_of": ["^x.$"], "regex": false}), json!({"a": "xx"}), false);
    check(json!({"type": "a", "not_any_of": ["x"]}), json!({"a": "y"}), true);
    check(json!({"type": "a", "not_any_of": ["x"]}), json!({"a": ["y", "x"]}), false);
    check(json!({"type": "a", "not_any_of": ["x"]}), json!({"b": "y"}), false);
    check(json!({"type": "a", "not_any_of": ["@evil"], "regex": true}), json!({"a": "m@evil.org"}), false);
    check(json!({"type": "a", "whitelist": ["x"]}), json!({"a": "y"}), true);
    check(json!({"type": "a", "blacklist": ["x"]}), json!({"a": "x"}), true);
}

#[test]
fn groups_of_all_kinds() {
    let check = |local: Json, remote: Json, of: Json, expected: Json| {
        let result = mapped(Version::V1, rule(json!([local]), json!([remote])), of);
        assert_eq!(result.map(|json| json!([json["groups"], json["group_ids"]])), Ok(expected));
    };
    let all = json!({"type": "g"});
    let in_reef = json!({"groups": "{0}", "domain": {"name": "Reef"}});
    let both = json!({"g": ["a", "b"]});
    check(in_reef.clone(), all.clone(), both.clone(), json!([["a@Reef", "b@Reef"], null]));
    check(in_reef.clone(), all.clone(), json!({"g": "a"}), json!([["a@Reef"], null]));
    check(
        in_reef.clone(),
        json!({"type": "g", "whitelist": ["b", "c"]}),
        both.clone(),
        json!([["b@Reef"], null]),
    );
    check(in_reef.clone(), json!({"type": "g", "whitelist": ["c"]}), both.clone(), json!([null, null]));
    check(in_reef.clone(), json!({"type": "g", "blacklist": ["b"]}), both.clone(), json!([["a@Reef"], null]));
    let regex = json!({"type": "g", "blacklist": ["^a"], "regex": true});
    check(in_reef.clone(), regex, both.clone(), json!([["b@Reef"], null]));
    check(json!({"group_ids": "{0}"}), all.clone(), both.clone(), json!([null, ["a", "b"]]));
    check(json!({"group_ids": "['x', \"y\"]"}), all.clone(), both.clone(), json!([null, ["x", "y"]]));
    check(json!({"group_ids": "os-{0}"}), all.clone(), json!({"g": "a"}), json!([null, ["os-a"]]));
    let group = json!({"group": {"name": "{0}", "domain": {"id": "d1"}}});
    check(group, all.clone(), json!({"g": "a"}), json!([["a@id:d1"], null]));
    let own = json!({"g": r#"JSON:{"name": "a", "domain": {"id": "d2"}}"#});
    check(json!({"groups": "{0}"}), all.clone(), own, json!([["a@id:d2"], null]));
    // A value that looks like a list is a name like any other.
    check(in_reef, all, json!({"g": "['admins']"}), json!([["['admins']@Reef"], null]));
}

#[test]
fn projects_and_their_domains() {
    let check = |version: Version, local: Json, of: Json, expected: Json| {
        let result = mapped(version, rule(json!([local]), json!([{"type": "a"}])), of);
        assert_eq!(result.map(|json| json["projects"].clone()), Ok(expected));
    };
    let roles = json!([{"name": "member"}, {"name": "reader"}]);
    let one = json!({"projects": [{"name": "for {0}", "roles": roles}], "domain": {"name": "Reef"}});
    check(Version::V1, one.clone(), json!({"a": "x"}), json!(["for x@:member,reader"]));
    check(Version::V2, one, json!({"a": "x"}), json!(["for x@Reef:member,reader"]));
    let own =
        json!({"projects": [{"name": "p", "roles": roles, "domain": {"id": "d"}}], "domain": {"name": "R"}});
    check(Version::V2, own, json!({"a": "x"}), json!(["p@id:d:member,reader"]));
    let told = json!({"a": r#"[{"name": "q{9}", "roles": [{"name": "member"}], "domain": {"name": "D"}}]"#});
    check(Version::V3, json!({"projects_json": "{0}"}), told, json!(["q{9}@D:member"]));
}

#[test]
fn domains_beside_the_user() {
    let check = |version: Version, expected: Json| {
        let local = json!([{"user": {"name": "n"}, "domain": {"name": "Reef"}}]);
        let result = mapped(version, rule(local, json!([{"type": "a"}])), json!({"a": "x"}));
        assert_eq!(result, Ok(json!({"user": expected})));
    };
    check(Version::V1, json!({"name": "n"}));
    check(Version::V2, json!({"name": "n", "domain": "Reef"}));
    check(Version::V3, json!({"name": "n", "domain": "Reef"}));
}

#[test]
fn all_rules_that_apply_count() {
    let rules = json!([
        {"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "sub"}]},
        {"local": [{"group": {"id": "staff"}}], "remote": [{"type": "kind", "any_one_of": ["employee"]}]},
        {"local": [{"group": {"id": "guests"}}], "remote": [{"type": "kind", "not_any_of": ["employee"]}]},
    ]);
    let check = |kind: &str, group: &str| {
        let of = json!({"sub": "a", "kind": kind});
        let expected = json!({"user": {"name": "a"}, "group_ids": [group]});
        assert_eq!(mapped(Version::V1, rules.clone(), of), Ok(expected));
    };
    check("employee", "staff");
    check("student", "guests");
}

#[test]
fn refusals() {
    let check = |version: Version, local: Json, of: Json, part: &str| {
        let refusal = mapped(version, rule(json!([local]), json!([{"type": "a"}])), of).unwrap_err();
        assert!(refusal.contains(part), "{refusal}");
    };
    let x = json!({"a": "x"});
    check(Version::V1, json!({"user": {"name": "n"}}), json!({}), "Could not map any federated user");
    check(Version::V1, json!({"user": {"name": "{1}"}}), x.clone(), "template \"{1}\"");
    check(Version::V1, json!({"user": {"name": "{a}"}}), x.clone(), "template");
    check(Version::V1, json!({"user": {"name": "{0"}}), x.clone(), "template");
    check(Version::V1, json!({"user": {"name": "0}"}}), x.clone(), "template");
    check(Version::V1, json!({"groups": "{0}"}), x.clone(), "'domain' keywords must be specified");
    check(Version::V1, json!({"groups": "{7}", "domain": {"id": "d"}}), x.clone(), "template");
    check(Version::V1, json!({"groups": "{0}"}), json!({"a": "JSON:{"}), "does not hold");
    check(Version::V3, json!({"projects_json": "{0}"}), x.clone(), "does not hold");
    check(Version::V3, json!({"projects_json": "{4}"}), x, "template");
    check(Version::V3, json!({"projects_json": "0"}), json!({"a": r#"[{"name": "p"}]"#}), "roles");
}

#[test]
fn what_is_no_mapping() {
    let check = |rules: Json, part: &str| {
        let problem = language::rules(Version::V2, &rules).unwrap_err().to_string();
        assert!(problem.contains(part), "{problem}");
    };
    let remote = json!([{"type": "a"}]);
    check(json!({}), "rules is not a list");
    check(json!([]), "rules is not a list");
    check(json!([7]), "rules.0 is not an object");
    check(json!([{"local": []}]), "rules.0.remote is a required property");
    check(json!([{"remote": remote}]), "rules.0.local is a required property");
    check(rule(json!([]), json!([])), "remote should be non-empty");
    check(json!([{"local": [], "remote": remote, "x": 1}]), "'x' was unexpected");
    check(rule(json!([]), json!([{"any_one_of": ["x"]}])), "type is a required property");
    check(rule(json!([]), json!([{"type": "a", "any_one_of": "x"}])), "any_one_of is not a list");
    check(rule(json!([]), json!([{"type": "a", "any_one_of": [1]}])), "not a list of strings");
    check(
        rule(json!([]), json!([{"type": "a", "any_one_of": [], "whitelist": []}])),
        "'whitelist' was unexpected",
    );
    check(rule(json!([]), json!([{"type": "a", "regex": true}])), "'regex' was unexpected");
    check(rule(json!([]), json!([{"type": "a", "whitelist": ["("], "regex": true}])), "not usable");
    check(
        rule(json!([]), json!([{"type": "a", "whitelist": ["x"], "regex": "yes"}])),
        "regex is not a boolean",
    );
    let local = |local: Json, part: &str| check(rule(json!([local]), remote.clone()), part);
    local(json!({"user": {"nam": "x"}}), "'nam' was unexpected");
    local(json!({"user": {"type": "other"}}), "neither ephemeral nor local");
    local(json!({"user": {"name": 7}}), "name is not a string");
    local(json!({"group": {"name": "x"}}), "domain is a required property");
    local(json!({"group": {"domain": {"id": "d"}}}), "name is a required property");
    local(json!({"group": {"id": "x", "name": "y"}}), "'name' was unexpected");
    local(json!({"groups": ["x"]}), "groups is not a string");
    local(json!({"domain": {"colour": "x"}}), "'colour' was unexpected");
    local(json!({"projects": [{"name": "p"}]}), "roles is a required property");
    local(json!({"projects": [{"name": "p", "roles": [{"id": "x"}]}]}), "name is a required property");
    local(json!({"projects_json": "{0}"}), "'projects_json' was unexpected");
    local(json!({"other": 1}), "'other' was unexpected");
}

#[test]
fn who_may_see_and_make_mappings() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let body =
        json!({"mapping": {"rules": rule(json!([{"user": {"name": "{0}"}}]), json!([{"type": "a"}]))}});
    let path = "OS-FEDERATION/mappings/m";
    assert_eq!(cloud.call(&demo, "PUT", path, &body).status, 403);
    assert_eq!(cloud.call(&admin, "PUT", path, &body).status, 201);
    assert_eq!(cloud.get(&demo, path).status, 403);
    assert_eq!(cloud.get(&demo, "OS-FEDERATION/mappings").status, 403);
    assert_eq!(cloud.call(&demo, "DELETE", path, &Json::Null).status, 403);
    assert_eq!(cloud.get(&admin, path).body["mapping"]["rules"], body["mapping"]["rules"]);
    let long = format!("OS-FEDERATION/mappings/{}", "m".repeat(65));
    assert_eq!(cloud.call(&admin, "PUT", &long, &body).status, 400);
}

#[test]
fn golden() {
    crate::tests::check_golden("federation/mapping/golden/life.http");
}
