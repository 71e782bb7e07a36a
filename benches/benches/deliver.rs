//! From a permit to an answer without its bytes: downloads, listings, update checks.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use benches::{Rooms, head, key_text, replica, rooms};
use common::mac::{MacKeys, Purpose};
use common::secret::Secret;
use common::time::Timestamp;
use common::wire::address::Address;
use criterion::{Criterion, criterion_group, criterion_main};
use edge::catalog::issue::Issuer;
use edge::catalog::selection::{FileWanted, VersionWanted, Wanted};
use edge::catalog::updates::{Question, Told};
use edge::deliver::plain::nothing;
use edge::deliver::told::tell_bare;
use edge::deliver::{Plan, plan};
use edge::error::Failure;
use edge::gate::Permit;
use edge::observe::TransferMetrics;
use edge::request::{Arrival, Ask, Table};
use edge::transfers::{Claim, Transfers};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};

const DOWNLOAD: &str = "/v1/download/my-app/1.10.0/my-app-1.10.0-linux-x64.tar.gz";
const LISTING: &str = "/v1/applications/my-app/versions";
const CHECK: &str = "/v1/updates/my-app?current=1.2.0&os=linux&arch=x86_64";
const CHECK_OF_THE_NEWEST: &str = "/v1/updates/my-app?current=1.19.0&os=linux&arch=x86_64";
const BASE: &str = "https://dl.example.com";

/// The rooms with one key that was admitted.
struct Shop {
    rooms: Rooms,
    permit: Permit,
    links: MacKeys,
    transfers: Arc<Transfers>,
    _directory: tempfile::TempDir,
}

impl Shop {
    fn open() -> Option<Self> {
        let directory = tempfile::tempdir().ok()?;
        let rooms = rooms(&replica(directory.path(), 1_000), 1_000);
        let permit = rooms.gate.admit(&asked(DOWNLOAD)?).ok()?;
        let secret = Secret::new("an-edge-secret-of-ours".to_owned());
        let links = MacKeys::derive(&[secret], Purpose::Link);
        let transfers = Arc::new(Transfers::new(TransferMetrics::default()));
        Some(Self { rooms, permit, links, transfers, _directory: directory })
    }

    /// Downloads the object, but for its bytes.
    fn download(&self, ask: &Ask) -> Result<Plan, Failure> {
        let selected = self.rooms.catalog.select(&self.permit, &Wanted::parse(ask)?, ask.channel())?;
        Ok(plan(&ask.method, &ask.headers, &selected.object))
    }

    /// What a download costs more that may be cut: entered, judged again, and left.
    fn run(&self, ask: &Ask) -> Result<(), Failure> {
        let catalog = &self.rooms.catalog;
        let selected = catalog.select(&self.permit, &Wanted::parse(ask)?, ask.channel())?;
        let (application, version, file) = selected.names();
        let right = self.permit.right(ask.arrival, false);
        let claim = Claim {
            version: Address::Version(right.tenant, application.clone(), version.clone()),
            wanted: Wanted {
                application,
                version: VersionWanted::Named(version),
                file: FileWanted::Id(file),
            },
            channel: None,
            right,
        };
        let running = self.transfers.enter(claim, |claim| {
            let permit = self.rooms.gate.readmit(&claim.right)?;
            catalog.select(&permit, &claim.wanted, None).map(|_| ())
        });
        running.map(drop)
    }

    /// The headers of the answer.
    fn list(&self, ask: &Ask) -> Result<HeaderMap, Failure> {
        let listed = self.rooms.catalog.list_versions(&self.permit, ask)?;
        Ok(listed.told.answer(&ask.headers, "0123456789abcdef00000000")?.into_parts().0.headers)
    }

    /// The headers of the answer. Signatures are not read: the first check alone does.
    fn check(&self, ask: &Ask) -> Result<HeaderMap, Failure> {
        let catalog = &self.rooms.catalog;
        let check = match catalog.recall_update(&self.permit, ask)? {
            Ok(check) => check,
            Err(asked) => {
                let question = Question::parse(ask)?;
                let found = catalog.find_update(&self.permit, &asked, &question);
                catalog.keep_update(asked, question, found.map(|offer| (offer, None)))?
            }
        };
        let Some(offer) = check.offer() else { return Ok(nothing().into_parts().0.headers) };
        let ends = Told::link_ends(ask.arrival.at);
        let issuer = Issuer { base: BASE, links: &self.links, shares: &self.links };
        let answer = tell_bare(&ask.headers, offer.etag(&self.permit, BASE, ends), || {
            let lent = issuer.lend_offered(&self.permit, offer, ends)?;
            Ok::<_, Failure>(offer.json(&lent.url)?)
        });
        Ok(answer?.into_parts().0.headers)
    }
}

fn asked(target: &str) -> Option<Ask> {
    let address = [127, 0, 0, 1].into();
    let arrival = Arrival { address, at: Timestamp::from_millis(1_800_000_000_000), tick: Duration::ZERO };
    let mut parts = head(&key_text(0));
    parts.uri = target.parse().ok()?;
    Ask::parse(parts, arrival, &Table::new("").ok()?).ok()
}

/// The same request from who has the answer.
fn again(mut ask: Ask, etag: Option<&HeaderValue>) -> Ask {
    ask.headers.extend(etag.map(|etag| (IF_NONE_MATCH, etag.clone())));
    ask
}

fn benchmark(criterion: &mut Criterion) {
    let Some(shop) = Shop::open() else { return };
    let ask = |target| asked(target);
    let (Some(download), Some(listing), Some(check)) = (ask(DOWNLOAD), ask(LISTING), ask(CHECK)) else {
        return;
    };
    let Some(newest) = ask(CHECK_OF_THE_NEWEST) else { return };
    let tag =
        |headers: Result<HeaderMap, Failure>| headers.ok().and_then(|headers| headers.get(ETAG).cloned());
    let (listed, checked) = (tag(shop.list(&listing)), tag(shop.check(&check)));
    let (Some(listing_again), Some(check_again)) = (ask(LISTING), ask(CHECK)) else { return };
    let listing_again = again(listing_again, listed.as_ref());
    let check_again = again(check_again, checked.as_ref());
    let stages: [(&str, &dyn Fn() -> bool); 7] = [
        ("download: select, plan, headers", &|| black_box(shop.download(&download)).is_ok()),
        ("download: select, enter, judge again, leave", &|| black_box(shop.run(&download)).is_ok()),
        ("listing of 20 versions", &|| black_box(shop.list(&listing)).is_ok()),
        ("listing of 20 versions, 304", &|| black_box(shop.list(&listing_again)).is_ok()),
        ("update check, offered", &|| black_box(shop.check(&check)).is_ok()),
        ("update check, 304", &|| black_box(shop.check(&check_again)).is_ok()),
        ("update check, nothing newer", &|| black_box(shop.check(&newest)).is_ok()),
    ];
    let mut group = criterion.benchmark_group("permit to answer");
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    for (name, run) in stages {
        group.bench_function(name, |bencher| bencher.iter(run));
    }
    group.finish();
}

criterion_group!(stages, benchmark);
criterion_main!(stages);
