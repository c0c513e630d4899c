//! A volume type: a name that an operator gives to a kind of storage. There is one backend here yet, so a type decides
//! nothing so far; clients choose by it, and quotas and policies of operators name it.

pub(crate) mod api;
mod model;
pub mod ops;
pub(crate) mod store;

pub use model::{TypeChange, TypeDraft, VolumeType};
