//! Which document is for which endpoint.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, Cloud, check_golden, cloud};

#[test]
fn associations_and_refusals() {
    check_golden("endpoint_policy/golden/life.http");
}

struct Associated {
    cloud: Cloud,
    service: String,
    endpoint: String,
    policies: Vec<String>,
}

/// An endpoint in region `inner`, which is in `outer`, and four documents.
fn associated() -> Associated {
    let cloud = cloud();
    let id_of = |object: Json| object["id"].as_str().unwrap().to_owned();
    cloud.make("regions", "region", json!({"id": "outer"}));
    cloud.make("regions", "region", json!({"id": "inner", "parent_region_id": "outer"}));
    let service = id_of(cloud.make("services", "service", json!({"type": "t"})));
    let body = json!({"service_id": service, "interface": "public", "url": "http://x", "region_id": "inner"});
    let endpoint = id_of(cloud.make("endpoints", "endpoint", body));
    let policy = |n: usize| cloud.make("policies", "policy", json!({"type": "t", "blob": n.to_string()}));
    let policies = (0..4).map(|n| id_of(policy(n))).collect();
    Associated { cloud, service, endpoint, policies }
}

impl Associated {
    fn call(&self, method: &str, path: &str) -> u16 {
        self.cloud.call(&self.cloud.token(ADMIN), method, path, &Json::Null).status
    }

    fn associate(&self, policy: usize, subject: &str) {
        let path = format!("policies/{}/OS-ENDPOINT-POLICY/{subject}", self.policies[policy]);
        assert_eq!(self.call("PUT", &path), 204);
        assert_eq!(self.call("HEAD", &path), 204);
    }

    /// The number of the endpoint's document.
    fn found(&self) -> Option<usize> {
        let path = format!("endpoints/{}/OS-ENDPOINT-POLICY/policy", self.endpoint);
        let answer = self.cloud.get(&self.cloud.token(ADMIN), &path);
        answer.body["policy"]["blob"].as_str().map(|blob| blob.parse().unwrap())
    }

    fn is_listed(&self, policy: usize) -> bool {
        let path = format!("policies/{}/OS-ENDPOINT-POLICY/endpoints", self.policies[policy]);
        let listed = self.cloud.get(&self.cloud.token(ADMIN), &path).body["endpoints"].clone();
        listed.as_array().unwrap().iter().any(|endpoint| endpoint["id"] == self.endpoint.as_str())
    }
}

#[test]
fn the_nearest_document_is_the_endpoint_s() {
    let all = associated();
    assert_eq!(all.found(), None);
    let service = format!("services/{}", all.service);
    let subjects = [
        service.clone(),
        format!("{service}/regions/outer"),
        format!("{service}/regions/inner"),
        format!("endpoints/{}", all.endpoint),
    ];
    for (n, subject) in subjects.iter().enumerate() {
        all.associate(n, subject);
        assert_eq!(all.found(), Some(n), "{subject}");
    }
    assert!((0..4).all(|n| all.is_listed(n)));
    // A document takes the place of another.
    all.associate(0, &subjects[3]);
    assert_eq!(all.found(), Some(0));
    assert!(!all.is_listed(3));
    // What goes takes its associations along.
    assert_eq!(all.call("DELETE", &format!("policies/{}", all.policies[0])), 204);
    assert_eq!(all.found(), Some(2));
    assert_eq!(all.call("DELETE", &format!("services/{}", all.service)), 204);
    assert!((1..4).all(|n| !all.is_listed(n)));
    let left = all.cloud.api.store.read_blocking(|tx| {
        super::store::ASSOCIATIONS.count(tx, &store::Select::all()).map_err(crate::Error::from)
    });
    assert_eq!(left.unwrap(), 0);
}
