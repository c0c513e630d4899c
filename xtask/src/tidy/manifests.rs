//! Who may depend on whom: the table of `STYLE.md`, read against every `Cargo.toml`.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Table;

use super::sources::UNSAFE_CRATES;
use super::{Source, Violation};
use crate::project::{Outcome, failed};

const GROUND: &[&str] = &["types", "runtime"];
const MACHINERY: &[&str] = &["store", "policy", "agent-api"];
const SERVING: &[&str] = &["rest", "reconcile", "nodes"];
/// Each may use those before it.
const SERVICES: &[&str] =
    &["identity", "image", "placement", "network", "block-storage", "compute", "load-balancer"];
const NODE_SIDE: &[&str] = &["hypervisor", "linux-net", "storage"];
/// These know everybody.
const PRODUCTS: &[&str] = &["cuttle", "sim", "bench", "xtask"];
/// Crates that speak HTTP: services in their `api.rs` alone.
const HTTP: &[&str] = &[
    "rest",
    "identity",
    "image",
    "placement",
    "network",
    "block-storage",
    "compute",
    "load-balancer",
    "dashboard",
    "testkit",
    "cuttle",
    "bench",
    "sim",
];
/// The dependencies of others that only the named crates may have.
const FENCED: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("sqlx", &["store"]),
    ("postgres", &["store"]),
    ("mysql", &["store"]),
    ("netlink-packet-core", &["linux-net"]),
    ("netlink-packet-route", &["linux-net"]),
    ("rand", &["runtime", "store"]),
    ("axum", HTTP),
    ("http", HTTP),
    ("http-body-util", HTTP),
    ("hyper", HTTP),
    // Identity hashes passwords and image streams bytes while requests wait.
    (
        "tokio",
        &[
            "runtime", "rest", "nodes", "store", "identity", "image", "testkit", "cuttle", "bench", "sim",
            "sim",
        ],
    ),
];
/// Packages in the lock file, other systems' apart. The aim is 300.
const PACKAGES_MAX: usize = 400;

pub(super) fn check(sources: &[Source]) -> Outcome<Vec<Violation>> {
    let mut violations = Vec::new();
    for source in sources {
        let parse = || -> Outcome<Table> {
            source.text.parse().map_err(|e| failed(format!("cannot read {}: {e}", source.path.display())))
        };
        let components: Vec<_> = source.path.iter().map(|c| c.to_string_lossy()).collect();
        let components: Vec<&str> = components.iter().map(AsRef::as_ref).collect();
        match components.as_slice() {
            ["crates", name, "Cargo.toml"] => check_crate(name, &source.path, &parse()?, &mut violations),
            ["Cargo.lock"] => check_lock(&source.path, &parse()?, &mut violations),
            _ => {}
        }
    }
    Ok(violations)
}

/// What a crate may use of the workspace; `None` if the table has no place for it.
pub(super) fn allowed(name: &str) -> Option<BTreeSet<&'static str>> {
    let rows: Vec<&[&str]> = match name {
        "types" => vec![],
        "runtime" => vec![&["types"]],
        "rest" | "reconcile" | "nodes" => vec![GROUND, MACHINERY, SERVING],
        "dashboard" => vec![&["types", "rest", "runtime"]],
        "agent" => vec![GROUND, &["agent-api"], NODE_SIDE],
        "testkit" => vec![GROUND, MACHINERY, SERVING, NODE_SIDE, &["agent"]],
        name if MACHINERY.contains(&name) => vec![GROUND],
        name if NODE_SIDE.contains(&name) => vec![GROUND],
        name => {
            let place = SERVICES.iter().position(|s| *s == name)?;
            let bytes: &[&str] = if name == "image" { &["storage"] } else { &[] };
            vec![GROUND, MACHINERY, SERVING, &SERVICES[..place], bytes]
        }
    };
    Some(rows.concat().into_iter().collect())
}

fn check_crate(name: &str, path: &Path, manifest: &Table, violations: &mut Vec<Violation>) {
    let mut broken = |rule: String| violations.push(Violation::new(path, 0, rule));
    let names = |section: &str| -> Vec<String> {
        manifest.get(section).and_then(|s| s.as_table()).into_iter().flat_map(|t| t.keys().cloned()).collect()
    };
    for dependency in names("dependencies").iter().chain(&names("dev-dependencies")) {
        if let Some((_, owners)) = FENCED.iter().find(|(fenced, _)| fenced == dependency)
            && !owners.contains(&name)
        {
            broken(format!("{dependency} belongs behind {}", owners.join(", ")));
        }
    }
    let lints = manifest.get("lints").and_then(|l| l.as_table());
    let inherits = lints.and_then(|l| l.get("workspace")).and_then(|w| w.as_bool()) == Some(true);
    // Cargo knows no exception to an inherited lint, so a crate that may hold `unsafe` lists its lints itself.
    let own = UNSAFE_CRATES.contains(&name) && lints.is_some();
    if !inherits && !own {
        broken("takes the workspace's lints: [lints] workspace = true".into());
    }
    if PRODUCTS.contains(&name) {
        return;
    }
    let Some(allowed) = allowed(name) else {
        return broken(format!("the table of who may use whom has no row for {name}"));
    };
    for dependency in names("dependencies") {
        if is_ours(&dependency) && !allowed.contains(dependency.as_str()) {
            broken(format!("{name} may not use {dependency}"));
        }
    }
    // Tests of what stands on images need images, and so a store for their bytes.
    let in_tests = ["testkit", "storage"];
    for dependency in names("dev-dependencies") {
        if is_ours(&dependency)
            && !in_tests.contains(&dependency.as_str())
            && !allowed.contains(dependency.as_str())
        {
            broken(format!("{name} may not use {dependency}, not even in tests"));
        }
    }
}

/// Whether a dependency is a crate of this workspace.
fn is_ours(name: &str) -> bool {
    let rows =
        [GROUND, MACHINERY, SERVING, SERVICES, NODE_SIDE, PRODUCTS, &["agent", "dashboard", "testkit"]];
    rows.iter().any(|row| row.contains(&name))
}

fn check_lock(path: &Path, lock: &Table, violations: &mut Vec<Violation>) {
    let packages = lock.get("package").and_then(|p| p.as_array()).into_iter().flatten();
    let names = packages.filter_map(|p| p.get("name").and_then(|n| n.as_str()));
    let foreign = |name: &&str| {
        !["windows", "winapi", "wasm", "wasi", "core-foundation", "js-sys"]
            .iter()
            .any(|w| name.starts_with(w))
    };
    let count = names.filter(foreign).count();
    if count > PACKAGES_MAX {
        violations.push(Violation::new(path, 0, format!("{count} packages; at most {PACKAGES_MAX}")));
    }
}
