//! Cuttle: a whole infrastructure cloud in one binary.
//!
//! `cuttle up` runs a cloud on one machine; `cuttle agent` is its node side, a process of its own that outlives it. The
//! everyday verbs (`launch`, `ssh`, `console`, `status`, `exec`, `doctor`, `down`) are clients of those two.

mod agent_process;
mod audit_file;
mod backup_config;
mod cli;
mod client;
mod clouds_yaml;
mod commands;
mod config;
mod data_dir;
mod identity_provider;
mod log;
mod metrics;
mod node_server;
mod policy_file;
mod process;
mod schema;
mod services;
mod storage_config;
mod up;

use std::process::ExitCode;

use clap::Parser;

/// Long lists are thousands of small pieces, which the C library's allocator hands out and takes back much more slowly,
/// giving the memory back to the kernel after each of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cuttle: {error:#}");
            ExitCode::from(1)
        }
    }
}
