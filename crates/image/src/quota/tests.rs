//! Quotas over the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use storage::fake::Fake;
use store::Tx;
use types::ProjectId;

use crate::Config;
use crate::tests::{MEMBER, OTHER, api, api_over, upload};

fn limits(_tx: &mut Tx<'_>, project: &ProjectId) -> Result<BTreeMap<String, i64>, store::Error> {
    let ours = [("image_count_total", 2), ("image_size_total", 1), ("image_count_uploading", 0)];
    let named = ours.into_iter().map(|(name, limit)| (name.to_owned(), limit));
    Ok(if project.as_str() == "alpha" { named.take(2).collect() } else { named.skip(2).collect() })
}

#[test]
fn what_is_too_much_is_refused_and_what_is_used_is_shown() {
    let config = Config { limits, ..Config::default() };
    let api = api_over(Arc::new(Fake::new()), config);
    let image = json!({"disk_format": "raw", "container_format": "bare"});
    let made = |token: &str, status: u16| {
        let answer = api.post(token, "/image/v2/images", &image);
        assert_eq!(answer.status, status, "{answer:?}");
        answer.body["id"].as_str().unwrap_or_default().to_owned()
    };
    let (one, two) = (made(MEMBER, 201), made(MEMBER, 201));
    made(MEMBER, 413);
    assert_eq!(upload(&api, MEMBER, &one, vec![0; 2 << 20]).status, 204);
    let answer = upload(&api, MEMBER, &two, vec![0; 1]);
    assert_eq!(answer.status, 413, "{answer:?}");
    let usage = api.get(MEMBER, "/image/v2/info/usage").body;
    let expected = json!({"usage": {
        "image_count_total": {"usage": 2, "limit": 2},
        "image_size_total": {"usage": 2, "limit": 1},
    }});
    assert_eq!(usage, expected);
    assert_eq!(api.delete(MEMBER, &format!("/image/v2/images/{two}")).status, 204);
    made(MEMBER, 201);
    let others = made(OTHER, 201);
    assert_eq!(upload(&api, OTHER, &others, vec![0; 1]).status, 413);
    assert_eq!(api.get(OTHER, &format!("/image/v2/images/{others}")).body["status"], "queued");
}

#[test]
fn without_limits_nothing_is_shown() {
    assert_eq!(api().get(MEMBER, "/image/v2/info/usage").body, json!({"usage": {}}));
}
