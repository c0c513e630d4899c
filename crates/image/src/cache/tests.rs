//! A cache that is not there.

use crate::tests::check_golden;

#[test]
fn a_cache_is_not_at_this_site() {
    check_golden("cache/golden/absent.http");
}
