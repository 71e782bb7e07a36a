//! A whole system as it runs in production: Redis, the control plane and edges, each a process.

use std::ops::Deref;
use std::process::Output;

use common::tenancy::Tenancy;
use tempfile::TempDir;

use crate::client::Client;
use crate::doors::Doors;
use crate::ports::free_port;
use crate::program::{Launch, Program};
use crate::redis::TestRedis;

/// The processes. They end when this is dropped.
pub struct Fleet {
    doors: Doors,
    pub redis: TestRedis,
    pub desk: Program,
    pub edges: Vec<Program>,
    launch: Launch,
    /// What its edges are launched with.
    edge: Launch,
    desk_private: String,
    edges_private: Vec<String>,
    /// Last, so that the processes are gone before their files.
    directory: TempDir,
}

impl Deref for Fleet {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.doors
    }
}

fn loopback() -> String {
    format!("127.0.0.1:{}", free_port())
}

impl Fleet {
    /// With this many edges, ready to serve.
    pub async fn start(edges: usize) -> Self {
        Self::adjusted(edges, |_, launch| launch).await
    }

    /// The same, each edge launched as `adjust` has it.
    pub async fn adjusted(edges: usize, adjust: impl Fn(usize, Launch) -> Launch) -> Self {
        let mut fleet = Self::start_in(Tenancy::Single, edges, adjust).await;
        let admin_key = std::fs::read_to_string(fleet.directory.path().join("desk/admin.key")).unwrap();
        admin_key.trim().clone_into(&mut fleet.doors.admin_key);
        fleet
    }

    /// Two edges: the first speaks clear text, the second TLS with a certificate that it finds in `directory`.
    pub async fn half_encrypted(directory: &std::path::Path) -> Self {
        let (chain, key) = crate::tools::certificate(directory, "localhost").await;
        Self::adjusted(2, |edge, launch| match edge {
            0 => launch,
            _ => launch
                .env("TIDEGATE_TLS_CERT", chain.display().to_string())
                .env("TIDEGATE_TLS_KEY", key.display().to_string()),
        })
        .await
    }

    /// The same for several tenants, of which there is none yet: the operator makes them.
    pub async fn of_several_tenants(edges: usize) -> Self {
        Self::start_in(Tenancy::Multi, edges, |_, launch| launch).await
    }

    /// What the operator's command prints and ends with, beside the running control plane.
    #[must_use]
    pub fn operate(&self, arguments: &[&str]) -> Output {
        arguments.iter().fold(self.launch.clone(), |launch, argument| launch.arg(*argument)).output()
    }

    /// The same doors for whoever has another admin key.
    #[must_use]
    pub fn doors_of(&self, admin_key: &str) -> Doors {
        Doors { admin_key: admin_key.to_owned(), ..self.doors.clone() }
    }

    async fn start_in(tenancy: Tenancy, edges: usize, adjust: impl Fn(usize, Launch) -> Launch) -> Self {
        let (redis, directory) = (TestRedis::start().await, tempfile::tempdir().unwrap());
        let at = |name: &str| directory.path().join(name).display().to_string();
        let (desk_address, desk_private) = (loopback(), loopback());
        let launch = desk_launch(&redis.url(), &at("desk"), &at("blobs"))
            .env("TIDEGATE_LISTEN", &desk_address)
            .env("TIDEGATE_ADMIN_LISTEN", &desk_private)
            .env("TIDEGATE_TENANCY", tenancy.to_string());
        let desk = launch.start(directory.path());
        let desk_private = format!("http://{desk_private}");
        desk.ready(&desk_private).await;
        let keys = launch.clone().arg("keys").arg("public").output();
        let edge = Launch::of("tidegate-edge")
            .env("TIDEGATE_BUS", redis.url())
            .env("TIDEGATE_BLOBS", format!("file://{}", at("blobs")))
            .env("TIDEGATE_CONTROL_PLANE", format!("http://{desk_address}"))
            .env("TIDEGATE_EDGE_SECRET_FILE", at("desk/keys/edge.secret"))
            .env("TIDEGATE_SNAPSHOT_KEY", String::from_utf8(keys.stdout).unwrap().trim())
            .env("TIDEGATE_TENANCY", tenancy.to_string())
            .env("TIDEGATE_WORKERS", "2");
        let doors =
            Doors { desk: format!("http://{desk_address}"), edges: Vec::new(), admin_key: String::new() };
        let edges_private = Vec::new();
        let edges_running = Vec::new();
        let mut fleet = Self {
            doors,
            redis,
            desk,
            edges: edges_running,
            launch,
            edge,
            desk_private,
            edges_private,
            directory,
        };
        for number in 0..edges {
            fleet.launch_edge(&adjust(number, fleet.edge.clone()), number);
            fleet.edge_ready(number).await;
        }
        fleet
    }

