//! The OpenAPI 3.1 document: made from the one route table, and one description for each of its routes.
//!
//! What follows from the table is not written again: methods, paths, credentials, scopes, planes and most failures come
//! from it. What a route takes and gives is described once, beside the nouns that it speaks of. The tests hold every
//! answer of the servers against the document.

mod applications;
mod backups;
mod customers;
mod described;
mod downloads;
mod edges;
mod envelope;
mod failures;
mod forms;
mod keys;
mod operation;
mod parameters;
mod records;
mod schema;
mod sessions;
mod system;
mod uploads;

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::digest::Digest;
use crate::problem::API_VERSION;
use crate::routes::{Credential, Plane, ROUTES, Route, RouteId};
use described::described;
use operation::{Operation, headers};

/// The document as it is served: text, and the name of this very text for caches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Served {
    /// `application/json`, in pieces: the large ones are the same for all, so that who asks often and takes nothing holds
    /// no memory.
    pub body: [Cow<'static, str>; 3],
    /// The value of `ETag`, with its quotes (RFC 9110 section 8.8.3).
    pub etag: String,
}

/// The document for who reaches us at `base`, like `https://dl.example.com`.
#[must_use]
pub fn served(base: &str) -> Served {
    let Template { before, after, digest } = &*TEMPLATE;
    let url = Value::from(base).to_string();
    let etag = format!("\"{digest}-{}\"", short(url.as_bytes()));
    Served { body: [before.as_str().into(), url.into(), after.as_str().into()], etag }
}

/// Whether `If-None-Match` names the text that the client already has (RFC 9110 section 13.1.2).
#[must_use]
pub fn is_known(if_none_match: Option<&str>, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/") == etag;
    if_none_match.is_some_and(|tags| tags.trim() == "*" || tags.split(',').any(bare))
}

/// The document with `base` as the one server.
#[must_use]
pub fn document(base: &str) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate",
            "version": API_VERSION,
            "summary": "Binary distribution: uploads, keys, downloads.",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": base }],
        "tags": tags(),
        "paths": paths(),
        "components": {
            "schemas": schemas(),
            "responses": failures::responses(),
            "headers": parameters::headers(),
            "securitySchemes": security_schemes(),
        },
    })
}

const ABOUT: &str = "Everything is reached at one base URL. Successes are `{success: true, data, meta}`, failures \
`{success: false, error, meta}` or, with `Accept: application/problem+json`, a problem document (RFC 9457). Unknown \
fields of a request are ignored; absent optional fields of an answer are left out, never null; null in a request \
clears a field or means its default. GET routes also answer HEAD. `x-tidegate-scope` names the scope that a key needs, \
`x-tidegate-credential` who may ask, `x-tidegate-plane` who answers.";

/// Where the base stands in the text that is rendered once.
const PLACE: &str = "https://base.invalid";

struct Template {
    before: String,
    after: String,
    digest: String,
}

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let text = document(PLACE).to_string();
    let quoted = Value::from(PLACE).to_string();
    let (before, after) = text.split_once(&quoted).unwrap_or((&text, ""));
    Template { before: before.to_owned(), after: after.to_owned(), digest: short(text.as_bytes()) }
});

fn short(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string().chars().take(16).collect()
}

fn schemas() -> Value {
    let groups = [
        forms::schemas(),
        envelope::schemas(),
        applications::schemas(),
        downloads::schemas(),
        uploads::schemas(),
        customers::schemas(),
        keys::schemas(),
        records::schemas(),
        sessions::schemas(),
        backups::schemas(),
        edges::schemas(),
    ];
    groups.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema)).collect::<Map<_, _>>().into()
}

fn tags() -> Value {
    let mut names: Vec<&str> = Vec::new();
    for route in ROUTES {
        let tag = described(route.id).tag;
        if !names.contains(&tag) {
            names.push(tag);
        }
    }
    names.into_iter().map(|name| json!({ "name": name })).collect()
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "`Authorization: Bearer` with an API key or a session's token. The bare key is accepted too.",
        },
        "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
        "basic": { "type": "http", "scheme": "basic", "description": "The key as password, any user." },
    })
}

fn paths() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let operation = described(route.id);
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.as_str().to_ascii_lowercase()] = rendered(route, &operation);
        if operation.tells_by_head {
            item["head"] = by_head(rendered(route, &operation));
        }
    }
    paths.into()
}

/// A route as the document tells it.
fn rendered(route: &Route, operation: &Operation) -> Value {
    let mut parameters = parameters::of_path(route.path);
    parameters.extend(operation.parameters.clone());
    if route.takes_idempotency_key() {
        parameters.push(idempotency_key());
    }
    if route.may_wait() {
        parameters.extend(edges::waiting());
    }
    let scope = route.scope.map(|scope| format!("Needs the scope `{scope}`."));
    let says: Vec<&str> = operation.description.into_iter().chain(scope.as_deref()).collect();
    let mut told = json!({
        "operationId": operation_id(route.id),
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": security(route.credential),
        "responses": responses(route, operation),
        "x-tidegate-plane": plane(route.plane),
        "x-tidegate-credential": credential(route.credential),
    });
    let optional = [
        ("description", (!says.is_empty()).then(|| says.join(" ").into())),
        ("parameters", (!parameters.is_empty()).then(|| parameters.into())),
        ("requestBody", operation.body.clone()),
        ("x-tidegate-scope", route.scope.map(|scope| scope.as_str().into())),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            told[name] = value;
        }
    }
    told
}

