//! What every database must do, over one made-up table.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use store::{Column, Condition, Direction, Error, Migration, Select, Store, Table, Tx, Unique, Value, work};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Squid {
    id: String,
    tank: String,
    name: Option<String>,
    arms: i64,
    #[serde(default)]
    note: String,
}

pub static SQUIDS: Table<Squid> = Table {
    name: "test_squids",
    id: |s| s.id.as_str().into(),
    columns: &[
        Column { name: "tank", value: |s| s.tank.as_str().into() },
        Column { name: "name", value: |s| s.name.as_ref().into() },
        Column { name: "arms", value: |s| s.arms.into() },
    ],
    unique: &[Unique { name: "test_squids_name", columns: &["tank", "name"] }],
};

pub const MIGRATIONS: &[Migration] = &[Migration {
    service: "test",
    version: 1,
    sql: "CREATE TABLE test_squids (id VARCHAR(64) NOT NULL PRIMARY KEY, revision BIGINT NOT NULL, doc DOCUMENT NOT NULL,
          tank VARCHAR(64) NOT NULL, name VARCHAR(64), arms BIGINT NOT NULL);
          CREATE UNIQUE INDEX test_squids_name ON test_squids (tank, name);",
}];

pub fn squid(id: &str, name: &str, arms: i64) -> Squid {
    Squid {
        id: id.to_owned(),
        tank: "reef".to_owned(),
        name: Some(name.to_owned()),
        arms,
        note: String::new(),
    }
}

pub fn insert(store: &Store, squid: Squid) -> Result<(), Error> {
    store.write_blocking(move |tx| SQUIDS.insert(tx, squid.clone()).map(|_| ()))
}

pub fn names(store: &Store, select: Select) -> Vec<String> {
    let both =
        move |tx: &mut Tx<'_>| Ok::<_, Error>((SQUIDS.query(tx, &select)?, SQUIDS.values(tx, &select)?));
    let (found, values) = store.read_blocking(both).unwrap();
    assert!(found.iter().map(|squid| &**squid).eq(&values), "the values are those of the rows");
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
    store.write_blocking(work::release_all).unwrap();
    let leases = lease();
    assert_eq!(leases.len(), 1, "what a replica that died had leased is due again");
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
    let look_after = |after: Duration| {
        store.write_blocking(move |tx| tx.look_after("test::squid", "a", after)).unwrap();
    };
    let hour = Duration::from_secs(3600);
    look_after(hour);
    assert!(lease().is_empty(), "it is not due yet");
    look_after(Duration::ZERO);
    let leases = lease();
    assert_eq!(leases.len(), 1, "it is due when the earlier of two wants it");
    finish(&leases[0], work::Finish::Again(hour));
    kick();
    look_after(hour);
    let leases = lease();
    assert_eq!(leases.len(), 1, "a kick makes it due, whatever follows");
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
                    let refused: Result<(), Error> = store.write_blocking(|tx| {
                        let mut row = SQUIDS.load(tx, "a")?.ok_or(Error::Internal("gone".to_owned()))?;
                        row.arms += 1000;
                        SQUIDS.save(tx, &mut row)?;
                        Err(Error::Internal("no".to_owned()))
                    });
                    assert!(refused.is_err());
                }
            });
        }
    });
    assert_eq!(store.read_blocking(|tx| SQUIDS.load(tx, "a")).unwrap().unwrap().arms, 400);
}

/// Names are compared by their bytes, whatever they are.
pub fn spellings(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    const SPELLED: [&str; 12] =
        ["Inky", "inky", "Inky ", "Ínky", "🐙", "🐙🦑", "a'b\"c\\d", "100%", "100x", "?", "\u{feff}", ""];
    for (n, name) in SPELLED.iter().enumerate() {
        insert(store, squid(&format!("s{n:02}"), name, 8)).unwrap();
    }
    for (n, name) in SPELLED.iter().enumerate() {
        assert_eq!(names(store, Select::all().eq("name", *name)), [format!("s{n:02}")], "{name}");
        let found = store.read_blocking(|tx| SQUIDS.first(tx, &Select::all().eq("name", *name))).unwrap();
        assert_eq!(found.unwrap().name.as_deref(), Some(*name));
    }
    let like = |pattern: &str| names(store, Select::all().with(Condition::Like("name", pattern.to_owned())));
    assert_eq!(like("I%").len(), 2);
    assert_eq!(like("100!%"), ["s07"]);
    assert_eq!(like("🐙_"), ["s05"]);
    let mut sorted = SPELLED;
    sorted.sort_unstable();
    let found =
        store.read_blocking(|tx| SQUIDS.query(tx, &Select::all().order("name", Direction::Asc))).unwrap();
    let found: Vec<_> = found.iter().filter_map(|s| s.name.as_deref()).collect();
    assert_eq!(found, sorted, "sorted by their bytes");
}

