//! Table tests of what needs no socket.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::microversion::Refused;
use crate::{FaultStyle, Fields, Microversion, Microversions};

const NOVA: Microversions = Microversions {
    service: "compute",
    legacy_header: Some("x-openstack-nova-api-version"),
    min: Microversion(2, 1),
    max: Microversion(2, 96),
};

#[test]
fn microversions_are_negotiated() {
    let check = |headers: &[(&str, &str)], expected: Result<Microversion, Refused>| {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(NOVA.negotiate(&map), expected, "{headers:?}");
    };
    check(&[], Ok(Microversion(2, 1)));
    check(&[("openstack-api-version", "compute 2.79")], Ok(Microversion(2, 79)));
    check(&[("openstack-api-version", "volume 3.1, compute 2.9")], Ok(Microversion(2, 9)));
    check(&[("openstack-api-version", "compute latest")], Ok(Microversion(2, 96)));
    check(&[("x-openstack-nova-api-version", "2.12")], Ok(Microversion(2, 12)));
    check(&[("openstack-api-version", "compute 2.97")], Err(Refused::Unsupported(Microversion(2, 97))));
    check(&[("openstack-api-version", "compute 2.01")], Err(Refused::Malformed("2.01".to_owned())));
}

#[test]
fn fields_tell_absent_from_null_and_refuse_the_rest() {
    let body = json!({"name": null, "mtu": "1450", "shared": "True", "odd": 1});
    let mut fields = Fields::new("network", body).unwrap();
    assert_eq!(fields.nullable_text("name"), Ok(Some(None)));
    assert_eq!(fields.nullable_text("name"), Ok(None));
    assert_eq!(fields.int_in("mtu", 68, 9000), Ok(Some(1450)));
    assert_eq!(fields.flag("shared"), Ok(Some(true)));
    let error = fields.finish().unwrap_err();
    assert_eq!(error.to_string(), "Additional properties are not allowed ('odd' was unexpected)");
    let mut fields = Fields::new("network", json!({"mtu": 1})).unwrap();
    assert_eq!(
        fields.int_in("mtu", 68, 9000).unwrap_err().to_string(),
        "network.mtu is not between 68 and 9000: 1"
    );
}

#[test]
fn faults_have_each_service_s_shape() {
    let body = |style: FaultStyle, status| style.body(status, "PortNotFound", "no such port", "req-1");
    assert_eq!(
        body(FaultStyle::Compute, 404),
        json!({"itemNotFound": {"code": 404, "message": "no such port"}})
    );
    assert_eq!(
        body(FaultStyle::Network, 404),
        json!({"NeutronError": {"type": "PortNotFound", "message": "no such port", "detail": ""}})
    );
    assert_eq!(body(FaultStyle::Identity, 404)["error"]["title"], "Not Found");
}
