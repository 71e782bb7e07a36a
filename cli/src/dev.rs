//! `tidegate dev`: control plane and edge in one process, on embedded defaults, with a sample that is real.

mod greeting;
mod sample;

use std::fs::{DirBuilder, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Mistakes;
use clap::Args;
use common::bus::local::LocalBus;
use common::runtime::clock::SystemClock;
use common::runtime::lifecycle;
use common::runtime::telemetry::LogForm;
use common::wire::Position;
use control_plane::app as desk;
use edge::app as door;
use edge::replica::SharedReplica;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// What `tidegate dev` can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = "tidegate-data")]
    data: PathBuf,
    /// Where the system is reached
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Form of the log: json or human [default: human on a terminal, else json]
    #[arg(long)]
    pub(crate) log: Option<LogForm>,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// A file, a directory, a signal handler.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The control plane.
    #[error("the control plane cannot start: {0}")]
    Desk(#[from] desk::StartError),
    /// The edge.
    #[error("{0}")]
    Door(#[from] door::StartError),
    /// The sample.
    #[error("the sample could not be published: {0}")]
    Sample(#[from] sample::SampleError),
    /// The environment.
    #[error(transparent)]
    Settings(#[from] Mistakes),
    /// Another one runs there.
    #[error("another tidegate dev uses {0}: stop it, or choose another directory with --data")]
    Taken(PathBuf),
    /// Links must not follow any Host header.
    #[error(
        "{0} is not on this machine alone; dev serves 127.0.0.1 or [::1], the servers in docs/ serve networks"
    )]
    NotLoopback(SocketAddr),
}

/// How long the edge may take to hear of the sample.
const SETTLE: Duration = Duration::from_secs(10);

/// Runs until a signal.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failed> {
    let data = std::path::absolute(&arguments.data)?;
    let config = Config::load(data.clone())?;
    if config.desk.public_url.is_none() && !common::network::is_loopback(arguments.listen.ip()) {
        return Err(Failed::NotLoopback(arguments.listen));
    }
    let _alone = lock(&data)?;
    // Before anything is made: a first start that fails for its port would have used up the one showing of its key.
    if let Err(source) = std::net::TcpListener::bind(arguments.listen) {
        return Err(door::StartError::Listen { address: arguments.listen, source }.into());
    }
    let stop = lifecycle::stop_on_signals()?;
    let ended = CancellationToken::new();
    let bus = Arc::new(LocalBus::new());
    let desk = desk::start(config.desk.clone(), bus.clone(), Arc::new(SystemClock), ended.clone()).await?;
    let door = prepare_door(arguments.listen, &config, &desk, bus, stop.clone()).await;
    let served = match door {
        Ok(door) => serve(door, &desk, &config).await,
        Err(error) => Err(error),
    };
    // The door drains first: what it has begun to forward still needs the desk.
    ended.cancel();
    desk.ended().await;
    served
}

/// Two systems on one directory would spoil it for each other.
fn lock(data: &Path) -> Result<File, Failed> {
    DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    let file = File::create(data.join("dev.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failed::Taken(data.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

async fn prepare_door(
    listen: SocketAddr,
    config: &Config,
    desk: &desk::Running,
    bus: Arc<LocalBus>,
    stop: CancellationToken,
) -> Result<door::Prepared, Failed> {
    let embedded = edge::config::Embedded {
        control_plane: format!("http://{}", desk.address),
        edge_secrets: desk.edge_secrets.clone(),
        snapshot_key: desk.verifying_key,
        public_url: config.desk.public_url.clone(),
        admin_listen: config.admin_listen,
    };
    let door = edge::config::Config::embedded(listen, &config.desk.data, embedded);
    Ok(door::prepare(door, bus, Arc::new(SystemClock), stop).await?)
}

/// Publishes the sample, and only then opens the door: who can reach it finds everything there.
async fn serve(door: door::Prepared, desk: &desk::Running, config: &Config) -> Result<(), Failed> {
    let sample = sample::publish(desk, &config.desk.data, config.desk.admin_key.as_ref()).await?;
    settle(&door.replica, sample.position).await;
    let running = door.open();
    greeting::print(&greeting::Facts {
        address: running.address,
        data: &config.desk.data,
        first_admin_key: desk.first_admin_key.as_ref(),
        admin_key_fits: sample.admin_key_fits,
        sample: &sample,
    });
    running.stopped().await;
    Ok(())
}

/// Waits until the edge has applied what was written. A slow machine gets a warning, not a failure.
async fn settle(replica: &SharedReplica, position: Option<Position>) {
    let mut applied = replica.watch();
    let wanted = |mine: &Position| mine.epoch != 0 && position.is_none_or(|position| *mine >= position);
    if tokio::time::timeout(SETTLE, applied.wait_for(wanted)).await.is_err() {
        tracing::warn!("the edge is still reading its first snapshot");
    }
}
