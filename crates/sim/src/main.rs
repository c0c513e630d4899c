//! Runs the simulation: `cargo xtask sim [--seed N] [--minutes M] [--turns T]`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// How much happens in a run.
const TURNS: usize = 2000;

/// Runs the whole cloud in one thread, seed after seed, until one fails or the time is up.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this seed alone, with all that happens on stderr
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// For how long
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// How much happens in each
    #[arg(long, default_value_t = TURNS)]
    turns: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let filter = tracing_subscriber::EnvFilter::try_from_default_env();
        let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,rest=warn"));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        log.without_time().with_ansi(false).init();
        return end(sim::run(seed, arguments.turns).map(|events| events.len()));
    }
    let began = runtime::monotonic();
    let mut seed = arguments.from;
    while began.elapsed() < Duration::from_secs(60 * arguments.minutes) {
        if let Err(failure) = sim::run(seed, arguments.turns) {
            return end(Err(failure));
        }
        seed += 1;
    }
    println!("seeds {} to {} ran, {} turns each", arguments.from, seed - 1, arguments.turns);
    ExitCode::SUCCESS
}

fn end(result: Result<usize, sim::Failure>) -> ExitCode {
    match result {
        Ok(events) => {
            println!("{events} events, and all was well");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
