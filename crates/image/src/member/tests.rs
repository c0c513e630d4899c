//! Members over the API.

use crate::tests::check_golden;

#[test]
fn the_life_of_a_member() {
    check_golden("member/golden/life.http");
}
