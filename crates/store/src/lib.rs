//! One database, one transaction per request, over the tables of every service.
//!
//! A transaction is a plain function over a [`Tx`]. [`Store::write`] runs it where the database wants it run (on
//! SQLite's one writer thread, or on a thread that holds a server's connection), commits, and only then releases the
//! answer and the signals that it caused. [`Store::read`] gives a function a snapshot and throws away nothing, for it
//! cannot write.
//!
//! A resource declares its [`Table`] once: the columns the database must know, and the rest of the model as one JSON
//! document. Insert, load, query, save (with revision check) and remove follow from that for every database.
//!
//! Reading order: `value`, `error`, `tx`, `table`, `select`, `work`, then `database` and its implementations.

mod database;
mod error;
mod faults;
mod migrate;
mod mysql;
mod postgres;
mod select;
mod server;
mod sqlite;
mod store;
mod table;
mod tx;
mod value;
pub mod work;

pub use error::{Error, TxError};
pub use faults::{Fate, Faults};
pub use migrate::Migration;
pub use select::{Condition, Direction, Select};
pub use store::{Config, Store, Writing};
pub use table::{Column, Stored, Table, Unique};
pub use tx::{Signal, Tx};
pub use value::Value;
