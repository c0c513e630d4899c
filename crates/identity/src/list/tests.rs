//! Filters, order and pages, alone and through a resource.

use serde_json::{Value as Json, json};

use super::{Condition, Test, order, truth};
use crate::tests::{ADMIN, cloud};

#[test]
fn comparisons() {
    let check = |name: &str, value: &str, expected: bool| {
        let (attribute, suffix) = name.split_once("__").unwrap_or((name, ""));
        let condition = match attribute {
            "time" => Condition::of_time(value).unwrap(),
            _ if suffix.is_empty() => Condition::Is(value),
            _ => Condition::of_suffix(suffix, value).unwrap(),
        };
        let known = ["name", "enabled", "parent", "tags", "time"];
        let attribute = known.into_iter().find(|known| *known == attribute).unwrap();
        let view = json!({"name": "Reef-One", "enabled": true, "parent": null, "tags": ["x"],
            "time": "2030-01-01T00:00:00.000000"});
        assert_eq!(Test { attribute, condition }.passes(&view[attribute]), expected, "{name}={value}");
    };
    check("name", "Reef-One", true);
    check("name", "reef-one", false);
    check("name__contains", "f-O", true);
    check("name__contains", "f-o", false);
    check("name__icontains", "F-o", true);
    check("name__startswith", "Reef", true);
    check("name__startswith", "reef", false);
    check("name__istartswith", "reef", true);
    check("name__endswith", "One", true);
    check("name__endswith", "Reef", false);
    check("name__iendswith", "oNE", true);
    check("name__contains", "", true);
    check("enabled", "1", true);
    check("enabled", "", true);
    check("enabled", "off", false);
    check("enabled__contains", "t", false);
    check("parent", "", false);
    check("tags", "x", false);
    check("time", "2030-01-01T00:00:00Z", true);
    check("time", "lt:2030-01-01T00:00:00Z", false);
    check("time", "lte:2030-01-01T00:00:00Z", true);
    check("time", "gt:2029-01-01T00:00:00Z", true);
    check("time", "neq:2030-01-01T00:00:00Z", false);
    assert_eq!(Condition::of_suffix("like", "x"), None);
    assert_eq!(Condition::of_suffix("i", "x"), None);
    assert!(Condition::of_time("lt:noon").is_err() && Condition::of_time("at:2030-01-01T00:00:00Z").is_err());
}

#[test]
fn words_for_false() {
    for word in ["0", "false", "FALSE", "no", "n", "off", "F", " No "] {
        assert!(!truth(word), "{word}");
    }
    for word in ["", "1", "true", "yes", "whatever"] {
        assert!(truth(word), "{word}");
    }
}

#[test]
fn values_are_ordered() {
    let sorted = [json!(null), json!("a"), json!("b")];
    for (a, b) in sorted.iter().zip(&sorted[1..]) {
        assert!(order(a, b).is_lt() && order(b, a).is_gt(), "{a} {b}");
    }
    assert!(order(&json!(2), &json!(10)).is_lt());
    assert!(order(&json!(false), &json!(true)).is_lt());
}

#[test]
fn filters_of_a_list() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    for name in ["Reef", "reed", "lagoon"] {
        cloud.make("groups", "group", json!({"name": name}));
    }
    let check = |query: &str, expected: &[&str]| {
        let answer = cloud.get(&admin, &format!("groups?sort_key=name&{query}"));
        assert_eq!(answer.status, 200, "{query} {}", answer.body);
        let groups = answer.body["groups"].as_array().unwrap();
        let names: Vec<&str> = groups.iter().map(|group| group["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{query}");
    };
    check("", &["Reef", "lagoon", "reed"]);
    check("sort_dir=desc", &["reed", "lagoon", "Reef"]);
    check("name=reed", &["reed"]);
    check("name__startswith=ree", &["reed"]);
    check("name__istartswith=REE", &["Reef", "reed"]);
    check("name__icontains=e&name__endswith=f", &["Reef"]);
    check("name__like=x&colour=red", &["Reef", "lagoon", "reed"]);
    check("domain_id=nowhere", &[]);
    for bad in ["name=", "domain_id=", "domain_id=a_b", "sort_dir=up", "limit=x", "limit=-1"] {
        assert_eq!(cloud.get(&admin, &format!("groups?{bad}")).status, 400, "{bad}");
    }
    assert_eq!(cloud.get(&admin, "projects?enabled=maybe").status, 400);
}

#[test]
fn pages_follow_one_another_to_the_end() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let mut made: Vec<Json> = (0..5)
        .map(|n| cloud.make("groups", "group", json!({"name": format!("g {n}")}))["id"].clone())
        .collect();
    made.sort_by_key(|id| id.to_string());
    let mut seen = Vec::new();
    let mut path = "groups?name__contains=g%20&limit=2".to_owned();
    loop {
        let page = cloud.get(&admin, &path).body;
        let groups = page["groups"].as_array().unwrap();
        seen.extend(groups.iter().map(|group| group["id"].clone()));
        let Some(next) = page["links"]["next"].as_str() else {
            assert_eq!((groups.len(), page.get("truncated")), (1, None));
            break;
        };
        assert_eq!((groups.len(), &page["truncated"]), (2, &json!(true)));
        path = next.split_once("/v3/").unwrap().1.to_owned();
    }
    assert_eq!(seen, made);
    assert_eq!(cloud.get(&admin, "groups?marker=nothing").status, 404);
    assert_eq!(cloud.get(&admin, "groups?limit=0").body["groups"].as_array().unwrap().len(), 5);
}
