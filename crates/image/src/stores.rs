//! The stores in which bytes can be kept, by the names that clients choose them by.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use storage::ImageStore;
use storage::file::ImageCache;
use types::ImageId;

use crate::error::Error;

/// The store of a cloud that has one: files on this machine.
pub const FIRST: &str = "cuttle";

/// A store under its name.
#[derive(Clone)]
pub struct Place {
    /// How clients call it.
    pub id: String,
    /// What keeps the bytes, in Glance's words: `file`, `rbd`.
    pub kind: &'static str,
    /// For people.
    pub description: Option<String>,
    /// What an administrator is shown of it.
    pub properties: Json,
    /// The bytes.
    pub images: Arc<dyn ImageStore>,
}

impl Place {
    /// How an image's bytes here are called among services.
    pub(crate) fn url(&self, image: ImageId) -> String {
        format!("{}://{}/{image}", self.kind, self.id)
    }

    /// Whether the bytes are files of this host.
    pub(crate) fn is_here(&self) -> bool {
        self.kind == "file"
    }
}

/// All stores, the default first, of which there is always one; and the cache beside them, if there is one.
#[derive(Clone)]
pub struct Stores {
    default: Place,
    others: Vec<Place>,
    cache: Option<ImageCache>,
}

impl Stores {
    /// These, of which the first is the default.
    pub fn new(default: Place, others: Vec<Place>) -> Stores {
        Stores { default, others, cache: None }
    }

    /// The same with a cache on this host.
    #[must_use]
    pub fn with_cache(self, cache: ImageCache) -> Stores {
        Stores { cache: Some(cache), ..self }
    }

    /// The cache on this host.
    pub fn cache(&self) -> Option<&ImageCache> {
        self.cache.as_ref()
    }

    /// Where bytes go when nobody says otherwise.
    pub(crate) fn default(&self) -> &Place {
        &self.default
    }

    /// All of them, the default first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.default).chain(&self.others)
    }

    /// Their names.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.all().map(|place| place.id.clone()).collect()
    }

    /// The store of this name.
    pub(crate) fn named(&self, id: &str) -> Option<&Place> {
        self.all().find(|place| place.id == id)
    }

    /// The first of these that is there, to read from.
    pub(crate) fn first_of(&self, ids: &[String]) -> Result<&Place, Error> {
        let missing = || Error::Internal(format!("none of the stores {} is configured", ids.join(", ")));
        ids.iter().find_map(|id| self.named(id)).ok_or_else(missing)
    }
}

impl From<Arc<dyn ImageStore>> for Stores {
    fn from(images: Arc<dyn ImageStore>) -> Stores {
        let default =
            Place { id: FIRST.to_owned(), kind: "file", description: None, properties: json!({}), images };
        Stores::new(default, Vec::new())
    }
}

impl<S: ImageStore + 'static> From<Arc<S>> for Stores {
    fn from(images: Arc<S>) -> Stores {
        let images: Arc<dyn ImageStore> = images;
        images.into()
    }
}
