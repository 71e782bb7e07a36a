//! API keys: made, told once, changed, rotated; and what was done with them.

use serde_json::Value;

use super::forms::{words, words_sent};
use super::operation::Operation;
use super::schema::{
    Field, answer, any_moment, bounded, flag, line, list, list_or_commas, moment, moment_or_day, one_of,
    or_null, reference, request, says, text, whole, within,
};
use serde_json::json;

const TAG: &str = "Keys";
/// 30 days.
const LONGEST_OVERLAP: u64 = 30 * 24 * 60 * 60;

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("ApiKey", api_key()),
        ("NewApiKey", new_api_key()),
        ("RegeneratedApiKey", answer([secret(), vec![("regeneratedAt", moment())]].concat(), customer())),
        ("KeyRequest", key_request()),
        ("CustomerKeyRequest", customer_key_request()),
        ("KeyChanges", request(vec![], options())),
        ("Rotation", rotation()),
        ("DeletedKey", deleted()),
        ("Usage", usage()),
    ]
}

fn api_key() -> Value {
    let required = vec![
        ("keyId", reference("KeyId")),
        ("kind", one_of(&["admin", "customer"])),
        ("name", line(200)),
        ("description", text(2_000)),
        ("scopes", list(reference("Scope"))),
        ("ipAllowlist", says(list(line(50)), "Addresses and networks; empty: any.")),
        ("channels", says(words(), "Draft channels that it may see.")),
        ("isEnabled", flag()),
        ("createdAt", moment()),
        ("updatedAt", moment()),
    ];
    let applications = says(list(reference("ApplicationId")), "What it is narrowed to; absent: all.");
    let optional = vec![
        ("customerId", reference("CustomerId")),
        ("rateLimitRpm", says(whole(1), "Requests a minute; absent: its tier's.")),
        ("applicationIds", applications),
        ("expiresAt", moment()),
        ("lastUsedAt", moment()),
        ("previousKeyExpiresAt", says(moment(), "Until when the secret before the last rotation works.")),
    ];
    says(answer(required, optional), "A key: everything but its secret.")
}

fn secret() -> Vec<Field> {
    vec![
        ("keyId", reference("KeyId")),
        ("apiKey", says(line(300), "`{tenantId}.{secret}`: shown once.")),
        ("apiSecret", says(line(256), "The bare secret: shown once.")),
        ("name", line(200)),
    ]
}

fn customer() -> Vec<Field> {
    vec![("customerId", reference("CustomerId"))]
}

fn new_api_key() -> Value {
    let previous = says(moment(), "Until when the secret before works.");
    let optional = [customer(), vec![("previousKeyExpiresAt", previous)]].concat();
    says(answer([secret(), vec![("createdAt", moment())]].concat(), optional), "A key with its secret.")
}

/// What can be set on a key.
fn options() -> Vec<Field> {
    let limit = within(1, 4_294_967_295);
    vec![
        ("name", or_null(line(200))),
        ("description", or_null(text(2_000))),
        ("scopes", says(or_null(list_or_commas(reference("Scope"), 100)), "Not together with `preset`.")),
        ("preset", or_null(one_of(&["full", "read-only", "publisher", "customer"]))),
        ("rateLimitRpm", or_null(limit)),
        ("ipAllowlist", or_null(list_or_commas(line(1_000), 1_000))),
        ("applicationIds", or_null(list_or_commas(reference("ApplicationId"), 1_000))),
        ("channels", or_null(words_sent())),
        ("expiresAt", says(or_null(any_moment()), "In the future; null: never.")),
        ("isEnabled", or_null(flag())),
    ]
}

/// What can be said of a new key alone.
fn brought() -> Vec<Field> {
    let secret =
        json!({ "type": "string", "minLength": 20, "maxLength": 256, "pattern": "^[\\x21-\\x7e]+$" });
    let description = "A secret of 20 to 256 visible ASCII characters from another system; made when absent.";
    vec![("apiSecret", says(or_null(secret), description))]
}

fn key_request() -> Value {
    let whom = vec![
        ("kind", says(or_null(one_of(&["admin", "customer"])), "Needed when `customerId` is absent.")),
        ("customerId", or_null(reference("CustomerId"))),
    ];
    request(vec![], [whom, options(), brought()].concat())
}

