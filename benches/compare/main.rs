//! `compare`: an edge with everything on beside nginx, and beside a loop that does nothing but send, in one run on one
//! machine. Absolute figures of shared machines mean nothing; what counts is the ratio of server CPU for the same work.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

mod arguments;
mod cells;
mod cost;
mod desk;
mod files;
mod nginx;
mod programs;
mod rows;
mod stage;
mod statistics;
mod wrk;

use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser as _;

/// Whatever ends a run: told in one line.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One thread, and it lives as long as the tool: the processes that it starts end with their starting thread.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(fault) => return told(&fault.into()),
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run(&arguments) => outcome,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    });
    outcome.map_or_else(|failure| told(&failure), |()| ExitCode::SUCCESS)
}

fn told(failure: &Failure) -> ExitCode {
    programs::say(&format!("{failure}"));
    ExitCode::FAILURE
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stage = stage::Stage::set(arguments).await?;
    let rows = rows::chosen(&stage, arguments.only.as_deref());
    let measured = cells::measure(&stage, &rows, arguments).await?;
    for (row, cells) in rows.iter().zip(&measured) {
        println!("{} {cells:?}", row.name);
    }
    Ok(())
}
