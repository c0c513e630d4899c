//! The encryption of types over the API.

use crate::tests::{api, golden};

#[test]
fn conversations_are_as_reviewed() {
    golden(&api(), "encryption/golden/life.http");
}
