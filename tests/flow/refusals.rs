//! Who is refused, how it is told, and that nothing but 200 stands before and after where it should: at both edges.

use std::cell::Cell;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::{Admin, Answer, Client, Key, PATIENCE, Stock, System, eventually};

/// What a refusal must say.
struct Told {
    status: u16,
    code: &'static str,
    reason: &'static str,
}

const fn told(status: u16, code: &'static str, reason: &'static str) -> Told {
    Told { status, code, reason }
}

const UNAUTHORIZED: &str = "UNAUTHORIZED";
const FORBIDDEN: &str = "FORBIDDEN";
const NOT_FOUND: &str = "NOT_FOUND";

/// How a key, or what it asks for, loses its right, and how it gets it back.
struct Case {
    name: &'static str,
    told: Told,
    /// What the key is made with.
    options: Value,
    take: Step,
    /// Nothing when what is taken stays taken.
    give_back: Option<Step>,
}

enum Step {
    Key(Value),
    Customer(Value),
    Version(Value),
    DeleteKey,
    DeleteApplication,
    Wait(Duration),
    Regenerate,
}

fn case(name: &'static str, told: Told, take: Step, give_back: Option<Step>) -> Case {
    Case { name, told, options: json!({}), take, give_back }
}

fn what_keys_lose(now: &System) -> Vec<Case> {
    let switch = |on: bool| Step::Key(json!({ "isEnabled": on }));
    let soon = support::system::after(&now.clock, Duration::from_secs(600));
    vec![
        case("disabled", told(401, UNAUTHORIZED, "key_disabled"), switch(false), Some(switch(true))),
        Case {
            options: json!({ "expiresAt": soon }),
            ..case(
                "expired",
                told(401, UNAUTHORIZED, "key_expired"),
                Step::Wait(Duration::from_secs(601)),
                None,
            )
        },
        case("deleted", told(401, UNAUTHORIZED, "key_deleted"), Step::DeleteKey, None),
        case("regenerated", told(401, UNAUTHORIZED, "key_unknown"), Step::Regenerate, None),
        case(
            "customer inactive",
            told(403, FORBIDDEN, "customer_inactive"),
            Step::Customer(json!({ "isActive": false })),
            Some(Step::Customer(json!({ "isActive": true }))),
        ),
        case(
            "address not allowed",
            told(403, FORBIDDEN, "ip_not_allowed"),
            Step::Key(json!({ "ipAllowlist": ["127.0.0.9", "10.0.0.0/8"] })),
            Some(Step::Key(json!({ "ipAllowlist": null }))),
        ),
        case(
            "over its limit",
            told(429, "RATE_LIMITED", "rate_limited"),
            Step::Key(json!({ "rateLimitRpm": 1 })),
            Some(Step::Key(json!({ "rateLimitRpm": 10_000 }))),
        ),
        case(
            "scope missing",
            told(403, FORBIDDEN, "scope_missing"),
            Step::Key(json!({ "scopes": ["apps:read"] })),
            Some(Step::Key(json!({ "preset": "customer" }))),
        ),
        case(
            "narrowed to another application",
            told(404, NOT_FOUND, "application_not_found"),
            Step::Key(json!({ "applicationIds": ["another"] })),
            Some(Step::Key(json!({ "applicationIds": null }))),
        ),
    ]
}

fn what_objects_lose() -> Vec<Case> {
    vec![
        case(
            "tier too low",
            told(403, FORBIDDEN, "tier_too_low"),
            Step::Version(json!({ "requiredTier": "Premium" })),
            Some(Step::Customer(json!({ "tier": "Enterprise" }))),
        ),
        case(
            "draft",
            told(403, FORBIDDEN, "version_not_enabled"),
            Step::Version(json!({ "isEnabled": false })),
            Some(Step::Version(json!({ "isEnabled": true }))),
        ),
        case(
            "yanked",
            told(404, NOT_FOUND, "version_not_found"),
            Step::Version(json!({ "isActive": false })),
            Some(Step::Version(json!({ "isActive": true }))),
        ),
        case(
            "application deleted",
            told(404, NOT_FOUND, "application_not_found"),
            Step::DeleteApplication,
            None,
        ),
    ]
}

async fn take(step: &Step, system: &System, stock: &Stock, key: &Key) {
    let admin = system.admin(0);
    let answer = match step {
        Step::Key(change) => admin.change_key(key, change.clone()).await,
        Step::Customer(change) => admin.change_customer(&stock.customer, change.clone()).await,
        Step::Version(change) => {
            admin.change_version(&stock.application, &stock.version, change.clone()).await
        }
        Step::DeleteKey => admin.delete_key(key).await,
        Step::DeleteApplication => {
            admin.delete(&format!("/v1/management/applications/{}", stock.application)).await
        }
        Step::Regenerate => {
            let path = format!("/v1/management/customers/{}/regenerate-key", stock.customer);
            admin.post(&path, &json!({})).await
        }
        Step::Wait(span) => {
            system.clock.advance(*span);
            return;
        }
    };
    answer.expect(200);
}

