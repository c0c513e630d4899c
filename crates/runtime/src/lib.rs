//! The only place that asks for the time, sleeps, spawns or draws random numbers.
//!
//! A simulation runs everything on one thread. It installs a [`Simulated`] clock and generator for that
//! thread; from then on time moves only when the simulation moves it, and a seed repeats a run exactly.

// This crate is the fence around what `clippy.toml` forbids elsewhere.
#![allow(clippy::disallowed_methods)]

use std::cell::RefCell;
use std::future::Future;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use types::Timestamp;
use uuid::Uuid;

thread_local! {
    static SIMULATED: RefCell<Option<Simulated>> = const { RefCell::new(None) };
}

/// The clock and the generator of a simulated thread.
struct Simulated {
    now: Timestamp,
    rng: StdRng,
}

/// Makes this thread's clock and chance simulated, from `seed`, until the guard is dropped.
pub fn simulate(seed: u64, start: Timestamp) -> SimulationGuard {
    SIMULATED.with(|s| *s.borrow_mut() = Some(Simulated { now: start, rng: StdRng::seed_from_u64(seed) }));
    SimulationGuard(())
}

/// Ends the simulation of this thread when dropped.
pub struct SimulationGuard(());

impl SimulationGuard {
    /// Sets the simulated clock, also back: the clocks of two hosts differ, and a host's clock is put right.
    pub fn set(&self, now: Timestamp) {
        SIMULATED.with(|s| {
            if let Some(simulated) = s.borrow_mut().as_mut() {
                simulated.now = now;
            }
        });
    }

    /// Moves the simulated clock forward.
    pub fn advance(&self, by: Duration) {
        SIMULATED.with(|s| {
            if let Some(simulated) = s.borrow_mut().as_mut() {
                simulated.now = simulated.now.plus(by);
            }
        });
    }
}

impl Drop for SimulationGuard {
    fn drop(&mut self) {
        SIMULATED.with(|s| *s.borrow_mut() = None);
    }
}

/// The wall clock.
pub fn now() -> Timestamp {
    let simulated = SIMULATED.with(|s| s.borrow().as_ref().map(|s| s.now));
    simulated.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    })
}

/// A clock that only goes forward, for measuring how long something took.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Fills `bytes` with random ones, fit for keys outside a simulation.
pub fn fill_random(bytes: &mut [u8]) {
    let done = SIMULATED.with(|s| s.borrow_mut().as_mut().map(|s| s.rng.fill_bytes(bytes)).is_some());
    if !done {
        rand::rng().fill_bytes(bytes);
    }
}

/// A random number.
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    fill_random(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A random (version 4) UUID.
pub fn new_uuid() -> Uuid {
    let mut bytes = [0; 16];
    fill_random(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Waits without holding a thread.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Holds this thread for a while; in a simulation it moves the clock instead.
pub fn sleep_blocking(duration: Duration) {
    let simulated =
        SIMULATED.with(|s| s.borrow_mut().as_mut().map(|s| s.now = s.now.plus(duration)).is_some());
    if !simulated {
        std::thread::sleep(duration);
    }
}

/// Starts a task on the current tokio runtime.
pub fn spawn<F>(task: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(task)
}

/// Starts a named thread. A name has at most 15 bytes on Linux.
pub fn spawn_thread<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// How far behind everybody else's a quiet thread's wish for the processor stands: a tenth of their share each.
const QUIET_NICENESS: i32 = 10;

/// As [`spawn_thread`], for long computations that must not slow down the rest: it gets what others leave, and a
/// little where they leave nothing.
pub fn spawn_quiet_thread<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    spawn_thread(name, || {
        // On Linux a nice value belongs to the thread. Where a sandbox refuses it, the thread is merely not quiet.
        let _ = rustix::process::nice(QUIET_NICENESS);
        body()
    })
}
