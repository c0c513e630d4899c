//! The documents that this node has, kept on disk so that a node without its control plane comes back as it was.
//!
//! Secrets are not kept: a document that has some is on disk without them and with the revision 0, so that the control
//! plane sends it again to a node that was restarted.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use agent_api::block::{self, Volume};
use agent_api::network::Port;
use agent_api::{Document, DocumentKey, Kind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use types::{NetworkId, VolumeId};

/// How the name of a document that is being written ends.
const TEMPORARY: &str = "tmp";

/// A document as the node keeps it: while its thing is being removed, the last body says what that thing was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// Which document.
    pub key: DocumentKey,
    /// The revision last received.
    pub revision: i64,
    /// The last body received.
    pub body: Option<Json>,
    /// Whether the thing is to be removed.
    pub removing: bool,
    /// The body as its type, once somebody asked for it: every step looks at all documents of some kinds.
    #[serde(skip)]
    parsed: Arc<OnceLock<Option<Arc<dyn Any + Send + Sync>>>>,
}

/// The documents of this node, in memory and in one file each.
pub struct Documents {
    /// Where the files are; nowhere in a simulation that does not restart agents.
    dir: Option<PathBuf>,
    kept: BTreeMap<DocumentKey, Kept>,
    /// The newest of those that are not acted on because they could not be written. What no document knows may be what one
    /// of them is about.
    unwritten: BTreeMap<DocumentKey, Document>,
}

impl Documents {
    /// The documents in `dir`. A file that cannot be read is left out: the control plane sends it again.
    pub fn open(dir: Option<&Path>) -> std::io::Result<Documents> {
        let mut kept = BTreeMap::new();
        if let Some(dir) = dir {
            std::fs::create_dir_all(dir)?;
            for entry in std::fs::read_dir(dir)? {
                let path = entry?.path();
                // One that was being written when this ended may not be on disk for good.
                if path.extension().is_some_and(|extension| extension == TEMPORARY) {
                    std::fs::remove_file(&path)?;
                    continue;
                }
                match std::fs::read(&path).map(|bytes| serde_json::from_slice::<Kept>(&bytes)) {
                    Ok(Ok(document)) => drop(kept.insert(document.key.clone(), document)),
                    Ok(Err(error)) => tracing::warn!("cannot read {}: {error}", path.display()),
                    Err(error) => tracing::warn!("cannot read {}: {error}", path.display()),
                }
            }
        }
        Ok(Documents { dir: dir.map(Path::to_owned), kept, unwritten: BTreeMap::new() })
    }

    /// Takes in a document; tells whether it is news to be acted on.
    pub fn receive(&mut self, document: Document) -> bool {
        let waits = self.unwritten.get(&document.key).map(|waiting| waiting.revision);
        let before = self.kept.get(&document.key);
        if waits.or(before.map(|before| before.revision)).is_some_and(|known| known >= document.revision) {
            return false;
        }
        self.keep(document, before.and_then(|before| before.body.clone()))
    }

    fn keep(&mut self, document: Document, body_before: Option<Json>) -> bool {
        let Document { key, revision, body } = document.clone();
        let removing = body.is_none();
        let kept = Kept { key, revision, body: body.or(body_before), removing, parsed: Arc::default() };
        if let Err(error) = self.write(&kept) {
            tracing::error!("cannot keep {} on disk: {error}", kept.key);
            if kept.is_of_a_move() {
                self.unwritten.insert(kept.key, document);
                return false;
            }
        }
        self.unwritten.remove(&kept.key);
        self.kept.insert(kept.key.clone(), kept);
        true
    }

    /// Writes those that could not be written; tells which can be acted on now.
    pub fn write_again(&mut self) -> Vec<DocumentKey> {
        let unwritten = std::mem::take(&mut self.unwritten);
        let keep = |(key, document): (DocumentKey, Document)| {
            let before = self.kept.get(&key).and_then(|before| before.body.clone());
            self.keep(document, before).then_some(key)
        };
        unwritten.into_iter().filter_map(keep).collect()
    }

    /// Whether these are all that there are.
    pub fn are_all(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Marks what is not in `complete` for removal: the control plane does not know it any more.
    pub fn retain(&mut self, complete: &[DocumentKey]) -> Vec<DocumentKey> {
        self.unwritten.retain(|key, _| complete.contains(key));
        let unknown = |kept: &&mut Kept| !kept.removing && !complete.contains(&kept.key);
        let lost: Vec<&mut Kept> = self.kept.values_mut().filter(unknown).collect();
        lost.into_iter()
            .map(|kept| {
                kept.removing = true;
                kept.key.clone()
            })
            .collect()
    }

    /// Forgets a document whose thing is gone.
    pub fn forget(&mut self, key: &DocumentKey) {
        self.kept.remove(key);
        if let Some(path) = self.path(key)
            && let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
    }

    /// The document of this key.
    pub fn get(&self, key: &DocumentKey) -> Option<&Kept> {
        self.kept.get(key)
    }

    /// All documents, in building order.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.kept.values()
    }

