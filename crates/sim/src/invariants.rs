//! What must always hold, what must hold once all is settled, and what must be left after everything was deleted.

use std::collections::{BTreeMap, BTreeSet};

use agent_api::Kind as Document;
use anyhow::{Context, bail, ensure};
use serde_json::Value as Json;
use storage::{ImageStore, VolumeBackend};
use store::{Store, Value};

use crate::node::Node;
use crate::simulation::Simulation;

/// Tables that may keep rows for ever: they are history, or what a project has once it was seen.
const KEPT: [&str; 4] = ["work", "node_hosts", "sqlite_sequence", "block_storage_messages"];

type Row = Vec<Value>;

fn query(store: &Store, sql: &str) -> anyhow::Result<Vec<Row>> {
    let text = sql.to_owned();
    store.read_blocking(move |tx| tx.rows(&text, &[])).with_context(|| sql.to_owned())
}

fn text(value: &Value) -> String {
    value.text().unwrap_or_default().to_owned()
}

/// How many rows each table has.
pub(crate) fn row_counts(store: &Store) -> anyhow::Result<Vec<(String, i64)>> {
    let tables = query(store, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
    let names = tables.iter().map(|row| text(&row[0])).filter(|name| !KEPT.contains(&name.as_str()));
    let count = |name: String| {
        let rows = query(store, &format!("SELECT COUNT(*) FROM {name}"))?;
        let count = rows.first().and_then(|row| row[0].int()).unwrap_or(0);
        Ok((name, count))
    };
    names.map(count).collect()
}

/// Holds after every step.
pub(crate) fn always(sim: &Simulation) -> anyhow::Result<()> {
    let store = sim.control.store();
    for (rule, sql) in NEVER {
        let found = query(store, sql)?;
        ensure!(found.is_empty(), "{rule}: {:?}", found[0]);
    }
    let mut at = BTreeMap::new();
    for node in &sim.nodes {
        for server in node.vms.running() {
            if let Some(other) = at.insert(server, &node.host) {
                bail!("VM {server} runs on {other} and on {}", node.host);
            }
        }
    }
    let mut writers = BTreeMap::new();
    for node in &sim.nodes {
        for server in node.vms.running() {
            let disks = node.vms.spec(server).map(|spec| spec.disks).unwrap_or_default();
            for disk in disks {
                if let Some((other, shared)) = writers.insert(disk.volume, (server, disk.shared)) {
                    let both = shared && disk.shared;
                    ensure!(both, "servers {other} and {server} write to volume {}", disk.volume);
                }
            }
        }
    }
    Ok(())
}

/// Queries that never find anything.
const NEVER: [(&str, &str); 12] = [
    (
        "an allocated address has no port",
        "SELECT ip, port_id FROM network_ip_allocations WHERE port_id NOT IN (SELECT id FROM network_ports)",
    ),
    (
        "an address is in a network twice",
        "SELECT s.network_id, a.ip FROM network_ip_allocations a JOIN network_subnets s ON s.id = a.subnet_id \
         GROUP BY s.network_id, a.ip HAVING COUNT(*) > 1",
    ),
    (
        "a provider has given out more than it has",
        "SELECT a.provider_id, a.class FROM placement_allocations a GROUP BY a.provider_id, a.class \
         HAVING SUM(a.used) > (SELECT MAX(json_extract(i.doc, '$.total') * \
         COALESCE(json_extract(i.doc, '$.allocation_ratio'), 1)) FROM placement_inventories i \
         WHERE i.provider_id = a.provider_id AND i.class = a.class)",
    ),
    (
        "a project has more volumes than its quota allows",
        "SELECT project_id FROM block_storage_volumes GROUP BY project_id HAVING COUNT(*) > 10 OR SUM(size_gib) > 1000",
    ),
    (
        "a project has more servers than its quota allows",
        "SELECT project_id FROM compute_servers GROUP BY project_id \
         HAVING COUNT(*) > 10 OR SUM(vcpus) > 20 OR SUM(ram_mib) > 51200",
    ),
    (
        "resources are allocated to no server",
        "SELECT id FROM placement_consumers WHERE id NOT IN (SELECT id FROM compute_servers)",
    ),
    (
        "a volume is in a server that is not there",
        "SELECT volume_id, server_id FROM block_storage_attachments WHERE server_id IS NOT NULL \
         AND server_id NOT IN (SELECT id FROM compute_servers)",
    ),
    (
        "a volume for one server is in several",
        "SELECT volume_id FROM block_storage_attachments WHERE volume_id IN (SELECT id FROM block_storage_volumes \
         WHERE json_extract(doc, '$.multiattach') = 0) GROUP BY volume_id HAVING COUNT(*) > 1",
    ),
    (
        "an attachment is listed that its volume does not have",
        "SELECT a.id FROM block_storage_attachments a LEFT JOIN block_storage_volumes v ON v.id = a.volume_id \
         WHERE v.doc IS NULL OR v.doc NOT LIKE '%' || a.id || '%'",
    ),
    (
        "a port is in a server that is not there",
        "SELECT id, device_id FROM network_ports WHERE device_owner = 'compute:nova' AND deleted = 0 \
         AND device_id NOT IN (SELECT id FROM compute_servers)",
    ),
    (
        "a subnet has no network",
        "SELECT id FROM network_subnets WHERE network_id NOT IN (SELECT id FROM network_networks)",
    ),
    (
        "a port has no network",
        "SELECT id FROM network_ports WHERE network_id NOT IN (SELECT id FROM network_networks)",
    ),
];

/// Holds once faults have ended and everything had its time.
pub(crate) fn settled(sim: &mut Simulation) -> anyhow::Result<()> {
    let store = sim.control.store();
    let restless = "SELECT id, status FROM block_storage_volumes WHERE status IN \
                    ('creating', 'extending', 'reverting', 'retyping', 'deleting', 'error_deleting')";
    ensure!(query(store, restless)?.is_empty(), "volumes are moving: {:?}", query(store, restless)?);
    let restless = "SELECT id, status FROM block_storage_snapshots WHERE kept = 0 OR status IN \
                    ('creating', 'restoring', 'deleting', 'error_deleting')";
    ensure!(query(store, restless)?.is_empty(), "snapshots are moving: {:?}", query(store, restless)?);
    let restless =
        "SELECT id, status FROM image_images WHERE status IN ('saving', 'deleted', 'pending_delete')";
    ensure!(query(store, restless)?.is_empty(), "images are moving: {:?}", query(store, restless)?);
    for node in &sim.nodes {
        on_node(store, node).with_context(|| format!("on {}", node.host))?;
    }
    ports(store)?;
    servers(store, &sim.nodes)?;
    volumes(store, &sim.nodes)?;
    images(sim)
}

/// What a node's agent keeps, and what is on the node, is what the control plane wants there.
fn on_node(store: &Store, node: &Node) -> anyhow::Result<()> {
    let mut wanted = BTreeMap::new();
    let sql = format!(
        "SELECT kind, id, revision, body, seen_revision, error FROM node_documents WHERE host = '{}'",
        node.host
    );
    for row in query(store, &sql)? {
        let (kind, id) = (text(&row[0]), text(&row[1]));
        ensure!(row[3] != Value::Null, "document {kind}/{id} is still being removed");
        ensure!(row[2] == row[4], "document {kind}/{id} of revision {:?} was seen as {:?}", row[2], row[4]);
        ensure!(row[5] == Value::Null, "document {kind}/{id} fails: {:?}", row[5]);
        wanted.insert((kind, id), (row[2].int().unwrap_or(0), serde_json::from_str::<Json>(&text(&row[3]))?));
    }
    let mut kept = BTreeMap::new();
    for entry in std::fs::read_dir(node.documents_dir())? {
        let document: Json = serde_json::from_slice(&std::fs::read(entry?.path())?)?;
        let key = &document["key"];
        let key = (key["kind"].as_str().unwrap_or_default(), key["id"].as_str().unwrap_or_default());
        let key = (key.0.to_owned(), key.1.to_owned());
        kept.insert(key, (document["revision"].as_i64().unwrap_or(0), document["body"].clone()));
    }
    ensure!(kept == wanted, "documents differ: {}", difference(&kept, &wanted));
    world(node, &wanted)
}

type Documents = BTreeMap<(String, String), (i64, Json)>;

fn difference(kept: &Documents, wanted: &Documents) -> String {
    let keys: BTreeSet<_> = kept.keys().chain(wanted.keys()).collect();
    let differing = keys.into_iter().filter(|key| kept.get(*key) != wanted.get(*key));
    let words = differing.map(|(kind, id)| {
        let key = (kind.clone(), id.clone());
        format!("{kind}/{id}: node {:?}, database {:?}", kept.get(&key), wanted.get(&key))
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The things on a node are those of its documents.
fn world(node: &Node, documents: &Documents) -> anyhow::Result<()> {
    let of = |kind: Document| {
        documents
            .iter()
            .filter(move |((name, _), _)| name == kind.name())
            .map(|((_, id), (_, body))| (id.clone(), body))
    };
    let mut networks: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for (id, body) in of(Document::Network) {
        let vni = body["vni"].as_u64().unwrap_or(0) as u32;
        let ports = of(Document::Port).filter(|(_, port)| port["network_id"] == Json::String(id.clone()));
        networks.insert(vni, ports.map(|(id, _)| id).collect());
    }
    let things = node.fabric.look();
    let strings = |ports: &BTreeSet<types::PortId>| ports.iter().map(ToString::to_string).collect();
    let found: BTreeMap<u32, BTreeSet<String>> =
        things.networks.iter().map(|(vni, ports)| (*vni, strings(ports))).collect();
    ensure!(found == networks, "networks are {found:?}, documents say {networks:?}");
    let routers: BTreeSet<String> = of(Document::Router).map(|(id, _)| id).collect();
    let found: BTreeSet<String> = things.routers.iter().map(ToString::to_string).collect();
    ensure!(found == routers, "routers are {found:?}, documents say {routers:?}");
    ensure!(things.external == of(Document::External).next().is_some(), "the external network");
    let vms: BTreeSet<String> = of(Document::Vm).map(|(id, _)| id).collect();
    for server in node.vms.running() {
        ensure!(vms.contains(&server.to_string()), "VM {server} runs, and no document wants it");
    }
    let with_root = of(Document::Vm).filter(|(_, body)| !body["root_disk"].is_null()).map(|(id, _)| id);
    let volumes: BTreeSet<String> = of(Document::Volume).map(|(id, _)| id).chain(with_root).collect();
    let found = node.disks.observe_volumes()?.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    ensure!(found == volumes, "volumes are {found:?}, documents say {volumes:?}");
    for (id, body) in of(Document::Volume) {
        let there = node.disks.observe_volume(id.parse()?)?.map(|state| state.snapshots).unwrap_or_default();
        let there: BTreeSet<String> = there.iter().map(ToString::to_string).collect();
        let wanted = body["snapshots"].as_array().into_iter().flatten();
        let wanted: BTreeSet<String> = wanted.filter_map(|one| one.as_str().map(str::to_owned)).collect();
        ensure!(there == wanted, "volume {id} has the snapshots {there:?}, its document says {wanted:?}");
    }
    for (id, body) in of(Document::Vm) {
        let held = node.disks.observe_volume(id.parse()?)?.map(|state| state.snapshots).unwrap_or_default();
        let wanted = body["root_disk"]["snapshots"].as_array().map_or(0, Vec::len);
        ensure!(
            held.len() == wanted,
            "root disk {id} has the snapshots {held:?}, its document says {wanted}"
        );
    }
    Ok(())
}

/// A bound port is where its binding says, and nowhere else.
fn ports(store: &Store) -> anyhow::Result<()> {
    let lost = "SELECT id, host FROM network_ports WHERE host IS NOT NULL AND deleted = 0 \
                AND device_owner NOT LIKE 'network:%' AND NOT EXISTS (SELECT 1 FROM node_documents d \
                WHERE d.kind = 'port' AND d.id = network_ports.id AND d.host = network_ports.host)";
    ensure!(query(store, lost)?.is_empty(), "bound ports are on no host: {:?}", query(store, lost)?);
    let stray = "SELECT d.host, d.id FROM node_documents d WHERE d.kind = 'port' AND NOT EXISTS \
                 (SELECT 1 FROM network_ports p WHERE p.id = d.id AND p.host = d.host)";
    ensure!(query(store, stray)?.is_empty(), "hosts have ports of others: {:?}", query(store, stray)?);
    let deleted = "SELECT id FROM network_ports WHERE deleted <> 0";
    ensure!(query(store, deleted)?.is_empty(), "deleted ports are there: {:?}", query(store, deleted)?);
    Ok(())
}

/// A server is as its status says: active ones run on their hosts alone, what is shut down runs nowhere.
fn servers(store: &Store, nodes: &[Node]) -> anyhow::Result<()> {
    let sql =
        "SELECT id, host, json_extract(doc, '$.phase'), json_extract(doc, '$.task') FROM compute_servers";
    for row in query(store, sql)? {
        let (id, host, phase) = (text(&row[0]), text(&row[1]), text(&row[2]));
        ensure!(row[3] == Value::Null, "server {id} has the task {:?}", row[3]);
        let runs = |node: &&Node| node.vms.running().iter().any(|server| server.to_string() == id);
        let on: Vec<&str> = nodes.iter().filter(runs).map(|node| node.host.as_str()).collect();
        match phase.as_str() {
            "Active" | "Paused" => ensure!(on == [host.as_str()], "server {id} of {host} runs on {on:?}"),
            "Stopped" => ensure!(on.is_empty(), "server {id} is shut down and runs on {on:?}"),
            "Failed" => {}
            other => bail!("server {id} is still {other}"),
        }
        let sql = format!("SELECT 1 FROM placement_allocations WHERE consumer_id = '{id}'");
        let allocated = !query(store, &sql)?.is_empty();
        ensure!(allocated || host.is_empty(), "server {id} is on {host} and has nothing allocated");
    }
    Ok(())
}

/// A volume that can be used is on the host that its row names.
fn volumes(store: &Store, nodes: &[Node]) -> anyhow::Result<()> {
    let sql = "SELECT id, host, status FROM block_storage_volumes WHERE status IN \
               ('available', 'reserved', 'attaching', 'in-use', 'detaching')";
    for row in query(store, sql)? {
        let (id, host) = (text(&row[0]), text(&row[1]));
        let node = nodes.iter().find(|node| node.host.as_str() == host);
        let node = node.with_context(|| format!("volume {id} is on host '{host}'"))?;
        let there = node.disks.observe_volumes()?.iter().any(|volume| volume.to_string() == id);
        ensure!(there, "volume {id} is {} and not on {host}", text(&row[2]));
    }
    Ok(())
}

/// Images have bytes exactly if they are active, but for those that never had any.
fn images(sim: &Simulation) -> anyhow::Result<()> {
    let sql = "SELECT id FROM image_images WHERE status IN ('active', 'deactivated') AND size_bytes > 0";
    let active: BTreeSet<String> = query(sim.control.store(), sql)?.iter().map(|row| text(&row[0])).collect();
    let stored: BTreeSet<String> =
        sim.control.images.observe_images()?.iter().map(ToString::to_string).collect();
    let lost: Vec<_> = active.difference(&stored).collect();
    ensure!(lost.is_empty(), "active images have no bytes: {lost:?}");
    Ok(())
}

/// Holds after everything was deleted.
pub(crate) fn empty(sim: &mut Simulation) -> anyhow::Result<()> {
    settled(sim)?;
    let store = sim.control.store();
    for ((table, before), (_, now)) in sim.baseline.iter().zip(row_counts(store)?) {
        if *before != now {
            let rows = query(store, &format!("SELECT * FROM {table} LIMIT 3"))?;
            bail!("table {table} had {before} rows and has {now}: {rows:?}");
        }
    }
    let images = sim.control.images.observe_images()?;
    ensure!(images.is_empty(), "images have bytes: {images:?}");
    for node in &sim.nodes {
        ensure!(node.vms.running().is_empty(), "VMs run on {}", node.host);
        let volumes = node.disks.observe_volumes()?;
        ensure!(volumes.is_empty(), "volumes are on {}: {volumes:?}", node.host);
        let things = node.fabric.look();
        ensure!(things.networks.is_empty() && things.routers.is_empty(), "{} has {things:?}", node.host);
    }
    Ok(())
}
