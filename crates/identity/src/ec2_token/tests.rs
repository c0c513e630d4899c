//! Signatures that a real client made, and tokens for them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use testkit::Answer;
use types::Timestamp;

use super::model::{SignedRequest, is_s3_signature};
use crate::tests::{ADMIN, Cloud, DEMO, cloud};

const SECRET: &str = "s3cret key";

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn request(params: &[(&str, &str)], headers: &[(&str, &str)], signature: &str) -> SignedRequest {
    SignedRequest {
        host: "api.test:8773".to_owned(),
        verb: "GET".to_owned(),
        path: "/services/Cloud".to_owned(),
        params: texts(params),
        headers: texts(headers),
        signature: signature.to_owned(),
        ..SignedRequest::default()
    }
}

#[test]
fn signatures_of_python_keystoneclient() {
    let check = |name: &str, request: SignedRequest| {
        assert!(request.is_signed_with(SECRET), "{name}");
        assert!(!request.is_signed_with("another"), "{name}");
        let unsigned = SignedRequest { signature: String::new(), ..request };
        assert!(!unsigned.is_signed_with(SECRET), "{name}");
    };
    let params = [("SignatureVersion", "0"), ("Action", "Describe"), ("Timestamp", "2026-01-01T00:00:00Z")];
    check("version 0", request(&params, &[], "0cfFeQgZisFzoGSMAkVHx8lyF+g="));
    let params = [("SignatureVersion", "1"), ("Action", "Describe"), ("b", "2"), ("A", "x y")];
    check("version 1", request(&params, &[], "wsgn3r1fw+icLfUeC2ToXE3ZLTw="));
    let params = [
        ("SignatureVersion", "2"),
        ("SignatureMethod", "HmacSHA256"),
        ("Action", "Des cribe/ü~*"),
        ("Timestamp", "2026-01-01T00:00:00Z"),
    ];
    check("version 2", request(&params, &[], "6aY7hQHrrolNyzmAV/nCr+ZXjSmx5ltEyhMchEnB62E="));
    check("without the port", request(&params, &[], "6dEYqcfYC6u+uIS5XiTA4YWfLAid2YVtVBc7Nl4yzD8="));
    let authorization = "AWS4-HMAC-SHA256 Credential=a1/20260101/RegionOne/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=x";
    let headers = [
        ("Authorization", authorization),
        ("Host", "api.test:8773"),
        ("X-Amz-Date", "20260101T000000Z"),
        ("Other", "o"),
    ];
    let params = [("Action", "Describe"), ("Version", "2016")];
    let body_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned();
    let signature = "ee7ce823ba2650037bff950a0511084b3db2f3fcf5aeb516008519ef973e7363";
    let got = SignedRequest { body_hash: body_hash.clone(), ..request(&params, &headers, signature) };
    check("version 4", got.clone());
    let signature = "69a317466896bec218bf172e597959e3b1247c4f5e3f3a3503255eb7803aa744".to_owned();
    check("version 4, posted", SignedRequest { verb: "POST".to_owned(), signature, ..got.clone() });
    let mut other_day = got;
    other_day.headers.insert("X-Amz-Date".to_owned(), "20260102T000000Z".to_owned());
    assert!(!other_day.is_signed_with(SECRET));
    let params = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "a1/20260101/RegionOne/ec2/aws4_request"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Date", "20260101T000000Z"),
    ];
    let signature = "b72173d0c6c6a1cbf2366fd90fa2c0cb6bfd8f1e0417adbc4cb9cb81f3fd1f51";
    let in_query = request(&params, &[("Host", "api.test")], signature);
    check("version 4, in the query", SignedRequest { body_hash: "00".to_owned(), ..in_query });
    check_nonsense();
}

fn check_nonsense() {
    for (params, headers) in [
        (vec![], vec![]),
        (vec![("SignatureVersion", "0")], vec![]),
        (vec![("SignatureVersion", "7")], vec![]),
        (vec![], vec![("Authorization", "AWS4-HMAC-SHA256")]),
        (vec![], vec![("Authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host")]),
        (vec![("X-Amz-Algorithm", "AWS4-HMAC-SHA256")], vec![]),
    ] {
        assert!(!request(&params, &headers, "").is_signed_with(SECRET), "{params:?} {headers:?}");
    }
}

#[test]
fn s3_signatures() {
    let text = b"GET\n\n\nThu, 01 Jan 2026\n/bucket";
    assert!(is_s3_signature(SECRET, text, "4qoJCQ2wuNhzs9izGnhRCtTPshc="));
    assert!(!is_s3_signature("another", text, "4qoJCQ2wuNhzs9izGnhRCtTPshc="));
    let text = "AWS4-HMAC-SHA256\n20260101T000000Z\n20260101/RegionOne/s3/aws4_request\nabcd";
    let signature = "b29036674dec7baa1cf07283965c50d02050cfd90a2b9cab9675b6c4debc98ca";
    assert!(is_s3_signature(SECRET, text.as_bytes(), signature));
    for wrong in [text.replace("/s3/", "/ec2/"), text.replace("aws4_request", "x"), "AWS4".to_owned()] {
        assert!(!is_s3_signature(SECRET, wrong.as_bytes(), signature), "{wrong}");
    }
}

