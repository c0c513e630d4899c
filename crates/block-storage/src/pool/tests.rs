//! Pools over the API.

use crate::tests::{Node, api, golden, new_volume};

#[test]
fn conversations_are_as_reviewed() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    new_volume(&api, "member@alpha");
    node.work(&api);
    golden(&api, "pool/golden/life.http");
}
