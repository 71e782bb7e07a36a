//! A whole system in this process: the control plane, the bus in memory, and edges, on ports that the system chose.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use common::bus::local::LocalBus;
use common::id::TenantId;
use common::runtime::clock::{Clock, SystemClock};
use common::secret::Secret;
use common::tenancy::Tenancy;
use common::time::Timestamp;
use control_plane::app::Running as Desk;
use control_plane::app::operator::Operator;
use control_plane::config::Config as DeskConfig;
use edge::config::{Config as EdgeConfig, ShareLinks};
use edge::gate::Staleness;
use edge::listen::{Deadlines, Limits, Runtimes};
use edge::request::Proxies;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::doors::Doors;
use crate::eventually::{PATIENCE, eventually};

/// The clock of the operating system, which a test may put forward.
#[derive(Default)]
pub struct ForwardClock(AtomicI64);

impl ForwardClock {
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ForwardClock {
    fn now(&self) -> Timestamp {
        let ahead = Duration::from_millis(u64::try_from(self.0.load(Ordering::SeqCst)).unwrap());
        SystemClock.now().plus(ahead)
    }
}

/// The system. It ends when this is dropped.
pub struct System {
    doors: Doors,
    /// What all its parts go by.
    pub clock: Arc<ForwardClock>,
    /// The tenant's id; empty where there may be several.
    pub tenant: String,
    desk: Desk,
    /// What its edges follow.
    pub bus: LocalBus,
    config: DeskConfig,
    stop: CancellationToken,
    directory: TempDir,
}

impl Deref for System {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Where a system is asked from until it is ready: what fails by then is not charged to where tests ask from.
const SETTING_UP: &str = "127.0.14.1";
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl System {
    /// With two edges, ready to serve.
    pub async fn in_process() -> Self {
        Self::adjusted(2, |_, _| ()).await
    }

    /// With this many edges, each with its settings changed by `adjust`, ready to serve.
    pub async fn adjusted(edges: usize, adjust: impl Fn(usize, &mut EdgeConfig)) -> Self {
        let system = Self::start(Tenancy::Single, edges, adjust).await;
        for edge in 0..system.doors.edges.len() {
            let admin = system.doors.admin(edge).at(SETTING_UP);
            eventually(PATIENCE, || async { admin.get("/v1/applications").await.is(200) }).await;
        }
        system
    }

    /// With two edges, and no tenant yet: see [`System::found`].
    pub async fn of_several_tenants() -> Self {
        let system = Self::start(Tenancy::Multi, 2, |_, _| ()).await;
        for edge in 0..system.doors.edges.len() {
            let stranger = system.doors.stranger(edge).at(SETTING_UP);
            // Not 503: it knows that there is nobody.
            eventually(PATIENCE, || async { stranger.get("/v1/applications").await.is(401) }).await;
        }
        system
    }

    /// What the operator at the machine has.
    pub async fn operator(&self) -> Operator<'_> {
        Operator::open(&self.config, self.clock.as_ref()).await.unwrap()
    }

    /// A new tenant, known at every edge.
    pub async fn found(&self, name: &str) -> Vendor {
        let operator = self.operator().await;
        let founded = operator.create(name.to_owned(), None, None).await.unwrap();
        operator.close().await;
        let doors = Doors { admin_key: founded.admin_key.expose().to_owned(), ..self.doors.clone() };
        for edge in 0..doors.edges.len() {
            let admin = doors.admin(edge).at(SETTING_UP);
            eventually(PATIENCE, || async { admin.get("/v1/applications").await.is(200) }).await;
        }
        Vendor { tenant: founded.tenant, doors }
    }

    async fn start(tenancy: Tenancy, edges: usize, adjust: impl Fn(usize, &mut EdgeConfig)) -> Self {
        let (directory, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (clock, bus) = (Arc::new(ForwardClock::default()), LocalBus::new());
        let carrier = Arc::new(bus.clone());
        let config = DeskConfig::embedded(
            directory.path().join("desk"),
            ANY_PORT,
            &mut common::runtime::settings::Settings::from_parts("", []),
        );
        // Always at it: what it may not remove, it must not remove in any test.
        let upload_sweep_every = Duration::from_millis(100);
        let config = DeskConfig { tenancy, upload_sweep_every, ..config };
        let desk = control_plane::app::start(config.clone(), carrier.clone(), clock.clone(), stop.clone())
            .await
            .unwrap();
        let mut addresses = Vec::new();
        for number in 0..edges {
            let name = format!("edge-{number}");
            let mut config = EdgeConfig { tenancy, ..edge_config(&name, &desk, directory.path()) };
            adjust(number, &mut config);
            let scheme = if config.tls.is_some() { "https" } else { "http" };
            let edge = edge::app::start(config, carrier.clone(), clock.clone(), stop.clone()).await.unwrap();
            addresses.push(format!("{scheme}://{}", edge.address));
        }
        let admin_key = desk.first_admin_key.as_ref().map_or("", |key| key.expose()).to_owned();
        let doors = Doors { desk: format!("http://{}", desk.address), edges: addresses, admin_key };
        let tenant = desk.tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        Self { doors, clock, tenant, desk, bus, config, stop, directory }
    }

    /// What its planes share.
    #[must_use]
    pub fn edge_secrets(&self) -> &[Secret] {
        &self.desk.edge_secrets
    }

    /// The settings of one more edge of that name; under the same name it is the same edge, started again.
    #[must_use]
    pub fn edge_config(&self, name: &str) -> EdgeConfig {
        edge_config(name, &self.desk, self.scratch())
    }

    /// A directory for what a test downloads; it goes with the system.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }
}

/// One of several tenants, reached through the doors of the system that it is in.
pub struct Vendor {
    pub tenant: TenantId,
    doors: Doors,
}

impl Deref for Vendor {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

fn edge_config(name: &str, desk: &Desk, directory: &Path) -> EdgeConfig {
    EdgeConfig {
        listen: ANY_PORT,
        admin_listen: None,
        bus: None,
        blobs: directory.join("desk/blobs"),
        public_url: None,
        control_plane: Some(format!("http://{}", desk.address)),
        tenancy: Tenancy::Single,
        edge_secrets: desk.edge_secrets.clone(),
        snapshot_keys: vec![desk.verifying_key],
        cache: directory.join(name),
        report_spool: 1 << 20,
        edge_id: name.to_owned(),
        limits: Limits {
            workers: 1,
            runtimes: Runtimes::PerCore,
            most_connections: 1_000,
            most_of_address: 1_000,
            deadlines: Deadlines::default(),
            drain: Duration::from_secs(5),
        },
        hot_keys: 1_000,
        hot_applications: 100,
        held_files: 1 << 20,
        zero_copy: true,
        tls: None,
        proxies: Proxies::default(),
        staleness: Staleness { most: Duration::from_secs(86_400), denies: false },
        share_links: ShareLinks::Stream,
    }
}

/// The moment that lies so far ahead by this clock, as the API writes it.
#[must_use]
pub fn after(clock: &ForwardClock, span: Duration) -> String {
    clock.now().plus(span).to_string()
}

/// Unix seconds by this clock.
#[must_use]
pub fn seconds(clock: &ForwardClock) -> i64 {
    clock.now().seconds()
}
