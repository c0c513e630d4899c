//! Endpoint groups as clients meet them.

use super::model::{Criterion, EndpointGroup};
use crate::api::Extra;
use crate::endpoint::model::{Endpoint, Interface};
use crate::tests::check_golden;

#[test]
fn the_life_of_an_endpoint_group() {
    check_golden("endpoint_group/golden/life.http");
}

#[test]
fn refusals_look_as_keystone_s() {
    check_golden("endpoint_group/golden/refusals.http");
}

#[test]
fn a_group_has_what_meets_all_its_criteria() {
    let endpoint = Endpoint {
        id: "e".into(),
        service_id: "s".into(),
        region_id: Some("r".into()),
        interface: Interface::Public,
        url: "http://x".to_owned(),
        enabled: true,
        extra: Extra::new(),
    };
    let check = |criteria: &[Criterion], expected: bool| {
        let group = EndpointGroup {
            id: "g".into(),
            name: "g".to_owned(),
            description: None,
            criteria: criteria.to_vec(),
        };
        assert_eq!(group.has(&endpoint), expected, "{criteria:?}");
    };
    let service = |id: &str| Criterion::Service(id.into());
    check(&[], true);
    check(&[service("s")], true);
    check(&[service("t")], false);
    check(&[Criterion::Region(Some("r".into()))], true);
    check(&[Criterion::Region(None)], false);
    check(&[Criterion::Interface(Interface::Public)], true);
    check(&[service("s"), Criterion::Interface(Interface::Admin)], false);
}
