//! Default types over the API.

use crate::tests::{api, golden};

#[test]
fn conversations_are_as_reviewed() {
    golden(&api(), "default_type/golden/life.http");
}