fn assert_told(name: &str, answer: &Answer, expected: &Told) {
    let (code, reason) = answer.failure();
    assert_eq!(
        (answer.status, code.as_str(), reason.as_str()),
        (expected.status, expected.code, expected.reason),
        "{name}: {answer:?}"
    );
    assert!(answer.json()["meta"]["requestId"].is_string(), "{name}: {answer:?}");
    let challenges = answer.header_lines("www-authenticate");
    match expected.status {
        401 => assert_eq!(challenges, ["Bearer", "Basic realm=\"tidegate\""], "{name}"),
        _ => assert!(challenges.is_empty(), "{name}: {challenges:?}"),
    }
}

#[tokio::test]
async fn each_right_that_is_taken_is_refused_at_both_edges_and_nothing_but_200_before_and_after() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_application("another", &[]).await.expect(201);
    for (number, case) in what_keys_lose(&system).into_iter().chain(what_objects_lose()).enumerate() {
        let stock = admin.stock(&format!("case-{number}")).await;
        // The customer's first key is the one that regenerate-key means.
        let key = match case.take {
            Step::Regenerate => stock.key.clone(),
            _ => admin.create_key(&stock.customer, case.options.clone()).await,
        };
        let at = |edge: usize| system.client(edge, &key.text);
        eventually(PATIENCE, || async { at(1).get(&stock.path()).await.is(200) }).await;
        at(0).get(&stock.path()).await.expect(200);
        take(&case.take, &system, &stock, &key).await;
        // At once through the edge that answered the change, soon at the other, and then for good.
        assert_told(case.name, &at(0).get(&stock.path()).await, &case.told);
        let is_refused = Cell::new(false);
        let refused = eventually(PATIENCE, || async {
            let answer = at(1).peek(&stock.path()).await;
            let still_admitted = answer.status == 206 && !is_refused.get();
            assert!(still_admitted || answer.status == case.told.status, "{}: {answer:?}", case.name);
            is_refused.set(!still_admitted);
            // A denial overtakes the record, and knows less of the reason.
            if !still_admitted && answer.failure().1 == case.told.reason { Ok(answer) } else { Err(answer) }
        });
        assert_told(case.name, &refused.await, &case.told);
        let Some(give_back) = &case.give_back else { continue };
        take(give_back, &system, &stock, &key).await;
        let again = at(0).get(&stock.path()).await;
        assert_eq!(again.status, 200, "{}: {again:?}", case.name);
        eventually(PATIENCE, || async { at(1).get(&stock.path()).await.is(200) }).await;
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_at_both_edges() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("strangers").await;
    let text = &stock.key.text;
    let mut garbage = text.clone();
    let last = garbage.pop().unwrap();
    garbage.push(if last == 'a' { 'b' } else { 'a' });
    let wrong = format!("{}.an-imported-secret-that-nobody-has", system.tenant);
    let foreign = text.replace(&system.tenant, "00000000-0000-4000-8000-000000000000");
    for edge in [0, 1] {
        let stranger = system.stranger(edge);
        eventually(PATIENCE, || async { stranger.with(Some(text)).get(&stock.path()).await.is(200) }).await;
        let ask = |credential: Option<String>| {
            let client = stranger.with(credential.as_deref());
            let path = stock.path();
            async move { client.get(&path).await }
        };
        assert_told("none", &ask(None).await, &told(401, UNAUTHORIZED, "missing_credential"));
        assert_told("garbage", &ask(Some(garbage.clone())).await, &told(401, UNAUTHORIZED, "key_malformed"));
        assert_told("wrong", &ask(Some(wrong.clone())).await, &told(401, UNAUTHORIZED, "key_unknown"));
        assert_told(
            "foreign tenant",
            &ask(Some(foreign.clone())).await,
            &told(401, UNAUTHORIZED, "key_unknown"),
        );
        let in_query = stranger.get(&format!("{}?api_key={text}", stock.path())).await;
        assert_told("in the query", &in_query, &told(401, UNAUTHORIZED, "missing_credential"));
        let two = stranger.with(Some(text)).request(Method::GET, &stock.path()).header("x-api-key", &garbage);
        assert_told("two", &send(two).await, &told(400, "VALIDATION_ERROR", "ambiguous_credentials"));
        let twice =
            stranger.with(Some(text)).request(Method::GET, &stock.path()).header("authorization", text);
        assert_told("twice", &send(twice).await, &told(400, "VALIDATION_ERROR", "ambiguous_credentials"));
    }
}

