//! Clients who are slow on purpose or by misfortune: they are ended in their time, and nobody else notices.

mod drain;
mod floods;
mod limits;
mod tls;

use std::time::Duration;

use edge::config::Config;
use edge::listen::{Deadlines, Pace, Runtimes};
use support::slow::{End, KINDS, Kind, Target};
use support::{Client, PATIENCE, System, content, eventually};

/// Deadlines as they are, in so many milliseconds instead of seconds.
pub(crate) fn hurried() -> Deadlines {
    let milliseconds = Duration::from_millis;
    Deadlines {
        sweep: milliseconds(20),
        handshake: milliseconds(500),
        head: milliseconds(500),
        idle: milliseconds(1_500),
        body: Pace { bytes: 1024.0, grace: milliseconds(700), saved: milliseconds(100) },
        answer: Pace { bytes: 256.0, grace: milliseconds(1_000), saved: Duration::ZERO },
        window: milliseconds(1_300),
        leave: milliseconds(500),
        ..Deadlines::default()
    }
}

fn hurry(_: usize, config: &mut Config) {
    config.limits.deadlines = hurried();
}

/// What a client of this kind is given.
fn time_of(kind: Kind) -> Duration {
    let deadlines = hurried();
    match kind {
        Kind::NoByte | Kind::PartialHead | Kind::PartialPreface => deadlines.head,
        Kind::NoStream | Kind::PartialHandshake | Kind::SecondHead => deadlines.head,
        Kind::SlowBody => deadlines.body.grace,
        Kind::SlowRead | Kind::HalfClosed => deadlines.answer.grace,
        Kind::ShutWindow => deadlines.window,
        Kind::Idle => deadlines.idle,
    }
}

/// An application with a file of 9 MiB: more than two sockets hold.
pub(crate) async fn target(system: &System) -> Target {
    let admin = system.admin(0);
    let stock = admin.stock("large").await;
    let fields = [("applicationId", "large"), ("version", "2.0.0")];
    let bytes = content::bytes(3, 9 << 20);
    admin.upload(&fields, "large.bin", &bytes).await.expect(201);
    Target {
        address: address(system),
        from: "127.0.0.1:0".parse().unwrap(),
        path: "/v1/download/large/2.0.0/large.bin".to_owned(),
        key: stock.key.text,
        admin_key: system.admin_key.clone(),
        pace: Duration::from_millis(50),
    }
}

fn address(system: &System) -> std::net::SocketAddr {
    system.edges[0].trim_start_matches("http://").parse().unwrap()
}

/// Far more than any deadline, for a machine that has other things to do.
pub(crate) const LONGEST: Duration = Duration::from_secs(15);

/// Somebody who does everything right, until told to stop: gives how often.
async fn be_good(client: Client, path: String, done: tokio_util::sync::CancellationToken) -> u32 {
    let mut times = 0;
    while !done.is_cancelled() {
        client.get("/healthz").await.expect(200);
        assert_eq!(client.get(&path).await.expect(200).body.len(), 9 << 20);
        times += 1;
    }
    times
}

async fn slow_ones_end_and_good_ones_do_not(runtimes: Runtimes) {
    let system = System::adjusted(1, |number, config| {
        hurry(number, config);
        config.limits.runtimes = runtimes;
        config.limits.workers = 2;
    })
    .await;
    let target = target(&system).await;
    let done = tokio_util::sync::CancellationToken::new();
    let good = tokio::spawn(be_good(system.client(0, &target.key), target.path.clone(), done.clone()));
    let slow = KINDS.map(|kind| {
        let target = target.clone();
        tokio::spawn(async move { (kind, target.bother(kind, LONGEST).await) })
    });
    for ended in slow {
        let (kind, ended) = ended.await.unwrap();
        let End { after, answer } = ended.map_err(|says| format!("{kind:?}: {says}")).unwrap();
        let (least, most) = (time_of(kind), time_of(kind) + Duration::from_secs(4));
        let told = answer[..answer.len().min(200)].escape_ascii();
        // Clear text of TLS is no request, and is told so at once.
        let is_nonsense = kind == Kind::PartialHandshake;
        assert!((is_nonsense || after >= least) && after < most, "{kind:?} ended after {after:?}: {told}");
    }
    done.cancel();
    assert!(good.await.unwrap() > 0);
}

#[tokio::test]
async fn slow_clients_are_ended_in_their_time_and_good_ones_see_nothing() {
    slow_ones_end_and_good_ones_do_not(Runtimes::PerCore).await;
}

#[tokio::test]
async fn one_runtime_over_all_threads_ends_them_too() {
    slow_ones_end_and_good_ones_do_not(Runtimes::MultiThread).await;
}

#[tokio::test]
async fn who_takes_little_but_steadily_gets_everything() {
    let system = System::adjusted(1, hurry).await;
    let target = target(&system).await;
    let whole = system.client(0, &target.key).get(&target.path).await.expect(200).body;
    // For three times as long as standing still is tolerated, so slowly that the kernel makes no room in that time.
    let taken = tokio::time::timeout(2 * LONGEST, target.take_slowly(32 << 10, 80)).await.unwrap().unwrap();
    assert!(taken.ends_with(&whole), "{} bytes", taken.len());
}

#[tokio::test]
async fn who_takes_the_end_slowly_gets_it_though_all_of_it_was_written_long_ago() {
    let system = System::adjusted(1, hurry).await;
    let target = target(&system).await;
    // So little that the kernel takes it at once; the client needs more than twice the time that an idle one is given.
    let (fields, bytes) = ([("applicationId", "large"), ("version", "3.0.0")], content::bytes(5, 700_000));
    system.admin(0).upload(&fields, "end.bin", &bytes).await.expect(201);
    let target = Target { path: "/v1/download/large/3.0.0/end.bin".to_owned(), ..target };
    let taken = tokio::time::timeout(LONGEST, target.take_slowly(4 << 10, 80)).await.unwrap().unwrap();
    assert!(taken.ends_with(&bytes), "{} bytes", taken.len());
}

/// One more edge beside those of the system, which can be stopped and looked at.
pub(crate) struct Extra {
    running: edge::app::Running,
    stop: tokio_util::sync::CancellationToken,
}

impl Extra {
    pub(crate) async fn start(system: &System, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = system.edge_config("extra");
        config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
        hurry(0, &mut config);
        adjust(&mut config);
        let stop = tokio_util::sync::CancellationToken::new();
        let (bus, clock) = (std::sync::Arc::new(system.bus.clone()), system.clock.clone());
        let running = edge::app::start(config, bus, clock, stop.clone()).await.unwrap();
        let extra = Self { running, stop };
        let operator = extra.operator();
        eventually(PATIENCE, || async { operator.get("/readyz").await.is(200) }).await;
        extra
    }

    fn operator(&self) -> Client {
        Client::new(&format!("http://{}", self.running.admin_address.unwrap()), None)
    }

    /// The same target at this edge.
    pub(crate) fn aimed(&self, target: &Target) -> Target {
        Target { address: self.running.address, ..target.clone() }
    }
}

impl Drop for Extra {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
