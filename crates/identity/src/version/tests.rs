//! The version documents, and the table of all routes.

use serde_json::Value as Json;

use crate::tests::cloud;

#[test]
fn discovery_needs_no_token() {
    let cloud = cloud();
    for path in ["/identity", "/identity/"] {
        let root = cloud.api.get("", path);
        assert_eq!(root.status, 300);
        assert_eq!(root.header("location"), Some("http://cloud.test/identity/v3/"));
        let version = &root.body["versions"]["values"][0];
        assert_eq!(version["id"], "v3.14");
        assert_eq!(version["status"], "stable");
        assert_eq!(version["links"][0]["href"], "http://cloud.test/identity/v3/");
    }
    for path in ["/identity/v3", "/identity/v3/"] {
        let version = cloud.api.get("", path);
        assert_eq!((version.status, &version.body["version"]["id"]), (200, &Json::from("v3.14")));
    }
    assert_eq!(cloud.api.get("", "/identity/v2.0").status, 404);
}

/// Whatever is asked without a token and with junk in every place is refused, and never breaks anything.
#[test]
fn every_other_route_refuses_strangers() {
    let cloud = cloud();
    let service = crate::service(&cloud.api.store, &cloud.tokens);
    for (method, path) in service.routes.table() {
        let open = matches!(path.as_str(), "/" | "/v3" | "/v3/users/{user_id}/password")
            || (method.as_str(), path.as_str()) == ("POST", "/v3/auth/tokens");
        let filled: String = path.split('{').enumerate().fold(String::new(), |so_far, (n, part)| {
            if n == 0 {
                part.to_owned()
            } else {
                format!("{so_far}x{}", part.split_once('}').map_or("", |(_, rest)| rest))
            }
        });
        let url = format!("/identity{filled}");
        let answer = cloud.api.call("", method.as_str(), &url, &[], &Json::Null);
        assert_eq!(answer.status == 401, !open, "{method} {path}: {}", answer.status);
        let admin = cloud.token(crate::tests::ADMIN);
        for body in [Json::Null, Json::from(7), serde_json::json!({"x": []})] {
            let answer = cloud.api.call(&admin, method.as_str(), &url, &[], &body);
            assert!(answer.status < 500, "{method} {path} {body}: {}", answer.body);
        }
    }
}
