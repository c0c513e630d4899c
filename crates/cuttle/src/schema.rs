//! The tables of all services, in the order in which they are made.

use store::Migration;

/// Every service's migrations; the store adds its own.
pub const MIGRATIONS: &[&[Migration]] = &[
    nodes::MIGRATIONS,
    identity::MIGRATIONS,
    image::MIGRATIONS,
    placement::MIGRATIONS,
    network::MIGRATIONS,
    block_storage::MIGRATIONS,
    compute::MIGRATIONS,
];