    /// So many more edges, launched as `adjust` has it, all in one moment. They are not waited for.
    pub fn add_edges(&mut self, edges: usize, adjust: impl Fn(Launch) -> Launch) {
        let launch = adjust(self.edge.clone());
        for number in self.edges.len()..self.edges.len() + edges {
            self.launch_edge(&launch, number);
        }
    }

    /// Another control plane over the same database and bytes, and its base URL.
    pub async fn another_desk(&self) -> (Program, String) {
        let (address, private) = (loopback(), loopback());
        let launch =
            self.launch.clone().env("TIDEGATE_LISTEN", &address).env("TIDEGATE_ADMIN_LISTEN", &private);
        let home = self.directory.path().join("another-desk");
        std::fs::create_dir(&home).unwrap();
        let desk = launch.start(&home);
        desk.ready(&format!("http://{private}")).await;
        (desk, format!("http://{address}"))
    }

    /// Where an edge keeps what it knows.
    #[must_use]
    pub fn cache_of(&self, number: usize) -> std::path::PathBuf {
        self.directory.path().join(format!("edge-{number}/cache"))
    }

    fn launch_edge(&mut self, edge: &Launch, number: usize) {
        let (address, private) = (loopback(), loopback());
        let home = self.directory.path().join(format!("edge-{number}"));
        std::fs::create_dir(&home).unwrap();
        let launch = edge
            .clone()
            .env("TIDEGATE_LISTEN", &address)
            .env("TIDEGATE_ADMIN_LISTEN", &private)
            .env("TIDEGATE_EDGE_ID", name_of(number))
            .env("TIDEGATE_CACHE", home.join("cache").display().to_string());
        self.edges.push(launch.start(&home));
        self.doors.edges.push(format!("http://{address}"));
        self.edges_private.push(format!("http://{private}"));
    }

    pub async fn desk_ready(&self) {
        self.desk.ready(&self.desk_private).await;
    }

    pub async fn edge_ready(&self, number: usize) {
        self.edges[number].ready(&self.edges_private[number]).await;
    }

    /// What the control plane counts.
    pub async fn desk_metrics(&self) -> String {
        let answer = Client::new(&self.desk_private, None).get("/metrics").await.expect(200);
        String::from_utf8(answer.body).unwrap()
    }

    /// Base URL of an edge's private listener.
    #[must_use]
    pub fn private(&self, number: usize) -> &str {
        &self.edges_private[number]
    }

    /// A directory for what a test downloads; it goes with the fleet.
    #[must_use]
    pub fn scratch(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The control plane, then the edges, with their names.
    #[must_use]
    pub fn programs(&self) -> Vec<(String, &Program)> {
        let edges = self.edges.iter().enumerate().map(|(number, edge)| (format!("edge {number}"), edge));
        std::iter::once(("control plane".to_owned(), &self.desk)).chain(edges).collect()
    }

    /// Panics when a program ended, or says in its log that something in it panicked.
    pub fn assert_sound(&mut self) {
        for program in std::iter::once(&mut self.desk).chain(&mut self.edges) {
            let log = program.log();
            assert!(program.is_running() && !log.contains("panicked"), "{log}");
        }
    }
}

/// What an edge of a fleet is called.
#[must_use]
pub fn name_of(number: usize) -> String {
    format!("edge-{number}")
}

/// What a control plane needs, but its listeners.
#[must_use]
pub fn desk_launch(bus: &str, data: &str, blobs: &str) -> Launch {
    Launch::of("tidegate-control-plane")
        .env("TIDEGATE_BUS", bus)
        .env("TIDEGATE_DATA", data)
        .env("TIDEGATE_BLOBS", format!("file://{blobs}"))
}
