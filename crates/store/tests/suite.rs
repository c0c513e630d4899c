//! What every database must do, over one made-up table.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use store::{Column, Direction, Error, Migration, Select, Store, Table, Unique, work};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Squid {
    id: String,
    tank: String,
    name: Option<String>,
    arms: i64,
}

static SQUIDS: Table<Squid> = Table {
    name: "test_squids",
    id: |s| s.id.as_str().into(),
    columns: &[
        Column { name: "tank", value: |s| s.tank.as_str().into() },
        Column { name: "name", value: |s| s.name.as_ref().into() },
        Column { name: "arms", value: |s| s.arms.into() },
    ],
    unique: &[Unique { name: "test_squids_name", columns: &["tank", "name"] }],
};

const MIGRATIONS: &[Migration] = &[Migration {
    service: "test",
    version: 1,
    sql: "CREATE TABLE test_squids (id VARCHAR(64) NOT NULL PRIMARY KEY, revision BIGINT NOT NULL, doc DOCUMENT NOT NULL,
          tank VARCHAR(64) NOT NULL, name VARCHAR(64), arms BIGINT NOT NULL);
          CREATE UNIQUE INDEX test_squids_name ON test_squids (tank, name);",
}];

fn squid(id: &str, name: &str, arms: i64) -> Squid {
    Squid { id: id.to_owned(), tank: "reef".to_owned(), name: Some(name.to_owned()), arms }
}

fn insert(store: &Store, squid: Squid) -> Result<(), Error> {
    store.write_blocking(move |tx| SQUIDS.insert(tx, squid.clone()).map(|_| ()))
}

fn names(store: &Store, select: Select) -> Vec<String> {
    let found = store.read_blocking(move |tx| SQUIDS.query(tx, &select)).unwrap();
    found.iter().map(|s| s.id.clone()).collect()
}

pub fn documents(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    store.migrate(&[MIGRATIONS]).unwrap();
    insert(store, squid("a", "Inky ☃", 8)).unwrap();
    let loaded = store
        .write_blocking(|tx| {
            let mut row = SQUIDS.load(tx, "a")?.ok_or(Error::Internal("gone".to_owned()))?;
            row.arms = 10;
            SQUIDS.save(tx, &mut row)?;
            SQUIDS.save(tx, &mut row)?;
            Ok::<_, Error>(row)
        })
        .unwrap();
    assert_eq!(loaded.revision(), 1, "saving what did not change is no new revision");
    let again = store.read_blocking(|tx| SQUIDS.load(tx, "a")).unwrap().unwrap();
    assert_eq!((again.arms, again.name.as_deref()), (10, Some("Inky ☃")));
    assert_eq!(store.read_blocking(|tx| SQUIDS.count(tx, &Select::all().eq("arms", 10i64))).unwrap(), 1);
    store.write_blocking(move |tx| SQUIDS.remove(tx, &again)).unwrap();
    assert!(store.read_blocking(|tx| SQUIDS.load(tx, "a")).unwrap().is_none());
}

pub fn unique_and_stale(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    insert(store, squid("a", "Inky", 8)).unwrap();
    assert_eq!(insert(store, squid("b", "Inky", 8)), Err(Error::Duplicate("test_squids_name".to_owned())));
    assert_eq!(insert(store, squid("a", "Other", 8)), Err(Error::Duplicate("id".to_owned())));
    let mut nameless = squid("c", "", 8);
    nameless.name = None;
    insert(store, nameless.clone()).unwrap();
    nameless.id = "d".to_owned();
    insert(store, nameless).unwrap();
    let old = store.read_blocking(|tx| SQUIDS.load(tx, "a")).unwrap().unwrap();
    let mut new = old.clone();
    new.arms = 9;
    store.write_blocking(move |tx| SQUIDS.save(tx, &mut new.clone())).unwrap();
    let stale = store.write_blocking(move |tx| SQUIDS.remove(tx, &old));
    assert_eq!(stale, Err(Error::Stale("test_squids".to_owned())));
}

pub fn pages(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    for n in 0..7 {
        insert(store, squid(&format!("s{n}"), &format!("n{n}"), n / 2)).unwrap();
    }
    let ordered = || Select::all().order("arms", Direction::Desc).order("id", Direction::Asc).limit(3);
    assert_eq!(names(store, ordered()), ["s6", "s4", "s5"]);
    assert_eq!(names(store, ordered().after(&[2i64.into(), "s5".into()])), ["s2", "s3", "s0"]);
    assert_eq!(names(store, Select::all().is_in("id", ["s1", "s9"])), ["s1"]);
    assert!(names(store, Select::all().is_in("id", Vec::<String>::new())).is_empty());
}

pub fn refusals_leave_nothing(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    let refused: Result<(), Error> = store.write_blocking(|tx| {
        SQUIDS.insert(tx, squid("a", "Inky", 8))?;
        tx.kick("test::squid", "a")?;
        Err(Error::Internal("no".to_owned()))
    });
    assert!(refused.is_err());
    let panicked: Result<(), Error> = store.write_blocking(|tx| {
        SQUIDS.insert(tx, squid("a", "Inky", 8))?;
        panic!("on purpose")
    });
    assert!(panicked.is_err());
    assert!(names(store, Select::all()).is_empty());
    assert!(store.read_blocking(work::pending).unwrap().is_empty());
}

pub fn work_is_leased_once(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    let kick = || store.write_blocking(|tx| tx.kick("test::squid", "a")).unwrap();
    let lease = || store.write_blocking(|tx| work::lease(tx, 10)).unwrap();
    let finish = |lease: &work::Lease, how| {
        let lease = lease.clone();
        store.write_blocking(move |tx| work::finish(tx, &lease, how)).unwrap();
    };
    kick();
    kick();
    let leases = lease();
    assert_eq!(leases.len(), 1, "two kicks are one piece of work");
    assert!(lease().is_empty(), "a leased key is nobody else's");
    kick();
    finish(&leases[0], work::Finish::Done);
    let leases = lease();
    assert_eq!(leases.len(), 1, "a kick during the step survives it");
    finish(&leases[0], work::Finish::Again(Duration::from_secs(3600)));
    assert!(lease().is_empty());
    kick();
    let leases = lease();
    finish(&leases[0], work::Finish::Failed(Duration::ZERO));
    let leases = lease();
    assert_eq!(leases[0].attempts, 1);
    finish(&leases[0], work::Finish::Done);
    assert!(store.read_blocking(work::pending).unwrap().is_empty());
}

pub fn many_writers(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    insert(store, squid("a", "Inky", 0)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let add = store.write_blocking(|tx| {
                        let mut row = SQUIDS.load(tx, "a")?.ok_or(Error::Internal("gone".to_owned()))?;
                        row.arms += 1;
                        SQUIDS.save(tx, &mut row)
                    });
                    add.unwrap();
                }
            });
        }
    });
    assert_eq!(store.read_blocking(|tx| SQUIDS.load(tx, "a")).unwrap().unwrap().arms, 400);
}
