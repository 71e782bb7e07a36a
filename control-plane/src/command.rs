//! The command line of the desk: serve, check the settings, or look after keys and tenants.

mod backups;
mod edges;
mod tenants;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use common::bus::DeskBus;
use common::bus::redis::RedisBus;
use common::id::TenantId;
use common::runtime::clock::{SystemClock, entropy};
use common::runtime::lifecycle::stop_on_signals;
use common::runtime::telemetry::{self, LogForm};
use common::runtime::{EXIT_FAILED, EXIT_OK, EXIT_SETTINGS};

use crate::app::operator::Operator;
use crate::app::{self, keys};
use crate::config::{Config, Task};
use backups::Backups;
use edges::Edges;
use tenants::Tenants;

/// The control plane of Tidegate: takes commands, keeps the truth, announces it to the edges.
#[derive(Parser, Debug)]
#[command(name = "tidegate-control-plane", version)]
struct Arguments {
    /// Settings as TOML; TIDEGATE_* in the environment wins over them.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Validate the settings, print those in force with secrets masked, and end.
    #[arg(long)]
    check: bool,
    /// `json` or `human`; human on a terminal.
    #[arg(long, global = true)]
    log: Option<LogForm>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Look after keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Look after backups, also while the server runs.
    #[command(subcommand)]
    Backups(Backups),
    /// Look after the list of edges, also while the server runs.
    #[command(subcommand)]
    Edges(Edges),
    /// Look after tenants, also while the server runs.
    #[command(subcommand)]
    Tenants(Tenants),
}

#[derive(Subcommand, Debug)]
enum Keys {
    /// Print the public signing key: the edges' TIDEGATE_SNAPSHOT_KEY.
    Public,
    /// Make a new admin key with all scopes and print it, once.
    ResetAdmin {
        /// Whose; needed where there are several tenants.
        #[arg(long, value_name = "ID")]
        tenant: Option<TenantId>,
    },
}

type Ended = Result<(), Box<dyn std::error::Error>>;

/// Does what the command line of this process says.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::begin(arguments.log.unwrap_or_else(LogForm::of_stderr), "info");
    let task = if arguments.command.is_some() { Task::Keys } else { Task::Serve };
    let (config, effective) = match Config::load(arguments.config.as_deref(), task) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            // Nobody reads the code of a failure to write to a closed stderr.
            let _ = writeln!(io::stderr(), "{mistakes}");
            return ExitCode::from(EXIT_SETTINGS);
        }
    };
    let ended = match arguments.command {
        None if arguments.check => print(&effective),
        None => in_runtime(serve(config)),
        Some(Command::Keys(Keys::Public)) => print_public_key(&config),
        Some(Command::Keys(Keys::ResetAdmin { tenant })) => in_runtime(reset_admin(config, tenant)),
        Some(Command::Backups(command)) => in_runtime(backups::run(command, config)),
        Some(Command::Edges(command)) => in_runtime(edges::run(command, config)),
        Some(Command::Tenants(command)) => in_runtime(tenants::run(command, config)),
    };
    match ended {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(e) => {
            tracing::error!("{e}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn in_runtime(work: impl Future<Output = Ended>) -> Ended {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

fn print(text: &str) -> Ended {
    Ok(writeln!(io::stdout(), "{text}")?)
}

async fn serve(config: Config) -> Ended {
    let stop = stop_on_signals()?;
    let url = config.bus.as_ref().ok_or("TIDEGATE_BUS is missing")?;
    let bus: Arc<dyn DeskBus> = Arc::new(RedisBus::new(url.expose())?);
    app::start(config, bus, Arc::new(SystemClock), stop).await?.ended().await;
    Ok(())
}

fn print_public_key(config: &Config) -> Ended {
    let key = keys::open_signing_key(&config.data, &mut entropy()?)?;
    print(&hex::encode(key.verifying_key().as_bytes()))
}

async fn reset_admin(config: Config, tenant: Option<TenantId>) -> Ended {
    let operator = Operator::open(&config, &SystemClock).await?;
    let key = operator.add_admin(tenant).await;
    operator.close().await;
    print(key?.expose())
}
