//! Consumers through the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn golden() {
    crate::tests::check_golden("oauth1/consumer/golden/life.http");
}

#[test]
fn bad_consumers() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let base = "OS-OAUTH1/consumers";
    let made = cloud.make(base, "consumer", json!({"id": "mine", "secret": "mine", "colour": "red"}));
    assert_eq!((&made["colour"], &made["description"]), (&json!("red"), &Json::Null));
    let id = made["id"].as_str().unwrap();
    assert!(id != "mine" && made["secret"] != "mine", "{made}");
    let one = format!("{base}/{id}");
    let check = |method: &str, path: &str, body: Json, status: u16| {
        let answer = cloud.call(&admin, method, path, &json!({"consumer": body}));
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        let refused = cloud.call(&demo, method, path, &json!({"consumer": {"description": "x"}}));
        assert_eq!(refused.status, 403);
    };
    check("POST", base, json!({"description": 5}), 400);
    check("POST", base, json!({"description": "x".repeat(256)}), 400);
    check("POST", base, json!("x"), 400);
    check("PATCH", &one, json!({}), 400);
    check("PATCH", &one, json!({"secret": "x"}), 400);
    check("PATCH", &one, json!({"id": "x"}), 400);
    check("PATCH", "OS-OAUTH1/consumers/nothing", json!({"description": "x"}), 404);
    check("PATCH", &one, json!({"description": null, "size": 3}), 200);
    let shown = cloud.get(&admin, &one).body["consumer"].clone();
    assert_eq!((&shown["colour"], &shown["size"]), (&json!("red"), &json!(3)));
    assert!(shown.get("secret").is_none(), "{shown}");
    assert_eq!(cloud.get(&demo, &one).status, 403);
    assert_eq!(cloud.get(&demo, base).status, 403);
}
