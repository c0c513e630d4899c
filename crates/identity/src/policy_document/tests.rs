//! Policy documents as clients meet them.

use crate::tests::check_golden;

#[test]
fn the_life_of_a_policy_document() {
    check_golden("policy_document/golden/life.http");
}

#[test]
fn refusals_look_as_keystone_s() {
    check_golden("policy_document/golden/refusals.http");
}
