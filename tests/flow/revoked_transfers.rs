//! Transfers that run when the right ends that they began by: cut by a reset, and no others.

mod stalled;

use std::time::Duration;

use reqwest::{Method, Version};
use serde_json::json;
use support::running::{Download, End, Ended};
use support::{Admin, Client, Fleet, Key, PATIENCE, content, eventually};

/// Far more than two sockets hold of a file that is read at 1 MB/s.
const SIZE: usize = 24 << 20;
/// KiB/s.
const PACE: usize = 1_000;
/// Far more than a cut takes; at its pace the file would take longer.
const SOON: Duration = Duration::from_secs(5);

/// An edge in clear text, one that speaks TLS, and a control plane.
struct Shop {
    fleet: Fleet,
    bytes: Vec<u8>,
    _certificates: tempfile::TempDir,
}

/// A customer of an application of its own, which has one large file.
struct Case {
    name: String,
    key: Key,
}

const FILE: &str = "large.bin";
const VERSION: &str = "1.0.0";

impl Case {
    fn path(&self) -> String {
        format!("/v1/download/{}/{VERSION}/{FILE}", self.name)
    }
}

impl Shop {
    async fn open() -> Self {
        let certificates = tempfile::tempdir().unwrap();
        let fleet = Fleet::half_encrypted(certificates.path()).await;
        Self { fleet, bytes: content::bytes(11, SIZE), _certificates: certificates }
    }

    fn admin(&self) -> Admin {
        self.fleet.admin(0)
    }

    /// A client of one of the edges, with a connection of its own.
    fn client(&self, (edge, version): Transport, key: &str) -> Client {
        let base = self.fleet.stranger(edge).base().to_owned();
        let base = if edge == 0 { base } else { base.replace("http:", "https:") };
        Client::new(&base, Some(key)).over(version)
    }

    async fn case(&self, name: &str) -> Case {
        let (admin, name) = (self.admin(), name.to_lowercase());
        admin.create_customer(&name, "Basic").await.expect(201);
        admin.create_application(&name, &[&name]).await.expect(201);
        let about = json!({ "fileName": FILE, "fileSize": SIZE });
        let begun = admin.begin_upload(&name, VERSION, about).await.expect(200);
        let put = admin.request(Method::PUT, &begun.text("/uploadUrl")).body(self.bytes.clone());
        support::client::send(put).await.expect(200);
        let done = json!({ "uploadId": begun.text("/uploadId"), "checksum": content::checksum(&self.bytes) });
        admin.complete_upload(done).await.expect(201);
        let key = admin.create_key(&name, json!({})).await;
        let case = Case { name, key };
        for edge in [0, 1] {
            let client = self.client((edge, Version::HTTP_11), &case.key.text);
            let head =
                || async { support::client::send(client.request(Method::HEAD, &case.path())).await.is(200) };
            eventually(PATIENCE, head).await;
        }
        case
    }

    /// Begins a download by that right, and with it what stands for the right.
    async fn begin(&self, case: &Case, transport: Transport, right: Right) -> (Download, Option<String>) {
        let client = self.client(transport, &case.key.text);
        let mebibyte = 1 << 20;
        let named = format!("applicationId={}&version={VERSION}", case.name);
        let (target, range, session) = match right {
            Right::Key => (case.path(), None, None),
            Right::Range => (case.path(), Some("bytes=1000-"), None),
            Right::Link => {
                (client.get(&format!("/v1/downloads/url?{named}")).await.expect(200).text("/url"), None, None)
            }
            Right::Share => {
                let order = json!({ "applicationId": case.name, "version": VERSION });
                (client.post("/v1/downloads/share", &order).await.expect(200).text("/shareUrl"), None, None)
            }
            Right::Session => {
                let login = json!({ "api_key": case.key.text });
                let told = client.with(None).post("/auth/login", &login).await.expect(200).json();
                let token = told["access_token"].as_str().unwrap().to_owned();
                (case.path(), None, Some(token))
            }
        };
        let client = client.with(Some(session.as_deref().unwrap_or(&case.key.text)));
        (Download::begin(&client, &target, range, mebibyte).await, session)
    }
}

type Transport = (usize, Version);

const CLEAR: Transport = (0, Version::HTTP_11);
const CLEAR_2: Transport = (0, Version::HTTP_2);
const TLS: Transport = (1, Version::HTTP_11);
const TLS_2: Transport = (1, Version::HTTP_2);

/// By what a download runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Right {
    Key,
    Range,
    Link,
    Share,
    Session,
}

/// What is done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    DeleteKey,
    DisableKey,
    RegenerateKey,
    RotateKey,
    MoveKey,
    NarrowKey,
    DeactivateCustomer,
    Ungrant,
    Yank,
    DisableVersion,
    RaiseTier,
    DeleteApplication,
    LogOut,
}

