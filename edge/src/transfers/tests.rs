//! Transfers that begin while their right ends: in every order of the steps of both.

use std::cell::RefCell;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use common::mac::{MacKeys, Purpose};
use common::network::Allowlist;
use common::scope::Scopes;
use common::time::Timestamp;
use common::wire::address::Address;
use futures_util::task::noop_waker;

use super::*;
use crate::catalog::Catalog;
use crate::catalog::selection::{FileWanted, VersionWanted};
use crate::gate::{Gate, Staleness};
use crate::keyring::Keyring;
use crate::replica::tests::world::{
    Row, World, app, application, customer, customer_at, gone, key_at, key_row, secret, tenant, tenant_id,
    version, version_at,
};
use crate::request::tests::{ask, nowhere};

/// An edge's rooms, as far as transfers lean on them.
struct House {
    world: World,
    keyring: Arc<Keyring>,
    gate: Gate,
    catalog: Catalog,
    transfers: Arc<Transfers>,
}

impl House {
    fn new() -> Self {
        let world = World::furnished(&[version("1.0.0", |_| ())]);
        let keyring = Arc::new(Keyring::new(world.replica.clone(), 100));
        let staleness = Staleness { most: Duration::from_secs(60), denies: false };
        let gate = Gate::new(keyring.clone(), world.replica.clone(), staleness);
        let catalog = Catalog::new(world.replica.clone(), 100, MacKeys::derive(&[], Purpose::Cursor));
        Self {
            world,
            keyring,
            gate,
            catalog,
            transfers: Arc::new(Transfers::new(TransferMetrics::default())),
        }
    }

    /// What a request with the key of the world claims, if it is admitted.
    fn admit(&self) -> Result<Claim, Failure> {
        let text = common::key::text_of(tenant_id(), &secret(1));
        let ask = ask(("GET", "/v1/download/my-app/latest/f"), &[("x-api-key", &text)], nowhere()).unwrap();
        let permit = self.gate.admit(&ask).map_err(|turned| turned.failure)?;
        let name: common::id::VersionName = "1.0.0".parse().unwrap();
        let claim = Claim {
            right: permit.right(ask.arrival, false),
            wanted: Wanted {
                application: app("my-app"),
                version: VersionWanted::Named(name),
                file: FileWanted::Id("file_1_0_0".parse().unwrap()),
            },
            version: version_at("1.0.0"),
            channel: None,
        };
        self.judge(&claim).map(|()| claim)
    }

    fn enter(&self, claim: Claim) -> Running {
        self.transfers.enter(claim, |_| Ok(())).unwrap()
    }

    fn judge(&self, claim: &Claim) -> Result<(), Failure> {
        let permit = self.gate.readmit(&claim.right)?;
        self.catalog.select(&permit, &claim.wanted, claim.channel.as_deref()).map(|_| ())
    }

    fn put(&mut self, change: &Change) {
        match change {
            Change::Denied(address) => self.world.deny(std::slice::from_ref(address)),
            Change::Written(row) => {
                let changed = self.world.write(std::slice::from_ref(&**row));
                self.keyring.refresh(&changed);
                self.catalog.refresh(&changed);
            }
        }
    }

    fn review(&self, change: &Change) {
        let address = match change {
            Change::Denied(address) => address,
            Change::Written(row) => &row.0,
        };
        self.transfers
            .review(&self.transfers.under(std::slice::from_ref(address)), |claim| self.judge(claim));
    }
}

#[derive(Clone, Debug)]
enum Change {
    Denied(Address),
    Written(Box<Row>),
}

use Change::Denied;

fn written(row: Row) -> Change {
    Change::Written(Box::new(row))
}

