//! The one file that sees all rooms: builds an edge from its settings, starts it, stops it.

mod follow;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::bus::{Acks, EdgeBus, Reports};
use common::mac::{MacKeys, Purpose};
use common::runtime::clock::Clock;
use common::wire::address::Address;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::follow::{Following, follow};
use crate::acknowledge::Acknowledger;
use crate::admin;
use crate::caps::Caps;
use crate::catalog::Catalog;
use crate::config::{Config, ShareLinks};
use crate::forward::{Forwarder, Keys, Site};
use crate::gate::Gate;
use crate::gate::budget::{Budgets, Fleet};
use crate::keyring::Keyring;
use crate::listen::{self, Listener, tls};
use crate::observe::Metrics;
use crate::origin::Origin;
use crate::replica::feed::{Applier, Observer};
use crate::replica::{Changed, Replica, SharedReplica};
use crate::report::{Ledger, Reporter, Spool};
use crate::request::{Proxies, Table};
use crate::shares::{Negotiator, Wants, read_count};
use crate::transfers::Transfers;

/// How long an edge that starts waits for the control plane to confirm its replica.
const CONFIRM_WITHIN: Duration = Duration::from_secs(1);

/// Why an edge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The rest.
    #[error("{0}")]
    Other(String),
}

fn other(error: impl std::fmt::Display) -> StartError {
    StartError::Other(error.to_string())
}

/// An edge: its rooms, put together.
pub struct Edge {
    pub(crate) replica: SharedReplica,
    pub(crate) gate: Gate,
    pub(crate) wishes: Arc<Wants>,
    pub(crate) caps: Arc<Caps>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) origin: Origin,
    pub(crate) transfers: Arc<Transfers>,
    /// Whether files may be sent without a copy.
    pub(crate) zero_copy: bool,
    pub(crate) forwarder: Forwarder,
    pub(crate) link_keys: MacKeys,
    pub(crate) share_keys: MacKeys,
    pub(crate) share_links: ShareLinks,
    pub(crate) proxies: Proxies,
    pub(crate) table: Table,
    pub(crate) metrics: Metrics,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) began: Instant,
    requests: AtomicU64,
    /// Makes request ids unique across edges and restarts.
    nonce: u64,
}

/// An edge that follows its feed and has its addresses, but answers nobody yet.
pub struct Prepared {
    /// What it knows: to wait for it.
    pub replica: SharedReplica,
    edge: Arc<Edge>,
    reporter: Reporter,
    acknowledger: Acknowledger,
    /// The ways by which the desk hears of this edge.
    carriers: Vec<Arc<dyn Acks>>,
    bus: Arc<dyn Reports>,
    listener: Listener,
    running: Running,
    stop: CancellationToken,
    /// Cancelled when the last request has ended: the operator can look on until then.
    drained: CancellationToken,
    /// Whether the control plane was asked what it knows beyond the replica; none where it is not asked.
    confirmed: Option<watch::Receiver<bool>>,
}

impl Prepared {
    /// Waits until the control plane was asked whether it knows more than the replica, which may be days old: not
    /// longer than a moment, for it may be away or far, and an edge outlives it.
    pub async fn confirmed(mut self) -> Self {
        if let Some(mut confirmed) = self.confirmed.take()
            && tokio::time::timeout(CONFIRM_WITHIN, confirmed.wait_for(|asked| *asked)).await.is_err()
        {
            tracing::warn!("the control plane has not confirmed the replica in time: serving what it says");
        }
        self
    }

    /// Begins to answer. Who connected meanwhile is answered now.
    pub fn open(self) -> Running {
        let Self { edge, reporter, acknowledger, carriers, bus, listener, running, stop, drained, .. } = self;
        running.tasks.spawn(reporter.run(bus, drained.clone()));
        running.tasks.spawn(acknowledger.run(carriers, drained.clone()));
        running.tasks.spawn(async move {
            if let Err(error) = listener.run(edge, stop).await {
                tracing::error!(%error, "the listener ended");
            }
            drained.cancel();
        });
        running.tasks.close();
        running
    }
}

/// An edge that runs.
pub struct Running {
    /// Where it is reached.
    pub address: SocketAddr,
    /// Where it is looked at, if it is.
    pub admin_address: Option<SocketAddr>,
    /// What it knows: to wait for it.
    pub replica: SharedReplica,
    tasks: TaskTracker,
}

