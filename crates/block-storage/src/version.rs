//! Version documents, zones and extensions.

use rest::{Microversion, Microversions, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::ZONE;
use crate::api::own;
use crate::error::Error;

/// What is spoken.
pub(crate) const MICROVERSIONS: Microversions = Microversions {
    service: "volume",
    legacy_header: None,
    min: Microversion(3, 0),
    max: Microversion(3, 71),
};

/// Extensions whose additions are built: alias and name.
const EXTENSIONS: [(&str, &str); 15] = [
    ("os-admin-actions", "AdminActions"),
    ("os-availability-zone", "AvailabilityZones"),
    ("os-extended-services", "ExtendedServices"),
    ("os-hosts", "Hosts"),
    ("os-image-create", "CreateVolumeExtension"),
    ("os-quota-sets", "Quotas"),
    ("os-services", "Services"),
    ("os-types-extra-specs", "TypesExtraSpecs"),
    ("os-types-manage", "TypesManage"),
    ("os-used-limits", "UsedLimits"),
    ("os-vol-host-attr", "VolumeHostAttribute"),
    ("os-vol-image-meta", "VolumeImageMetadata"),
    ("os-vol-tenant-attr", "VolumeTenantAttribute"),
    ("os-volume-actions", "VolumeActions"),
    ("os-volume-type-access", "VolumeTypeAccess"),
];

/// The routes that need no token.
pub(crate) fn documents() -> Routes {
    Routes::new()
        .open("/", |request, _tx| versions(request, 300))
        .open("/v3", |request, _tx| versions(request, 200))
}

/// The routes about the service itself.
pub(crate) fn routes() -> Routes {
    Routes::new().get("/extensions", own(extensions)).get("/os-availability-zone", own(zones))
}

fn versions(request: &Request, status: u16) -> Result<Reply, Error> {
    let version = json!({
        "id": "v3.0",
        "status": "CURRENT",
        "version": MICROVERSIONS.max.to_string(),
        "min_version": MICROVERSIONS.min.to_string(),
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": format!("{}/v3/", request.base_url)},
        ],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"},
        ],
    });
    Ok(Reply::json(status, json!({"versions": [version]})))
}

fn extensions(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let view = |(alias, name): &(&str, &str)| {
        json!({
            "alias": alias,
            "name": name,
            "description": name,
            "links": [],
            "updated": "2013-01-01T00:00:00+00:00",
        })
    };
    let extensions: Vec<Json> = EXTENSIONS.iter().map(view).collect();
    Ok(Reply::ok(json!({"extensions": extensions})))
}

fn zones(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let zone = json!({"zoneName": ZONE, "zoneState": {"available": true}});
    Ok(Reply::ok(json!({"availabilityZoneInfo": [zone]})))
}
