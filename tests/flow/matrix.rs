//! Who may ask what: every route of the served document, asked by everybody, at both planes; and what somebody may not
//! know of answers like what does not exist.

mod hidden;
mod questions;

use std::time::Duration;

use common::scope::Scopes;
use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::system::after;
use support::{Answer, Client, Key, PATIENCE, Stock, System, eventually};

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
    /// The token of a session that a customer's key has begun.
    Token,
    /// The same of an admin's.
    AdminToken,
    /// An admin's key under the name of another tenant.
    Misnamed,
}

const EVERYBODY: [Who; 10] = [
    Who::Nobody,
    Who::Garbage,
    Who::Customer,
    Who::Disabled,
    Who::Expired,
    Who::ReadOnly,
    Who::Admin,
    Who::Token,
    Who::AdminToken,
    Who::Misnamed,
];

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
        Who::Misnamed => Expected::Refused(401, "key_unknown"),
        Who::Customer | Who::Token if for_admins => Expected::Refused(403, "admin_key_required"),
        Who::Customer | Who::Token => missing(Scopes::customer()),
        Who::ReadOnly => missing(Scopes::preset("read-only").unwrap()),
        Who::Admin | Who::AdminToken => Expected::Through,
    }
}

/// The reasons by which a credential is refused.
const CREDENTIAL_REASONS: [&str; 14] = [
    "missing_credential",
    "ambiguous_credentials",
    "key_malformed",
    "key_unknown",
    "key_disabled",
    "key_deleted",
    "key_expired",
    "key_revoked",
    "session_unknown",
    "session_expired",
    "session_revoked",
    "tenant_required",
    "admin_key_required",
    "scope_missing",
];

fn assert_expected(name: &str, answer: &Answer, expected: &Expected) {
    let reason = answer.failure_reason().unwrap_or_default();
    assert!(!matches!(reason.as_str(), "route_not_found" | "method_not_allowed"), "{name}: {answer:?}");
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
    let stranger = system.stranger(0);
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
        Who::Token => Some(log_in(&stranger, &customer(json!({})).await).await),
        Who::AdminToken => Some(log_in(&stranger, &admin.create_admin_key(json!({})).await).await),
        Who::Misnamed => Some(under(NOBODY, &admin.create_admin_key(json!({})).await)),
    }
}

/// A tenant that there is not.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A key as another tenant's.
fn under(tenant: &str, key: &Key) -> String {
    format!("{tenant}.{}", key.secret)
}

/// The token of a session of a key.
async fn log_in(stranger: &Client, key: &Key) -> String {
    let told = stranger.post("/v1/auth/login", &json!({ "api_key": key.text })).await.expect(200).json();
    told["access_token"].as_str().unwrap().to_owned()
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
        let is_living =
            matches!(who, Who::Customer | Who::ReadOnly | Who::Admin | Who::Token | Who::AdminToken);
        if let Some(key) = lasting.as_ref().filter(|_| is_living) {
            let client = system.client(0, key);
            eventually(PATIENCE, || async { client.get("/v1/applications").await.is(200) }).await;
        }
        for operation in &operations {
            for (door, base) in [&system.edges[0], &system.desk].into_iter().enumerate() {
                // What an edge alone answers, the desk knows nothing of.
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
                } else {
                    assert_expected(&name, &answer, &expected);
                }
            }
        }
    }
}
