//! QoS specs over the API.

use crate::tests::{api, golden};

#[test]
fn conversations_are_as_reviewed() {
    golden(&api(), "qos_specs/golden/life.http");
    golden(&api(), "qos_specs/golden/refusals.http");
}
