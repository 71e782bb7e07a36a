//! What happened: taken in once, listed in order, counted, announced and forgotten.

use common::wire::v1::event::{Carrier, Usage};

use super::*;
use crate::domain::activity::{Activity, ActivityKind};
use crate::store::activity::{
    ActivityQuestion, Amount, CountQuestion, Download, Forgetting, Intake, Place, ReportName, Span, Taken,
    UsageQuestion,
};
use crate::store::{AuditQuestion, Listed};

const HOUR: i64 = 3_600_000;
fn everything() -> UsageQuestion {
    UsageQuestion {
        span: Span::Hour,
        bucket: Span::Hour.length(),
        from: Timestamp::from_millis(0),
        to: Timestamp::from_millis(4_000_000_000_000),
    }
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(context().now.millis() + millis)
}

fn name(edge: &str, number: u64) -> ReportName {
    ReportName { edge: edge.to_owned(), boot: 7, number }
}

/// A download of tool 1.0 by customer c1.
fn download(report: &ReportName, key: &str, moment: Timestamp, counts: bool) -> Download {
    let id = format!("{}/{}/{}/{moment}", report.edge, report.boot, report.number);
    let activity = Activity {
        id: common::id::ActivityId::of(&id),
        tenant: tenant(),
        kind: ActivityKind::Download,
        at: moment,
        ended_at: moment,
        application: "tool".parse().unwrap(),
        version: "1.0".parse().unwrap(),
        file: "file_1".parse().unwrap(),
        file_name: "tool.exe".to_owned(),
        file_size: 10,
        sent: vec![(0, 4), (6, 10)],
        bytes: 8,
        completed: counts,
        customer: Some("c1".parse().unwrap()),
        key: Some(key.parse().unwrap()),
        carrier: Some(Carrier::Link),
        address: Some("2001:db8::9".parse().unwrap()),
        user_agent: Some("curl/8".to_owned()),
        request_id: "r1".to_owned(),
    };
    Download { activity, counts }
}

fn used(key: &str, minute: Timestamp, application: Option<&str>) -> Usage {
    Usage {
        minute,
        tenant: tenant(),
        key: key.parse().unwrap(),
        application: application.map(|id| id.parse().unwrap()),
        requests: 5,
        bytes: 80,
        refused: [("tier_too_low".to_owned(), 2)].into(),
    }
}

pub(crate) fn intake(edge: &str, number: u64, key: &str, moment: Timestamp) -> Intake {
    let report = name(edge, number);
    let downloads = vec![download(&report, key, moment, true)];
    Intake { report, downloads, usage: vec![used(key, moment, Some("tool"))] }
}

/// A store with tool 1.0, customer c1 and his key.
pub(crate) async fn stocked(database: &dyn Database) -> (Arc<dyn Store>, String) {
    let (store, _) = with_tenant(database).await;
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    commit(store.as_ref(), new_application("tool", &["c1"])).await.unwrap();
    new_file(store.as_ref(), "1.0", "tool.exe", 40).await;
    let key = new_key(store.as_ref(), "c1", 41).await.key.policy.id.to_string();
    (store, key)
}

async fn list(store: &dyn Store, question: &ActivityQuestion) -> Listed<crate::store::activity::Happened> {
    store.read().await.unwrap().activities(tenant(), question, None, Slice::ALL).await.unwrap()
}

pub(crate) async fn total(store: &dyn Store) -> u64 {
    let question = CountQuestion {
        application: "tool".parse().unwrap(),
        version: None,
        customer: None,
        since: None,
        until: None,
    };
    store.read().await.unwrap().counts(tenant(), &question).await.unwrap().total
}

