//! The small words that schemas are written in (JSON Schema 2020-12, the dialect of OpenAPI 3.1).

use serde_json::{Map, Value, json};

/// A field's name and schema.
pub(super) type Field = (&'static str, Value);

/// The named schema of the components.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A text of at most this many characters.
pub(super) fn text(most: u32) -> Value {
    json!({ "type": "string", "maxLength": most })
}

/// A text of 1 to `most` characters.
pub(super) fn line(most: u32) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": most })
}

/// A text of a form.
pub(super) fn form(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// One of these words.
pub(super) fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A whole number from `least`.
pub(super) fn whole(least: u64) -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": least })
}

/// A whole number within bounds, both included.
pub(super) fn within(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": least, "maximum": most })
}

/// A moment as we write it.
pub(super) fn moment() -> Value {
    json!({
        "type": "string",
        "format": "date-time",
        "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        "examples": ["2026-01-15T10:30:00.000Z"],
    })
}

/// A moment as we read it: RFC 3339 with any offset.
pub(super) fn any_moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A moment or a day, as filters take them.
pub(super) fn moment_or_day() -> Value {
    json!({ "anyOf": [any_moment(), { "type": "string", "format": "date" }] })
}

pub(super) fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

pub(super) fn bounded(items: Value, most: u32) -> Value {
    json!({ "type": "array", "items": items, "maxItems": most })
}

/// What requests may send as a list, or as one text with commas.
pub(super) fn list_or_commas(items: Value, most: u32) -> Value {
    json!({ "anyOf": [bounded(items, most), { "type": "string" }] })
}

/// The same, or null, which clears the field or means its default.
pub(super) fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// The same with a sentence for who reads it.
pub(super) fn says(mut schema: Value, description: &str) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), description.into());
    }
    schema
}

/// An object of an answer. A field that is not named here does not come: the tests hold every answer against this.
pub(super) fn answer(required: Vec<Field>, optional: Vec<Field>) -> Value {
    let mut schema = object(required, optional);
    if let Value::Object(fields) = &mut schema {
        fields.insert("additionalProperties".to_owned(), false.into());
    }
    schema
}

/// An object of a request. Unknown fields are ignored, never obeyed.
pub(super) fn request(required: Vec<Field>, optional: Vec<Field>) -> Value {
    object(required, optional)
}

fn object(required: Vec<Field>, optional: Vec<Field>) -> Value {
    let names: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    let names = Value::from(names);
    let fields = required.into_iter().chain(optional);
    let properties: Map<String, Value> = fields.map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if let Value::Object(fields) = &mut schema
        && names != json!([])
    {
        fields.insert("required".to_owned(), names);
    }
    schema
}
