//! `tidegate-edge`: reads settings, starts the edge, drains it on a signal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use common::bus::redis::RedisBus;
use common::runtime::clock::SystemClock;
use common::runtime::telemetry::{self, LogForm};
use common::runtime::{EXIT_FAILED, EXIT_OK, EXIT_SETTINGS, lifecycle};
use edge::config::Config;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "tidegate-edge", version, about = "Tidegate edge: checks keys and streams binaries")]
struct Arguments {
    /// Settings as TOML; TIDEGATE_… variables of the environment win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Validate the settings, print those in force with secrets masked, and stop
    #[arg(long)]
    check: bool,
    /// Form of the log: json or human [default: human on a terminal, else json]
    #[arg(long)]
    log: Option<LogForm>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::begin(arguments.log.unwrap_or_else(LogForm::of_stderr), "info");
    let (config, printed) = match Config::load(arguments.config.as_deref()) {
        Ok(read) => read,
        Err(mistakes) => return end(EXIT_SETTINGS, &mistakes),
    };
    if arguments.check {
        return show(&printed);
    }
    match tokio::runtime::Runtime::new()
        .map_err(|e| e.to_string())
        .and_then(|runtime| runtime.block_on(run(config)))
    {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => end(EXIT_FAILED, &error),
    }
}

async fn run(config: Config) -> Result<(), String> {
    let stop = lifecycle::stop_on_signals().map_err(|e| e.to_string())?;
    // Means "look at your files", and the certificate's watch does. An edge that has none must not end by it.
    let _hangups = signal(SignalKind::hangup()).map_err(|e| e.to_string())?;
    edge::listen::raise_descriptors(config.limits.most_connections);
    let url = config.bus.as_ref().map(|url| url.expose().to_owned()).unwrap_or_default();
    let id = config.edge_id.clone();
    let feed = Arc::new(RedisBus::new(&url).map_err(|says| format!("TIDEGATE_BUS {says}"))?);
    let running =
        edge::app::start(config, feed, Arc::new(SystemClock), stop).await.map_err(|e| e.to_string())?;
    tracing::info!(id, address = %running.address, "edge listening");
    running.stopped().await;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a program that cannot start tells its operator, not its log")]
fn end(code: u8, says: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("tidegate-edge: {says}");
    ExitCode::from(code)
}

#[expect(clippy::print_stdout, reason = "--check prints")]
fn show(settings: &str) -> ExitCode {
    println!("{settings}");
    ExitCode::from(EXIT_OK)
}