pub(crate) async fn an_upload_is_activity_with_its_file_or_not_at_all(database: &dyn Database) {
    let (store, _) = stocked(database).await;
    let listed = list(store.as_ref(), &ActivityQuestion::default()).await;
    assert_eq!(listed.total, 1);
    let upload = &listed.items[0].activity;
    assert_eq!((upload.kind, upload.bytes, upload.completed), (ActivityKind::Upload, 1 << 40, true));
    assert_eq!(listed.items[0].application_name.as_deref(), Some("The tool"));
    // The same name again, decided on facts that were true once: neither file nor activity.
    let mut again = new_application("other", &[]);
    let added = new_file(store.as_ref(), "1.0", "other.exe", 42).await;
    again.rows.push(crate::domain::Row::Happened(Box::new(Activity {
        id: common::id::ActivityId::of("lost"),
        ..upload.clone()
    })));
    again.rows.push(crate::domain::Row::AddFile {
        version: added.version.facts.id,
        file: added.file,
        at: context().now,
    });
    assert!(commit(store.as_ref(), again).await.is_err());
    assert_eq!(list(store.as_ref(), &ActivityQuestion::default()).await.total, 2);
}

pub(crate) async fn a_report_counts_once_however_often_it_comes(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    let one = intake("e", 0, &key, at(1_000));
    let taken = store.take_in(&[one.clone(), one.clone()], at(2_000)).await.unwrap();
    assert_eq!(taken, Taken { counted: 1, repeated: 1, transfers: 1, strange: 0 });
    store.close().await;
    let store = database.open().await;
    let taken = store.take_in(std::slice::from_ref(&one), at(9_000)).await.unwrap();
    assert_eq!(taken, Taken { repeated: 1, ..Taken::default() });
    // Another start of the edge, and another edge, count from the beginning again.
    let other = intake("f", 0, &key, at(1_000));
    let mut later = intake("e", 0, &key, at(1_500));
    later.report.boot = 8;
    assert_eq!(store.take_in(&[other, later], at(9_000)).await.unwrap().counted, 2);
    assert_eq!(total(store.as_ref()).await, 3);
    let usage = store.read().await.unwrap().usage(&key.parse().unwrap(), everything()).await.unwrap();
    let amount = Amount { requests: 15, bytes: 240, errors: 6 };
    assert_eq!(usage.by_application, [(Some("tool".parse().unwrap()), amount)]);
    assert_eq!(usage.by_reason, [("tier_too_low".to_owned(), 6)]);
}

pub(crate) async fn reports_count_in_any_order_and_beyond_gaps(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    let take = async |numbers: Vec<u64>| {
        let intakes: Vec<Intake> =
            numbers.into_iter().map(|number| intake("e", number, &key, at(number as i64))).collect();
        store.take_in(&intakes, at(1_000_000)).await.unwrap().counted
    };
    assert_eq!(take(vec![3, 1, 3]).await, 2);
    assert_eq!(take(vec![0, 1, 2, 4]).await, 3);
    assert_eq!(take((0..=5).collect()).await, 1);
    // After a gap of one each is remembered by itself, until there are too many: then what is missing was lost.
    assert_eq!(take((7..1_100).collect()).await, 1_093);
    assert_eq!(take((7..1_100).collect()).await, 0);
    assert_eq!(take(vec![6]).await, 0);
    assert_eq!(take(vec![1_100]).await, 1);
    assert_eq!(total(store.as_ref()).await, 6 + 1_094);
}

pub(crate) async fn activity_comes_newest_first_in_pages_that_do_not_shift(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    let moments: Vec<i64> = vec![5, 1, 3, 3, 2, 4];
    for (number, moment) in (0..).zip(&moments) {
        store.take_in(&[intake("e", number, &key, at(*moment))], at(100)).await.unwrap();
    }
    let question = ActivityQuestion { kind: Some(ActivityKind::Download), ..ActivityQuestion::default() };
    let mut seen: Vec<Place> = Vec::new();
    for _ in 0..moments.len() {
        let slice = Slice { offset: 0, limit: 2 };
        let mut reading = store.read().await.unwrap();
        let page = reading.activities(tenant(), &question, seen.last().copied(), slice).await.unwrap();
        drop(reading);
        // Something newer comes in between two pages.
        let number = 10 + seen.len() as u64;
        store.take_in(&[intake("e", number, &key, at(50))], at(100)).await.unwrap();
        seen.extend(page.items.iter().map(|item| item.place));
    }
    let times: Vec<i64> = seen.iter().map(|place| place.at.millis() - context().now.millis()).collect();
    assert_eq!(times, [5, 4, 3, 3, 2, 1]);
    assert!(seen.is_sorted_by(|a, b| a > b));
}

