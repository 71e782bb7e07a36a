//! `compare`: an edge with everything on beside nginx, and beside a loop that does nothing but send, in one run on one
//! machine. Absolute figures of shared machines mean nothing; what counts is the ratio of server CPU for the same work.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

mod arguments;
mod cells;
mod cost;
mod desk;
mod drawing;
mod files;
mod latency;
mod machine;
mod memory;
mod nginx;
mod paced;
mod programs;
mod report;
mod rows;
mod stage;
mod statistics;
mod table;
mod targets;
mod wrk;

use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser as _;
use machine::Machine;
use report::{Line, Report, Settings};
use stage::Stage;
use tokio::signal::unix::{SignalKind, signal};

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
            told = interrupted() => Err(told.err().unwrap_or_else(|| "interrupted".into())),
        }
    });
    outcome.map_or_else(|failure| told(&failure), |()| ExitCode::SUCCESS)
}

/// Waits for Ctrl-C or SIGTERM: what was started ends with the run, and its directory goes.
async fn interrupted() -> Result<(), Failure> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        told = tokio::signal::ctrl_c() => Ok(told?),
    }
}

fn told(failure: &Failure) -> ExitCode {
    programs::say(&format!("{failure}"));
    ExitCode::FAILURE
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stage = Stage::set(arguments).await?;
    let machine = Machine::look(&stage.cores);
    // First, while the servers are fresh: an allocator keeps what a load once took.
    let memory = memory::measure(&stage, arguments).await?;
    let rows = rows::chosen(&stage, arguments.only.as_deref()).await?;
    let cells = cells::measure(&stage, &rows, arguments).await?;
    let latency = latency::measure(&stage, arguments).await?;
    let lines = rows.iter().zip(&cells).map(|(row, cells)| Line::of(row, cells)).collect();
    let report = Report { machine, settings: Settings::of(arguments), rows: lines, latency, memory };
    println!("{}", table::print(&report));
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &arguments.svg {
        std::fs::write(path, drawing::draw(&report))?;
    }
    Ok(())
}
