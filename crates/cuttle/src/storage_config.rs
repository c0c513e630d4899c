//! Where images, disks and volumes are: the backends that the configuration names, opened.

use std::sync::Arc;

use agent::Backends;
use anyhow::{Context, ensure};
use image::stores::{FIRST, Place, Stores};
use serde::Deserialize;
use serde_json::json;
use storage::file::{FileConfig, FileImages, FileVolumes};
use storage::rbd::{ChildProgram, Rbd, RbdConfig};
use storage::{ImageStore, VolumeBackend};

use crate::config::Config;
use crate::data_dir::DataDir;

/// The backend that every cloud has: files in its data folder.
pub const LOCAL: &str = "local";

/// A `[[storage_backend]]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct StorageBackend {
    /// Its name, which volumes are kept under.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub driver: Driver,
}

/// What a backend is.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "driver", rename_all = "lowercase")]
pub enum Driver {
    /// Pools of a Ceph cluster.
    Rbd(RbdConfig),
}

/// Fails where backends cannot be told apart, are incomplete, or the default is none of them.
pub fn check(config: &Config) -> anyhow::Result<()> {
    let (mut names, mut places) = (vec![LOCAL], Vec::new());
    for backend in &config.storage_backend {
        let name = backend.name.as_str();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        ensure!(
            !name.is_empty() && name.len() <= 63 && name.chars().all(is_plain),
            "a storage backend is called {name:?}; a name has up to 63 letters, digits, dots, dashes and underscores"
        );
        ensure!(!names.contains(&name), "two storage backends are called {name}; {LOCAL} is there by itself");
        names.push(name);
        let Driver::Rbd(rbd) = &backend.driver;
        rbd.check().map_err(|wrong| anyhow::anyhow!("the storage backend {name}: {wrong}"))?;
        let place = (rbd.conf.as_str(), rbd.volumes_pool.as_str());
        ensure!(
            !places.contains(&place),
            "two storage backends keep volumes in the pool {} of one cluster: a volume that goes from one to the other \
             would overwrite itself",
            rbd.volumes_pool
        );
        places.push(place);
    }
    if let Some(default) = &config.default_storage_backend {
        ensure!(
            names.contains(&default.as_str()),
            "default_storage_backend is {default}, which is none of {}",
            names.join(", ")
        );
    }
    Ok(())
}

/// The name of the backend that has what names no other: as configured, else the first that the operator added.
fn default_name(config: &Config) -> &str {
    let first = config.storage_backend.first().map_or(LOCAL, |backend| &backend.name);
    config.default_storage_backend.as_deref().unwrap_or(first)
}

/// What is opened of the configuration. Clusters are looked for when something is first asked of them.
pub struct Storage {
    /// Where the agent's volumes and disks are.
    pub backends: Backends,
    /// Where images go.
    pub images: Arc<dyn ImageStore>,
    /// All places of images, for the image service.
    pub stores: Stores,
    /// The clusters among the backends, by name.
    pub clusters: Vec<(String, Rbd)>,
}

impl Storage {
    /// Opens it.
    pub fn open(dir: &DataDir, config: &Config) -> anyhow::Result<Storage> {
        let files = FileConfig::new(dir.root());
        let local_images = Arc::new(FileImages::open(&files).context("cannot open the image store")?);
        let local_volumes = Arc::new(FileVolumes::open(&files).context("cannot open the volume store")?);
        let local = Opened {
            name: LOCAL.to_owned(),
            volumes: local_volumes.clone(),
            root_disks: local_volumes,
            place: place(FIRST, "file", local_images.clone()),
        };
        let mut all = vec![local];
        let clusters = clusters(config)?;
        for (name, cluster) in &clusters {
            let elsewhere: Arc<dyn ImageStore> = local_images.clone();
            all.push(Opened {
                volumes: Arc::new(cluster.volumes(Some(elsewhere.clone()))),
                root_disks: Arc::new(cluster.root_disks(Some(elsewhere))),
                place: place(name, "rbd", Arc::new(cluster.images())),
                name: name.clone(),
            });
        }
        let at = all.iter().position(|opened| opened.name == default_name(config)).unwrap_or(0);
        let default = all.remove(at);
        let images = default.place.images.clone();
        let mut backends = Backends::new(&default.name, default.volumes).with_root_disks(default.root_disks);
        let mut others = Vec::new();
        for opened in all {
            backends = backends.with(&opened.name, opened.volumes);
            others.push(opened.place);
        }
        Ok(Storage { backends, images, stores: Stores::new(default.place, others), clusters })
    }
}

