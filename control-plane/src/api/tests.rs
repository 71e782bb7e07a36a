//! The API over a real database, asked through its router without a socket.

mod applications;
mod customers;
mod edges;
mod entrance;
mod happened;
mod idempotency;
mod keys;
mod noise;
mod sessions;
mod sweeping;
mod tiers;
mod uploads;
mod versions;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use common::id::TenantId;
use common::mac::{MacKeys, Purpose};
use common::runtime::clock::{Clock as _, ManualClock};
use common::secret::Secret;
use common::tenancy::Tenancy;
use common::time::Timestamp;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::api::{Desk, Failures, InFlight, Peer, router};
use crate::backup::BackupFiles;
use crate::domain::tenant::{self, Found};
use crate::domain::{Actor, Context};
use crate::fleet::Fleet;
use crate::metrics::Metrics;
use crate::publish::Announcer;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::uploads::Blobs;

const TENANT: &str = "14632221-b1b6-4eec-844a-39f60c7f1523";
const SECRET: &str = "an-admin-key-of-the-tests";
const EDGE_SECRET: &str = "an-edge-secret-of-the-tests";

/// A desk with one tenant, its admin key and nothing else.
struct House {
    router: Router,
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    admin: String,
    directory: tempfile::TempDir,
}

/// An answer.
struct Told {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Told {
    /// The status with what a failure says of itself; of a success the status alone.
    fn verdict(&self) -> (u16, &str) {
        (self.status, self.body["error"]["reason"].as_str().unwrap_or(""))
    }

    fn data(&self, name: &str) -> &Value {
        &self.body["data"][name]
    }

    fn text(&self, name: &str) -> String {
        self.data(name).as_str().unwrap_or_else(|| panic!("no {name} in {}", self.body)).to_owned()
    }
}

impl House {
    async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    async fn open_with(change: impl FnOnce(&mut Desk)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_750_000_000_000)));
        let now = Timestamp::from_millis(1_750_000_000_000);
        let store = SqliteStore::open(&directory.path().join("t.db"), now).await.unwrap();
        let tenant: TenantId = TENANT.parse().unwrap();
        let context = Context { tenant, actor: Actor::operator(), now };
        let command = Found::parse("Test".into(), Some(Secret::new(SECRET.into()))).unwrap();
        let decision = tenant::found(command, None, &context, &mut StdRng::seed_from_u64(1)).unwrap();
        store.write().await.unwrap().commit(decision.change).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let mut desk = Self::desk(store.clone(), directory.path(), clock.clone());
        change(&mut desk);
        Self { router: router(Arc::new(desk)), clock, store, admin: format!("{TENANT}.{SECRET}"), directory }
    }

    /// Another control plane over the same database and bytes.
    async fn another(&self) -> Router {
        let store = SqliteStore::open(&self.directory.path().join("t.db"), self.clock.now()).await.unwrap();
        router(Arc::new(Self::desk(Arc::new(store), self.directory.path(), self.clock.clone())))
    }

    fn desk(store: Arc<dyn Store>, directory: &Path, clock: Arc<ManualClock>) -> Desk {
        let secrets = [Secret::new(EDGE_SECRET.into())];
        Desk {
            store,
            blobs: Blobs::open(&directory.join("blobs")).unwrap(),
            clock: clock.clone(),
            fleet: Arc::new(Fleet::new(MacKeys::derive(&secrets, Purpose::Acknowledgement), clock)),
            metrics: Arc::new(Metrics::default()),
            forwarding: MacKeys::derive(&secrets, Purpose::Forwarding),
            tickets: MacKeys::derive(&secrets, Purpose::Upload),
            cursors: MacKeys::derive(&secrets, Purpose::Cursor),
            backups: BackupFiles::below(directory),
            backup_tickets: MacKeys::derive(&secrets, Purpose::Backup),
            sessions: MacKeys::derive(&secrets, Purpose::Session),
            failures: Failures::default(),
            public_url: None,
            draft_by_default: false,
            tenancy: Tenancy::Single,
            minutes_kept: Duration::from_secs(7 * 86_400),
            announcer: Announcer::default(),
            in_flight: InFlight::default(),
            admin_aliases: vec!["provisioner".parse().unwrap()],
        }
    }

    async fn send(&self, request: Request<Body>) -> Told {
        Self::send_to(self.router.clone(), request).await
    }

    async fn send_to(router: Router, mut request: Request<Body>) -> Told {
        request.extensions_mut().insert(Peer("203.0.113.9:5000".parse().unwrap()));
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        // Answers to OPTIONS and HEAD have none.
        let empty = bytes.is_empty().then_some(Value::Null);
        let read = || serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {bytes:?}"));
        Told { status: parts.status.as_u16(), headers: parts.headers, body: empty.unwrap_or_else(read) }
    }

    async fn ask_as(&self, key: &str, method: &str, path: &str, body: Value) -> Told {
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
        let request = match body {
            Value::Null => request.body(Body::empty()),
            Value::String(raw) => request.header("content-type", "application/json").body(Body::from(raw)),
            json => request.header("content-type", "application/json").body(Body::from(json.to_string())),
        };
        self.send(request.unwrap()).await
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Told {
        self.ask_as(&self.admin, method, path, body).await
    }

    async fn get(&self, path: &str) -> Told {
        self.ask("GET", path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Told {
        self.ask("POST", path, body).await
    }

    /// Asks in turn, and checks status and reason of each.
    async fn table(&self, rows: &[(&str, &str, Value, (u16, &str))]) {
        for (method, path, body, expected) in rows {
            let told = self.ask(method, path, body.clone()).await;
            assert_eq!(told.verdict(), *expected, "{method} {path} {body}: {}", told.body);
        }
    }

    async fn application(&self, id: &str) {
        let told = self.post("/v1/management/applications", json!({"applicationId": id, "name": id})).await;
        assert_eq!(told.status, 201, "{}", told.body);
    }

    /// A key made with these fields, an admin's unless they say otherwise; its text.
    async fn key(&self, mut fields: Value) -> String {
        if fields.get("customerId").is_none() && fields.get("kind").is_none() {
            fields["kind"] = json!("admin");
        }
        let told = self.post("/v1/management/apikeys", fields).await;
        assert_eq!(told.status, 201, "{}", told.body);
        told.text("apiKey")
    }
}
