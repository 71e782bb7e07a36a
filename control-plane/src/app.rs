//! Puts the rooms together, starts them, and stops them in the order in which that loses nothing.

mod backups;
mod forgetting;
pub(crate) mod keys;
mod listen;
pub mod operator;
mod private;
mod publishing;
mod sessions;
mod tenancy;

pub use keys::write_secret;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::bus::{AckInbox, DeskBus, Inbox};
use common::id::TenantId;
use common::mac::{MacKeys, Purpose};
use common::runtime::clock::{Clock, entropy};
use common::secret::Secret;
use ed25519_dalek::VerifyingKey;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::publishing::Publishing;
use crate::api::{Desk, Failures, InFlight, router};
use crate::backup::make::Automatic;
use crate::config::Config;
use crate::domain::Refusal;
use crate::feed::{self, FeedDoor};
use crate::fleet::Fleet;
use crate::ingest::{self, Ingest, Keeping};
use crate::metrics::Metrics;
use crate::publish::Announcer;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError, StoreFault};
use crate::uploads::{Blobs, sweep};

/// A desk that is open.
pub struct Running {
    /// Where the API is served; the port that the system chose, when it was asked to.
    pub address: SocketAddr,
    /// Where health and metrics are served.
    pub admin_address: Option<SocketAddr>,
    /// The tenant; `None` where there may be several.
    pub tenant: Option<TenantId>,
    /// Shared with the edges, the first signs.
    pub edge_secrets: Vec<Secret>,
    /// Verifies what this desk says over the bus.
    pub verifying_key: VerifyingKey,
    /// The first admin key as its owner uses it, when this start made it.
    pub first_admin_key: Option<Secret>,
    ended: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Returns when the desk was told to stop and everything that had begun has ended.
    pub async fn ended(self) {
        // Err is a panic in the closing itself: there is nothing left to close.
        let _ = self.ended.await;
    }
}

/// Why the desk does not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or directory.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The first tenant.
    #[error("{0}")]
    Tenant(#[from] Refusal),
    /// The database is of a system of several tenants.
    #[error("the database holds {0} tenants: set TIDEGATE_TENANCY=multi")]
    SeveralTenants(usize),
    /// There is one tenant, and it was made at the first start.
    #[error(
        "this is a system of one tenant: set TIDEGATE_TENANCY=multi, for control plane and edges, to have several"
    )]
    SingleTenant,
    /// There may be several.
    #[error("there are several tenants: name one with --tenant ID (`tenants list` shows them)")]
    WhichTenant,
    /// The database is new: the desk was never started on it.
    #[error("there is no tenant yet: start the control plane once")]
    NoTenant,
    /// An address.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// A file that is to be restored.
    #[error("{0} is no backup that can be restored: {1}")]
    Backup(String, String),
    /// The operating system.
    #[error("no randomness: {0}")]
    Randomness(String),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => Self::Tenant(refusal),
            StoreError::Fault(fault) => Self::Store(fault),
        }
    }
}

/// Opens the desk. It closes when `stop` is cancelled.
///
/// # Errors
/// The first thing that is missing or broken.
pub async fn start(
    config: Config,
    bus: Arc<dyn DeskBus>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<Running, StartError> {
    let mut rng = entropy().map_err(|e| StartError::Randomness(e.to_string()))?;
    let file = |what: String| move |e| StartError::File(what, e);
    keys::make_directory(&config.data).map_err(file(format!("data directory {}", config.data.display())))?;
    let keys = keys::open(&config.data, &config.edge_secrets, &mut rng).map_err(file("keys".to_owned()))?;
    let blobs = Blobs::open(&config.blobs).map_err(file(format!("blobs {}", config.blobs.display())))?;
    sweep_incoming(&blobs, clock.as_ref());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.database, clock.now()).await?);
    let first = tenancy::first(store.as_ref(), &config, clock.now(), &mut rng).await?;
    let verifying_key = keys.signing.verifying_key();
    let publishing = Publishing::new(&config, (&store, &bus), keys.signing, &clock);
    let told = MacKeys::derive(&keys.edge_secrets, Purpose::Acknowledgement);
    let fleet = Arc::new(Fleet::open(told, clock.clone(), store.as_ref()).await?);
    let following = publishing.carrier().map(|carrier| FeedDoor {
        carrier,
        fleet: fleet.clone(),
        keys: MacKeys::derive(&keys.edge_secrets, Purpose::Feed),
        clock: clock.clone(),
        stop: stop.clone(),
    });
    let desk = open_desk(&config, (store, blobs, clock), &keys.edge_secrets, (publishing.announcer(), fleet));
    let desk = Arc::new(desk);
    let reported = MacKeys::derive(&keys.edge_secrets, Purpose::Report);
    let ingest = ingest_of(&desk, bus.clone(), reported, config.keeping);
    let listener = listen(config.listen).await?;
    let private = match config.admin_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let address_of =
        |listener: &TcpListener| listener.local_addr().map_err(|e| StartError::Listen(config.listen, e));
    let address = address_of(&listener)?;
    let admin_address = private.as_ref().map(address_of).transpose()?;
    tracing::info!(%address, tenancy = %config.tenancy, "the desk is open");
    let sweeping = Sweeping {
        sessions: config.session_sweep,
        uploads: config.upload_sweep_every,
        backups: config.backups,
    };
    let ended = tokio::spawn(run(
        desk,
        Loops { publishing, ingest, acks: bus },
        Doors { listener, private, following },
        sweeping,
        stop,
    ));
    Ok(Running {
        address,
        admin_address,
        tenant: first.tenant,
        edge_secrets: keys.edge_secrets,
        verifying_key,
        first_admin_key: first.made,
        ended,
    })
}

