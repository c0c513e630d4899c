//! Cuttle's own tools.

fn main() {}
