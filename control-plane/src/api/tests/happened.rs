//! Activity, audit, statistics and usage through the API.

use std::collections::BTreeMap;

use common::id::{CustomerId, KeyId};
use common::time::Timestamp;
use common::wire::v1::event::Usage;
use serde_json::{Value, json};

use super::{House, TENANT, Told};
use crate::domain::activity::{Activity, ActivityKind};
use crate::store::activity::{Download, Intake, ReportName};

const NOW: i64 = 1_750_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

fn key_id(key: &str) -> KeyId {
    key.parse().unwrap()
}

/// A whole download of a version by a customer's key, or a part of it.
fn download(version: (&str, &str), who: (Option<&str>, &str), moment: Timestamp, is_whole: bool) -> Download {
    let activity = Activity {
        id: common::id::ActivityId::of(&format!("{version:?}{who:?}{moment}")),
        tenant: TENANT.parse().unwrap(),
        kind: ActivityKind::Download,
        at: moment,
        ended_at: moment,
        application: version.0.parse().unwrap(),
        version: version.1.parse().unwrap(),
        file: "file_1".parse().unwrap(),
        file_name: "a.exe".to_owned(),
        file_size: 2,
        sent: vec![(0, if is_whole { 2 } else { 1 })],
        bytes: if is_whole { 2 } else { 1 },
        completed: is_whole,
        customer: who.0.map(|id| id.parse::<CustomerId>().unwrap()),
        key: Some(key_id(who.1)),
        carrier: Some(common::wire::v1::event::Carrier::Key),
        address: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some("curl/8".to_owned()),
        request_id: "r".to_owned(),
    };
    Download { activity, counts: is_whole }
}

fn used(key: &str, minute: Timestamp, application: Option<&str>, refused: u64) -> Usage {
    Usage {
        minute,
        tenant: TENANT.parse().unwrap(),
        key: key_id(key),
        application: application.map(|id| id.parse().unwrap()),
        requests: 4,
        bytes: 10,
        refused: BTreeMap::from([("rate_limited".to_owned(), refused)]),
    }
}

impl House {
    async fn reported(&self, number: u64, downloads: Vec<Download>, usage: Vec<Usage>) {
        let report = ReportName { edge: "e".to_owned(), boot: 1, number };
        let taken = self.store.take_in(&[Intake { report, downloads, usage }], at(0)).await.unwrap();
        assert_eq!((taken.counted, taken.strange), (1, 0));
    }

    async fn upload(&self, application: &str, version: &str) {
        let body = json!({"applicationId": application, "version": version, "fileName": "a.exe", "fileContent": "TVo="});
        let told = self.post("/v1/management/upload", body).await;
        assert_eq!(told.status, 201, "{}", told.body);
    }

    /// Two applications of a version each, and two customers with a key for the first; the keys' ids and texts.
    async fn stocked(&self) -> [(String, String); 2] {
        let mut keys = Vec::new();
        for customer in ["c1", "c2"] {
            self.post("/v1/management/customers", json!({"customerId": customer, "name": customer})).await;
            let told = self.post("/v1/management/apikeys", json!({"customerId": customer})).await;
            keys.push((told.text("keyId"), told.text("apiKey")));
        }
        for application in ["tool", "other"] {
            self.application(application).await;
            self.upload(application, "1.0.0").await;
        }
        let assigned = json!({"addCustomerIds": ["c1", "c2"]});
        self.ask("PUT", "/v1/management/applications/tool/customers", assigned).await;
        keys.try_into().unwrap()
    }
}

fn column(told: &Told, list: &str, field: &str) -> Vec<String> {
    let items = told.data(list).as_array().unwrap_or_else(|| panic!("{}", told.body));
    items.iter().map(|item| item[field].as_str().unwrap_or("-").to_owned()).collect()
}

