//! Requests made of the document: every path with ids in it, every body with what its schema asks for.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use support::contract::DOCUMENT;
use support::{Client, Stock};

use super::Operation;

/// Every operation of the document that a server serves.
pub(super) async fn operations(stranger: &Client) -> Vec<Operation> {
    let document = stranger.get("/openapi.json").await.expect(200).json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let text = |name: &str| described[name].as_str().map(str::to_owned);
            operations.push(Operation {
                method: method.to_ascii_uppercase().parse().unwrap(),
                path: path.clone(),
                credential: text("x-tidegate-credential").unwrap(),
                scope: text("x-tidegate-scope"),
                plane: text("x-tidegate-plane").unwrap(),
                described: described.clone(),
            });
        }
    }
    operations
}

/// An id of each kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Ids that have the form of ids, and name nothing.
    pub(super) fn nowhere() -> Self {
        let mut ids = Self(BTreeMap::new());
        for (name, text) in [
            ("applicationId", "nowhere"),
            ("version", "0.0.0-none"),
            ("fileId", "file_none"),
            ("fileName", "nothing.bin"),
            ("customerId", "nobody"),
            ("keyId", "key_none"),
            ("sessionId", "ses_none"),
            ("uploadId", "upl_none"),
            ("backupId", "backup_none"),
            ("edgeId", "edge-none"),
            ("tenantId", "00000000-0000-4000-8000-000000000000"),
            ("name", "NoTier"),
        ] {
            ids.0.insert(name.to_owned(), text.to_owned());
        }
        ids
    }

    /// Those of a stock.
    pub(super) fn of(stock: &Stock) -> Self {
        let mut ids = Self::nowhere();
        let tenant = stock.key.text.split('.').next().unwrap();
        for (name, text) in [
            ("applicationId", stock.application.as_str()),
            ("version", &stock.version),
            ("fileId", &stock.file_id),
            ("fileName", &stock.file_name),
            ("customerId", &stock.customer),
            ("keyId", &stock.key.id),
            ("tenantId", tenant),
        ] {
            ids.0.insert(name.to_owned(), text.to_owned());
        }
        ids
    }

    pub(super) fn names() -> Vec<String> {
        Self::nowhere().0.into_keys().collect()
    }

    pub(super) fn get(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// The versions and names of files that a vendor chose: others choose the same. Edges serve everybody.
    pub(super) fn is_no_secret(name: &str) -> bool {
        matches!(name, "version" | "fileName" | "edgeId")
    }

    /// Ids of the same length that name nothing.
    pub(super) fn absent(&self) -> Self {
        let other = |text: &str| {
            let (head, last) = text.split_at(text.len() - 1);
            format!("{head}{}", if last == "0" { "1" } else { "0" })
        };
        let renamed = |(name, text): (&String, &String)| {
            (name.clone(), if Self::is_no_secret(name) { text.clone() } else { other(text) })
        };
        Self(self.0.iter().map(renamed).collect())
    }

    /// These, but one that is another's.
    pub(super) fn with(&self, name: &str, other: &Self) -> Self {
        self.clone().having(name, other.get(name))
    }

    /// These, but one.
    pub(super) fn having(mut self, name: &str, id: &str) -> Self {
        self.0.insert(name.to_owned(), id.to_owned());
        self
    }

    /// What a field of that name in a body names. `name` is a tier's id in paths, and in bodies what people call
    /// something.
    fn of_field(&self, name: &str) -> Option<&String> {
        match name {
            "name" => None,
            "tier" | "requiredTier" => self.0.get("name"),
            name => self.0.get(name),
        }
    }

    /// A text without the ids in it.
    pub(super) fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, id)| text.replace(id, &format!("<{name}>")))
    }
}

/// One request.
pub(super) struct Question {
    method: Method,
    target: String,
    body: Option<Value>,
}

impl Question {
    /// With nothing that the route needs: what is wrong with it is told only to who may ask.
    pub(super) fn empty(operation: &Operation, ids: &Ids) -> Self {
        let body = operation.described.get("requestBody").map(|_| json!({}));
        Self { method: operation.method.clone(), target: path(operation, ids), body }
    }

    /// With everything that it needs, and every id that it can name.
    pub(super) fn filled(operation: &Operation, ids: &Ids) -> Self {
        let query: Vec<String> = parameters(operation, "query")
            .filter_map(|name| Some(format!("{name}={}", ids.0.get(name)?)))
            .collect();
        let target = match query.is_empty() {
            true => path(operation, ids),
            false => format!("{}?{}", path(operation, ids), query.join("&")),
        };
        let schema = &operation.described["requestBody"]["content"]["application/json"]["schema"];
        let body = (!schema.is_null()).then(|| sample("", schema, ids));
        Self { method: operation.method.clone(), target, body }
    }

    /// Whether a route is asked with an id of that name.
    pub(super) fn mentions(operation: &Operation, name: &str) -> bool {
        let (ids, marked) = (Ids::nowhere(), "marked-id");
        let other = Ids(BTreeMap::from([(name.to_owned(), marked.to_owned())]));
        let question = Self::filled(operation, &ids.with(name, &other));
        question.target.contains(marked)
            || question.body.is_some_and(|body| body.to_string().contains(marked))
    }

    pub(super) fn by(&self, client: &Client) -> RequestBuilder {
        let request = client.request(self.method.clone(), &self.target);
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

fn path(operation: &Operation, ids: &Ids) -> String {
    let segment = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => ids.0.get(name).cloned().unwrap_or_else(|| "never-signed".to_owned()),
        None => part.to_owned(),
    };
    operation.path.split('/').map(segment).collect::<Vec<String>>().join("/")
}

fn parameters<'a>(operation: &'a Operation, place: &'a str) -> impl Iterator<Item = &'a str> {
    let all = operation.described["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter()
        .filter(move |parameter| parameter["in"] == place)
        .map(|parameter| parameter["name"].as_str().unwrap())
}

/// A body that a schema admits: the fields that must be there, and all that name something.
fn sample(name: &str, schema: &Value, ids: &Ids) -> Value {
    // `customerIds`, `addCustomerIds`: lists of what `customerId` is one of.
    let singular = name.strip_suffix("Ids").map(|stem| {
        let stem = ["add", "remove"].iter().find_map(|prefix| stem.strip_prefix(prefix)).unwrap_or(stem);
        let (first, rest) = stem.split_at(1);
        format!("{}{rest}Id", first.to_ascii_lowercase())
    });
    if let Some(id) = singular.and_then(|name| ids.0.get(&name)) {
        return json!([id]);
    }
    if let Some(id) = ids.of_field(name) {
        return json!(id);
    }
    if let Some(reference) = schema["$ref"].as_str() {
        return sample(name, DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(), ids);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return sample(name, &choices[0], ids);
    }
    match schema["type"].as_str() {
        Some("object") => object(schema, ids),
        Some("integer") => schema["minimum"].clone(),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        _ => schema["enum"][0].as_str().map_or_else(|| json!("dGV4dA=="), |word| json!(word)),
    }
}

fn object(schema: &Value, ids: &Ids) -> Value {
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut fields = Map::new();
    for (name, field) in schema["properties"].as_object().unwrap() {
        let names_something = ids.of_field(name).is_some() || name.ends_with("Ids");
        if required.contains(&json!(name)) || names_something {
            fields.insert(name.clone(), sample(name, field, ids));
        }
    }
    fields.into()
}