struct Opened {
    name: String,
    volumes: Arc<dyn VolumeBackend>,
    root_disks: Arc<dyn VolumeBackend>,
    place: Place,
}

fn place(id: &str, kind: &'static str, images: Arc<dyn ImageStore>) -> Place {
    Place { id: id.to_owned(), kind, description: None, properties: json!({}), images }
}

/// The configured clusters with their backends' names.
pub fn clusters(config: &Config) -> anyhow::Result<Vec<(String, Rbd)>> {
    let path = std::env::current_exe().context("cannot find the cuttle binary")?;
    // An upgrade may remove the file that this program was started from.
    let path = if path.exists() { path } else { "/proc/self/exe".into() };
    let arguments = vec!["storage".to_owned(), "serve".to_owned()];
    let program = ChildProgram { path, arguments, variables: Vec::new() };
    let cluster = |backend: &StorageBackend| {
        let Driver::Rbd(rbd) = &backend.driver;
        (backend.name.clone(), Rbd::new(program.clone(), rbd.clone()))
    };
    Ok(config.storage_backend.iter().map(cluster).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        check(&config).map(|()| config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cluster_needs_a_name_and_a_driver_and_takes_openstacks_options() {
        let text = "[[storage_backend]]\nname = \"ceph\"\ndriver = \"rbd\"\nrbd_ceph_conf = \"/c\"\nrbd_user = \"cinder\"\n\
                    rbd_pool = \"v\"\nrbd_store_pool = \"i\"\nimages_rbd_pool = \"d\"\nrbd_store_chunk_size = 8\n\
                    rados_connect_timeout = 3\nrbd_max_clone_depth = 2\nrbd_flatten_volume_from_snapshot = true\n";
        let config = checked(text).unwrap();
        let Driver::Rbd(rbd) = &config.storage_backend[0].driver;
        assert_eq!((rbd.conf.as_str(), rbd.user.as_str(), rbd.chunk_mib), ("/c", "cinder", 8));
        assert_eq!((rbd.volumes_pool.as_str(), rbd.images_pool.as_str()), ("v", "i"));
        assert_eq!(default_name(&config), "ceph");
        let kept = checked(&format!("default_storage_backend = \"local\"\n{text}")).unwrap();
        assert_eq!(default_name(&kept), "local");
        let short = checked("[[storage_backend]]\nname = \"c\"\ndriver = \"rbd\"\n").unwrap();
        let Driver::Rbd(rbd) = &short.storage_backend[0].driver;
        assert_eq!(rbd, &RbdConfig::new("/etc/ceph/ceph.conf", "cuttle"));
        for (wrong, word) in [
            (format!("{text}rbd_pol = \"v\"\n"), "rbd_pol"),
            (text.replace("\"rbd\"", "\"nfs\""), "nfs"),
            (text.replace("\"ceph\"", "\"local\""), "two storage backends"),
            (text.replace("= 8", "= 7"), "power of two"),
            (format!("default_storage_backend = \"x\"\n{text}"), "none of"),
            (format!("{text}{text}"), "two storage backends"),
            (format!("{text}{}", text.replace("\"ceph\"", "\"more\"")), "in the pool v"),
        ] {
            let said = checked(&wrong).unwrap_err();
            assert!(said.contains(word), "{said}");
        }
    }
}
