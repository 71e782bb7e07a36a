//! How routes fail. Most of it follows from the route table: what a credential, a plane, a path and a body bring with them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::operation::{Operation, headers};
use crate::routes::{Credential, Route};

/// Every failure that a route may answer with: its name among the components, its text, its own headers.
const FAILURES: &[(u16, &str, &str, &[&str])] = &[
    (400, "Invalid", "The request does not say what the route needs; every fault is named at once.", &[]),
    (401, "Unauthorized", "No key, or none that works.", &["WWW-Authenticate"]),
    (403, "Forbidden", "Known, and not allowed: account, address, kind of key, scope, tier, draft.", &[]),
    (404, "NotFound", "Not there, or not for this key to know of.", &[]),
    (409, "Conflict", "It is there already, or not in the state that the request needs.", &[]),
    (410, "Expired", "A genuine URL past its time.", &[]),
    (412, "PreconditionFailed", "A condition of the request is not met.", &[]),
    (413, "TooLarge", "More than this route takes, or than the tenant may store.", &[]),
    (414, "UriTooLong", "The target is longer than we read.", &[]),
    (415, "UnsupportedMediaType", "The body is of a type that the route does not read.", &[]),
    (416, "RangeNotSatisfiable", "No range of the request lies in the file.", &["Content-Range"]),
    (422, "Unprocessable", "The Idempotency-Key was used for another request.", &[]),
    (429, "RateLimited", "The key's minute is spent, or too many authentications failed.", &["Retry-After"]),
    (431, "HeadTooLarge", "The head of the request is larger than we read.", &[]),
    (500, "Broken", "Something broke on our side. Tell the vendor the request id.", &[]),
    (503, "Unavailable", "Not now.", &["Retry-After"]),
];

/// `components.responses`.
pub(super) fn responses() -> Value {
    let mut responses = Map::new();
    for (_, name, description, own) in FAILURES {
        let named: Vec<&str> = ["X-Request-Id"].iter().chain(*own).copied().collect();
        let response = json!({
            "description": description,
            "headers": headers(&named),
            "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Error" } },
                "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } },
            },
        });
        responses.insert((*name).to_owned(), response);
    }
    Value::Object(responses)
}

/// What a route may answer when it does not do what was asked.
pub(super) fn of(route: &Route, operation: &Operation) -> Vec<(u16, Value)> {
    let statuses = statuses(route, operation);
    let known = FAILURES.iter().filter(|(status, ..)| statuses.contains(status));
    known
        .map(|(status, name, ..)| (*status, json!({ "$ref": format!("#/components/responses/{name}") })))
        .collect()
}

fn statuses(route: &Route, operation: &Operation) -> BTreeSet<u16> {
    let mut statuses: BTreeSet<u16> = [400, 414, 431, 500, 503].into();
    statuses.extend(&operation.refusals);
    match route.credential {
        Credential::Public => {}
        // A signed text that is not ours names nothing; a genuine one ends.
        Credential::Signed => statuses.extend([403, 404, 410]),
        Credential::Any | Credential::Admin => statuses.extend([401, 403, 429]),
    }
    if route.path.contains('{') {
        statuses.insert(404);
    }
    if operation.body.is_some() {
        statuses.extend([413, 415]);
    }
    if route.takes_idempotency_key() {
        statuses.extend([409, 422]);
    }
    statuses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::described::described;
    use crate::routes::ROUTES;

    #[test]
    fn every_status_that_a_route_refuses_with_has_a_text() {
        for route in ROUTES {
            for status in statuses(route, &described(route.id)) {
                assert!(FAILURES.iter().any(|(known, ..)| *known == status), "{status} {route:?}");
            }
        }
    }
}
