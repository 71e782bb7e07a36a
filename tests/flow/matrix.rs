//! Who may ask what: every route of the served document, asked by everybody, at both planes; and what somebody may not
//! know of answers like what does not exist.

mod questions;

use std::collections::BTreeMap;
use std::time::Duration;

use common::scope::Scopes;
use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::system::after;
use support::{Answer, Client, PATIENCE, Stock, System, eventually};

use questions::{Ids, Question, operations};

/// A row of the matrix.
struct Operation {
    method: Method,
    path: String,
    /// public, signed, any or admin.
    credential: String,
    scope: Option<String>,
    plane: String,
    described: Value,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn has_scope(&self, scopes: Scopes) -> bool {
        self.scope.as_ref().is_none_or(|scope| scopes.contains(scope.parse().unwrap()))
    }
}

/// A column of the matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Nobody,
    Garbage,
    Customer,
    Disabled,
    Expired,
    ReadOnly,
    Admin,
}

const EVERYBODY: [Who; 7] =
    [Who::Nobody, Who::Garbage, Who::Customer, Who::Disabled, Who::Expired, Who::ReadOnly, Who::Admin];

/// What a credential alone leads to, whatever is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Expected {
    /// The credential does not matter, or suffices: what is said then is about what was asked for.
    Through,
    Refused(u16, &'static str),
}

/// The matrix, as the document has it.
fn expected(operation: &Operation, who: Who, at_desk: bool) -> Expected {
    if matches!(operation.credential.as_str(), "public" | "signed") {
        return Expected::Through;
    }
    let missing = |scopes| match operation.has_scope(scopes) {
        true => Expected::Through,
        false => Expected::Refused(403, "scope_missing"),
    };
    let for_admins =
        operation.credential == "admin" || (at_desk && operation.plane == "edge-or-control-plane");
    match who {
        Who::Nobody => Expected::Refused(401, "missing_credential"),
        Who::Garbage => Expected::Refused(401, "key_malformed"),
        Who::Disabled => Expected::Refused(401, "key_disabled"),
        Who::Expired => Expected::Refused(401, "key_expired"),
        Who::Customer if for_admins => Expected::Refused(403, "admin_key_required"),
        Who::Customer => missing(Scopes::customer()),
        Who::ReadOnly => missing(Scopes::preset("read-only").unwrap()),
        Who::Admin => Expected::Through,
    }
}

/// The reasons by which a credential is refused.
const CREDENTIAL_REASONS: [&str; 10] = [
    "missing_credential",
    "ambiguous_credentials",
    "key_malformed",
    "key_unknown",
    "key_disabled",
    "key_deleted",
    "key_expired",
    "key_revoked",
    "admin_key_required",
    "scope_missing",
];

fn assert_expected(name: &str, answer: &Answer, expected: &Expected) {
    let reason = answer.failure_reason().unwrap_or_default();
    match expected {
        Expected::Refused(status, why) => {
            assert_eq!((answer.status, reason.as_str()), (*status, *why), "{name}: {answer:?}");
        }
        Expected::Through => {
            let is_refused = answer.status == 401 || CREDENTIAL_REASONS.contains(&reason.as_str());
            // An empty login is refused for what it lacks, which is no key in a header.
            assert!(!is_refused, "{name}: {answer:?}");
            assert_ne!(answer.status, 500, "{name}: {answer:?}");
        }
    }
}

/// The credential of a column.
async fn credential(system: &System, stock: &Stock, who: Who) -> Option<String> {
    let admin = system.admin(0);
    let customer = |options: Value| {
        let admin = admin.clone();
        async move { admin.create_key(&stock.customer, options).await }
    };
    match who {
        Who::Nobody => None,
        Who::Garbage => Some(format!("{}.tg_cus_garbage", system.tenant)),
        Who::Customer => Some(customer(json!({})).await.text),
        Who::Disabled => Some(customer(json!({ "isEnabled": false })).await.text),
        Who::Expired => {
            let soon = after(&system.clock, Duration::from_secs(60));
            Some(customer(json!({ "expiresAt": soon })).await.text)
        }
        Who::ReadOnly => Some(admin.create_admin_key(json!({ "preset": "read-only" })).await.text),
        Who::Admin => Some(admin.create_admin_key(json!({})).await.text),
    }
}

/// Whether a route, asked for nothing that is there, ends the very credential it is asked with.
fn ends_its_key(operation: &Operation) -> bool {
    matches!(
        operation.path.as_str(),
        "/v1/management/admin/regenerate-key" | "/auth/logout" | "/v1/auth/logout"
    )
}

/// Callers at addresses of their own, asking in turn: failed authentications of one address are throttled.
struct Strangers(Vec<Client>);

impl Strangers {
    fn new(client: &Client) -> Self {
        Self((1..=80).map(|number| client.at(&format!("127.77.0.{number}"))).collect())
    }

