//! `os-interface`: the network cards of a server. They are what the server was made with; plugging is not built.

use ::store::Tx;
use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};

use crate::server::{self, Nic};
use crate::{Error, microversion};

pub(super) fn routes() -> Routes {
    Routes::new().get("/servers/{id}/os-interface", list).get("/servers/{id}/os-interface/{port_id}", show)
}

fn view(nic: &Nic, request: &Request) -> Json {
    let fixed = nic
        .addresses
        .iter()
        .map(|address| json!({"subnet_id": address.subnet.id, "ip_address": address.ip.to_string()}));
    let mut view = json!({
        "port_state": if nic.up { "ACTIVE" } else { "DOWN" },
        "port_id": nic.port_id.to_string(),
        "net_id": nic.network_id.to_string(),
        "mac_addr": nic.mac.to_string(),
        "fixed_ips": fixed.collect::<Vec<_>>(),
    });
    if request.version >= microversion::SHOW_TAGS {
        view["tag"] = json!(nic.tag);
    }
    view
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let server = server::load_for("os-attach-interfaces:list", request.caller(), tx, request.param("id"))?;
    let views: Vec<Json> = server.nics.iter().map(|nic| view(nic, request)).collect();
    Ok(Reply::ok(json!({"interfaceAttachments": views})))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, port_id) = (request.param("id"), request.param("port_id"));
    let server = server::load_for("os-attach-interfaces:show", request.caller(), tx, id)?;
    let nic = server.nics.iter().find(|nic| nic.port_id.to_string() == port_id);
    let missing = || Error::NotFound(format!("Instance {id} does not have a port with id {port_id}"));
    Ok(Reply::ok(json!({"interfaceAttachment": view(nic.ok_or_else(missing)?, request)})))
}
