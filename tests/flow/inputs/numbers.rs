//! Numbers that are none, are too many, or only look like one.

use serde_json::{Value, json};
use support::{Admin, Answer, System};

use super::{assert_refused, doors, faulty, send_text, writes};

/// A route with a number, written as a body with a place for it, and the last number that is too small and the first
/// that is too large.
struct Place {
    method: &'static str,
    target: String,
    body: &'static str,
    field: &'static str,
    too_small: Option<&'static str>,
    too_large: &'static str,
}

fn places(key: &str) -> Vec<Place> {
    let place = |method, target: &str, body, field, bounds: (Option<&'static str>, &'static str)| Place {
        method,
        target: target.to_owned(),
        body,
        field,
        too_small: bounds.0,
        too_large: bounds.1,
    };
    let (customer, key) =
        ("/v1/management/customers/cust-stock/apikeys", format!("/v1/management/apikeys/{key}"));
    let limit = (Some("0"), "4294967296");
    vec![
        place("POST", customer, r#"{"rateLimitRpm":@}"#, "rateLimitRpm", limit),
        place(
            "POST",
            "/v1/management/apikeys",
            r#"{"kind":"admin","rateLimitRpm":@}"#,
            "rateLimitRpm",
            limit,
        ),
        place("PATCH", &key, r#"{"rateLimitRpm":@}"#, "rateLimitRpm", limit),
        place(
            "POST",
            &format!("{key}/rotate"),
            r#"{"overlapSeconds":@}"#,
            "overlapSeconds",
            (None, "1000000000000"),
        ),
        place("PUT", "/v1/management/tiers/Tried", r#"{"rank":@}"#, "rank", (None, "1000001")),
        place("PUT", "/v1/management/tiers/Basic", r#"{"rank":0,"rateLimitRpm":@}"#, "rateLimitRpm", limit),
        place(
            "PUT",
            "/v1/management/tiers/Basic",
            r#"{"rank":0,"maxConcurrentDownloads":@}"#,
            "maxConcurrentDownloads",
            (Some("0"), "1000001"),
        ),
        place(
            "PUT",
            "/v1/management/tiers/Basic",
            r#"{"rank":0,"bytesPerSecond":@}"#,
            "bytesPerSecond",
            (Some("0"), "1000000000001"),
        ),
        place(
            "POST",
            "/v1/management/upload/large-url",
            r#"{"applicationId":"stock","version":"9","fileName":"a","fileSize":@}"#,
            "fileSize",
            (Some("0"), "1125899906842625"),
        ),
        place(
            "POST",
            "/v1/downloads/share",
            r#"{"applicationId":"stock","version":"1.2.0","expiresInMinutes":@}"#,
            "expiresInMinutes",
            (Some("4"), "1441"),
        ),
        place(
            "POST",
            "/v1/downloads/share",
            r#"{"applicationId":"stock","version":"1.2.0","expiresMinutes":@}"#,
            "expiresMinutes",
            (Some("4"), "1441"),
        ),
    ]
}

/// What JSON has no form for, and what is a number but not one of these.
const NO_JSON: [&str; 12] =
    ["1e309", "-1e309", "NaN", "Infinity", "-Infinity", "+1", "007", ".5", "5.", "0x10", "1_000", "١٢"];
const NO_WHOLE_NUMBER: [&str; 15] = [
    "-1",
    "-0",
    "1.5",
    "60.0",
    "6e1",
    "1e300",
    "5e-324",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551616",
    "\"60\"",
    "\"\"",
    "true",
    "[60]",
    "{\"value\":60}",
];

async fn told(admin: &Admin, place: &Place, number: &str) -> Answer {
    send_text(admin, place.method, &place.target, place.body.replace('@', number)).await
}

#[tokio::test]
async fn what_is_no_number_of_this_kind_is_refused_by_name_and_changes_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let before = writes(&admin).await;
    for (door, admin) in [&doors(&system)[0], &doors(&system)[2]] {
        for place in places(&stock.key.id) {
            if door == &"control plane" && place.target.ends_with("/share") {
                continue;
            }
            let name = |number: &str| format!("{number} as {} at {door}", place.field);
            for number in NO_JSON {
                assert_refused(&name(number), &told(admin, &place, number).await, 400, "invalid_json");
            }
            let bounds = [place.too_small, Some(place.too_large)].into_iter().flatten();
            for number in NO_WHOLE_NUMBER.into_iter().chain(bounds) {
                let told = told(admin, &place, number).await;
                assert_refused(&name(number), &told, 400, "invalid_fields");
                let field = faulty(&told);
                assert!(
                    field == [place.field] || field == ["expiresInMinutes"],
                    "{}: {told:?}",
                    name(number)
                );
            }
        }
    }
    assert_eq!(writes(&admin).await, before, "something was written");
}

#[tokio::test]
async fn the_least_and_the_most_are_taken_and_told_back_exactly() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let key = format!("/v1/management/apikeys/{}", stock.key.id);
    for limit in [1_u64, 4_294_967_295] {
        admin.patch(&key, &json!({ "rateLimitRpm": limit })).await.expect(200);
        assert_eq!(admin.get(&key).await.expect(200).data("/rateLimitRpm"), json!(limit));
    }
    for (settings, told) in [
        (json!({ "rank": 0, "rateLimitRpm": 1, "maxConcurrentDownloads": 1, "bytesPerSecond": 1 }), None),
        (
            json!({ "rank": 1_000_000, "rateLimitRpm": u32::MAX, "maxConcurrentDownloads": 1_000_000,
                "bytesPerSecond": 1_000_000_000_000_u64 }),
            None,
        ),
        (
            json!({ "rank": 3, "rateLimitRpm": null, "maxConcurrentDownloads": null, "bytesPerSecond": null }),
            Some(json!({ "rank": 3 })),
        ),
    ] {
        let answer = admin.put("/v1/management/tiers/Tried", &settings).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        let mut expected = told.unwrap_or(settings);
        expected["name"] = json!("Tried");
        assert_eq!(admin.get("/v1/management/tiers/Tried").await.expect(200).data(""), expected);
    }
    let client = system.client(0, &stock.key.text);
    for (minutes, told) in [(json!(5), 5), (json!(1_440), 1_440), (Value::Null, 30)] {
        let order = json!({ "applicationId": "stock", "version": "latest", "expiresInMinutes": minutes });
        assert_eq!(
            client.post("/v1/downloads/share", &order).await.expect(200).data("/expiresInMinutes"),
            told
        );
    }
}

/// A form and a query have only texts: there a number is written as one, and as nothing else.
#[tokio::test]
async fn a_number_in_a_query_is_whole_and_plain() {
    let system = System::in_process().await;
    for (door, admin) in doors(&system) {
        for text in [
            "0",
            "-1",
            "1.5",
            "1e1",
            "0x1",
            "NaN",
            "1_0",
            "%D9%A1",
            "9007199254740993",
            "99999999999999999999",
            "1,2",
        ] {
            let told = admin.get(&format!("/v1/management/customers?limit={text}")).await;
            assert_eq!(told.status, 400, "{text} at {door}: {told:?}");
            assert_eq!(faulty(&told), ["limit"], "{text} at {door}: {told:?}");
        }
        admin.get("/v1/management/customers?limit=007").await.expect(200);
    }
}
