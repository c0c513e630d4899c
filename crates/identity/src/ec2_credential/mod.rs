//! EC2 keys as their users make them: credentials of type `ec2` whose two halves are drawn here, under their users.

pub(crate) mod api;
pub(crate) mod ops;
#[cfg(test)]
mod tests;
