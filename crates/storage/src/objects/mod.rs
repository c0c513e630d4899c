//! Where backups are kept: objects with names, in a directory or behind an S3 endpoint.

mod directory;
mod s3;

pub use directory::Directory;
pub use s3::{S3, S3Config};

use crate::Result;

/// Keeps objects under names like `folder/object`, made of letters, digits, `-`, `.` and `/`.
pub trait Objects: Send + Sync {
    /// Makes an object durable, in place of an older one of that name. Nobody sees half of it.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// An object's bytes, or `None` where there is no such object.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// The names of all objects in a folder, in order.
    fn list(&self, folder: &str) -> Result<Vec<String>>;

    /// Forgets an object. That there is none is fine.
    fn remove(&self, name: &str) -> Result<()>;
}
