//! Moments that never were, are past, or are said in another way.

use std::time::Duration;

use serde_json::{Value, json};
use support::{Admin, PATIENCE, System, eventually};

use super::{assert_refused, doors, faulty, writes};

/// No moment, in a body or in a query.
const NEVER: [&str; 22] = [
    "9999-12-31T23:59",
    "10000-01-01T00:00:00Z",
    "99999-01-01T00:00:00Z",
    "+2030-01-01T00:00:00Z",
    "9999-12-31T23:59:59-00:01",
    "2030-02-30T00:00:00Z",
    "2030-02-29T00:00:00Z",
    "2030-13-01T00:00:00Z",
    "2030-00-01T00:00:00Z",
    "2030-01-01T24:00:00Z",
    "2030-01-01T12:60:00Z",
    "2030-01-01T12:00:61Z",
    // A leap second where there can be none.
    "2030-01-01T12:00:60Z",
    "2030-01-01T00:00:00",
    "2030-01-01T00:00Z",
    "2030-01-01T00:00:00%2B24:00",
    "20300101T000000Z",
    "2030-1-1T0:0:0Z",
    "Tue, 01 Jan 2030 00:00:00 GMT",
    "tomorrow",
    "1893456000",
    "1893456000000",
];

/// Moments, and how they are told.
const SOMETIME: [(&str, &str); 10] = [
    ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00.000Z"),
    ("2030-01-01T00:00:00+14:00", "2029-12-31T10:00:00.000Z"),
    ("2030-01-01T00:00:00-12:00", "2030-01-01T12:00:00.000Z"),
    ("2030-01-01T00:00:00-00:00", "2030-01-01T00:00:00.000Z"),
    ("2030-01-01t00:00:00z", "2030-01-01T00:00:00.000Z"),
    ("2030-01-01T00:00:00.123456789Z", "2030-01-01T00:00:00.123Z"),
    ("2032-02-29T23:59:59.999Z", "2032-02-29T23:59:59.999Z"),
    // The last moment before a leap second ends.
    ("2030-06-30T23:59:60Z", "2030-06-30T23:59:59.999Z"),
    ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
    ("9999-12-31T23:59:59.9999+00:00", "9999-12-31T23:59:59.999Z"),
];

const KEYS: &str = "/v1/management/customers/cust-stock/apikeys";

#[tokio::test]
async fn a_key_cannot_end_at_a_moment_that_never_comes() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    let before = writes(&system.admin(0)).await;
    let path = format!("/v1/management/apikeys/{}", stock.key.id);
    let never = NEVER.iter().map(|text| json!(text.replace("%2B", "+")));
    let others = [
        json!("9999-12-31"),
        json!(""),
        json!(" "),
        json!(" 2030-01-01T00:00:00Z"),
        json!(1_893_456_000),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!("1969-12-31T23:59:59Z"),
        json!("-2030-01-01T00:00:00Z"),
    ];
    for text in never.chain(others) {
        for (door, admin) in doors(&system) {
            let body = json!({ "expiresAt": text });
            let own = json!({ "kind": "admin", "expiresAt": text });
            for told in [
                admin.post(KEYS, &body).await,
                admin.post("/v1/management/apikeys", &own).await,
                admin.patch(&path, &body).await,
            ] {
                assert_refused(&format!("{text} at {door}"), &told, 400, "invalid_fields");
                assert_eq!(faulty(&told), ["expiresAt"], "{text} at {door}");
            }
        }
    }
    // One that is over before it begins is a mistake as well.
    for text in ["2001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2016-12-31T23:59:60Z"] {
        let told = system.admin(0).post(KEYS, &json!({ "expiresAt": text })).await;
        assert_refused(text, &told, 400, "invalid_fields");
        assert_eq!(faulty(&told), ["expiresAt"], "{text}");
    }
    assert_eq!(writes(&system.admin(0)).await, before, "something was written");
    system.client(0, &stock.key.text).get(&stock.path()).await.expect(200);
}

