//! What every answer has around it: the envelope, its pagination, and failures in both forms.

use serde_json::{Value, json};

use super::schema::{Field, answer, flag, form, line, list, moment, reference, says, text, whole, within};
use crate::problem::{API_VERSION, Code};

/// Its components.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("Meta", answer(meta(), super::edges::told())),
        ("PagedMeta", answer([meta(), vec![("pagination", reference("Pagination"))]].concat(), vec![])),
        ("Pagination", pagination()),
        ("More", more()),
        ("Details", details()),
        ("Error", error()),
        ("Problem", problem()),
    ]
}

/// A success around `data`.
pub(super) fn enveloped(data: Value, is_list: bool) -> Value {
    let meta = reference(if is_list { "PagedMeta" } else { "Meta" });
    answer(vec![("success", json!({ "const": true })), ("data", data), ("meta", meta)], vec![])
}

fn meta() -> Vec<Field> {
    vec![
        ("requestId", says(line(128), "The same as in X-Request-Id: name it when you ask the vendor.")),
        ("version", json!({ "const": API_VERSION })),
    ]
}

fn pagination() -> Value {
    let fields = vec![
        ("page", whole(1)),
        ("limit", says(whole(1), "Items a page.")),
        ("total", says(whole(0), "Items in all.")),
        ("hasNext", flag()),
        ("hasPrevious", flag()),
    ];
    answer(fields, vec![])
}

fn more() -> Value {
    let cursor = says(line(4_096), "Send it as `cursor` to go on, however much is inserted meanwhile.");
    answer(vec![("hasMore", flag())], vec![("nextCursor", cursor)])
}

/// What machines get beside the message; its fields depend on the reason.
fn details() -> Value {
    let fault = answer(vec![("field", line(200)), ("message", text(5_000))], vec![]);
    json!({
        "type": "object",
        "description": "More for machines: every fault of a request in `fields`; the three numbers of a full quota.",
        "properties": {
            "fields": list(fault),
            "currentBytes": whole(0),
            "limitBytes": whole(0),
            "requestedBytes": whole(0),
        },
    })
}

fn codes() -> Value {
    let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    says(json!({ "type": "string", "enum": codes }), "What went wrong, coarsely.")
}

fn reason() -> Value {
    says(form("^[a-z][a-z0-9_]*$"), "The stable word that says exactly why.")
}

fn error() -> Value {
    let inner = answer(
        vec![
            ("code", codes()),
            ("message", says(line(10_000), "For people: what to change.")),
            ("reason", reason()),
            ("timestamp", moment()),
        ],
        vec![("details", reference("Details"))],
    );
    let fields = vec![("success", json!({ "const": false })), ("error", inner), ("meta", reference("Meta"))];
    says(answer(fields, vec![]), "A failure.")
}

fn problem() -> Value {
    let required = vec![
        ("type", json!({ "type": "string", "format": "uri-reference" })),
        ("title", line(10_000)),
        ("status", within(400, 599)),
        ("code", codes()),
        ("reason", reason()),
        ("requestId", line(128)),
        ("timestamp", moment()),
    ];
    let optional = vec![
        ("detail", text(10_000)),
        ("instance", json!({ "type": "string", "format": "uri-reference" })),
        ("details", reference("Details")),
    ];
    says(answer(required, optional), "The same failure for `Accept: application/problem+json` (RFC 9457).")
}