use Deed::{
    DeactivateCustomer, DeleteApplication, DeleteKey, DisableKey, DisableVersion, LogOut, MoveKey, NarrowKey,
    RaiseTier, RegenerateKey, RotateKey, Ungrant, Yank,
};

impl Deed {
    /// Does it, through the clear edge: when this returns, that one has applied it.
    async fn to(self, shop: &Shop, case: &Case, session: Option<&str>) {
        let (admin, name) = (shop.admin(), case.name.as_str());
        let version = format!("/v1/applications/{name}/versions/{VERSION}");
        let key = |change| admin.change_key(&case.key, change);
        let answer = match self {
            DeleteKey => admin.delete_key(&case.key).await,
            DisableKey => key(json!({ "isEnabled": false })).await,
            RegenerateKey => {
                admin.post(&format!("/v1/management/customers/{name}/regenerate-key"), &json!({})).await
            }
            RotateKey => {
                admin.post(&format!("/v1/management/apikeys/{}/rotate", case.key.id), &json!({})).await
            }
            MoveKey => key(json!({ "ipAllowlist": ["192.0.2.1"] })).await,
            NarrowKey => key(json!({ "applicationIds": [] })).await,
            DeactivateCustomer => admin.change_customer(name, json!({ "isActive": false })).await,
            Ungrant => {
                let path = format!("/v1/management/applications/{name}/customers");
                admin.put(&path, &json!({ "removeCustomerIds": [name] })).await
            }
            Yank => admin.delete(&version).await,
            DisableVersion => admin.patch(&version, &json!({ "isEnabled": false })).await,
            RaiseTier => admin.patch(&version, &json!({ "requiredTier": "Enterprise" })).await,
            DeleteApplication => admin.delete(&format!("/v1/management/applications/{name}")).await,
            LogOut => {
                let client = shop.client(CLEAR, session.unwrap());
                client.post("/auth/logout", &json!({})).await
            }
        };
        assert!(matches!(answer.status, 200 | 201), "{self:?}: {answer:?}");
    }
}

async fn ended(running: tokio::task::JoinHandle<Ended>, what: &str) -> Ended {
    let ended = tokio::time::timeout(SOON, running).await;
    assert!(ended.is_ok(), "{what}: it goes on");
    ended.unwrap().unwrap()
}

fn assert_cut(ended: &Ended, bytes: &[u8], what: &str) {
    assert!(matches!(ended.end, End::Reset), "{what}: {:?} after {} bytes", ended.end, ended.taken.len());
    assert!(ended.taken.len() < bytes.len() && bytes.starts_with(&ended.taken), "{what}");
}

async fn check(shop: &Shop, cases: &[(Deed, Transport, Right)]) {
    // Somebody else with the same edge, from before the first of them until after the last.
    let other = shop.case(&format!("other-{:?}", cases[0].0)).await;
    let (good, _) = shop.begin(&other, cases[0].1, Right::Key).await;
    for (deed, transport, right) in cases {
        let what = format!("{deed:?} {transport:?} {right:?}");
        let case = shop.case(&format!("{deed:?}-{right:?}-{}", transport.0)).await;
        let (download, session) = shop.begin(&case, *transport, *right).await;
        let running = download.go_on(PACE);
        deed.to(shop, &case, session.as_deref()).await;
        let bytes = if *right == Right::Range { &shop.bytes[1_000..] } else { &shop.bytes[..] };
        assert_cut(&ended(running, &what).await, bytes, &what);
    }
    let good = good.finish().await;
    assert!(matches!(good.end, End::Whole) && good.taken == shop.bytes, "{:?}", good.end);
}