/// What every handler works with.
fn open_desk(
    config: &Config,
    (store, blobs, clock): (Arc<dyn Store>, Blobs, Arc<dyn Clock>),
    secrets: &[Secret],
    (announcer, fleet): (Announcer, Arc<Fleet>),
) -> Desk {
    Desk {
        store,
        blobs,
        clock,
        metrics: Arc::new(Metrics::default()),
        forwarding: MacKeys::derive(secrets, Purpose::Forwarding),
        tickets: MacKeys::derive(secrets, Purpose::Upload),
        sessions: MacKeys::derive(secrets, Purpose::Session),
        failures: Failures::default(),
        cursors: MacKeys::derive(secrets, Purpose::Cursor),
        backups: backups::open(&config.data),
        backup_tickets: MacKeys::derive(secrets, Purpose::Backup),
        public_url: config.public_url.clone(),
        draft_by_default: config.draft_by_default,
        tenancy: config.tenancy,
        minutes_kept: config.keeping.minutes,
        announcer,
        in_flight: InFlight::default(),
        fleet,
        admin_aliases: config.admin_aliases.clone(),
    }
}

fn ingest_of(desk: &Desk, inbox: Arc<dyn Inbox>, keys: MacKeys, keeping: Keeping) -> Ingest {
    Ingest::new(ingest::Tools {
        store: desk.store.clone(),
        inbox,
        keys,
        clock: desk.clock.clone(),
        metrics: desk.metrics.clone(),
        announcer: desk.announcer.clone(),
        keeping,
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|e| StartError::Listen(address, e))
}

/// What a crash left costs space and nothing else: a failure to remove it is no reason not to open.
fn sweep_incoming(blobs: &Blobs, clock: &dyn Clock) {
    let millis = u64::try_from(clock.now().millis()).unwrap_or(0);
    match blobs.sweep(SystemTime::UNIX_EPOCH + Duration::from_millis(millis)) {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "removed unfinished uploads"),
        Err(e) => tracing::warn!(error = %e, "unfinished uploads could not be removed"),
    }
}

struct Doors {
    listener: TcpListener,
    private: Option<TcpListener>,
    /// What edges follow here, beside the API.
    following: Option<FeedDoor>,
}

/// How often what is spent is swept.
#[derive(Clone, Copy)]
struct Sweeping {
    sessions: Duration,
    uploads: Duration,
    /// And backups are made.
    backups: Automatic,
}

/// What runs beside the requests.
struct Loops {
    publishing: Publishing,
    ingest: Ingest,
    /// What the fleet hears its edges by.
    acks: Arc<dyn AckInbox>,
}