#[tokio::test]
async fn every_form_of_a_good_credential_opens_both_edges() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("forms").await;
    let (text, secret) = (&stock.key.text, &stock.key.secret);
    for edge in [0, 1] {
        let stranger = system.stranger(edge);
        eventually(PATIENCE, || async { stranger.with(Some(text)).get(&stock.path()).await.is(200) }).await;
        stranger.with(Some(secret)).get(&stock.path()).await.expect(200);
        let own = format!("{}.{secret}", stock.customer);
        stranger.with(Some(&own)).get(&stock.path()).await.expect(200);
        stranger.get_with(&stock.path(), "x-api-key", text).await.expect(200);
        stranger.get_with(&stock.path(), "authorization", text).await.expect(200);
        stranger.get_with(&stock.path(), "authorization", &format!("bEaReR {text}")).await.expect(200);
        let basic = stranger.request(Method::GET, &stock.path()).basic_auth("anybody", Some(text));
        send(basic).await.expect(200);
    }
}

#[tokio::test]
async fn a_key_knows_nothing_of_another_customers_application() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let (mine, theirs) = (admin.stock("mine").await, admin.stock("theirs").await);
    let id = &theirs.file_id;
    for edge in [0, 1] {
        let client = system.client(edge, &mine.key.text);
        eventually(PATIENCE, || async {
            system.client(edge, &theirs.key.text).get(&theirs.path()).await.is(200)
        })
        .await;
        for path in [
            theirs.path(),
            "/v1/applications/theirs".to_owned(),
            "/v1/applications/theirs/versions".to_owned(),
            "/v1/applications/theirs/versions/1.2.0/files".to_owned(),
            format!("/v1/applications/theirs/versions/1.2.0/files/{id}/download"),
            "/v1/downloads/url?applicationId=theirs&version=1.2.0".to_owned(),
        ] {
            let (hidden, nothing) =
                (client.get(&path).await, client.get(&path.replace("theirs", "nowhere")).await);
            assert_told(&path, &hidden, &told(404, NOT_FOUND, "application_not_found"));
            assert_told(&path, &nothing, &told(404, NOT_FOUND, "application_not_found"));
        }
        // A file's id opens nothing through an application of one's own.
        let borrowed = client.get(&format!("/v1/applications/mine/versions/1.2.0/files/{id}/download")).await;
        assert_told("borrowed", &borrowed, &told(404, NOT_FOUND, "file_not_found"));
        client.get(&mine.path()).await.expect(200);
    }
}

#[tokio::test]
async fn a_tier_too_low_and_a_draft_are_hidden_in_lists_and_shown_to_who_is_entitled() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("hidden").await;
    for (version, field, value) in [("5.0.0", "requiredTier", "Premium"), ("6.0.0", "isEnabled", "false")] {
        let fields = [("applicationId", "hidden"), ("version", version), (field, value)];
        admin.upload(&fields, "setup.bin", b"later").await.expect(201);
    }
    let tester = admin.create_key(&stock.customer, json!({ "channels": ["Test"] })).await;
    let versions = "/v1/applications/hidden/versions";
    for edge in [0, 1] {
        let client = system.client(edge, &stock.key.text);
        let tester = system.client(edge, &tester.text);
        eventually(PATIENCE, || async { tester.get(versions).await.is(200) }).await;
        for asked in [
            client.get(versions).await,
            client.get_with(versions, "x-channel", "Test").await,
            tester.get(versions).await,
        ] {
            assert_eq!(asked.expect(200).column("/versions", "version"), ["1.2.0"]);
        }
        let shown = tester.get_with(versions, "x-channel", "Test").await.expect(200);
        assert_eq!(shown.column("/versions", "version"), ["6.0.0", "1.2.0"]);
        let draft = "/v1/download/hidden/6.0.0/setup.bin";
        for refused in [client.get_with(draft, "x-channel", "Test").await, tester.get(draft).await] {
            assert_told("draft", &refused, &told(403, FORBIDDEN, "version_not_enabled"));
        }
        assert_eq!(tester.get_with(draft, "x-channel", "Test").await.expect(200).body, b"later");
        for path in [
            "/v1/download/hidden/5.0.0/setup.bin",
            "/v1/applications/hidden/versions/5.0.0/files",
            "/v1/downloads/url?applicationId=hidden&version=5.0.0",
        ] {
            let refused = client.get(path).await;
            assert_told(path, &refused, &told(403, FORBIDDEN, "tier_too_low"));
            let says = refused.json()["error"]["message"].as_str().unwrap().to_owned();
            assert_eq!(says, "This version requires Premium tier access");
        }
    }
}

