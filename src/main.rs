//! The program: everything is in the library, so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(devpocket::cli::run(std::env::args_os().collect()));
            // A blocked read of a terminal must not keep the process alive.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(error) => {
            eprintln!("error[internal]: no threads can be started: {error}");
            ExitCode::FAILURE
        }
    }
}