fn customer_key_request() -> Value {
    let tier = says(or_null(reference("TierName")), "Changes the customer's tier.");
    let notes = says(or_null(text(2_000)), "About the customer.");
    request(vec![], [vec![("tier", tier), ("notes", notes)], options(), brought()].concat())
}

fn rotation() -> Value {
    let overlap = says(or_null(within(0, LONGEST_OVERLAP)), "How long the secret before goes on working.");
    request(vec![], vec![("overlapSeconds", overlap)])
}

fn deleted() -> Value {
    let fields = vec![("message", line(200)), ("keyId", reference("KeyId")), ("deletedAt", moment())];
    answer(fields, vec![])
}

fn usage() -> Value {
    let counted = || vec![("requests", whole(0)), ("bytes", whole(0))];
    let application = answer(counted(), vec![("applicationId", reference("ApplicationId"))]);
    let reason = answer(vec![("reason", line(100)), ("count", whole(0))], vec![]);
    let slot = answer([vec![("start", moment()), ("errors", whole(0))], counted()].concat(), vec![]);
    let fields = vec![
        ("keyId", reference("KeyId")),
        ("from", moment()),
        ("to", moment()),
        ("bucket", buckets()),
        ("totalRequests", whole(0)),
        ("totalBytes", whole(0)),
        ("errorRate", json!({ "type": "number", "minimum": 0, "maximum": 1 })),
        ("byApplication", list(application)),
        ("byReason", list(reason)),
        ("timeline", says(bounded(slot, 1_500), "Empty buckets included.")),
    ];
    answer(fields, vec![])
}

fn buckets() -> Value {
    one_of(&["minute", "hour", "day"])
}

fn key_list() -> Value {
    answer(vec![("apiKeys", list(reference("ApiKey"))), ("pagination", reference("More"))], vec![])
}

pub(super) fn list_keys() -> Operation {
    Operation::new(TAG, "List keys").says("The oldest first.").pages().listed(key_list())
}

pub(super) fn list_customer_keys() -> Operation {
    Operation::new(TAG, "List a customer's keys").says("The oldest first.").pages().listed(key_list())
}

pub(super) fn create_key() -> Operation {
    Operation::new(TAG, "Make a key").reads("KeyRequest").created(reference("NewApiKey")).refuses(&[404, 409])
}

pub(super) fn create_customer_key() -> Operation {
    Operation::new(TAG, "Make a key for a customer")
        .says("An unknown id with a `name`: the customer is created with it. `admin`: a new customer is created.")
        .may_read("CustomerKeyRequest")
        .created(reference("NewApiKey"))
        .refuses(&[409])
}

pub(super) fn read_key() -> Operation {
    Operation::new(TAG, "Read a key").done(reference("ApiKey"))
}

pub(super) fn change_key() -> Operation {
    Operation::new(TAG, "Change a key").reads("KeyChanges").done(reference("ApiKey")).refuses(&[409])
}

pub(super) fn delete_key() -> Operation {
    Operation::new(TAG, "Delete a key").done(reference("DeletedKey"))
}

pub(super) fn rotate_key() -> Operation {
    Operation::new(TAG, "Give a key a new secret")
        .says("With an overlap both secrets work for a while; a rotation within it ends the older one.")
        .may_read("Rotation")
        .created(reference("NewApiKey"))
        .refuses(&[409])
}

pub(super) fn regenerate_customer_key() -> Operation {
    Operation::new(TAG, "Give a customer's first key a new secret at once")
        .done(reference("RegeneratedApiKey"))
        .refuses(&[409])
}

pub(super) fn regenerate_own_key() -> Operation {
    Operation::new(TAG, "Give one's own key a new secret at once")
        .done(reference("RegeneratedApiKey"))
        .refuses(&[404, 409])
}

pub(super) fn read_usage() -> Operation {
    Operation::new(TAG, "Read what a key did")
        .query("from", moment_or_day(), "24 hours before `to` when absent.")
        .query("to", moment_or_day(), "Now when absent.")
        .query("bucket", buckets(), "`hour` when absent; at most 1500 buckets.")
        .done(reference("Usage"))
}
