//! What only a server can be asked: a database of one's own on it, several replicas, connections that are cut.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use store::{Error, Select, Store, Value, work};
use testkit::{Scratch, Server};

use crate::suite::{MIGRATIONS, SQUIDS, insert, names, squid};

/// Replicas that start together bring the schema up to date once, and so does one after a migration that was cut off.
pub fn migrations(scratch: &Scratch) {
    let stores = [scratch.open(), scratch.open(), scratch.open()];
    if scratch.kind == Server::Maria {
        let cut_off = "CREATE TABLE test_squids (id VARCHAR(64) NOT NULL PRIMARY KEY, revision BIGINT NOT NULL, \
            doc LONGTEXT NOT NULL, tank VARCHAR(64) NOT NULL, name VARCHAR(64), arms BIGINT NOT NULL)";
        stores[0].write_blocking(|tx| tx.execute(cut_off, &[])).unwrap();
    }
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| store.migrate(&[MIGRATIONS]).unwrap());
        }
    });
    insert(&stores[1], squid("a", "Inky", 8)).unwrap();
    let again = insert(&stores[2], squid("b", "Inky", 8));
    assert_eq!(again, Err(Error::Duplicate("test_squids_name".to_owned())));
}

/// Two replicas that lease as fast as they can never get the same key.
pub fn leases_are_exclusive(scratch: &Scratch) {
    const KEYS: usize = 120;
    let stores = [scratch.open(), scratch.open()];
    stores[0].migrate(&[MIGRATIONS]).unwrap();
    let kick = |tx: &mut store::Tx<'_>| (0..KEYS).try_for_each(|n| tx.kick("test::squid", n));
    stores[0].write_blocking(kick).unwrap();
    let leased = Mutex::new(Vec::new());
    let lease_all = |store: &Store| {
        while leased.lock().unwrap_or_else(PoisonError::into_inner).len() < KEYS {
            // Losing a race many times over is an answer too: nothing was leased.
            let leases = match store.write_blocking(|tx| work::lease(tx, 4)) {
                Ok(leases) => leases,
                Err(Error::Stale(_)) => continue,
                Err(other) => panic!("{other}"),
            };
            leased.lock().unwrap_or_else(PoisonError::into_inner).extend(leases.into_iter().map(|l| l.id));
        }
    };
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (stores, lease_all) = (&stores, &lease_all);
            scope.spawn(move || lease_all(&stores[n % 2]));
        }
    });
    let leased = leased.into_inner().unwrap();
    assert_eq!((leased.len(), leased.iter().collect::<BTreeSet<_>>().len()), (KEYS, KEYS));
}

/// A connection that is cut takes its transaction along, and the next one gets another connection.
pub fn cut_connections(scratch: &Scratch) {
    let store = scratch.open();
    store.migrate(&[MIGRATIONS]).unwrap();
    let cut = |last: bool| -> Result<(), Error> {
        let (kind, admin) = (scratch.kind, scratch.admin.clone());
        store.write_blocking(move |tx| {
            SQUIDS.insert(tx, squid("a", "Inky", 8))?;
            let id = match kind {
                Server::Postgres => tx.rows("SELECT pg_backend_pid()", &[])?,
                Server::Maria => tx.rows("SELECT CONNECTION_ID()", &[])?,
            };
            let id = id.concat()[0].clone();
            admin.write_blocking(move |tx| match kind {
                Server::Postgres => tx
                    .rows("SELECT pg_terminate_backend(CAST(? AS INTEGER), 5000)", std::slice::from_ref(&id))
                    .map(|_| ()),
                Server::Maria => tx.execute(&format!("KILL {}", id.int().unwrap_or(0)), &[]).map(|_| ()),
            })?;
            if !last {
                SQUIDS.insert(tx, squid("b", "Blinky", 8))?;
            }
            Ok(())
        })
    };
    let before = cut(false);
    assert!(matches!(before, Err(Error::Unavailable(_))), "{before:?}");
    assert!(names(&store, Select::all()).is_empty());
    let during = cut(true);
    assert!(matches!(during, Err(Error::OutcomeUnknown(_))), "{during:?}");
    assert!(names(&store, Select::all()).is_empty());
    insert(&store, squid("a", "Inky", 8)).unwrap();
    assert_eq!(names(&store, Select::all()), ["a"]);
}

/// Connections that were cut while nobody used them are not noticed by anybody.
pub fn cut_while_idle(scratch: &Scratch) {
    let store = scratch.open();
    store.migrate(&[MIGRATIONS]).unwrap();
    let kind = scratch.kind;
    let idle = store.write_blocking(move |tx| match kind {
        Server::Postgres => tx.rows("SELECT pg_backend_pid()", &[]),
        Server::Maria => tx.rows("SELECT CONNECTION_ID()", &[]),
    });
    let Value::Int(id) = idle.unwrap().concat()[0].clone() else { panic!("no number") };
    let cut = match kind {
        Server::Postgres => format!("SELECT pg_terminate_backend({id}, 5000)"),
        Server::Maria => format!("KILL {id}"),
    };
    scratch.admin.write_blocking(move |tx| tx.execute(&cut, &[])).unwrap();
    for n in 0..32 {
        insert(&store, squid(&n.to_string(), &n.to_string(), 8)).unwrap();
    }
}
