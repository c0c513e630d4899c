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

impl Reconciler for Squids {
    fn kind(&self) -> &'static str {
        KIND
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