pub(crate) async fn activity_is_narrowed_by_everything_that_it_says(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    let (one, two) = (intake("e", 0, &key, at(1_000)), intake("e", 1, &key, at(2_000)));
    store.take_in(&[one, two], at(5_000)).await.unwrap();
    let count = async |change: &dyn Fn(&mut ActivityQuestion)| {
        let mut question = ActivityQuestion::default();
        change(&mut question);
        let listed = list(store.as_ref(), &question).await;
        assert_eq!(listed.items.len() as u64, listed.total);
        listed.total
    };
    assert_eq!(count(&|_| ()).await, 3);
    assert_eq!(count(&|q| q.kind = Some(ActivityKind::Upload)).await, 1);
    assert_eq!(count(&|q| q.application = Some("tool".parse().unwrap())).await, 3);
    assert_eq!(count(&|q| q.application = Some("other".parse().unwrap())).await, 0);
    assert_eq!(count(&|q| q.within = Some(vec!["tool".parse().unwrap()])).await, 3);
    assert_eq!(count(&|q| q.within = Some(vec![])).await, 0);
    assert_eq!(count(&|q| q.version = Some("1.1".parse().unwrap())).await, 0);
    assert_eq!(count(&|q| q.customer = Some("c1".parse().unwrap())).await, 2);
    assert_eq!(count(&|q| q.key = Some(key.parse().unwrap())).await, 2);
    assert_eq!(count(&|q| q.since = Some(at(2_000))).await, 1);
    assert_eq!(count(&|q| q.until = Some(at(2_000))).await, 2);
    let other: TenantId = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    let mut reading = store.read().await.unwrap();
    let listed = reading.activities(other, &ActivityQuestion::default(), None, Slice::ALL).await.unwrap();
    assert_eq!(listed, Listed { items: vec![], total: 0 });
}

pub(crate) async fn names_that_name_nothing_are_kept_and_count_nowhere(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    let mut odd = intake("e", 0, "key_gone", at(1_000));
    let stranger = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    let mut foreign = odd.downloads[0].clone();
    foreign.activity.tenant = stranger;
    foreign.activity.id = common::id::ActivityId::of("foreign");
    odd.downloads.push(foreign);
    odd.downloads[0].activity.version = "9.9".parse().unwrap();
    // A key under another tenant's name is no key of his, and an application that is not there has no row of its own.
    odd.usage.push(Usage { tenant: stranger, ..used(&key, at(1_000), None) });
    let invented =
        Intake { report: name("e", 1), downloads: vec![], usage: vec![used(&key, at(0), Some("no-such"))] };
    let taken = store.take_in(&[odd, invented], at(5_000)).await.unwrap();
    assert_eq!(taken, Taken { counted: 2, repeated: 0, transfers: 1, strange: 1 });
    assert_eq!(total(store.as_ref()).await, 0);
    let question = ActivityQuestion { version: Some("9.9".parse().unwrap()), ..ActivityQuestion::default() };
    let kept = list(store.as_ref(), &question).await.items.remove(0).activity;
    assert_eq!(kept.key.unwrap().as_str(), "key_gone");
    assert_eq!((kept.sent, kept.carrier), (vec![(0, 4), (6, 10)], Some(Carrier::Link)));
    let mut reading = store.read().await.unwrap();
    let usage = reading.usage(&key.parse().unwrap(), everything()).await.unwrap();
    assert_eq!(usage.by_application, [(None, Amount { requests: 5, bytes: 80, errors: 2 })]);
    assert_eq!(reading.usage(&"key_gone".parse().unwrap(), everything()).await.unwrap(), Default::default());
}