/// Requests end first, then what they wrote is announced, then the database is let go.
async fn run(desk: Arc<Desk>, loops: Loops, doors: Doors, every: Sweeping, stop: CancellationToken) {
    let requests_ended = CancellationToken::new();
    let rooms = TaskTracker::new();
    rooms.spawn(loops.publishing.run(requests_ended.clone()));
    rooms.spawn(loops.ingest.run(requests_ended.clone()));
    let fleet = desk.fleet.clone();
    rooms.spawn(fleet.run(loops.acks, desk.store.clone(), requests_ended.clone()));
    rooms.spawn(forgetting::run(desk.clone(), requests_ended.clone()));
    rooms.spawn(sessions::sweep(desk.clone(), every.sessions, requests_ended.clone()));
    rooms.spawn(backups::run(desk.clone(), every.backups, requests_ended.clone()));
    let (sweeping, ended) = (desk.clone(), requests_ended.clone());
    rooms.spawn(async move {
        sweep::run(sweeping.store.as_ref(), &sweeping.blobs, sweeping.clock.as_ref(), every.uploads, ended)
            .await;
    });
    if let Some(listener) = doors.private {
        rooms.spawn(listen::serve(listener, private::router(desk.clone()), requests_ended.clone()));
    }
    let routes = router(desk.clone());
    let routes = match doors.following {
        Some(door) => routes.merge(feed::router(door)),
        None => routes,
    };
    listen::serve(doors.listener, routes, stop).await;
    requests_ended.cancel();
    rooms.close();
    rooms.wait().await;
    desk.store.close().await;
    tracing::info!("the desk is closed");
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::bus::Outlet;
    use common::bus::local::LocalBus;
    use common::runtime::clock::SystemClock;
    use common::runtime::settings::Settings;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    async fn open(config: &Config) -> (Running, CancellationToken, LocalBus) {
        let (stop, bus) = (CancellationToken::new(), LocalBus::new());
        let outlet = Arc::new(bus.clone());
        let running = start(config.clone(), outlet, Arc::new(SystemClock), stop.clone()).await.unwrap();
        (running, stop, bus)
    }

    fn config(data: &std::path::Path) -> Config {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Config {
            admin_listen: Some(any),
            ..Config::embedded(data.join("deep/data"), any, &mut Settings::from_parts("", []))
        }
    }

    async fn get(address: SocketAddr, path: &str, key: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_first_start_makes_a_tenant_and_a_key_and_later_ones_keep_them() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path());
        let (first, stop, bus) = open(&config).await;
        let key = first.first_admin_key.clone().unwrap();
        assert_eq!(std::fs::read_to_string(config.data.join("admin.key")).unwrap().trim_end(), key.expose());
        assert!(get(first.address, "/v1/applications", key.expose()).await.starts_with("HTTP/1.1 200"));
        let private = first.admin_address.unwrap();
        for path in ["/healthz", "/readyz"] {
            assert!(get(private, path, "").await.starts_with("HTTP/1.1 200"), "{path}");
        }
        assert!(get(private, "/metrics", "").await.contains("tidegate_control_plane_reads_total 1"));
        let (tenant, verifying) = (first.tenant, first.verifying_key);
        stop.cancel();
        first.ended().await;
        assert!(Outlet::head(&bus).await.unwrap().is_some(), "what was written was announced before the end");

        let (second, stop, _) = open(&config).await;
        assert!(second.first_admin_key.is_none());
        assert_eq!((second.tenant, second.verifying_key), (tenant, verifying));
        assert!(get(second.address, "/v1/applications", key.expose()).await.starts_with("HTTP/1.1 200"));
        stop.cancel();
        second.ended().await;
    }

    #[tokio::test]
    async fn a_request_that_has_begun_is_answered_while_the_desk_closes() {
        let directory = tempfile::tempdir().unwrap();
        let (desk, stop, _) = open(&config(directory.path())).await;
        let key = desk.first_admin_key.clone().unwrap();
        let mut stream = TcpStream::connect(desk.address).await.unwrap();
        let head = format!(
            "POST /v1/management/customers HTTP/1.1\r\nHost: h\r\nX-API-Key: {}\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n",
            key.expose()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut asked_on = [0u8; 25];
        // The desk asks for the body: the request has begun.
        stream.read_exact(&mut asked_on).await.unwrap();
        assert!(asked_on.starts_with(b"HTTP/1.1 100"));
        stop.cancel();
        stream.write_all(br#"{"name":"A"}"#).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        desk.ended().await;
    }

    #[tokio::test]
    async fn a_tenant_and_its_key_may_be_brought_along() {
        let directory = tempfile::tempdir().unwrap();
        let tenant: TenantId = "14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap();
        let key = Secret::new("an-imported-secret-of-old".to_owned());
        let config = Config { tenant_id: Some(tenant), admin_key: Some(key), ..config(directory.path()) };
        let (desk, stop, _) = open(&config).await;
        assert_eq!((desk.tenant, desk.first_admin_key.is_none()), (Some(tenant), true));
        assert!(!config.data.join("admin.key").exists());
        let answer =
            get(desk.address, "/v1/applications", &format!("{tenant}.an-imported-secret-of-old")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        stop.cancel();
        desk.ended().await;
    }
}