pub fn nul(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    insert(store, squid("n", "a\0b", 8)).unwrap();
    let found = store.read_blocking(|tx| SQUIDS.first(tx, &Select::all().eq("name", "a\0b"))).unwrap();
    assert_eq!(found.unwrap().name.as_deref(), Some("a\0b"));
    assert!(names(store, Select::all().eq("name", "ab")).is_empty());
    assert!(names(store, Select::all().eq("name", "\0")).is_empty());
}

pub fn big_documents(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    let mut big = squid("a", "Inky", 8);
    big.note = "🐙x".repeat((1 << 20) / 5);
    insert(store, big.clone()).unwrap();
    let found = store.read_blocking(|tx| SQUIDS.load(tx, "a")).unwrap().unwrap();
    assert!(*found == big);
}

/// Whatever type the database gives a calculated number.
pub fn numbers(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    let sql = "SELECT COUNT(*), SUM(arms), MIN(arms), MAX(arms), MAX(name) FROM test_squids WHERE tank <> ?";
    let ask = || store.read_blocking(|tx| tx.rows(sql, &["moon".into()])).unwrap().concat();
    assert_eq!(ask(), [Value::Int(0), Value::Null, Value::Null, Value::Null, Value::Null]);
    for (n, arms) in [40_000, 1, 100_000_000, 8_000_050_000, -3].into_iter().enumerate() {
        insert(store, squid(&format!("s{n}"), &format!("n{n}"), arms)).unwrap();
    }
    let int = Value::Int;
    assert_eq!(ask(), [int(5), int(8_100_089_998), int(-3), int(8_000_050_000), "n4".into()]);
    let sum =
        store.read_blocking(|tx| tx.rows("SELECT SUM(arms) FROM test_squids WHERE arms < 0", &[])).unwrap();
    assert_eq!(sum.concat(), [Value::Int(-3)]);
}

/// A refused statement ends the transaction, even for who does not look.
pub fn errors_are_final(store: &Store) {
    store.migrate(&[MIGRATIONS]).unwrap();
    insert(store, squid("a", "Inky", 8)).unwrap();
    let went_on: Result<(), Error> = store.write_blocking(|tx| {
        SQUIDS.insert(tx, squid("b", "Blinky", 8))?;
        assert!(SQUIDS.insert(tx, squid("a", "Clyde", 8)).is_err());
        assert!(SQUIDS.insert(tx, squid("c", "Pinky", 8)).is_err());
        Ok(())
    });
    assert!(matches!(went_on, Err(Error::Internal(_))), "{went_on:?}");
    assert_eq!(names(store, Select::all()), ["a"]);
}

/// Who counts before writing finds what was counted still true at the commit: one squid per tank, whoever tries.
pub fn limits_hold(store: &Store) {
    const THREADS: usize = 8;
    const TANKS: usize = 20;
    store.migrate(&[MIGRATIONS]).unwrap();
    let start = std::sync::Barrier::new(THREADS);
    let add = |thread: usize, tank: usize| {
        let mut new = squid(&format!("s{thread}-{tank}"), &thread.to_string(), 8);
        new.tank = tank.to_string();
        start.wait();
        store.write_blocking(move |tx| {
            if SQUIDS.count(tx, &Select::all().eq("tank", new.tank.as_str()))? > 0 {
                return Ok(false);
            }
            SQUIDS.insert(tx, new.clone()).map(|_| true)
        })
    };
    let made: usize = std::thread::scope(|scope| {
        let add = &add;
        let all = |thread| (0..TANKS).filter(|tank| add(thread, *tank).unwrap()).count();
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || all(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((made, names(store, Select::all()).len()), (TANKS, TANKS));
}