/// What ends the right of the world's key to the world's file, and what does not.
fn changes() -> Vec<(Change, bool)> {
    let key = |change: fn(&mut common::policy::KeyPolicy)| written(key_row("key_1", 1, change));
    let elsewhere =
        |k: &mut common::policy::KeyPolicy| k.allowlist = Allowlist::parse(["10.0.0.0/8"]).unwrap();
    vec![
        (Denied(key_at("key_1")), true),
        (Denied(customer_at()), true),
        (Denied(Address::Tenant(tenant_id())), true),
        (Denied(Address::Application(tenant_id(), app("my-app"))), true),
        (Denied(version_at("1.0.0")), true),
        (key(|k| k.is_enabled = false), true),
        (key(|k| k.is_deleted = true), true),
        (key(elsewhere), true),
        (key(|k| k.scopes = Scopes::preset("publisher").unwrap()), true),
        (key(|k| k.applications = Some(vec![app("other")])), true),
        // It had ended before the transfer began.
        (key(|k| k.expires_at = Some(Timestamp::from_millis(100_000))), true),
        (written(gone(key_at("key_1"))), true),
        (written(key_row("key_1", 2, |_| ())), true),
        (written(tenant(false)), true),
        (written(customer(|c| c.is_active = false)), true),
        (written(customer(|c| c.applications = vec![app("other")])), true),
        (written(application("my-app", false)), true),
        (written(version("1.0.0", |v| v.is_active = false)), true),
        (written(version("1.0.0", |v| v.is_enabled = false)), true),
        (written(version("1.0.0", |v| v.required_tier = Some("Premium".parse().unwrap()))), true),
        (written(version("1.0.0", |v| v.files.clear())), true),
        (Denied(key_at("key_2")), false),
        (key(|k| k.rate_limit = common::limit::RequestsPerMinute::new(1)), false),
        // Time that runs out ends nothing that has begun.
        (key(|k| k.expires_at = Some(Timestamp::from_millis(100_001))), false),
        (written(customer(|c| c.channels = vec!["beta".to_owned()])), false),
        (written(version("1.0.0", |v| v.download_count = 7)), false),
        (written(key_row("key_2", 2, |k| k.is_enabled = false)), false),
    ]
}

/// All orders of so many steps of one and so many of the other.
fn orders(one: u32, other: u32) -> Vec<Vec<bool>> {
    if one == 0 || other == 0 {
        return vec![[vec![true; one as usize], vec![false; other as usize]].concat()];
    }
    let begun =
        |with: bool, rest: Vec<Vec<bool>>| rest.into_iter().map(move |rest| [vec![with], rest].concat());
    begun(true, orders(one - 1, other)).chain(begun(false, orders(one, other - 1))).collect()
}

/// All of them for one change of each kind; for others those in which the last judgement, or the look, must find out.
fn of_interest(change: &Change) -> Vec<Vec<bool>> {
    let is_example = match change {
        Denied(address) => matches!(address, Address::Key(_)),
        Change::Written(row) => matches!(&**row, (Address::Application(..), _) | (Address::Key(_), None)),
    };
    let (found_out, looked) = ([true, false, false, true, true], [true, true, true, false, false]);
    if is_example { orders(3, 2) } else { vec![found_out.to_vec(), looked.to_vec()] }
}

/// A change that is made beside a request, step by step.
struct Feed<'a> {
    house: &'a RefCell<House>,
    change: &'a Change,
    order: std::slice::Iter<'a, bool>,
    is_put: bool,
}

impl Feed<'_> {
    /// Does what comes before the request's next step.
    fn go_on(&mut self) {
        while self.order.next() == Some(&false) {
            match self.is_put {
                false => self.house.borrow_mut().put(self.change),
                true => self.house.borrow().review(self.change),
            }
            self.is_put = true;
        }
    }
}

#[test]
fn whatever_the_order_of_steps_no_transfer_goes_on_whose_right_has_ended() {
    assert_eq!(orders(3, 2).len(), 10);
    for (change, ends) in changes() {
        for order in of_interest(&change) {
            let house = RefCell::new(House::new());
            let transfers = house.borrow().transfers.clone();
            let mut feed = Feed { house: &house, change: &change, order: order.iter(), is_put: false };
            feed.go_on();
            let admitted = house.borrow().admit();
            feed.go_on();
            let running = admitted.and_then(|claim| {
                transfers.enter(claim, |claim| {
                    feed.go_on();
                    house.borrow().judge(claim)
                })
            });
            feed.go_on();
            feed.go_on();
            let goes_on = running.as_ref().is_ok_and(|running| !running.transfer().is_cut());
            assert_eq!(goes_on, !ends, "{change:?} {order:?}");
            drop(running);
            assert!(transfers.shelves.is_empty(), "who left is on no shelf");
        }
    }
}

#[test]
fn a_change_finds_those_that_hang_on_it_and_no_others() {
    let house = House::new();
    let running = house.enter(house.admit().unwrap());
    let session = Address::Session("ses_1".parse().unwrap());
    let mut claim = house.admit().unwrap();
    claim.right.session = Some("ses_1".parse().unwrap());
    claim.right.key = "key_2".parse().unwrap();
    let other = house.enter(claim);
    let count = |address: &Address| house.transfers.under(std::slice::from_ref(address)).len();
    let tier = Address::Tier(tenant_id(), "Premium".parse().unwrap());
    for (address, expected) in [
        (key_at("key_1"), 1),
        (key_at("key_2"), 1),
        (key_at("key_3"), 0),
        (session, 1),
        (customer_at(), 2),
        (Address::Tenant(tenant_id()), 2),
        (tier, 2),
        (version_at("1.0.0"), 2),
        (version_at("2.0.0"), 0),
        (Address::Application(tenant_id(), app("my-app")), 2),
    ] {
        assert_eq!(count(&address), expected, "{address}");
    }
    assert_eq!(house.transfers.all().len(), 2);
    drop(running);
    assert_eq!((house.transfers.all().len(), count(&key_at("key_1")), count(&customer_at())), (1, 0, 1));
    drop(other);
    assert!(house.transfers.all().is_empty());
}

