//! Seeds, and named scenarios of what seeds once found.

mod scenarios;
mod seeds;