    fn next(&mut self, base: &str, credential: Option<&str>) -> Client {
        self.0.rotate_left(1);
        self.0[0].to(base).with(credential)
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_the_document_names_and_nobody_else() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("matrix").await;
    let operations = operations(&system.stranger(0)).await;
    assert_eq!(
        operations.len(),
        common::routes::ROUTES.len() + 5,
        "each route, and HEAD of those with bytes"
    );
    let nowhere = Ids::nowhere();
    let mut strangers = Strangers::new(&system.stranger(0));
    for who in EVERYBODY {
        let lasting = credential(&system, &stock, who).await;
        if who == Who::Expired {
            system.clock.advance(Duration::from_secs(61));
        }
        if let Some(key) =
            lasting.as_ref().filter(|_| matches!(who, Who::Customer | Who::ReadOnly | Who::Admin))
        {
            let client = system.client(0, key);
            eventually(PATIENCE, || async { client.get("/v1/applications").await.is(200) }).await;
        }
        for operation in &operations {
            for (door, base) in [&system.edges[0], &system.desk].into_iter().enumerate() {
                // The document itself is served by both.
                if door == 1 && operation.plane == "edge" {
                    continue;
                }
                let expected = expected(operation, who, door == 1);
                let ends_it = expected == Expected::Through && ends_its_key(operation);
                let own = if ends_it { credential(&system, &stock, who).await } else { lasting.clone() };
                let client = strangers.next(base, own.as_deref());
                let answer = send(Question::empty(operation, &nowhere).by(&client)).await;
                let name = format!("{who:?} asks {} of door {door}", operation.name());
                if operation.method == Method::HEAD && expected != Expected::Through {
                    // HEAD has no body to say the reason in.
                    assert!(matches!(answer.status, 401 | 403), "{name}: {answer:?}");
                } else if !matches!(
                    answer.failure_reason().as_deref(),
                    Some("route_not_found" | "method_not_allowed")
                ) {
                    assert_expected(&name, &answer, &expected);
                }
            }
        }
    }
}

#[tokio::test]
async fn another_customers_things_answer_like_things_that_are_not_there() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let (own, foreign) = (admin.stock("own-things").await, admin.stock("their-things").await);
    let key = &own.key.text;
    let (own, foreign) = (Ids::of(&own), Ids::of(&foreign));
    for edge in [0, 1] {
        let client = system.client(edge, key);
        let path = format!("/v1/applications/{}", own.get("applicationId"));
        eventually(PATIENCE, || async { client.get(&path).await.is(200) }).await;
        let hidden = compare(&client, &own, &foreign, "any").await;
        assert!(hidden > 15, "{hidden} questions");
    }
}

/// Asks of each id of each route for somebody else's and for one that is not there. How many answers were compared.
async fn compare(client: &Client, own: &Ids, foreign: &Ids, credential: &str) -> usize {
    let operations = operations(&client.with(None)).await;
    let mut compared = 0;
    for operation in operations.iter().filter(|operation| operation.credential == credential) {
        let mut sets: Vec<(Ids, Ids)> = vec![(foreign.clone(), foreign.absent())];
        let one = |name: &str| (own.with(name, foreign), own.with(name, &foreign.absent()));
        sets.extend(operation_ids(operation).iter().map(|name| one(name)));
        for (theirs, nobodys) in sets {
            let question = |ids: &Ids| send(Question::filled(operation, ids).by(client));
            let (hidden, absent) = (question(&theirs).await, question(&nobodys).await);
            let name = format!("{}: {theirs:?}", operation.name());
            assert_eq!(masked(&hidden, &theirs), masked(&absent, &nobodys), "{name}");
            compared += usize::from(hidden.status >= 400);
        }
    }
    compared
}

/// The ids that a route is asked with.
fn operation_ids(operation: &Operation) -> Vec<String> {
    let names = Ids::names();
    names.into_iter().filter(|name| Question::mentions(operation, name)).collect()
}

/// An answer without what differs between any two: id and time of the request, what is left of the minute, and the ids
/// that were asked for.
fn masked(answer: &Answer, ids: &Ids) -> (u16, BTreeMap<String, String>, String) {
    let differs = ["date", "x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit"];
    let headers = answer.headers.iter().filter(|(name, _)| !differs.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), ids.mask(value.to_str().unwrap())));
    let body = match answer.status {
        // What succeeds differs as its objects do.
        ..400 => String::new(),
        _ if answer.body.is_empty() => String::new(),
        _ => {
            let mut body = answer.json();
            body["meta"]["requestId"] = Value::Null;
            body["error"]["timestamp"] = Value::Null;
            ids.mask(&body.to_string())
        }
    };
    let headers = if answer.status < 400 { BTreeMap::new() } else { headers.collect() };
    (answer.status, headers, body)
}
