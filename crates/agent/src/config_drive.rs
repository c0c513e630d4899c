//! The config drive: what the metadata service would say, on a small read-only disk.

use std::path::{Path, PathBuf};

use agent_api::compute::Vm;
use linux_net::responder::http::{Method, Request};
use linux_net::responder::metadata;
use types::ServerId;

use crate::linux::instance_metadata;

/// The label that guests look for.
const LABEL: &str = "config-2";
const PAGES: [&str; 4] = ["meta_data.json", "network_data.json", "user_data", "vendor_data.json"];

/// Where a VM's drive is.
pub fn path(dir: &Path, id: ServerId) -> PathBuf {
    dir.join(format!("{id}.iso"))
}

/// Writes a VM's drive.
pub fn write(path: &Path, vm: &Vm) -> Result<(), String> {
    let instance = instance_metadata(vm);
    let files: Vec<(String, Vec<u8>)> = PAGES
        .iter()
        .filter_map(|page| {
            let name = format!("openstack/latest/{page}");
            let request = Request {
                method: Method::Get,
                path: format!("/{name}"),
                keep_alive: false,
                body: Vec::new(),
            };
            let answer = metadata::answer(&instance, &request).response;
            (answer.status == 200).then_some((name, answer.body))
        })
        .collect();
    let image =
        storage::iso::image(LABEL, &files).map_err(|e| format!("cannot make the config drive: {e}"))?;
    let temporary = path.with_extension("tmp");
    let written = std::fs::write(&temporary, image).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|e| format!("cannot write the config drive {}: {e}", path.display()))
}