pub(crate) async fn a_key_knows_when_it_was_last_used(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    let last = async || {
        let mut reading = store.read().await.unwrap();
        reading.key(tenant(), &key.parse().unwrap()).await.unwrap().unwrap().last_used_at
    };
    assert_eq!(last().await, None);
    // The minute began before the key was made: it was not used before that.
    let usage = vec![used(&key, at(-30_000), None)];
    store.take_in(&[Intake { report: name("e", 0), downloads: vec![], usage }], at(0)).await.unwrap();
    assert_eq!(last().await, Some(at(0)));
    store.take_in(&[intake("e", 1, &key, at(9_000))], at(9_000)).await.unwrap();
    store.take_in(&[intake("e", 2, &key, at(5_000))], at(9_000)).await.unwrap();
    assert_eq!(last().await, Some(at(9_000)));
    let before = store.read().await.unwrap().key(tenant(), &key.parse().unwrap()).await.unwrap();
    let gone = key::delete(&key.parse().unwrap(), before, &context()).unwrap();
    commit(store.as_ref(), gone.change).await.unwrap();
    assert_eq!(last().await, Some(at(9_000)));
}

pub(crate) async fn counted_downloads_are_told_with_a_place_in_the_history(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    let said = async || {
        let mut reading = store.read().await.unwrap();
        let address = Address::Version(tenant(), "tool".parse().unwrap(), "1.0".parse().unwrap());
        let stamped = reading.record(&address).await.unwrap().unwrap();
        let crate::domain::Noun::Version(version) = stamped.noun else { panic!("no version") };
        (stamped.sequence, version.facts.download_count)
    };
    let (before, none) = said().await;
    let mut partial = intake("e", 0, &key, at(1_000));
    partial.downloads.push(download(&name("e", 99), &key, at(2_000), false));
    store.take_in(&[partial], at(5_000)).await.unwrap();
    // A record that read differently without a new place in the history would be another record under an old name.
    assert_eq!(((before, none), said().await), ((before, 0), (before, 0)));
    let standing = store.read().await.unwrap().standing().await.unwrap().position.sequence;
    assert_eq!(store.tell_downloads(10).await.unwrap(), 1);
    assert_eq!(said().await, (standing + 1, 1));
    let pending = store.read().await.unwrap().pending(standing, 10).await.unwrap();
    assert!(pending.len() == 1 && !pending[0].announcement.denies);
    assert_eq!(store.tell_downloads(10).await.unwrap(), 0);
    assert_eq!(store.read().await.unwrap().standing().await.unwrap().position.sequence, standing + 1);
}

pub(crate) async fn downloads_are_counted_by_version_customer_and_day(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    new_file(store.as_ref(), "2.0", "tool.exe", 43).await;
    let mut brought = Vec::new();
    for (number, (version, customer, day)) in
        (0..).zip([("1.0", "c1", 0), ("1.0", "c1", 1), ("1.0", "c2", 1), ("2.0", "", 2)])
    {
        let mut intake = intake("e", number, &key, at(day * 24 * HOUR));
        let activity = &mut intake.downloads[0].activity;
        activity.version = version.parse().unwrap();
        activity.customer = customer.parse().ok();
        brought.push(intake);
    }
    store.take_in(&brought, at(100 * 24 * HOUR)).await.unwrap();
    let check = async |change: &dyn Fn(&mut CountQuestion), expected: (u64, u64, &[u64])| {
        let mut question = CountQuestion {
            application: "tool".parse().unwrap(),
            version: None,
            customer: None,
            since: None,
            until: None,
        };
        change(&mut question);
        let counts = store.read().await.unwrap().counts(tenant(), &question).await.unwrap();
        assert_eq!(counts.by_version.values().sum::<u64>(), counts.total);
        let days: Vec<u64> = counts.by_day.values().copied().collect();
        assert_eq!((counts.total, counts.customers, &days[..]), expected, "{question:?}");
    };
    check(&|_| (), (4, 2, &[1, 2, 1])).await;
    check(&|q| q.version = Some("1.0".parse().unwrap()), (3, 2, &[1, 2])).await;
    check(&|q| q.customer = Some("c1".parse().unwrap()), (2, 1, &[1, 1])).await;
    check(&|q| q.since = Some(at(24 * HOUR)), (3, 2, &[2, 1])).await;
    check(&|q| q.until = Some(at(24 * HOUR)), (3, 2, &[1, 2])).await;
    check(&|q| q.application = "other".parse().unwrap(), (0, 0, &[])).await;
}