#[tokio::test]
async fn activity_tells_of_uploads_and_downloads_newest_first() {
    let house = House::open().await;
    let [one, two] = house.stocked().await;
    let downloads = vec![
        download(("tool", "1.0.0"), (Some("c1"), &one.0), at(-2 * HOUR), true),
        download(("tool", "1.0.0"), (Some("c2"), &two.0), at(-HOUR), false),
        download(("gone", "1.0.0"), (None, "key_gone"), at(-3 * HOUR), true),
    ];
    house.reported(0, downloads, vec![]).await;
    let told = house.get("/v1/activity").await;
    assert_eq!(column(&told, "activities", "type"), ["upload", "upload", "download", "download", "download"]);
    assert_eq!((told.data("count"), told.data("pagination")), (&json!(5), &json!({"hasMore": false})));
    assert_eq!(told.body["meta"]["pagination"]["total"], 5);
    let mut item = told.data("activities")[3].clone();
    assert!(item["id"].as_str().unwrap().starts_with("act_"));
    item.as_object_mut().unwrap().remove("id");
    let expected = json!({
        "type": "download", "applicationId": "tool", "applicationName": "tool", "version": "1.0.0",
        "fileName": "a.exe", "fileSize": 2, "bytes": 2, "completed": true, "customerId": "c1", "keyId": one.0,
        "clientIp": "192.0.2.7", "userAgent": "curl/8", "timestamp": at(-2 * HOUR).to_string(),
    });
    assert_eq!(item, expected);
    let upload = &told.data("activities")[0];
    assert_eq!(
        (&upload["bytes"], &upload["completed"], &upload["clientIp"]),
        (&json!(2), &json!(true), &json!("203.0.113.9"))
    );
    assert!(upload["keyId"].as_str().unwrap().starts_with("key_") && upload.get("customerId").is_none());
    assert!(told.data("activities")[4].get("applicationName").is_none());
    let (day, moment) = (&at(0).to_string()[..10], at(-2 * HOUR).to_string());
    for (query, count) in [
        ("type=upload", 2),
        ("type=uploads", 2),
        ("type=Download", 3),
        ("type=all&applicationId=tool", 3),
        ("customerId=c2", 1),
        (&format!("keyId={}", one.0), 1),
        (&format!("startDate={moment}&type=downloads"), 2),
        (&format!("endDate={moment}"), 2),
        (&format!("startDate={day}&endDate={day}"), 5),
        ("endDate=2020-01-01", 0),
        ("limit=2&page=3", 1),
        ("pageSize=1000", 5),
    ] {
        let told = house.get(&format!("/v1/activity?{query}")).await;
        assert_eq!(told.data("count"), &json!(count), "{query}: {}", told.body);
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_understood_is_told_what_to_change() {
    let house = House::open().await;
    let [one, _] = house.stocked().await;
    let usage = format!("/v1/management/apikeys/{}/usage", one.0);
    for (path, faults) in [
        (
            "/v1/activity?type=sideways&startDate=soon&endDate=2025-02-30&applicationId=a%2Fb&limit=0"
                .to_owned(),
            5,
        ),
        ("/v1/activity?limit=1&limit=2".to_owned(), 1),
        ("/v1/activity?startDate=2025-01-02&endDate=2025-01-01".to_owned(), 1),
        ("/v1/audit?actor=a%20b&startDate=1".to_owned(), 2),
        ("/v1/applications/tool/stats?startDate=x".to_owned(), 1),
        (format!("{usage}?bucket=week&from=x"), 2),
        (format!("{usage}?bucket=minute&from=2025-06-13&to=2025-06-15"), 1),
        (format!("{usage}?bucket=minute&from=2025-05-01&to=2025-05-01"), 1),
        (format!("{usage}?from=2025-06-15&to=2025-06-13"), 1),
        (format!("{usage}?bucket=day&from=0000-01-01&to=9999-12-31"), 1),
    ] {
        let told = house.get(&path).await;
        assert_eq!(told.verdict(), (400, "invalid_fields"), "{path}: {}", told.body);
        let fields = &told.body["error"]["details"]["fields"];
        assert_eq!(fields.as_array().unwrap().len(), faults, "{path}: {fields}");
    }
}

#[tokio::test]
async fn a_narrowed_key_sees_what_happened_to_its_applications_and_no_audit() {
    let house = House::open().await;
    house.stocked().await;
    let narrowed = house.key(json!({"applicationIds": ["other"], "preset": "full"})).await;
    let ask = async |path: &str| house.ask_as(&narrowed, "GET", path, Value::Null).await;
    assert_eq!(column(&ask("/v1/activity").await, "activities", "applicationId"), ["other"]);
    assert_eq!(ask("/v1/activity?applicationId=tool").await.data("count"), &json!(0));
    assert_eq!(ask("/v1/audit").await.verdict(), (403, "key_narrowed"));
    assert_eq!(ask("/v1/applications/tool/stats").await.verdict(), (404, "application_not_found"));
    assert_eq!(ask("/v1/applications/other/stats").await.status, 200);
}

#[tokio::test]
async fn the_audit_tells_who_did_what_to_what() {
    let house = House::open().await;
    house.stocked().await;
    house.ask("PATCH", "/v1/management/customers/c1", json!({"tier": "Premium"})).await;
    let told = house.get("/v1/audit?limit=1").await;
    let event = &told.data("entries")[0];
    assert_eq!((&event["action"], &event["target"]), (&json!("customer.change"), &json!("customer:c1")));
    assert_eq!((&event["before"], &event["after"]), (&json!({"tier": "Basic"}), &json!({"tier": "Premium"})));
    assert_eq!(event["ip"], "203.0.113.9");
    assert_eq!(event["timestamp"], at(0).to_string());
    assert!(!event["requestId"].as_str().unwrap().is_empty());
    assert_eq!(told.data("pagination")["hasMore"], true);
    let actor = event["actor"].as_str().unwrap().to_owned();
    assert!(actor.starts_with("key_") && event["id"].as_str().unwrap().starts_with("aud_"));
    let all = house.get("/v1/audit").await.body["meta"]["pagination"]["total"].as_u64().unwrap();
    let count = async |query: &str| {
        house.get(&format!("/v1/audit?{query}")).await.body["meta"]["pagination"]["total"].as_u64().unwrap()
    };
    assert_eq!(count("action=customer.change").await, 1);
    assert_eq!(count("target=customer:c1").await, 2);
    assert_eq!(count(&format!("target=customer:{TENANT}/c1")).await, 2);
    assert_eq!(count("target=customer:c").await, 0);
    assert_eq!(count("actor=operator").await + count(&format!("actor={actor}")).await, all);
    assert_eq!((count("startDate=2025-06-15").await, count("endDate=2025-06-14").await), (all, 0));
}

#[tokio::test]
async fn the_vendor_sees_all_downloads_and_a_customer_its_own() {
    let house = House::open().await;
    let [one, two] = house.stocked().await;
    house.upload("tool", "2.0.0").await;
    let downloads = vec![
        download(("tool", "1.0.0"), (Some("c1"), &one.0), at(-30 * HOUR), true),
        download(("tool", "2.0.0"), (Some("c1"), &one.0), at(-2 * HOUR), true),
        download(("tool", "2.0.0"), (Some("c2"), &two.0), at(-HOUR), true),
        download(("tool", "2.0.0"), (Some("c2"), &two.0), at(-MINUTE), false),
        download(("tool", "2.0.0"), (None, "key_of_ours"), at(-3 * HOUR), true),
    ];
    house.reported(0, downloads, vec![]).await;
    let path = "/v1/applications/tool/stats";
    let told = house.get(path).await;
    let mut data = told.body["data"].clone();
    let recent = data.as_object_mut().unwrap().remove("recentDownloads").unwrap();
    let expected = json!({
        "applicationId": "tool", "totalDownloads": 4, "uniqueCustomers": 2,
        "downloadsByVersion": {"1.0.0": 1, "2.0.0": 3}, "downloadsByDate": {"2025-06-14": 1, "2025-06-15": 3},
    });
    assert_eq!(data, expected);
    assert_eq!(recent.as_array().unwrap().len(), 5);
    assert_eq!((&recent[0]["completed"], &recent[1]["customerId"]), (&json!(false), &json!("c2")));
    assert_eq!(recent[1]["downloadedAt"], recent[1]["timestamp"]);
    for (query, count) in
        [("version=1.0.0", 1), ("version=latest", 3), ("startDate=2025-06-15", 3), ("endDate=2025-06-14", 1)]
    {
        let told = house.get(&format!("{path}?{query}")).await;
        assert_eq!(told.data("totalDownloads"), &json!(count), "{query}");
    }
    let own = house.ask_as(&one.1, "GET", path, Value::Null).await;
    assert_eq!((own.data("totalDownloads"), own.data("uniqueCustomers")), (&json!(2), &json!(1)));
    assert_eq!(own.data("recentDownloads").as_array().unwrap().len(), 2);
    assert_eq!(own.data("downloadsByVersion"), &json!({"1.0.0": 1, "2.0.0": 1}));
}

#[tokio::test]
async fn statistics_hide_what_the_caller_may_not_know_of() {
    let house = House::open().await;
    let [one, _] = house.stocked().await;
    let version = "/v1/applications/tool/versions/1.0.0";
    let stats = "/v1/applications/tool/stats";
    let verdict = async |query: &str| {
        let told = house.ask_as(&one.1, "GET", &format!("{stats}{query}"), Value::Null).await;
        (told.status, told.verdict().1.to_owned())
    };
    let is = |status: u16, reason: &str| (status, reason.to_owned());
    assert_eq!(verdict("?version=1.0.0").await, is(200, ""));
    assert_eq!(verdict("?version=9.9").await, is(404, "version_not_found"));
    assert_eq!(verdict("?version=..%2F").await, is(404, "version_not_found"));
    house.ask("PATCH", version, json!({"requiredTier": "Premium"})).await;
    assert_eq!(verdict("?version=1.0.0").await, is(403, "tier_too_low"));
    assert_eq!(verdict("?version=latest").await, is(404, "version_not_found"));
    house.ask("PATCH", version, json!({"requiredTier": null, "isEnabled": false})).await;
    assert_eq!(verdict("?version=1.0.0").await, is(403, "version_not_enabled"));
    house.ask("DELETE", version, Value::Null).await;
    assert_eq!(verdict("?version=1.0.0").await, is(404, "version_not_found"));
    assert_eq!(house.get(&format!("{stats}?version=1.0.0")).await.status, 200);
    for path in
        ["/v1/applications/other/stats", "/v1/applications/nope/stats", "/v1/applications/a%20b/stats"]
    {
        assert_eq!(house.ask_as(&one.1, "GET", path, Value::Null).await.status, 404, "{path}");
    }
    house.ask("DELETE", "/v1/management/applications/tool", Value::Null).await;
    assert_eq!(verdict("").await, is(404, "application_not_found"));
    assert_eq!(house.get(stats).await.verdict(), (404, "application_not_found"));
}

#[tokio::test]
async fn a_key_tells_how_it_was_used() {
    let house = House::open().await;
    let [one, two] = house.stocked().await;
    let path = format!("/v1/management/apikeys/{}/usage", one.0);
    let told = house.get(&path).await;
    assert_eq!((told.data("totalRequests"), told.data("errorRate")), (&json!(0), &json!(0.0)));
    assert_eq!((told.text("bucket"), told.data("byReason")), ("hour".to_owned(), &json!([])));
    assert!(
        house.get(&format!("/v1/management/apikeys/{}", one.0)).await.body["data"]
            .get("lastUsedAt")
            .is_none()
    );
    let usage = vec![
        used(&one.0, at(-61 * MINUTE), Some("tool"), 3),
        used(&one.0, at(-61 * MINUTE), Some("other"), 0),
        used(&one.0, at(-25 * HOUR), Some("tool"), 0),
        used(&one.0, at(-5 * MINUTE), None, 0),
        used(&two.0, at(-5 * MINUTE), None, 0),
    ];
    house.reported(0, vec![], usage).await;
    let told = house.get(&path).await;
    // 15:06 on that day: whole hours, of which the last has not ended.
    assert_eq!(
        (told.text("from"), told.text("to")),
        ("2025-06-14T16:00:00.000Z".into(), "2025-06-15T16:00:00.000Z".into())
    );
    assert_eq!(
        (told.data("totalRequests"), told.data("totalBytes"), told.data("errorRate")),
        (&json!(12), &json!(30), &json!(0.25))
    );
    let by_application = json!([{"requests": 4, "bytes": 10}, {"applicationId": "other", "requests": 4, "bytes": 10}, {"applicationId": "tool", "requests": 4, "bytes": 10}]);
    assert_eq!(told.data("byApplication"), &by_application);
    assert_eq!(told.data("byReason"), &json!([{"reason": "rate_limited", "count": 3}]));
    let timeline = told.data("timeline").as_array().unwrap();
    assert_eq!(timeline.len(), 24);
    assert_eq!(
        timeline[22],
        json!({"start": "2025-06-15T14:00:00.000Z", "requests": 8, "bytes": 20, "errors": 3})
    );
    assert_eq!(
        timeline[0],
        json!({"start": "2025-06-14T16:00:00.000Z", "requests": 0, "bytes": 0, "errors": 0})
    );
    for (query, pieces, requests) in [
        ("bucket=minute", 1_440, 12),
        ("bucket=day&from=2025-06-14&to=2025-06-15", 2, 16),
        ("from=2025-06-15T14:00:00Z&to=2025-06-15T15:00:00Z", 1, 8),
        ("bucket=minute&from=2025-06-15T15:01:00Z&to=2025-06-15T15:02:00Z", 1, 4),
        ("from=2024-01-01&to=2024-01-01", 24, 0),
    ] {
        let told = house.get(&format!("{path}?{query}")).await;
        assert_eq!(told.data("timeline").as_array().unwrap().len(), pieces, "{query}");
        assert_eq!(told.data("totalRequests"), &json!(requests), "{query}: {}", told.data("timeline"));
    }
    let told = house.get(&format!("/v1/management/apikeys/{}", one.0)).await;
    assert_eq!(told.text("lastUsedAt"), at(0).to_string());
    house.ask("DELETE", &format!("/v1/management/apikeys/{}", one.0), Value::Null).await;
    assert_eq!(house.get(&path).await.verdict(), (404, "key_not_found"));
    assert_eq!(house.get("/v1/management/apikeys/key_nope/usage").await.verdict(), (404, "key_not_found"));
}

#[tokio::test]
async fn the_count_of_downloads_is_part_of_the_version() {
    let house = House::open().await;
    let [one, _] = house.stocked().await;
    let change = async || house.ask("PATCH", "/v1/applications/tool/versions/1.0.0", json!({})).await;
    assert_eq!(change().await.data("downloadCount"), &json!(0));
    let whole = vec![download(("tool", "1.0.0"), (Some("c1"), &one.0), at(-HOUR), true)];
    house.reported(0, whole, vec![]).await;
    assert_eq!(house.store.tell_downloads(9).await.unwrap(), 1);
    assert_eq!(change().await.data("downloadCount"), &json!(1));
    // A change of the version takes nothing of the count.
    let told =
        house.ask("PATCH", "/v1/applications/tool/versions/1.0.0", json!({"releaseNotes": "New"})).await;
    assert_eq!(told.data("downloadCount"), &json!(1));
    assert_eq!(change().await.data("downloadCount"), &json!(1));
}

#[tokio::test]
async fn activity_and_audit_go_on_behind_a_cursor_of_their_own() {
    let house = House::open().await;
    let [one, _] = house.stocked().await;
    let reported = async |number: u64, ago: i64| {
        let download = download(("tool", "1.0.0"), (Some("c1"), &one.0), at(-ago * HOUR), true);
        house.reported(number, vec![download], vec![]).await;
    };
    for (number, ago) in [(0, 5), (1, 4), (2, 3)] {
        reported(number, ago).await;
    }
    let mut path = "/v1/activity?type=download&limit=1".to_owned();
    let mut seen = Vec::new();
    for number in 3.. {
        let told = house.get(&path).await;
        seen.extend(column(&told, "activities", "timestamp"));
        // What is newer comes before the page.
        reported(number, 0).await;
        let Some(cursor) = told.data("pagination")["nextCursor"].as_str() else { break };
        assert_eq!(told.body["meta"]["pagination"]["hasNext"], true);
        path = format!("/v1/activity?type=download&cursor={cursor}");
        if seen.len() == 1 {
            for other in ["/v1/activity?cursor=", "/v1/activity?type=upload&cursor=", "/v1/audit?cursor="] {
                let told = house.get(&format!("{other}{cursor}")).await;
                assert_eq!(told.verdict(), (400, "invalid_cursor"), "{other}");
            }
        }
    }
    assert_eq!(seen, [3, 4, 5].map(|ago| at(-ago * HOUR).to_string()));
    let all = column(&house.get("/v1/audit?limit=100").await, "entries", "id");
    let mut path = "/v1/audit?limit=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let told = house.get(&path).await;
        seen.extend(column(&told, "entries", "id"));
        assert!(seen.len() <= all.len());
        let Some(cursor) = told.data("pagination")["nextCursor"].as_str() else { break };
        path = format!("/v1/audit?cursor={cursor}");
    }
    assert_eq!(seen, all);
}