fn responses(route: &Route, operation: &Operation) -> Value {
    let mut responses = Map::new();
    for (status, answer) in operation.answers.iter().cloned().chain(failures::of(route, operation)) {
        responses.insert(status.to_string(), with_headers(route, answer));
    }
    if let Some((_, done)) = operation.answers.first().filter(|_| route.may_wait()) {
        responses.insert("202".to_owned(), with_headers(route, edges::unconfirmed(done.clone())));
    }
    responses.into()
}

/// Headers that a success has whatever it says.
fn with_headers(route: &Route, mut answer: Value) -> Value {
    if answer.get("$ref").is_some() {
        return answer;
    }
    let mut own = headers(&["X-Request-Id"]);
    if matches!(route.credential, Credential::Any | Credential::Admin) {
        let limits = [
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
            "RateLimit",
            "RateLimit-Policy",
        ];
        own.extend(headers(&limits));
    }
    if route.takes_idempotency_key() {
        own.extend(headers(&["Idempotency-Replayed"]));
    }
    if let Some(Value::Object(more)) = answer.get("headers") {
        own.extend(more.clone());
    }
    answer["headers"] = own.into();
    answer
}

/// The same operation for HEAD: no answer has a body.
fn by_head(mut operation: Value) -> Value {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    operation["operationId"] = format!("{id}Head").into();
    if let Some(Value::Object(responses)) = operation.get_mut("responses") {
        for answer in responses.values_mut() {
            if let Value::Object(fields) = answer {
                fields.remove("content");
            }
        }
    }
    operation
}

fn operation_id(route: RouteId) -> String {
    let name = format!("{route:?}");
    let (first, rest) = name.split_at(1);
    first.to_ascii_lowercase() + rest
}

fn security(credential: Credential) -> Value {
    match credential {
        Credential::Public | Credential::Signed => json!([]),
        Credential::Any | Credential::Admin => json!([{ "bearer": [] }, { "apiKey": [] }, { "basic": [] }]),
    }
}

fn plane(plane: Plane) -> &'static str {
    match plane {
        Plane::Edge => "edge",
        Plane::Desk => "control-plane",
        Plane::EdgeOrDesk => "edge-or-control-plane",
    }
}

fn credential(credential: Credential) -> &'static str {
    match credential {
        Credential::Public => "public",
        Credential::Signed => "signed",
        Credential::Any => "any",
        Credential::Admin => "admin",
    }
}

fn idempotency_key() -> Value {
    json!({
        "in": "header",
        "name": "Idempotency-Key",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$" },
        "description": "The same key within 24 hours gets the answer of the first request again.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` of a value.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_in_the_document_and_every_reference_leads_somewhere() {
        let document = document("https://dl.example.com");
        for route in ROUTES {
            let method = route.method.as_str().to_ascii_lowercase();
            assert!(document["paths"][route.path][&method]["responses"].is_object(), "{route:?}");
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_component_is_used_and_every_operation_has_a_name_of_its_own() {
        let document = document("https://dl.example.com");
        let mut found = Vec::new();
        references(&document, &mut found);
        for (kind, components) in document["components"].as_object().unwrap() {
            for name in components.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
                let reference = format!("#/components/{kind}/{name}");
                assert!(found.contains(&reference.as_str()), "{reference}");
            }
        }
        let items = document["paths"].as_object().unwrap().values();
        let mut names: Vec<&str> = items
            .flat_map(|item| item.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn what_is_served_is_the_document_with_the_base_that_was_asked() {
        let base = "http://127.0.0.1:8080/\"quoted\"";
        let served = served(base);
        assert_eq!(serde_json::from_str::<Value>(&served.body.concat()).unwrap(), document(base));
        assert!(is_known(Some(&format!("\"x\", W/{}", served.etag)), &served.etag));
        assert!(is_known(Some("*"), &served.etag) && !is_known(Some("\"x\""), &served.etag));
        assert!(!is_known(None, &served.etag));
        assert_ne!(super::served("http://localhost").etag, served.etag);
    }

    #[test]
    fn a_route_tells_who_may_ask_and_with_which_scope() {
        let document = document("https://dl.example.com");
        let create = &document["paths"]["/v1/management/applications"]["post"];
        assert_eq!(create["x-tidegate-scope"], "apps:write");
        assert_eq!(create["x-tidegate-credential"], "admin");
        assert_eq!(create["x-tidegate-plane"], "control-plane");
        let statuses = create["responses"].as_object().unwrap().keys();
        let statuses: Vec<&str> = statuses.map(String::as_str).collect();
        let expected = "201 202 400 401 403 409 413 414 415 422 429 431 500 503";
        assert_eq!(statuses.join(" "), expected);
    }
}