pub(crate) async fn what_is_old_is_forgotten_and_the_counts_stay(database: &dyn Database) {
    let (store, key) = stocked(database).await;
    let old: Vec<Intake> = (0..5).map(|number| intake("old", number, &key, at(number as i64))).collect();
    store.take_in(&old, at(10)).await.unwrap();
    store.take_in(&[intake("new", 0, &key, at(50 * HOUR))], at(50 * HOUR)).await.unwrap();
    let forgetting = Forgetting { activity: at(49 * HOUR), minutes: at(49 * HOUR), most: 4 };
    let mut rounds = 1;
    while store.forget(forgetting).await.unwrap() {
        rounds += 1;
    }
    assert_eq!(rounds, 2);
    let left = list(store.as_ref(), &ActivityQuestion::default()).await;
    assert_eq!(left.items.iter().map(|item| item.activity.at).collect::<Vec<_>>(), [at(50 * HOUR)]);
    assert_eq!(total(store.as_ref()).await, 6);
    let usage = store.read().await.unwrap().usage(&key.parse().unwrap(), everything()).await.unwrap();
    assert_eq!((usage.timeline.len(), usage.by_reason[0].1), (1, 2));
    // Of an edge that was not heard of for so long no report is remembered.
    let again = [intake("new", 0, &key, at(50 * HOUR)), intake("old", 0, &key, at(0))];
    assert_eq!(store.take_in(&again, at(50 * HOUR)).await.unwrap().counted, 1);
}

pub(crate) async fn the_audit_is_narrowed(database: &dyn Database) {
    let (store, _) = stocked(database).await;
    let lines = async |question: AuditQuestion, after| {
        let mut reading = store.read().await.unwrap();
        reading.audit_of(tenant(), &question, after, Slice::ALL).await.unwrap()
    };
    let all = lines(AuditQuestion::default(), None).await;
    assert!(all.items.is_sorted_by(|a, b| a.row > b.row));
    let action = Some("application.create".to_owned());
    let one = lines(AuditQuestion { action, ..AuditQuestion::default() }, None).await;
    assert_eq!((one.total, one.items[0].target.as_str()), (1, &*format!("application:{TENANT}/tool")));
    let targets = Some(vec![one.items[0].target.clone(), "nothing".to_owned()]);
    assert_eq!(lines(AuditQuestion { targets, ..AuditQuestion::default() }, None).await, one);
    let operator = AuditQuestion { actor: Some(None), ..AuditQuestion::default() };
    assert_eq!(lines(operator, None).await.total, all.total);
    let actor = Some(Some("key_x".parse().unwrap()));
    assert_eq!(lines(AuditQuestion { actor, ..AuditQuestion::default() }, None).await.total, 0);
    let since = Some(at(1));
    assert_eq!(lines(AuditQuestion { since, ..AuditQuestion::default() }, None).await.total, 0);
    let later = lines(AuditQuestion::default(), Some(all.items[1].row)).await;
    assert_eq!(later.items, all.items[2..]);
}
