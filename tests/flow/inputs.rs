//! What anybody will try by hand with everything but uploads: tables of inputs, and what each must be answered. A write
//! that is refused changes nothing, and no input is answered with a 5xx or with silence.

mod dates;
mod identifiers;
mod json;
mod links;
mod numbers;
mod paths;
mod queries;
mod repeats;
mod sessions;

use serde_json::Value;
use support::{Admin, Answer, Client, System};

/// A vendor's own caller at each door: both edges, and the control plane.
fn doors(system: &System) -> [(&'static str, Admin); 3] {
    [("first edge", system.admin(0)), ("second edge", system.admin(1)), ("control plane", system.at_desk())]
}

/// How many writes there were: each leaves a line in the audit.
async fn writes(admin: &Admin) -> u64 {
    let audit = admin.get("/v1/audit?limit=1").await.expect(200);
    audit.json()["meta"]["pagination"]["total"].as_u64().unwrap()
}

/// The fields that a refusal names.
fn faulty(answer: &Answer) -> Vec<String> {
    let fields = answer.json()["error"]["details"]["fields"].clone();
    let fields = fields.as_array().cloned().unwrap_or_default();
    fields.iter().map(|fault| fault["field"].as_str().unwrap().to_owned()).collect()
}

/// Refused with this status and reason; at 400 for a field also with that alone named.
#[track_caller]
fn assert_refused(name: &str, answer: &Answer, status: u16, reason: &str) {
    assert_eq!((answer.status, answer.failure().1.as_str()), (status, reason), "{name}: {answer:?}");
    assert!(answer.json()["meta"]["requestId"].is_string(), "{name}: {answer:?}");
}

/// A signed text with the character at that place exchanged for another one.
fn altered(text: &str, at: usize) -> String {
    let mut other = text.to_owned();
    other.replace_range(at..=at, if &text[at..=at] == "A" { "B" } else { "A" });
    other
}

/// A body as it is written here, not as a JSON library would put it.
async fn send_text(client: &Client, method: &str, target: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = client.request(method.parse().unwrap(), target).header("content-type", "application/json");
    support::client::send(request.body(body)).await
}

/// An object that was read back must be as before.
async fn assert_same(client: &Client, path: &str, before: &Value) {
    assert_eq!(&client.get(path).await.expect(200).data(""), before, "{path}");
}