#[tokio::test]
async fn what_ends_a_right_resets_what_runs_by_it_in_clear_text() {
    let shop = Shop::open().await;
    check(
        &shop,
        &[
            (DeleteKey, CLEAR, Right::Key),
            (RegenerateKey, CLEAR, Right::Range),
            (DeactivateCustomer, CLEAR, Right::Session),
            (Yank, CLEAR, Right::Share),
            (MoveKey, CLEAR, Right::Link),
            (DisableKey, CLEAR_2, Right::Key),
            (RaiseTier, CLEAR_2, Right::Key),
            (RotateKey, CLEAR_2, Right::Link),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_ends_a_right_resets_what_runs_by_it_under_tls() {
    let shop = Shop::open().await;
    check(
        &shop,
        &[
            (DeleteKey, TLS, Right::Key),
            (DisableVersion, TLS, Right::Range),
            (DeleteApplication, TLS, Right::Share),
            (NarrowKey, TLS, Right::Link),
            (Ungrant, TLS_2, Right::Link),
            (LogOut, TLS_2, Right::Session),
            (DeleteKey, TLS_2, Right::Share),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_change_that_ends_no_right_cuts_nothing() {
    let shop = Shop::open().await;
    let (case, neighbour) = (shop.case("spared").await, shop.case("neighbour").await);
    let (download, session) = shop.begin(&case, CLEAR, Right::Session).await;
    let admin = shop.admin();
    admin.change_key(&case.key, json!({ "name": "Another", "rateLimitRpm": 20 })).await.expect(200);
    admin.change_key(&case.key, json!({ "ipAllowlist": ["127.0.0.0/8"] })).await.expect(200);
    admin.change_customer(&case.name, json!({ "name": "Another" })).await.expect(200);
    admin.assign(&neighbour.name, &[&case.name]).await.expect(200);
    let version = format!("/v1/applications/{}/versions/{VERSION}", case.name);
    admin.patch(&version, &json!({ "releaseNotes": "Better" })).await.expect(200);
    admin.put("/v1/management/tiers/Premium", &json!({ "rank": 30 })).await.expect(200);
    // Another session of the same key, another key of the same customer, and everything of somebody else.
    let login = json!({ "api_key": case.key.text, "session_id": "another" });
    let client = shop.client(CLEAR, &case.key.text);
    let told = client.with(None).post("/auth/login", &login).await.expect(200).json();
    let another = told["access_token"].as_str().unwrap();
    assert_ne!(Some(another), session.as_deref());
    LogOut.to(&shop, &case, Some(another)).await;
    let key = admin.create_key(&case.name, json!({})).await;
    admin.delete_key(&key).await.expect(200);
    for deed in [DeleteKey, DeactivateCustomer, DeleteApplication] {
        deed.to(&shop, &neighbour, None).await;
    }
    let whole = download.finish().await;
    assert!(matches!(whole.end, End::Whole) && whole.taken == shop.bytes, "{:?}", whole.end);
}

#[tokio::test]
async fn a_cut_is_counted_by_its_reason_and_told_with_what_was_handed_over() {
    let shop = Shop::open().await;
    let case = shop.case("told").await;
    let running = shop.begin(&case, CLEAR, Right::Key).await.0.go_on(PACE);
    DeactivateCustomer.to(&shop, &case, None).await;
    let taken = ended(running, "told").await.taken.len();
    let metrics = Client::new(shop.fleet.private(0), None).get("/metrics").await.body;
    let metrics = String::from_utf8(metrics).unwrap();
    let cuts: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("tidegate_edge_transfers_cut_total")).collect();
    assert!(
        cuts.len() == 1 && cuts[0].contains("reason=\"customer_inactive\"") && cuts[0].ends_with(" 1"),
        "{cuts:?}"
    );
    let (admin, path) = (shop.admin(), format!("/v1/activity?type=download&keyId={}", case.key.id));
    let told = eventually(PATIENCE, || async {
        let told = admin.get(&path).await.expect(200);
        if told.data("/activities").as_array().is_some_and(|rows| !rows.is_empty()) {
            Ok(told)
        } else {
            Err(told)
        }
    })
    .await;
    assert_eq!(told.data("/activities/0/completed"), json!(false));
    let bytes = usize::try_from(told.data("/activities/0/bytes").as_u64().unwrap()).unwrap();
    assert!((taken..SIZE).contains(&bytes), "{bytes} were handed over, {taken} arrived");
}

#[tokio::test]
async fn a_revocation_that_comes_by_a_snapshot_cuts_too() {
    let mut shop = Shop::open().await;
    let (case, other) = (shop.case("missed").await, shop.case("other").await);
    // A while passes before everybody has found the new Redis.
    let running = shop.begin(&case, TLS, Right::Key).await.0.go_on(PACE / 8);
    let (good, _) = shop.begin(&other, TLS, Right::Key).await;
    shop.fleet.redis.kill();
    shop.fleet.at_desk().delete_key(&case.key).await.expect(200);
    shop.fleet.redis.restart().await;
    let ended = tokio::time::timeout(3 * PATIENCE, running).await;
    assert_cut(&ended.expect("it goes on").unwrap(), &shop.bytes, "missed");
    let good = good.finish().await;
    assert!(matches!(good.end, End::Whole) && good.taken == shop.bytes, "{:?}", good.end);
}

#[tokio::test]
async fn a_reset_does_not_wait_for_anybody_to_read() {
    let times = support::cuts::cut(64, 1, 2).await;
    for (name, times) in times {
        // The proof of this name holds it to 50 ms on a machine that does nothing else.
        assert!(times.len() == 2 && times[1] < 1_000.0, "{name}: {times:?} ms");
    }
}
