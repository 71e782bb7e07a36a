//! Holds answers against the OpenAPI document: whoever asks through [`crate::Client`] has each answer checked.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;

/// The document as the servers make it; its base is no matter here.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| common::openapi::document("http://127.0.0.1"));

/// Panics when the document does not foresee this answer to a request of this method and path.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    let told = || format!("{method} {path} is not answered as the OpenAPI document says: {answer:?}");
    let Some(template) = template_of(path) else {
        // Nothing is described there; how a failure looks is.
        if answer.status >= 400 && media_type(answer) == Some("application/json") {
            assert_valid("/components/schemas/Error", answer, &told);
        }
        return;
    };
    let item = &DOCUMENT["paths"][template];
    // The private listeners answer it too, without what public answers have.
    if template == "/healthz" {
        return;
    }
    let own = operation(item, method);
    let operation = own.or_else(|| operation(item, &Method::GET).filter(|_| method == Method::HEAD));
    // Before any route: a method that the path has not, OPTIONS; a plane that leaves it to the other.
    let is_generic = operation.is_none() || is_elsewhere(method, answer);
    if is_generic {
        if answer.status >= 400 && !answer.body.is_empty() {
            assert_valid("/components/schemas/Error", answer, &told);
        }
        return;
    }
    let operation = operation.unwrap();
    let name = operation["operationId"].as_str().unwrap();
    let Some((pointer, response)) = response(template, operation, method, answer.status) else {
        panic!("{name} is not documented to answer {}: {}", answer.status, told());
    };
    assert_headers(response, answer, &told);
    if method == Method::HEAD || answer.body.is_empty() {
        return;
    }
    let sent = media_type(answer).unwrap_or_else(|| panic!("no Content-Type: {}", told()));
    let content = &response["content"];
    let Some(media) = [sent, "*/*"].into_iter().find(|media| content.get(media).is_some()) else {
        panic!("{name} is not documented to answer {sent}: {}", told());
    };
    if content[media].get("schema").is_some() {
        assert_valid(&format!("{pointer}/content/{}/schema", escaped(media)), answer, &told);
    }
}

fn operation<'a>(item: &'a Value, method: &Method) -> Option<&'a Value> {
    item.get(method.as_str().to_ascii_lowercase())
}

/// The path template of a path: the one with the most literal segments when several fit.
#[must_use]
pub fn template_of(path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let mut literals = 0;
        let mut places = template.split('/').zip(&segments);
        let all = places.all(|(place, segment)| {
            literals += usize::from(place == *segment);
            place == *segment || (place.starts_with('{') && !segment.is_empty())
        });
        (all && template.split('/').count() == segments.len()).then_some(literals)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap().keys();
    let fitting = paths.filter_map(|template| Some((fits(template)?, template.as_str())));
    fitting.max().map(|(_, template)| template)
}

/// Where the document describes the answer, and that.
fn response<'a>(
    template: &str,
    operation: &'a Value,
    method: &Method,
    status: u16,
) -> Option<(String, &'a Value)> {
    let response = operation["responses"].get(status.to_string())?;
    if let Some(reference) = response["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#').to_owned();
        return Some((pointer.clone(), DOCUMENT.pointer(&pointer)?));
    }
    let method = method.as_str().to_ascii_lowercase();
    Some((format!("/paths/{}/{method}/responses/{status}", escaped(template)), response))
}

/// A segment of a JSON pointer (RFC 6901 section 3).
fn escaped(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// A route that this plane has no handler for: its path is unknown to it, or known for other methods alone.
fn is_elsewhere(method: &Method, answer: &Answer) -> bool {
    let allow = answer.headers.get("allow").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match answer.status {
        404 => answer.failure_reason().as_deref() == Some("route_not_found"),
        405 => allow.split(", ").any(|allowed| allowed == method.as_str()),
        _ => false,
    }
}

/// Without its parameters.
fn media_type(answer: &Answer) -> Option<&str> {
    let value = answer.headers.get("content-type")?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

fn assert_headers(response: &Value, answer: &Answer, told: &dyn Fn() -> String) {
    let Some(headers) = response["headers"].as_object() else { return };
    for (name, header) in headers {
        let pointer = header["$ref"].as_str().unwrap_or_default().trim_start_matches('#');
        let header = DOCUMENT.pointer(pointer).unwrap_or(header);
        let is_there = answer.headers.contains_key(name.to_ascii_lowercase());
        assert!(is_there || header["required"] != true, "no header {name}: {}", told());
    }
}

/// Compiled once each: a flow test asks thousands of times.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn validator(pointer: &str) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap();
    let compile = || {
        // The components come along, so that references into them resolve.
        let schema =
            json!({ "allOf": [DOCUMENT.pointer(pointer).unwrap()], "components": DOCUMENT["components"] });
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        Arc::new(options.build(&schema).unwrap_or_else(|error| panic!("{pointer}: {error}")))
    };
    validators.entry(pointer.to_owned()).or_insert_with(compile).clone()
}

fn assert_valid(pointer: &str, answer: &Answer, told: &dyn Fn() -> String) {
    let pointer = match media_type(answer) {
        Some("application/problem+json") if pointer == "/components/schemas/Error" => {
            "/components/schemas/Problem"
        }
        _ => pointer,
    };
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(body) => body,
        // Text has a schema too, which says no more than that it is text.
        Err(_) if media_type(answer) != Some("application/json") => return,
        Err(error) => panic!("not JSON ({error}): {}", told()),
    };
    let validator = validator(pointer);
    let faults: Vec<String> =
        validator.iter_errors(&body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), told());
}
