//! Cuttle: a whole infrastructure cloud in one binary.

fn main() {}
