//! The fleet: the list of edges, and what waiting for them says.

use serde_json::{Value, json};

use super::operation::Operation;
use super::schema::{Field, answer, flag, line, list, moment, one_of, reference, says, whole, within};

const TAG: &str = "Edges";

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let removed = vec![("message", line(200)), ("edgeId", reference("EdgeId")), ("removedAt", moment())];
    vec![
        ("Edge", edge()),
        ("RemovedEdge", answer(removed, vec![])),
        ("ConfirmedEdge", confirmed()),
        ("MissingEdge", missing()),
    ]
}

fn edge() -> Value {
    let required = vec![
        ("edgeId", reference("EdgeId")),
        ("version", says(line(100), "Of its program.")),
        ("live", says(flag(), "It was heard of within 3 seconds.")),
        ("firstSeen", moment()),
        ("lastSeen", moment()),
    ];
    let optional = vec![
        ("epoch", says(whole(0), "The history that it follows; where there is one tenant.")),
        ("sequence", says(whole(0), "The last write that is in force on it; where there is one tenant.")),
        ("lag", says(whole(0), "Writes that are not; where there is one tenant.")),
        ("ageSeconds", says(whole(0), "How long ago the newest thing that it knows was signed.")),
        (
            "skewMs",
            says(json!({ "type": "integer", "format": "int64" }), "By how much its clock is ahead of ours."),
        ),
    ];
    answer(required, optional)
}

fn confirmed() -> Value {
    let after = says(whole(0), "Milliseconds after the write.");
    answer(vec![("edge", reference("EdgeId")), ("confirmedAfterMs", after)], vec![])
}

fn missing() -> Value {
    let sequence = says(whole(0), "The last write that it confirmed; where there is one tenant.");
    answer(vec![("edge", reference("EdgeId")), ("lastSeen", moment())], vec![("sequence", sequence)])
}

/// What `meta` has when the caller waited.
pub(super) fn told() -> Vec<Field> {
    let edges =
        says(list(reference("ConfirmedEdge")), "For `wait=edges`: those that have applied the write.");
    let missing = says(list(reference("MissingEdge")), "Those that have not; with status 202.");
    vec![("edges", edges), ("missing", missing)]
}

/// What every management write may be asked with.
pub(super) fn waiting() -> Vec<Value> {
    let parameter = |name: &str, schema: Value, description: &str| json!({ "in": "query", "name": name, "schema": schema, "description": description });
    let wait = "Answer when every edge has applied the write, and name them in `meta`; for admin keys.";
    vec![
        parameter("wait", one_of(&["edges"]), wait),
        parameter("waitSeconds", within(1, 30), "How long at most, together with `wait`; 5 when absent."),
    ]
}

/// A success whose edges have not all applied it in time.
pub(super) fn unconfirmed(done: Value) -> Value {
    says(done, "It is done, and edges that `meta.missing` names have not confirmed it in time.")
}

pub(super) fn list_edges() -> Operation {
    Operation::new(TAG, "List edges")
        .says("Every edge that was heard of and neither said goodbye nor was removed, by name.")
        .done(answer(vec![("edges", list(reference("Edge")))], vec![]))
}

pub(super) fn remove_edge() -> Operation {
    Operation::new(TAG, "Remove an edge")
        .says("Nobody waits for it any more. It comes back when it speaks again. Not where there are several tenants.")
        .done(reference("RemovedEdge"))
}
