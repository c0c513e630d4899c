//! The conversations' requests with odd things in them, and every route with them: nothing that a client sends is a
//! fault of ours.

use testkit::{Begun, Varied};

use super::{conversations, fresh};
use crate::tests::cloud;

/// Parameters of identity's lists.
const QUERIES: [&str; 24] = [
    "limit",
    "marker",
    "sort_key",
    "name",
    "name__contains",
    "enabled",
    "domain_id",
    "password_expires_at",
    "scope.project.id",
    "include_names",
    "effective",
    "tags",
    "page_reverse",
    "since",
    "id",
    "parent_id",
    "is_domain",
    "user_id",
    "type",
    "service_id",
    "region_id",
    "enabled__gt",
    "created_at",
    "expires_at__lt",
];

pub(super) fn service() -> Varied {
    let cloud = cloud();
    let routes = crate::service(&cloud.api.store, &cloud.tokens).routes.table();
    let routes = routes.into_iter().map(|(method, path)| (method.to_string(), path)).collect();
    Varied { prefix: "/identity", routes, queries: &QUERIES, microversions: None }
}

#[test]
fn nothing_that_is_sent_is_a_fault_of_ours() {
    service().check(10_000, |dice| {
        let api = fresh();
        let (file, left_out) = (dice.below(1000), dice.below(40));
        let asked = conversations().ask(&api, file, left_out);
        let administrator = asked[1].token.clone();
        Begun { api, asked, administrator, beside: Box::new(|_| {}) }
    });
}
