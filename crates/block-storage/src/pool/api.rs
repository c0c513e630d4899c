//! Pools and capabilities over HTTP.

use rest::{Microversion, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;

use super::ops::Pool;
use super::{capability, cluster, ops};
use crate::api::{asked, own};
use crate::error::Error;
use crate::filters::refuse_unknown;
use crate::volume::place::PROMISES_MAX;

/// The first microversion that filters pools by name.
const BY_NAME: Microversion = Microversion(3, 28);
/// The first microversion that refuses other filters.
const STRICT: Microversion = Microversion(3, 31);
/// The first microversion that filters pools by volume type.
const BY_TYPE: Microversion = Microversion(3, 35);

/// The routes of pools.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/scheduler-stats/get_pools", own(index))
        .get("/capabilities/{host}", own(capabilities))
        .and(cluster::routes())
}

fn detail(pool: &Pool) -> Json {
    let mut told = capability::of_backend(&pool.facts);
    told.extend([
        ("backend_state".to_owned(), json!("up")),
        ("allocated_capacity_gb".to_owned(), json!(pool.promised_gib)),
        ("provisioned_capacity_gb".to_owned(), json!(pool.promised_gib)),
        ("max_over_subscription_ratio".to_owned(), json!(format!("{PROMISES_MAX}.0"))),
        ("timestamp".to_owned(), json!(pool.heard_at.iso_micros())),
    ]);
    told.into()
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let detailed = asked(request, "detail")?;
    if request.version >= STRICT {
        refuse_unknown(request, "pool")?;
    }
    let name = request.query("name").filter(|_| request.version >= BY_NAME);
    let volume_type = request.query("volume_type").filter(|_| request.version >= BY_TYPE);
    let found = ops::list(request.caller(), tx, name, volume_type)?;
    let view = |pool: &Pool| match detailed {
        true => json!({"name": pool.name, "capabilities": detail(pool)}),
        false => json!({"name": pool.name}),
    };
    let pools: Vec<Json> = found.iter().map(view).collect();
    Ok(Reply::ok(json!({"pools": pools})))
}

fn capabilities(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let host = request.param("host");
    let facts = ops::capabilities(request.caller(), tx, host)?;
    let told = capability::of_backend(&facts);
    Ok(Reply::ok(json!({
        "namespace": format!("OS::Storage::Capabilities::{host}"),
        "vendor_name": told["vendor_name"],
        "volume_backend_name": told["volume_backend_name"],
        "pool_name": told["pool_name"],
        "driver_version": told["driver_version"],
        "storage_protocol": told["storage_protocol"],
        "display_name": null,
        "description": null,
        "visibility": null,
        "replication_targets": [],
        "properties": {
            "thin_provisioning": {
                "title": "Thin Provisioning",
                "description": "A volume takes room when it is written to.",
                "type": "boolean",
            },
        },
    })))
}
