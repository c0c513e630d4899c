//! The configuration file: a few keys, each with a default that suits one machine.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use crate::backup_config::BackupConfig;
use crate::identity_provider::IdentityProvider;
use crate::storage_config::{self, StorageBackend};

/// What the operator may set, in TOML.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `postgres://…` or `mysql://…`, for a database that several control planes share; SQLite in the data folder without.
    pub database: Option<String>,
    /// The guest image that a fresh cloud registers as `cuttle-guest`.
    pub guest_image: Option<PathBuf>,
    /// `auto`, `kvm` or `tcg`.
    pub accelerator: String,
    /// How long a token is good for, in seconds.
    pub token_seconds: u32,
    /// The bcrypt cost of new passwords.
    pub password_cost: u32,
    /// What is demanded of users and their passwords, under Keystone's names.
    pub security_compliance: identity::SecurityCompliance,
    /// How Keystone's unified limits of domains bind those of their projects: `flat` or `strict_two_level`.
    pub limit_model: identity::LimitModel,
    /// The rules that are stated otherwise, in YAML; `policy.yaml` in the data folder without.
    pub policy_file: Option<PathBuf>,
    /// Where audit records are appended, a line of JSON each, beside the log.
    pub audit_file: Option<PathBuf>,
    /// The OpenID providers whose users may log in.
    pub identity_provider: Vec<IdentityProvider>,
    /// Where images, disks and volumes are, beside the files in the data folder.
    pub storage_backend: Vec<StorageBackend>,
    /// The backend that has what names no other; the first of those above without.
    pub default_storage_backend: Option<String>,
    /// Where backups of volumes are kept.
    pub backup: BackupConfig,
    /// Whether an upload whose bytes are not of the format it claims is refused.
    pub image_format_enforcement: bool,
    /// The largest image, in bytes.
    pub image_size_cap: u64,
    /// How many bytes of images that are in stores elsewhere this host keeps, to serve downloads from; none without.
    pub image_cache_max_size: Option<u64>,
    /// How images may be imported, under Glance's names. `copy-image` counts only where there are several stores.
    pub enabled_import_methods: Vec<String>,
    /// What web-download may reach, under Glance's names.
    pub import_filtering_opts: image::ImportFiltering,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            database: None,
            guest_image: None,
            accelerator: "auto".to_owned(),
            token_seconds: 3600,
            password_cost: 12,
            security_compliance: identity::SecurityCompliance::default(),
            limit_model: identity::LimitModel::Flat,
            policy_file: None,
            audit_file: None,
            identity_provider: Vec::new(),
            storage_backend: Vec::new(),
            default_storage_backend: None,
            backup: BackupConfig::default(),
            image_format_enforcement: true,
            image_size_cap: 1 << 40,
            image_cache_max_size: None,
            enabled_import_methods: image::IMPORT_METHODS.map(str::to_owned).to_vec(),
            import_filtering_opts: image::ImportFiltering::default(),
        }
    }
}

impl Config {
    /// Reads the file; without one, the defaults.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Config> {
        let Some(path) = path else { return Ok(Config::default()) };
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read the configuration {}: give another file with --config or none",
                path.display()
            )
        })?;
        let config: Config = toml::from_str(&text)
            .with_context(|| format!("the configuration {} is not usable", path.display()))?;
        let known = ["auto", "kvm", "tcg"];
        anyhow::ensure!(
            known.contains(&config.accelerator.as_str()),
            "the configuration {} sets accelerator = \"{}\"; it must be one of {}",
            path.display(),
            config.accelerator,
            known.join(", ")
        );
        if let Some(unknown) = config
            .enabled_import_methods
            .iter()
            .find(|method| !image::IMPORT_METHODS.contains(&method.as_str()))
        {
            anyhow::bail!(
                "the configuration {} enables the import method \"{unknown}\"; it must be one of {}",
                path.display(),
                image::IMPORT_METHODS.join(", ")
            );
        }
        anyhow::ensure!(
            (4..=31).contains(&config.password_cost),
            "the configuration {} sets password_cost = {}; it must be from 4 to 31",
            path.display(),
            config.password_cost
        );
        anyhow::ensure!(
            config.image_cache_max_size != Some(0),
            "the configuration {} sets image_cache_max_size = 0; leave it out for no cache",
            path.display()
        );
        storage_config::check(&config)
            .with_context(|| format!("the configuration {} is not usable", path.display()))?;
        // Only the agent uses it, and could say so nowhere but in its log.
        config
            .backup
            .target(Path::new("backups"))
            .with_context(|| format!("the configuration {} is not usable", path.display()))?;
        Ok(config)
    }

    /// Where the guest image is: as configured, else where packages and `x` put it.
    pub fn guest_image_path(&self) -> Option<PathBuf> {
        if let Some(path) = &self.guest_image {
            return Some(path.clone());
        }
        let from_env = std::env::var_os("CUTTLE_GUEST_IMAGE").map(PathBuf::from);
        let packaged = PathBuf::from("/usr/share/cuttle/cuttle-guest.qcow2");
        from_env.or_else(|| packaged.exists().then_some(packaged))
    }
}
