//! `tidegate`: one command that runs the whole system on a laptop.

mod config;
mod dev;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use common::runtime::telemetry::{self, LogForm};
use common::runtime::{EXIT_FAILED, EXIT_OK, EXIT_SETTINGS};

#[derive(Parser)]
#[command(name = "tidegate", version, about = "Ship binaries to paying customers", propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole system in one process, with a sample to download
    Dev(dev::Arguments),
}

fn main() -> ExitCode {
    let Command::Dev(arguments) = Arguments::parse().command;
    // The greeting is what a person came for: the log speaks up only when something is wrong.
    telemetry::begin(arguments.log.unwrap_or_else(LogForm::of_stderr), "warn");
    let ended = tokio::runtime::Runtime::new()
        .map_err(dev::Failed::from)
        .and_then(|r| r.block_on(dev::run(arguments)));
    match ended {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error @ dev::Failed::Settings(_)) => complain(&error, EXIT_SETTINGS),
        Err(error) => complain(&error, EXIT_FAILED),
    }
}

#[expect(clippy::print_stderr, reason = "a command tells its caller why it failed")]
fn complain(error: &dev::Failed, code: u8) -> ExitCode {
    eprintln!("tidegate: {error}");
    ExitCode::from(code)
}
