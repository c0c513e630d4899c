//! The list of extensions: a word of the API before microversions. Clients still ask for it.

use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use crate::Error;

/// Alias and name of what was once an extension and is built.
const EXTENSIONS: &[(&str, &str)] = &[
    ("NMN", "Multinic"),
    ("OS-DCF", "DiskConfig"),
    ("OS-EXT-AZ", "ExtendedAvailabilityZone"),
    ("OS-EXT-IPS", "ExtendedIps"),
    ("OS-EXT-IPS-MAC", "ExtendedIpsMac"),
    ("OS-EXT-SRV-ATTR", "ExtendedServerAttributes"),
    ("OS-EXT-STS", "ExtendedStatus"),
    ("OS-FLV-EXT-DATA", "FlavorExtraData"),
    ("OS-SCH-HNT", "SchedulerHints"),
    ("OS-SRV-USG", "ServerUsage"),
    ("flavors", "Flavors"),
    ("ips", "Ips"),
    ("limits", "Limits"),
    ("os-availability-zone", "AvailabilityZone"),
    ("os-block-device-mapping", "BlockDeviceMapping"),
    ("os-config-drive", "ConfigDrive"),
    ("os-console-output", "ConsoleOutput"),
    ("os-create-server-ext", "Createserverext"),
    ("os-extended-volumes", "ExtendedVolumes"),
    ("os-flavor-access", "FlavorAccess"),
    ("os-flavor-extra-specs", "FlavorExtraSpecs"),
    ("os-flavor-manage", "FlavorManage"),
    ("os-hypervisors", "Hypervisors"),
    ("os-instance-actions", "InstanceActions"),
    ("os-keypairs", "Keypairs"),
    ("os-lock-server", "LockServer"),
    ("os-multiple-create", "MultipleCreate"),
    ("os-pause-server", "PauseServer"),
    ("os-quota-sets", "Quotas"),
    ("os-security-groups", "SecurityGroups"),
    ("os-server-groups", "ServerGroups"),
    ("os-server-start-stop", "ServerStartStop"),
    ("os-services", "Services"),
    ("os-simple-tenant-usage", "SimpleTenantUsage"),
    ("os-user-data", "UserData"),
    ("os-volumes", "Volumes"),
    ("server-metadata", "ServerMetadata"),
    ("servers", "Servers"),
];

pub(crate) fn routes() -> Routes {
    Routes::new().get("/extensions", list).get("/extensions/{alias}", show)
}

fn view((alias, name): &(&str, &str)) -> Json {
    json!({
        "alias": alias,
        "name": name,
        "description": name,
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
        "updated": "2014-12-03T00:00:00Z",
        "links": [],
    })
}

#[allow(clippy::unnecessary_wraps)] // The signature of a handler.
fn list(_request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({"extensions": EXTENSIONS.iter().map(view).collect::<Vec<_>>()})))
}

fn show(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let alias = request.param("alias");
    let found = EXTENSIONS.iter().find(|(known, _)| *known == alias);
    let missing = || Error::NotFound(format!("The resource could not be found: extension {alias}"));
    Ok(Reply::ok(json!({"extension": view(found.ok_or_else(missing)?)})))
}
