//! Threads that step together, in a process that is alone with its database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store::{Config, Store, Tx, work};

use crate::{Next, Reconciler, Runner, StepError};

const KIND: &str = "test::squid";
const KEYS: u32 = 40;
const KICKS: u32 = 5;
const THREADS: usize = 4;

/// Notes for each key what was wanted when it was stepped last, and whether two threads ever were at it.
#[derive(Default)]
struct Squids {
    wanted: Mutex<BTreeMap<String, u32>>,
    done: Mutex<BTreeMap<String, u32>>,
    inside: Mutex<BTreeSet<String>>,
    met: Mutex<Vec<String>>,
}

/// Waits where it acts for those that do not, and panics before.
#[derive(Default)]
struct Whale {
    others: Arc<Squids>,
    tries: Mutex<u32>,
}

impl Reconciler for Whale {
    fn kind(&self) -> &'static str {
        "test::whale"
    }

    fn acts(&self) -> bool {
        true
    }

    fn act(&self, _store: &Store, _id: &str) -> Result<(), StepError> {
        *self.tries.lock().unwrap() += 1;
        assert!(*self.tries.lock().unwrap() > 2, "on purpose");
        for _ in 0..1000 {
            if *self.others.done.lock().unwrap() == *self.others.wanted.lock().unwrap() {
                return Ok(());
            }
            runtime::sleep_blocking(Duration::from_millis(10));
        }
        Err(StepError::Failed("nobody else is stepped".to_owned()))
    }

    fn step(&self, _tx: &mut Tx<'_>, _id: &str) -> Result<Next, StepError> {
        Ok(Next::Done)
    }

    fn sweep(&self, _tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(Vec::new())
    }
}

impl Reconciler for Squids {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn acts(&self) -> bool {
        true
    }

    fn act(&self, _store: &Store, id: &str) -> Result<(), StepError> {
        if !self.inside.lock().unwrap().insert(id.to_owned()) {
            self.met.lock().unwrap().push(id.to_owned());
        }
        runtime::sleep_blocking(Duration::from_micros(200));
        Ok(())
    }

    fn step(&self, _tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let wanted = self.wanted.lock().unwrap().get(id).copied().unwrap_or(0);
        self.done.lock().unwrap().insert(id.to_owned(), wanted);
        self.inside.lock().unwrap().remove(id);
        Ok(Next::Done)
    }

    fn sweep(&self, _tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        Ok(Vec::new())
    }
}

#[test]
fn no_two_threads_step_a_key_and_no_kick_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Config::File(dir.path().join("db"))).unwrap();
    store.migrate(&[]).unwrap();
    let squids = Arc::new(Squids::default());
    let runner = Runner::new(store.clone(), vec![squids.clone()]);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| runner.run());
        }
        for n in 1..=KICKS {
            for key in (0..KEYS).map(|key| key.to_string()) {
                squids.wanted.lock().unwrap().insert(key.clone(), n);
                store.write_blocking(move |tx| tx.kick(KIND, &key)).unwrap();
            }
        }
        while !store.read_blocking(work::pending).unwrap().is_empty() {
            runtime::sleep_blocking(Duration::from_millis(1));
        }
        runner.close();
    });
    assert_eq!(
        *squids.done.lock().unwrap(),
        *squids.wanted.lock().unwrap(),
        "each key's last kick was heard"
    );
    assert!(squids.met.lock().unwrap().is_empty(), "two threads met at {:?}", squids.met.lock().unwrap());
}

#[test]
fn who_takes_long_or_panics_keeps_nobody_else_from_being_stepped() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Config::File(dir.path().join("db"))).unwrap();
    store.migrate(&[]).unwrap();
    let squids = Arc::new(Squids::default());
    let whale = Arc::new(Whale { others: squids.clone(), tries: Mutex::default() });
    let runner = Runner::new(store.clone(), vec![squids.clone(), whale.clone()]);
    let keys: Vec<String> = (0..KEYS).map(|key| key.to_string()).collect();
    squids.wanted.lock().unwrap().extend(keys.iter().map(|key| (key.clone(), 1)));
    // The whale is first.
    store.write_blocking(|tx| tx.kick("test::whale", "moby")).unwrap();
    store.write_blocking(move |tx| keys.iter().try_for_each(|key| tx.kick(KIND, key))).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| runner.run());
        }
        while !store.read_blocking(work::pending).unwrap().is_empty() {
            runtime::sleep_blocking(Duration::from_millis(1));
        }
        runner.close();
    });
    assert_eq!(*whale.tries.lock().unwrap(), 3, "two that panicked, and one that saw all others done");
}