#[tokio::test]
async fn a_spent_minute_is_told_in_every_header_and_spends_nobody_elses() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("spent").await;
    let key = admin.create_key(&stock.customer, json!({ "rateLimitRpm": 3 })).await;
    let client = system.client(0, &key.text);
    for remaining in ["2", "1", "0"] {
        let answer = client.get(&stock.path()).await.expect(200);
        assert_eq!(answer.header("x-ratelimit-limit"), "3");
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining);
        assert!(answer.header("ratelimit").starts_with(&format!("\"key\";r={remaining};t=")));
        assert_eq!(answer.header("ratelimit-policy"), "\"key\";q=3;w=60");
    }
    let refused = client.get(&stock.path()).await;
    assert_told("spent", &refused, &told(429, "RATE_LIMITED", "rate_limited"));
    let after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=62).contains(&after), "{after}");
    let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
    let now = support::system::seconds(&system.clock);
    assert!((now..=now + 62).contains(&reset), "{reset} at {now}");
    system.client(0, &stock.key.text).get(&stock.path()).await.expect(200);
    // An admin's minute has no end.
    let unlimited = admin.get("/v1/applications").await.expect(200);
    assert!(unlimited.header_lines("x-ratelimit-limit").is_empty());
}

#[tokio::test]
async fn management_is_for_admins_with_the_scope() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("managed").await;
    let reader = admin.create_admin_key(json!({ "preset": "read-only" })).await;
    let publisher = admin.create_admin_key(json!({ "scopes": ["uploads:write"] })).await;
    let customers = "/v1/management/customers";
    for edge in [0, 1] {
        let with = |key: &Key| Admin(system.client(edge, &key.text));
        eventually(PATIENCE, || async { with(&reader).get(customers).await.is(200) }).await;
        let refused = with(&stock.key).get(customers).await;
        assert_told("customer", &refused, &told(403, FORBIDDEN, "admin_key_required"));
        let refused = with(&reader).create_customer("x", "Basic").await;
        assert_told("reader", &refused, &told(403, FORBIDDEN, "scope_missing"));
        let refused = with(&publisher).get(customers).await;
        assert_told("publisher", &refused, &told(403, FORBIDDEN, "scope_missing"));
    }
    // The control plane checks for itself, also when nobody stands before it.
    let desk = |key: &Key| Client::new(&system.desk, Some(&key.text));
    assert_told(
        "customer",
        &desk(&stock.key).get(customers).await,
        &told(403, FORBIDDEN, "admin_key_required"),
    );
    assert_told("publisher", &desk(&publisher).get(customers).await, &told(403, FORBIDDEN, "scope_missing"));
    assert_told(
        "nobody",
        &Client::new(&system.desk, None).get(customers).await,
        &told(401, UNAUTHORIZED, "missing_credential"),
    );
}

#[tokio::test]
async fn a_request_is_named_and_a_failure_told_as_the_caller_wants() {
    let system = System::in_process().await;
    for base in [&system.edges[0], &system.desk] {
        let stranger = Client::new(base, None);
        let path = "/v1/management/customers";
        let named = stranger.get_with(path, "x-request-id", "my-request.7").await.expect(401);
        assert_eq!(named.header("x-request-id"), "my-request.7");
        assert_eq!(named.json()["meta"]["requestId"], "my-request.7");
        assert_eq!(named.header("content-type"), "application/json");
        let forged = stranger.get_with(path, "x-request-id", "two words").await.expect(401);
        assert_ne!(forged.header("x-request-id"), "two words");
        assert!(!forged.header("x-request-id").is_empty());
        let problem = stranger.get_with(path, "accept", "application/problem+json").await.expect(401);
        assert_eq!(problem.header("content-type"), "application/problem+json");
        assert_eq!(problem.json()["status"], 401);
        assert_eq!(problem.failure(), (UNAUTHORIZED.to_owned(), "missing_credential".to_owned()));
    }
}

#[tokio::test]
async fn an_unknown_route_is_404_and_a_wrong_method_405_with_allow() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    assert_told("route", &admin.get("/v1/nothing").await, &told(404, NOT_FOUND, "route_not_found"));
    let wrong = admin.delete("/v1/management/customers").await;
    assert_told("method", &wrong, &told(405, "METHOD_NOT_ALLOWED", "method_not_allowed"));
    assert_eq!(wrong.header("allow"), "GET, HEAD, POST, OPTIONS");
}
