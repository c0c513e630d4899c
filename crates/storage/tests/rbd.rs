//! What only the backend in Ceph does.
