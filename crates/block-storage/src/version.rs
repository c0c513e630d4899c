//! Version documents and extensions.

use rest::{Microversion, Microversions, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::api::own;
use crate::error::Error;

/// What is spoken.
pub(crate) const MICROVERSIONS: Microversions = Microversions {
    service: "volume",
    legacy_header: None,
    min: Microversion(3, 0),
    max: Microversion(3, 71),
};

/// An extension of the first API that is built: what it is called, what it adds, and when it last changed.
struct Extension(&'static str, &'static str, &'static str, &'static str);

/// Those whose additions are built.
const EXTENSIONS: [Extension; 30] = [
    Extension("backups", "Backups", "Backups of volumes.", "2012-12-12T00:00:00+00:00"),
    Extension("capabilities", "Capabilities", "What a backend can do.", "2015-08-31T00:00:00+00:00"),
    Extension("cgsnapshots", "Cgsnapshots", "Their snapshots.", "2014-08-18T00:00:00+00:00"),
    Extension("consistencygroups", "Consistencygroups", "Groups of old.", "2014-08-18T00:00:00+00:00"),
    Extension("encryption", "VolumeTypeEncryption", "Encryption of types.", "2013-07-01T00:00:00+00:00"),
    Extension("os-admin-actions", "AdminActions", "What administrators do.", "2012-08-25T00:00:00+00:00"),
    Extension("os-availability-zone", "AvailabilityZones", "Zones.", "2013-06-27T00:00:00+00:00"),
    Extension("os-extended-services", "ExtendedServices", "Reasons.", "2014-01-10T00:00:00-00:00"),
    Extension(
        "os-extended-snapshot-attributes",
        "ExtendedSnapshotAttributes",
        "How far snapshots are.",
        "2012-06-19T00:00:00+00:00",
    ),
    Extension("os-hosts", "Hosts", "Hosts, for administrators.", "2011-06-29T00:00:00+00:00"),
    Extension("os-quota-class-sets", "QuotaClasses", "Quotas of classes.", "2012-03-12T00:00:00+00:00"),
    Extension("os-quota-sets", "Quotas", "Quotas of projects.", "2011-08-08T00:00:00+00:00"),
    Extension("os-services", "Services", "Parts of the service.", "2012-10-28T00:00:00-00:00"),
    Extension("os-snapshot-actions", "SnapshotActions", "Statuses.", "2013-07-16T00:00:00+00:00"),
    Extension("os-snapshot-manage", "SnapshotManage", "Snapshots taken in.", "2014-12-31T00:00:00+00:00"),
    Extension("os-snapshot-unmanage", "SnapshotUnmanage", "Snapshots left.", "2014-12-31T00:00:00+00:00"),
    Extension("os-types-extra-specs", "TypesExtraSpecs", "Words for backends.", "2011-08-24T00:00:00+00:00"),
    Extension("os-types-manage", "TypesManage", "Changing types.", "2011-08-24T00:00:00+00:00"),
    Extension("os-used-limits", "UsedLimits", "What limits are used.", "2013-10-03T00:00:00+00:00"),
    Extension("os-vol-host-attr", "VolumeHostAttribute", "A volume's host.", "2011-11-03T00:00:00+00:00"),
    Extension("os-vol-image-meta", "VolumeImageMetadata", "A volume's image.", "2012-12-07T00:00:00+00:00"),
    Extension("os-vol-mig-status-attr", "VolumeMigStatusAttribute", "Moves.", "2013-08-08T00:00:00+00:00"),
    Extension(
        "os-vol-tenant-attr",
        "VolumeTenantAttribute",
        "A volume's owner.",
        "2011-11-03T00:00:00+00:00",
    ),
    Extension("os-volume-actions", "VolumeActions", "Actions on volumes.", "2012-05-31T00:00:00+00:00"),
    Extension("os-volume-manage", "VolumeManage", "Volumes taken in.", "2014-02-10T00:00:00+00:00"),
    Extension("os-volume-transfer", "VolumeTransfer", "Volumes for others.", "2013-05-29T00:00:00+00:00"),
    Extension("os-volume-type-access", "VolumeTypeAccess", "Private types.", "2014-06-26T00:00:00Z"),
    Extension("os-volume-unmanage", "VolumeUnmanage", "Volumes left.", "2012-05-31T00:00:00+00:00"),
    Extension("qos-specs", "Qos_specs_manage", "How fast volumes may be.", "2013-08-02T00:00:00+00:00"),
    Extension("scheduler-stats", "Scheduler_stats", "Where volumes can be.", "2014-09-07T00:00:00+00:00"),
];

/// The routes that need no token.
pub(crate) fn documents() -> Routes {
    Routes::new()
        .open("/", |request, _tx| versions(request, 300))
        .open("/v3", |request, _tx| versions(request, 200))
}

/// The routes about the service itself.
pub(crate) fn routes() -> Routes {
    Routes::new().get("/extensions", own(extensions)).get("/extensions/{alias}", own(extension))
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

fn view(Extension(alias, name, description, updated): &Extension) -> Json {
    json!({"alias": alias, "name": name, "description": description, "links": [], "updated": updated})
}

fn extensions(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let extensions: Vec<Json> = EXTENSIONS.iter().map(view).collect();
    Ok(Reply::ok(json!({"extensions": extensions})))
}

fn extension(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let found = EXTENSIONS.iter().find(|Extension(alias, ..)| *alias == request.param("alias"));
    Ok(Reply::ok(json!({"extension": view(found.ok_or(Error::NoRoute)?)})))
}