    /// What is wanted of a kind, with its key's id. A body that cannot be read is left out and logged.
    pub fn wanted<T: DeserializeOwned + Send + Sync + 'static>(&self, kind: Kind) -> Vec<Arc<T>> {
        let of_kind = self.kept.range(DocumentKey { kind, id: String::new() }..).map(|(_, kept)| kept);
        let of_kind = of_kind.take_while(|kept| kept.key.kind == kind);
        of_kind.filter(|kept| !kept.removing).filter_map(Kept::parse).collect()
    }

    /// Those of a kind among `dirty` that are wanted.
    pub fn kept_of(&self, dirty: &BTreeSet<DocumentKey>, kind: Kind) -> Vec<Kept> {
        let of_kind = dirty.iter().filter(|key| key.kind == kind).filter_map(|key| self.get(key));
        of_kind.filter(|kept| !kept.removing).cloned().collect()
    }

    /// The documents of the volumes that are wanted.
    pub fn volumes(&self) -> BTreeMap<VolumeId, Arc<Volume>> {
        self.wanted::<Volume>(Kind::Volume).into_iter().map(|volume| (volume.id, volume)).collect()
    }

    /// Networks whose own document, ports or groups changed.
    pub fn touched_networks(&self, dirty: &BTreeSet<DocumentKey>) -> BTreeSet<NetworkId> {
        let mut touched = BTreeSet::new();
        for key in dirty {
            match key.kind {
                Kind::Network => touched.extend(key.id.parse::<NetworkId>()),
                Kind::Port => {
                    let port = self.get(key).and_then(Kept::parse::<Port>);
                    touched.extend(port.map(|port| port.network_id));
                }
                Kind::SecurityGroup => {
                    let uses = |port: &&Arc<Port>| {
                        port.security_groups.iter().any(|group| group.to_string() == key.id)
                    };
                    let ports: Vec<Arc<Port>> = self.wanted(Kind::Port);
                    touched.extend(ports.iter().filter(uses).map(|port| port.network_id));
                }
                Kind::External | Kind::Router | Kind::Volume | Kind::Copy | Kind::Vm => {}
            }
        }
        touched
    }

    /// Whether the network of a port has a document here.
    pub fn has_network_of(&self, port: &Kept) -> bool {
        let key = |port: &Port| DocumentKey { kind: Kind::Network, id: port.network_id.to_string() };
        let network = port.parse::<Port>().and_then(|port| self.get(&key(&port)));
        network.is_some_and(|network| !network.removing)
    }

    /// The revisions held, for the hello.
    pub fn revisions(&self) -> BTreeMap<String, i64> {
        self.kept.values().map(|kept| (kept.key.to_string(), kept.revision)).collect()
    }

    fn path(&self, key: &DocumentKey) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(format!("{}-{}.json", key.kind.name(), key.id)))
    }

    /// A document that says where a volume goes is on disk for good before anybody acts on it: what this node decides about
    /// that must not meet an older one after the power went.
    fn write(&self, kept: &Kept) -> std::io::Result<()> {
        let Some(path) = self.path(&kept.key) else { return Ok(()) };
        let for_good = kept.is_of_a_move();
        let mut kept = kept.clone();
        if kept.key.kind == Kind::Volume && kept.body.as_mut().is_some_and(block::take_secrets) {
            kept.revision = 0;
        }
        let bytes = serde_json::to_vec(&kept).map_err(std::io::Error::other)?;
        let temporary = path.with_extension(TEMPORARY);
        std::fs::write(&temporary, bytes)?;
        if for_good {
            File::open(&temporary)?.sync_all()?;
        }
        std::fs::rename(&temporary, &path)?;
        match path.parent().filter(|_| for_good) {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Kept {
    /// The body as its type, which is the same for all documents of a kind.
    pub fn parse<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let parsed = self.parsed.get_or_init(|| Some(Arc::new(self.read::<T>()?)));
        parsed.clone()?.downcast().ok()
    }

    /// Whether it is of a volume that is on its way to another backend, or has left one.
    fn is_of_a_move(&self) -> bool {
        let elsewhere = self.body.as_ref().and_then(|body| body.get("elsewhere"));
        self.key.kind == Kind::Volume && !self.removing && elsewhere.is_some_and(|wish| !wish.is_null())
    }

    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let read = T::deserialize(self.body.as_ref()?);
        read.inspect_err(|error| tracing::error!("cannot read document {}: {error}", self.key)).ok()
    }
}

/// Documents for effects, which may keep them.
pub fn owned<'d, T: Clone + 'd>(documents: impl Iterator<Item = &'d Arc<T>>) -> Vec<T> {
    documents.map(|document| T::clone(document)).collect()
}
