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
    // Before any route: a method that the path has not, OPTIONS.
    let Some(operation) = operation else {
        if answer.status >= 400 && !answer.body.is_empty() {
            assert_valid("/components/schemas/Error", answer, &told);
        }
        return;
    };
    assert!(!is_nowhere(operation, path, answer), "nobody answers it: {}", told());
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

/// Whether a route of the document is said not to be there. The control plane says so of what edges alone answer, and
/// either plane of a path that is not UTF-8.
fn is_nowhere(operation: &Value, path: &str, answer: &Answer) -> bool {
    answer.failure_reason().as_deref() == Some("route_not_found")
        && operation["x-tidegate-plane"] != "edge"
        && is_text(path)
}

/// Whether what a path says with percent signs (RFC 3986 section 2.1) is UTF-8.
fn is_text(path: &str) -> bool {
    let mut bytes = Vec::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.bytes());
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes.extend(rest.bytes());
    std::str::from_utf8(&bytes).is_ok()
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