/// A cloud at the time of the signatures, and a key of `demo`.
fn with_key() -> (runtime::SimulationGuard, Cloud) {
    let simulation = runtime::simulate(7, Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
    let cloud = cloud();
    let demo = cloud.token(DEMO);
    let token = cloud.validate(&demo, &demo).body["token"].clone();
    let blob = json!({"access": "a1", "secret": SECRET}).to_string();
    let body = json!({
        "type": "ec2", "blob": blob, "user_id": token["user"]["id"], "project_id": token["project"]["id"],
    });
    cloud.make("credentials", "credential", body);
    (simulation, cloud)
}

fn ec2(cloud: &Cloud, token: &str, change: impl FnOnce(&mut Json)) -> Answer {
    let mut credentials = json!({
        "access": "a1",
        "signature": "0cfFeQgZisFzoGSMAkVHx8lyF+g=",
        "host": "api.test",
        "verb": "GET",
        "path": "/",
        "params": {"SignatureVersion": "0", "Action": "Describe", "Timestamp": "2026-01-01T00:00:00Z"},
    });
    change(&mut credentials);
    cloud.call(token, "POST", "ec2tokens", &json!({"credentials": credentials}))
}

#[test]
fn who_signed_gets_a_token() {
    let (simulation, cloud) = with_key();
    let admin = cloud.token(ADMIN);
    let answer = ec2(&cloud, &admin, |_| ());
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = &answer.body["token"];
    assert_eq!((&token["methods"], &token["user"]["name"]), (&json!(["ec2credential"]), &json!("demo")));
    assert_eq!(token["project"]["name"], "demo");
    let sealed = answer.header("x-subject-token").unwrap();
    assert_eq!(cloud.validate(&admin, sealed).body["token"]["methods"], json!(["ec2credential"]));
    // Identity answers it nothing, not even what it is worth.
    let user = token["user"]["id"].as_str().unwrap();
    for path in ["auth/tokens", "credentials", &format!("users/{user}"), "regions"] {
        let refused = cloud.get(sealed, path);
        assert_eq!(refused.status, 403, "{path}");
        let message = "EC2 credential tokens cannot be used for authorization.";
        assert_eq!(refused.body["error"]["message"], message);
    }
    let refused = |token: &str, status: u16, change: &dyn Fn(&mut Json)| {
        let answer = ec2(&cloud, token, change);
        assert_eq!(answer.status, status, "{answer:?}");
    };
    refused("", 401, &|_| ());
    refused(&cloud.token(DEMO), 403, &|_| ());
    refused(&admin, 404, &|c| c["access"] = json!("a2"));
    refused(&admin, 401, &|c| c["signature"] = json!("wrong"));
    refused(&admin, 401, &|c| c["params"] = json!(7));
    refused(&admin, 401, &|c| drop(c.as_object_mut().unwrap().remove("signature")));
    refused(&admin, 401, &|c| drop(c.as_object_mut().unwrap().remove("access")));
    assert_eq!(cloud.call(&admin, "POST", "ec2tokens", &json!({})).status, 401);
    assert_eq!(cloud.call(&admin, "POST", "ec2tokens", &json!([])).status, 400);
    let enable = |enabled: bool| {
        let body = json!({"user": {"enabled": enabled}});
        assert_eq!(cloud.call(&admin, "PATCH", &format!("users/{user}"), &body).status, 200);
    };
    enable(false);
    refused(&admin, 401, &|_| ());
    enable(true);
    simulation.set(Timestamp::parse("2026-01-01T00:15:01Z").unwrap());
    refused(&cloud.token(ADMIN), 401, &|_| ());
    simulation.advance(Duration::from_secs(1));
}

#[test]
fn an_s3_service_learns_who_signed() {
    let (_simulation, cloud) = with_key();
    let admin = cloud.token(ADMIN);
    let ask = |token: &str, signature: &str| {
        let credentials = json!({
            "access": "a1", "signature": signature, "token": "R0VUCgoKVGh1LCAwMSBKYW4gMjAyNgovYnVja2V0",
        });
        cloud.call(token, "POST", "s3tokens", &json!({"credentials": credentials}))
    };
    let answer = ask(&admin, "4qoJCQ2wuNhzs9izGnhRCtTPshc=");
    assert_eq!((answer.status, &answer.body["token"]["user"]["name"]), (200, &json!("demo")));
    assert!(answer.header("x-subject-token").is_none());
    assert_eq!(ask(&admin, "wrong").status, 401);
    assert_eq!(ask(&cloud.token(DEMO), "4qoJCQ2wuNhzs9izGnhRCtTPshc=").status, 403);
    assert_eq!(ask("", "4qoJCQ2wuNhzs9izGnhRCtTPshc=").status, 401);
}

#[test]
fn golden() {
    crate::tests::check_golden("ec2_token/golden/refusals.http");
}
