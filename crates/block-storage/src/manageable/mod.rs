//! What lies on backends and is no volume or snapshot yet, or any more: operators list it, have it managed, and leave
//! volumes and snapshots to others (`os-unmanage`).
//!
//! To be managed, a volume gets a row of no size and a document that names what it is to be made of. The host looks at that
//! and tells its size, which must fit into the project's quota; then the document says the size, and the host gives it the
//! name of the volume. Wherever that ends otherwise, the bytes stay. What lies there now the host is asked when somebody
//! lists it.

pub(crate) mod api;
mod model;
mod ops;
mod page;
pub(crate) mod reconcile;
#[cfg(test)]
mod tests;

use model::{Backend, Entry, Reference};
