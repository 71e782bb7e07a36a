//! One operation while it is described: what a route takes and what it answers when all goes well. What it answers
//! otherwise follows from the route table (`failures.rs`).

use serde_json::{Map, Value, json};

use super::envelope::enveloped;
use super::schema::{flag, reference, whole, within};

/// The description of one route.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: Option<&'static str>,
    /// Of the query and the head; those of the path follow from the path.
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) answers: Vec<(u16, Value)>,
    /// Statuses that it refuses with beyond those that its line in the table implies.
    pub(super) refusals: Vec<u16>,
    /// Whether HEAD is worth a description of its own: byte routes.
    pub(super) tells_by_head: bool,
}

impl Operation {
    pub(super) fn new(tag: &'static str, summary: &'static str) -> Self {
        Self {
            tag,
            summary,
            description: None,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            tells_by_head: false,
        }
    }

    pub(super) fn says(self, description: &'static str) -> Self {
        Self { description: Some(description), ..self }
    }

    /// An optional parameter of the query.
    pub(super) fn query(self, name: &str, schema: Value, description: &str) -> Self {
        self.parameter("query", name, schema, description)
    }

    /// A parameter of the query that must be there.
    pub(super) fn query_required(self, name: &str, schema: Value, description: &str) -> Self {
        let mut parameter = parameter("query", name, schema, description);
        parameter["required"] = true.into();
        self.with(parameter)
    }

    /// An optional header.
    pub(super) fn header(self, name: &str, schema: Value, description: &str) -> Self {
        self.parameter("header", name, schema, description)
    }

    /// The parameters of every list.
    pub(super) fn pages(self) -> Self {
        self.query("limit", within(1, 100), "Items a page; 50 when absent.")
            .query("pageSize", whole(0), "The same, clamped to 1 to 100.")
            .query("page", within(1, 1_000_000_000), "From 1; not together with `cursor`.")
            .query("cursor", json!({ "type": "string" }), "`nextCursor` of the page before.")
    }

    /// The header that shows drafts.
    pub(super) fn channel(self) -> Self {
        let says = "Shows the drafts of this channel to keys that are entitled to it.";
        self.header("X-Channel", json!({ "type": "string", "maxLength": 50 }), says)
    }

    /// A JSON body that must be there.
    pub(super) fn reads(self, schema: &str) -> Self {
        let content = json!({ "application/json": { "schema": reference(schema) } });
        Self { body: Some(json!({ "required": true, "content": content })), ..self }
    }

    /// A JSON body that may be absent.
    pub(super) fn may_read(self, schema: &str) -> Self {
        let content = json!({ "application/json": { "schema": reference(schema) } });
        Self { body: Some(json!({ "required": false, "content": content })), ..self }
    }

    /// A body in one of several forms.
    pub(super) fn reads_content(self, content: Value) -> Self {
        Self { body: Some(json!({ "required": true, "content": content })), ..self }
    }

    /// 200 with `data` in the envelope.
    pub(super) fn done(self, data: Value) -> Self {
        self.answers(200, "It is as asked.", json_content(enveloped(data, false)))
    }

    /// 201 with `data` in the envelope.
    pub(super) fn created(self, data: Value) -> Self {
        self.answers(201, "It is there.", json_content(enveloped(data, false)))
    }

    /// 200 with a page of a list.
    pub(super) fn listed(self, data: Value) -> Self {
        let mut answer = json!({
            "description": "The list, or the part of it that was asked for.",
            "content": json_content(enveloped(data, true)),
        });
        answer["headers"]["Link"] = json!({ "$ref": "#/components/headers/Link" });
        self.answers_with(200, answer)
    }

    /// JSON without the envelope.
    pub(super) fn bare(self, status: u16, description: &str, schema: Value) -> Self {
        self.answers(status, description, json_content(schema))
    }

    /// A status without a body.
    pub(super) fn empty(self, status: u16, description: &str) -> Self {
        self.answers_with(status, json!({ "description": description }))
    }

    pub(super) fn answers(self, status: u16, description: &str, content: Value) -> Self {
        self.answers_with(status, json!({ "description": description, "content": content }))
    }

    /// An answer with a tag, of which who has it is spared the body. Admins' answers of the desk have none.
    pub(super) fn spared(self) -> Self {
        let unchanged =
            json!({ "description": "The client has this answer.", "headers": headers(&["ETag"]) });
        let any = json!({ "type": "string" });
        self.header("If-None-Match", any, "304 when the answer has one of these ETags.")
            .answers_with(304, unchanged)
    }

    pub(super) fn answers_with(mut self, status: u16, answer: Value) -> Self {
        self.answers.push((status, answer));
        self
    }

    pub(super) fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    fn parameter(self, place: &str, name: &str, schema: Value, description: &str) -> Self {
        self.with(parameter(place, name, schema, description))
    }

    fn with(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }
}

/// A filter of a list that is true or false.
pub(super) fn yes_or_no() -> Value {
    flag()
}

fn parameter(place: &str, name: &str, schema: Value, description: &str) -> Value {
    json!({ "in": place, "name": name, "schema": schema, "description": description })
}

fn json_content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// Headers by reference to the components.
pub(super) fn headers(names: &[&str]) -> Map<String, Value> {
    let line = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    names.iter().map(line).collect()
}
