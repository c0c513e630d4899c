//! Locations over the API.

use crate::tests::check_golden;

#[test]
fn locations_are_told_to_services() {
    check_golden("location/golden/told.http");
}