/// A connection that counts.
#[derive(Default)]
struct Counting {
    aboard: AtomicI32,
    cuts: AtomicU32,
}

impl Way for Counting {
    fn board(&self) {
        self.aboard.fetch_add(1, SeqCst);
    }

    fn alight(&self) {
        self.aboard.fetch_sub(1, SeqCst);
    }

    fn cut(&self) {
        self.aboard.fetch_sub(1, SeqCst);
        self.cuts.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_connection_is_cut_once_whenever_its_transfer_is_and_not_when_that_is_over() {
    for (steps, cuts) in [
        ("go cut end", 1),
        ("cut go end", 1),
        ("go cut cut end", 1),
        ("go end cut", 0),
        ("go end", 0),
        ("cut end", 0),
        ("end cut go", 0),
        ("go go cut end", 1),
    ] {
        let (house, way) = (House::new(), Arc::new(Counting::default()));
        let mut running = Some(house.enter(house.admit().unwrap()));
        let transfer = running.as_ref().unwrap().transfer().clone();
        for step in steps.split(' ') {
            match step {
                "go" => transfer.go(Arc::downgrade(&way) as Weak<dyn Way>),
                "cut" => drop(transfer.cut()),
                _ => drop(running.take()),
            }
        }
        assert_eq!((way.aboard.load(SeqCst), way.cuts.load(SeqCst)), (0, cuts), "{steps}");
    }
}

#[test]
fn a_body_hands_out_nothing_after_the_cut_and_its_receipt_says_what_it_did() {
    use crate::deliver::receipt::{Errand, Receipt, Slip, Witness};
    use crate::deliver::{Body, Piece};
    use http_body::Body as _;

    #[derive(Default)]
    struct Book(std::sync::Mutex<Vec<Receipt>>);
    impl Witness for Book {
        fn handed_over(&self, _: u64) {}

        fn ended(&self, receipt: Receipt) {
            self.0.lock().unwrap().push(receipt);
        }
    }

    let (house, book) = (House::new(), Arc::new(Book::default()));
    let running = house.enter(house.admit().unwrap());
    let transfer = running.transfer().clone();
    let errand = Errand {
        tenant: tenant_id(),
        key: "key_1".parse().unwrap(),
        customer: None,
        application: app("my-app"),
        version: "1.0.0".parse().unwrap(),
        file: "file_1_0_0".parse().unwrap(),
        file_name: "my-app.zip".into(),
        file_size: 11,
        carrier: common::wire::v1::event::Carrier::Key,
        address: nowhere().address,
        user_agent: None,
        request_id: "req-1".into(),
        began_at: nowhere().at,
    };
    let slip = Slip::new(errand, book.clone()).with(Some(running));
    let pieces = ["first", "second"].map(|text| Piece::Memory(text.into()));
    let mut body = std::pin::pin!(Body::witnessed(pieces, slip));
    let (waker, mut frames) = (noop_waker(), Vec::new());
    let mut context = Context::from_waker(&waker);
    let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) else { panic!("no piece") };
    frames.push(frame);
    assert!(transfer.cut() && !transfer.cut());
    for _ in 0..2 {
        let polled = body.as_mut().poll_frame(&mut context);
        assert!(matches!(polled, Poll::Ready(Some(Err(_)))), "no clean end");
    }
    assert_eq!(house.transfers.all().len(), 1, "what is on its way may still be discarded");
    drop(frames);
    body.set(Body::empty());
    assert!(house.transfers.all().is_empty());
    let receipts = book.0.lock().unwrap();
    assert!(receipts.len() == 1 && !receipts[0].completed, "{receipts:?}");
}

#[test]
fn a_replica_that_cannot_be_read_cuts_nothing() {
    let house = House::new();
    let running = house.transfers.enter(house.admit().unwrap(), |_| Ok(())).unwrap();
    let found = house.transfers.all();
    let broken =
        |_: &Claim| Err(Failure::Broke(crate::error::Fault::Panicked(common::routes::RouteId::Health)));
    house.transfers.review(&found, broken);
    assert!(!running.transfer().is_cut());
    house.transfers.review(&found, |_| Err(crate::error::Refusal::VersionNotFound.into()));
    assert!(running.transfer().is_cut());
}
