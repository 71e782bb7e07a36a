//! A whole system in this process: the control plane, the bus in memory, and edges, on ports that the system chose.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use common::bus::local::LocalBus;
use common::runtime::clock::{Clock, SystemClock};
use common::secret::Secret;
use common::time::Timestamp;
use control_plane::app::Running as Desk;
use edge::config::{Config as EdgeConfig, ShareLinks};
use edge::gate::Staleness;
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
    /// The tenant's id.
    pub tenant: String,
    desk: Desk,
    /// What its edges follow.
    pub bus: LocalBus,
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

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl System {
    /// With two edges, ready to serve.
    pub async fn in_process() -> Self {
        Self::adjusted(2, |_, _| ()).await
    }

    /// With this many edges, each with its settings changed by `adjust`, ready to serve.
    pub async fn adjusted(edges: usize, adjust: impl Fn(usize, &mut EdgeConfig)) -> Self {
        let (directory, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (clock, bus) = (Arc::new(ForwardClock::default()), LocalBus::new());
        let carrier = Arc::new(bus.clone());
        let config = control_plane::config::Config::embedded(
            directory.path().join("desk"),
            ANY_PORT,
            &mut common::runtime::settings::Settings::from_parts("", []),
        );
        let desk =
            control_plane::app::start(config, carrier.clone(), clock.clone(), stop.clone()).await.unwrap();
        let mut addresses = Vec::new();
        for number in 0..edges {
            let mut config = edge_config(&format!("edge-{number}"), &desk, directory.path());
            adjust(number, &mut config);
            let edge = edge::app::start(config, carrier.clone(), clock.clone(), stop.clone()).await.unwrap();
            addresses.push(format!("http://{}", edge.address));
        }
        let admin_key = desk.first_admin_key.as_ref().unwrap().expose().to_owned();
        let doors = Doors { desk: format!("http://{}", desk.address), edges: addresses, admin_key };
        for edge in 0..doors.edges.len() {
            let admin = doors.admin(edge);
            eventually(PATIENCE, || async { admin.get("/v1/applications").await.is(200) }).await;
        }
        Self { doors, clock, tenant: desk.tenant.to_string(), desk, bus, stop, directory }
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

fn edge_config(name: &str, desk: &Desk, directory: &Path) -> EdgeConfig {
    EdgeConfig {
        listen: ANY_PORT,
        admin_listen: None,
        bus: None,
        blobs: directory.join("desk/blobs"),
        public_url: None,
        control_plane: Some(format!("http://{}", desk.address)),
        edge_secrets: desk.edge_secrets.clone(),
        snapshot_keys: vec![desk.verifying_key],
        cache: directory.join(name),
        report_spool: 1 << 20,
        edge_id: name.to_owned(),
        workers: 1,
        most_connections: 1_000,
        hot_keys: 1_000,
        hot_applications: 100,
        tls: None,
        staleness: Staleness { most: Duration::from_secs(86_400), denies: false },
        drain: Duration::from_secs(5),
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
