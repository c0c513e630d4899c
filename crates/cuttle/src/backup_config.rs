//! Where backups of volumes are kept: the table `[backup]` of the configuration file. Its keys are those of Cinder's
//! drivers without their first word.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use storage::objects::S3Config;

/// The table `[backup]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackupConfig {
    /// A directory, perhaps of a network file system; `backups` in the data folder without.
    posix_path: Option<PathBuf>,
    /// An S3 endpoint instead, as `https://s3.example.org`.
    s3_endpoint_url: Option<String>,
    /// Its bucket, which is there.
    s3_store_bucket: Option<String>,
    /// The access key.
    s3_store_access_key: Option<String>,
    /// A file with the secret key.
    s3_store_secret_key_file: Option<PathBuf>,
    /// The region that requests are signed for.
    s3_region: Option<String>,
}

impl BackupConfig {
    /// The place, without anything being asked of it.
    pub fn target(&self, default: &Path) -> anyhow::Result<agent::BackupTarget> {
        let Some(endpoint) = &self.s3_endpoint_url else {
            let path = self.posix_path.clone().unwrap_or_else(|| default.to_owned());
            return Ok(agent::BackupTarget::Directory(path));
        };
        let given = |value: &Option<String>, key: &str| {
            value.clone().with_context(|| format!("[backup] names an S3 endpoint, so it must also set {key}"))
        };
        anyhow::ensure!(
            self.posix_path.is_none(),
            "[backup] sets posix_path and s3_endpoint_url: remove one, for backups are kept in one place"
        );
        let secret_file = self.s3_store_secret_key_file.as_ref();
        let secret_file = secret_file
            .context("[backup] names an S3 endpoint, so it must also set s3_store_secret_key_file")?;
        let secret = std::fs::read_to_string(secret_file)
            .with_context(|| format!("cannot read the secret key of backups in {}", secret_file.display()))?;
        Ok(agent::BackupTarget::S3(S3Config {
            endpoint: endpoint.clone(),
            region: self.s3_region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
            bucket: given(&self.s3_store_bucket, "s3_store_bucket")?,
            access_key: given(&self.s3_store_access_key, "s3_store_access_key")?,
            secret_key: secret.trim_end().to_owned(),
        }))
    }
}