#[tokio::test]
async fn a_moment_is_told_in_one_form_however_it_was_written() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let path = format!("/v1/management/apikeys/{}", stock.key.id);
    for (text, told) in SOMETIME {
        let key = admin.create_key(&stock.customer, json!({ "expiresAt": text })).await;
        let read = admin.get(&format!("/v1/management/apikeys/{}", key.id)).await.expect(200);
        assert_eq!(read.text("/expiresAt"), told, "{text}");
        assert_eq!(
            admin.patch(&path, &json!({ "expiresAt": text })).await.expect(200).text("/expiresAt"),
            told
        );
        system.client(0, &key.text).get(&stock.path()).await.expect(200);
    }
    let cleared = admin.patch(&path, &json!({ "expiresAt": null })).await.expect(200);
    assert!(cleared.data("")["expiresAt"].is_null(), "{cleared:?}");
}

/// A zone moves the moment: a key written in another one ends when it should, at every edge.
#[tokio::test]
async fn a_key_ends_at_its_moment_in_whatever_zone_it_was_written() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let soon = support::system::after(&system.clock, Duration::from_secs(3_600));
    // The same moment, as clocks show it on the first islands that see the day.
    let local = support::system::after(&system.clock, Duration::from_secs(15 * 3_600));
    let (day, time) = local.split_once('T').unwrap();
    let zoned = format!("{day}T{}+14:00", time.trim_end_matches('Z'));
    let key = admin.create_key(&stock.customer, json!({ "expiresAt": zoned })).await;
    let told = admin.get(&format!("/v1/management/apikeys/{}", key.id)).await.expect(200).text("/expiresAt");
    assert_eq!(told[..18], soon[..18], "{zoned}");
    for edge in [0, 1] {
        let client = system.client(edge, &key.text);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
    }
    system.clock.advance(Duration::from_secs(3_601));
    for edge in [0, 1] {
        let told = system.client(edge, &key.text).get(&stock.path()).await;
        assert_refused("after its end", &told, 401, "key_expired");
    }
}

/// What may be asked about a span of time, with the fields that bound it.
fn spans(key: &str) -> [(String, &'static str, &'static str); 4] {
    [
        ("/v1/activity".to_owned(), "startDate", "endDate"),
        ("/v1/audit".to_owned(), "startDate", "endDate"),
        ("/v1/applications/stock/stats".to_owned(), "startDate", "endDate"),
        (format!("/v1/management/apikeys/{key}/usage"), "from", "to"),
    ]
}

#[tokio::test]
async fn a_span_of_time_is_asked_for_by_days_or_moments_that_are() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    let ask = async |admin: &Admin, path: &str, field: &str, text: &str| {
        admin.get(&format!("{path}?{field}={}", text.replace('+', "%2B"))).await
    };
    for (door, admin) in doors(&system) {
        for (path, first, last) in spans(&stock.key.id) {
            let days = [
                "2025-02-30",
                "2025-13-01",
                "20250101",
                "01/02/2025",
                "2025-W01-1",
                "2025-001",
                "9999-12-32",
            ];
            for text in NEVER.into_iter().chain(days) {
                for field in [first, last] {
                    let told = ask(&admin, &path, field, text).await;
                    assert_eq!(told.status, 400, "{field}={text} of {path} at {door}: {told:?}");
                    assert!(faulty(&told).contains(&field.to_owned()), "{field}={text}: {told:?}");
                }
            }
            let backwards = format!("{path}?{first}=2026-01-02&{last}=2026-01-01");
            assert_eq!(admin.get(&backwards).await.status, 400, "{backwards} at {door}");
            // Usage is kept and asked for in pieces: a span of a thousand years has too many.
            if first == "startDate" {
                for text in [
                    "2025-02-28",
                    "9999-12-31",
                    "1970-01-01",
                    "2016-12-31T23:59:60Z",
                    "2030-01-01T00:00:00+14:00",
                ] {
                    let told = ask(&admin, &path, last, text).await;
                    assert_eq!(told.status, 200, "{text} of {path} at {door}: {told:?}");
                }
            }
        }
    }
    let whole: Value =
        system.admin(0).get("/v1/audit?startDate=1970-01-01&endDate=9999-12-31").await.expect(200).json();
    assert_eq!(whole["meta"]["pagination"]["total"], json!(writes(&system.admin(0)).await));
}