impl Running {
    /// Waits until it has stopped, which its stop token begins.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

/// Keeps the decoded copies of both rooms that have some, and then cuts what went out by what they said before.
struct Copies {
    keyring: Arc<Keyring>,
    edge: Arc<Edge>,
}

impl Observer for Copies {
    fn denied(&self, addresses: &[Address]) {
        self.edge.review(addresses);
    }

    fn changed(&self, changed: &Changed) {
        self.keyring.refresh(changed);
        self.edge.catalog.refresh(changed);
        self.edge.review(&changed.addresses);
    }

    fn replaced(&self) {
        self.keyring.refresh_all();
        self.edge.catalog.refresh_all();
        tokio::spawn(self.edge.clone().review_all());
    }
}

/// Starts an edge that follows `bus`. It answers from its replica at once if it has one, and `stop` drains it.
///
/// # Errors
/// When an address is taken or a directory cannot be used. The feed may be away: that is no error.
pub async fn start(
    config: Config,
    bus: Arc<dyn EdgeBus>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<Running, StartError> {
    Ok(prepare(config, bus, clock, stop).await?.confirmed().await.open())
}

/// Everything of [`start`] but the answering.
///
/// # Errors
/// As [`start`].
pub async fn prepare(
    config: Config,
    bus: Arc<dyn EdgeBus>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<Prepared, StartError> {
    let replica: SharedReplica = Arc::new(Replica::open(&config.cache).map_err(other)?);
    let keyring = Arc::new(Keyring::new(replica.clone(), config.hot_keys));
    let cursors = MacKeys::derive(&config.edge_secrets, Purpose::Cursor);
    let catalog = Arc::new(Catalog::new(replica.clone(), config.hot_applications, cursors));
    let tls = config.tls.as_ref().map(|(certificate, key)| tls::Acceptor::from_files(certificate, key));
    let tls = tls.transpose().map_err(other)?;
    let renewal = tls.as_ref().map(tls::Acceptor::renewal);
    let listener = Listener { socket: bind(config.listen)?, tls, limits: config.limits.clone() };
    let (arbiter, count_file) = (bus.arbiter(), config.cache.join("edges"));
    let mut edge = build(&config, &replica, &keyring, &catalog, clock)?;
    if arbiter.is_some() {
        let (minutes, places) = (edge.wishes.clone(), edge.wishes.clone());
        let fleet = Fleet::new(read_count(&count_file), Box::new(move |key| minutes.minutes.want(key)));
        let bell = Box::new(move |customer: &_| places.places.want(customer));
        edge.caps = Arc::new(Caps::shared(bell));
        edge.gate = edge.gate.with_budgets(Budgets::shared(fleet));
    }
    let edge = Arc::new(edge);
    let reporter = prepare_reporter(&config, &edge)?;
    let acknowledger = prepare_acknowledger(&config, &edge);
    let address = listener.address().map_err(other)?;
    let tasks = TaskTracker::new();
    let drained = CancellationToken::new();
    let admin_address = start_admin(&config, &edge, &tasks, (&stop, &drained)).await?;
    let observer = Arc::new(Copies { keyring, edge: edge.clone() });
    let (keys, refusals) = (config.snapshot_keys.clone(), edge.metrics.refusals());
    let applier = Arc::new(Applier::new(replica.clone(), keys, observer, refusals));
    let Following { confirmed, carriers } = follow(&config, (&edge, &bus), applier, (&tasks, &drained))?;
    tasks.spawn(sweep(edge.clone(), stop.clone()));
    if let Some(arbiter) = arbiter {
        let name = format!("{}-{:x}", config.edge_id, edge.nonce);
        tasks.spawn(Negotiator::new(arbiter, edge.clone(), name, count_file).run(drained.clone()));
    }
    if let Some(renewal) = renewal {
        tasks.spawn(renewal.run(edge.metrics.ended(), stop.clone()));
    }
    let running = Running { address, admin_address, replica: replica.clone(), tasks };
    Ok(Prepared {
        replica,
        edge,
        reporter,
        acknowledger,
        carriers,
        bus,
        listener,
        running,
        stop,
        drained,
        confirmed,
    })
}

fn prepare_acknowledger(config: &Config, edge: &Edge) -> Acknowledger {
    let keys = MacKeys::derive(&config.edge_secrets, Purpose::Acknowledgement);
    let name = (config.edge_id.clone(), config.cache.as_path());
    Acknowledger::new(name, keys, edge.replica.clone(), edge.clock.clone())
}

fn prepare_reporter(config: &Config, edge: &Edge) -> Result<Reporter, StartError> {
    let keys = MacKeys::derive(&config.edge_secrets, Purpose::Report);
    let (directory, metrics) = (config.cache.join("reports"), edge.metrics.reports());
    let spool = Spool::open(directory, keys, config.report_spool, metrics).map_err(other)?;
    Ok(Reporter::new(config.edge_id.clone(), edge.ledger.clone(), spool, edge.clock.as_ref()))
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    listen::bind(address).map_err(|source| StartError::Listen { address, source })
}

async fn start_admin(
    config: &Config,
    edge: &Arc<Edge>,
    tasks: &TaskTracker,
    (stop, drained): (&CancellationToken, &CancellationToken),
) -> Result<Option<SocketAddr>, StartError> {
    let Some(address) = config.admin_listen else { return Ok(None) };
    let listener = bind(address)?;
    let bound = listener.local_addr().map_err(other)?;
    tasks.spawn(admin::run(listener, edge.clone(), stop.clone(), drained.clone()));
    Ok(Some(bound))
}

fn build(
    config: &Config,
    replica: &SharedReplica,
    keyring: &Arc<Keyring>,
    catalog: &Arc<Catalog>,
    clock: Arc<dyn Clock>,
) -> Result<Edge, StartError> {
    let derive = |purpose| MacKeys::derive(&config.edge_secrets, purpose);
    let keys = Keys { word: derive(Purpose::Forwarding), uploads: derive(Purpose::Upload) };
    let site = Site { public_url: config.public_url.clone(), encrypted: config.tls.is_some() };
    let prefix = config.public_url.as_ref().and_then(|url| url.parse::<http::Uri>().ok());
    let metrics = Metrics::new(&config.edge_id);
    let ledger = Arc::new(Ledger::new(clock.clone(), metrics.reports()));
    let nonce = rand::Rng::next_u64(&mut common::runtime::clock::entropy().map_err(other)?);
    Ok(Edge {
        replica: replica.clone(),
        gate: Gate::new(keyring.clone(), replica.clone(), config.staleness)
            .with_sessions(derive(Purpose::Session))
            .with_tenancy(config.tenancy),
        wishes: Arc::default(),
        caps: Arc::default(),
        catalog: catalog.clone(),
        zero_copy: config.zero_copy,
        transfers: Arc::new(Transfers::new(metrics.transfers())),
        origin: Origin::new(config.blobs.clone(), config.held_files),
        forwarder: Forwarder::new(config.control_plane.clone(), site, keys, replica.clone())
            .map_err(other)?,
        link_keys: derive(Purpose::Link),
        share_keys: derive(Purpose::Share),
        share_links: config.share_links,
        proxies: config.proxies.clone(),
        table: Table::new(prefix.as_ref().map_or("", http::Uri::path)).map_err(other)?,
        metrics,
        ledger,
        clock,
        began: Instant::now(),
        requests: AtomicU64::new(0),
        nonce,
    })
}

async fn sweep(edge: Arc<Edge>, stop: CancellationToken) {
    let mut every = tokio::time::interval(Duration::from_secs(10));
    let mut was_stale = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {
                edge.gate.sweep(edge.began.elapsed());
                edge.caps.sweep();
                was_stale = tell_staleness(&edge, was_stale);
            }
        }
    }
}

/// Alarms when an edge that has a replica becomes stale, and says when it is fresh again.
fn tell_staleness(edge: &Edge, was_stale: bool) -> bool {
    let is_stale = edge.replica.is_usable() && edge.gate.is_stale(edge.clock.now());
    match (was_stale, is_stale) {
        (false, true) => {
            let heard_at = edge.replica.head_issued_at();
            tracing::error!(%heard_at, "stale: no news from the control plane for longer than max_staleness_seconds");
        }
        (true, false) => tracing::info!("fresh again"),
        (true, true) | (false, false) => {}
    }
    is_stale
}

impl Edge {
    /// Unique enough to find one request in the logs of a fleet.
    pub(crate) fn make_request_id(&self) -> Arc<str> {
        let mut digits = [0u8; 28];
        let (nonce, number) = digits.split_at_mut(16);
        // 48 bits: at a million requests a second, nine years.
        let [_, _, count @ ..] = self.requests.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let written = hex::encode_to_slice(self.nonce.to_be_bytes(), nonce)
            .and_then(|()| hex::encode_to_slice(count, number));
        debug_assert!(written.is_ok());
        std::str::from_utf8(&digits).unwrap_or_default().into()
    }
}
