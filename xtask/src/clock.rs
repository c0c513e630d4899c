//! The clock of the tools. They run outside any simulation and bring no async runtime, so they ask the system.

#![allow(clippy::disallowed_methods)]

use std::thread;
use std::time::{Duration, Instant};

/// A stopwatch that started when it was made.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Asks every 50 ms whether something has come true, for so many seconds; the answer, or `None` when time is up.
pub fn poll<T>(seconds: f64, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if watch.seconds() > seconds {
            return None;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
