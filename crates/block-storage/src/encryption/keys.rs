//! The keys of volumes: made here, sealed in rows, opened on the way to the host that needs one.

use std::collections::BTreeMap;

use agent_api::{Document, Kind, ToNode, block};
use identity::CredentialKeys;
use serde_json::Value as Json;
use store::{Select, Store, Tx};
use types::{Secret, VolumeId};

use super::VolumeEncryption;
use crate::backup::store::BACKUPS;
use crate::error::Error;
use crate::migration::store::{self as migrations, MIGRATIONS};
use crate::upload::store::{self as uploads, UPLOADS};
use crate::volume::store::VOLUMES;

/// Bytes of a passphrase. More would not make the largest cipher's key stronger.
const PASSPHRASE_BYTES: usize = 32;

/// Who can read sealed keys: the place for a key manager outside the cloud. It is asked in transactions, so that it answers
/// from memory. Errors are words for the operator.
pub trait Keyring: Send + Sync {
    /// What only this key manager can read.
    fn seal(&self, secret: &Secret) -> Result<String, String>;

    /// What was sealed.
    fn open(&self, sealed: &str) -> Result<Secret, String>;

    /// Seals anew what was sealed in a way that is to end; tells whether it did.
    fn renew(&self, sealed: &mut String) -> Result<bool, String>;
}

/// The keys that credentials are encrypted with, from the operator's file.
impl Keyring for CredentialKeys {
    fn seal(&self, secret: &Secret) -> Result<String, String> {
        CredentialKeys::seal(self, secret.expose()).map_err(|error| error.to_string())
    }

    fn open(&self, sealed: &str) -> Result<Secret, String> {
        CredentialKeys::open(self, sealed).map(Secret::from).map_err(|error| error.to_string())
    }

    fn renew(&self, sealed: &mut String) -> Result<bool, String> {
        CredentialKeys::renew(self, sealed).map_err(|error| error.to_string())
    }
}

/// Gives a volume that has none a key of its own; tells whether it did.
pub(crate) fn ensure_key(keys: &dyn Keyring, encryption: &mut VolumeEncryption) -> Result<bool, String> {
    if encryption.sealed.is_some() {
        return Ok(false);
    }
    let mut bytes = [0; PASSPHRASE_BYTES];
    runtime::fill_random(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    encryption.sealed = Some(keys.seal(&text.into())?);
    Ok(true)
}

/// Adds to the documents in a message what opens the volumes in them. To be called on each message as it leaves. What
/// cannot be opened is logged and goes without.
pub fn add_keys(store: &Store, keys: &dyn Keyring, message: &mut ToNode) -> Result<(), store::Error> {
    let ToNode::Documents { documents, .. } = message else { return Ok(()) };
    let ids: Vec<VolumeId> = documents.iter_mut().filter_map(encrypted_volume).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sealed = store.read_blocking(move |tx| sealed_keys(tx, &ids))?;
    for document in documents.iter_mut().filter(|document| document.key.kind == Kind::Volume) {
        for encryption in document.body.as_mut().into_iter().flat_map(block::encryptions) {
            // One that went meanwhile has none, and its document will follow it.
            let id = encryption.get("key_id").and_then(Json::as_str);
            let Some(sealed) = id.and_then(|id| sealed.get(id)) else { continue };
            match keys.open(sealed) {
                Ok(secret) => drop(encryption.insert("passphrase".to_owned(), secret.expose().into())),
                Err(error) => {
                    tracing::error!("the key of volume {} cannot be opened: {error}", document.key.id);
                }
            }
        }
    }
    Ok(())
}

/// The keys of these volumes as they are sealed, by their ids.
fn sealed_keys(tx: &mut Tx<'_>, ids: &[VolumeId]) -> Result<BTreeMap<String, String>, store::Error> {
    let mut found = BTreeMap::new();
    for id in ids {
        let of_volume = VOLUMES.load(tx, *id)?.and_then(|volume| volume.into_inner().encryption);
        let anew = migrations::of_volume(tx, *id)?.and_then(|migration| migration.into_inner().anew);
        let anew = anew.and_then(|anew| anew.encryption);
        let all = of_volume.into_iter().chain(anew);
        found.extend(all.filter_map(|known| Some((known.key_id.to_string(), known.sealed?))));
    }
    Ok(found)
}

/// The volume that a document is about, if there is something encrypted of it.
fn encrypted_volume(document: &mut Document) -> Option<VolumeId> {
    let body = document.body.as_mut().filter(|_| document.key.kind == Kind::Volume)?;
    block::encryptions(body).next()?;
    document.key.id.parse().ok()
}

/// Seals anew what an older key sealed, so that it can go; an error if there is something that no key reads.
pub fn reseal(tx: &mut Tx<'_>, keys: &dyn Keyring) -> Result<(), Error> {
    for mut volume in VOLUMES.query(tx, &Select::all())? {
        let whose = format!("volume {}", volume.id);
        if renew(keys, &mut volume.encryption, &whose)? {
            VOLUMES.save(tx, &mut volume)?;
        }
    }
    for mut migration in MIGRATIONS.query(tx, &Select::all())? {
        let whose = format!("the copy of volume {}", migration.volume_id);
        let Some(anew) = &mut migration.anew else { continue };
        let is_renewed = [renew(keys, &mut anew.encryption, &whose)?, renew(keys, &mut anew.before, &whose)?];
        if is_renewed.contains(&true) {
            MIGRATIONS.save(tx, &mut migration)?;
        }
    }
    for mut upload in uploads::all(tx)? {
        let whose = format!("image {}", upload.copy.image_id);
        if renew(keys, &mut upload.encryption, &whose)? {
            UPLOADS.save(tx, &mut upload)?;
        }
    }
    for mut backup in BACKUPS.query(tx, &Select::all())? {
        let whose = format!("backup {}", backup.id);
        if renew(keys, &mut backup.encryption, &whose)? {
            BACKUPS.save(tx, &mut backup)?;
        }
    }
    Ok(())
}

fn renew(keys: &dyn Keyring, held: &mut Option<VolumeEncryption>, whose: &str) -> Result<bool, Error> {
    let sealed = held.as_mut().and_then(|encryption| encryption.sealed.as_mut());
    let renewed = sealed.map_or(Ok(false), |sealed| keys.renew(sealed));
    renewed.map_err(|error| Error::Internal(format!("{whose}: {error}")))
}
