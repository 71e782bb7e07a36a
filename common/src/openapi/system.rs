//! What the servers say of themselves.

use serde_json::json;

use super::operation::{Operation, headers};

const TAG: &str = "System";

pub(super) fn read_document() -> Operation {
    let unchanged =
        json!({ "description": "The client has this very document.", "headers": headers(&["ETag"]) });
    let whole = json!({
        "description": "This document.",
        "headers": headers(&["ETag"]),
        "content": { "application/json": { "schema": { "type": "object", "required": ["openapi", "info", "paths"] } } },
    });
    Operation::new(TAG, "Read this document")
        .header("If-None-Match", json!({ "type": "string" }), "304 when the document has one of these ETags.")
        .answers_with(200, whole)
        .answers_with(304, unchanged)
}

pub(super) fn health() -> Operation {
    let text = json!({ "text/plain": { "schema": { "type": "string" } } });
    Operation::new(TAG, "Ask whether it runs").answers(200, "It runs.", text)
}
