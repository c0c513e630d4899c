//! What `cuttle storage serve` runs, alone: the tests of this crate have no `cuttle` to start.

use std::process::ExitCode;

fn main() -> ExitCode {
    match storage::rbd::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storage-serve: {error}");
            ExitCode::FAILURE
        }
    }
}
