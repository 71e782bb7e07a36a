//! Sessions: a key exchanged for a token of two hours.

use serde_json::{Value, json};

use super::operation::Operation;
use super::schema::{answer, line, list, moment, or_null, reference, request, says, within};

const TAG: &str = "Sessions";
/// Two hours.
const LONGEST: u64 = 2 * 60 * 60;

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("LoginRequest", login_request()),
        ("Token", token()),
        ("LogoutRequest", request(vec![], vec![("session_id", label()), ("sessionId", label())])),
        ("LoggedOut", answer(vec![("message", line(200)), ("sessionId", reference("SessionId"))], vec![])),
        ("Session", session()),
        ("RevokedSession", revoked()),
    ]
}

fn label() -> Value {
    says(or_null(line(128)), "A label of one's own, bound to the key.")
}

fn login_request() -> Value {
    let key = || json!({ "type": "string", "maxLength": 1_000 });
    let optional = vec![
        ("api_key", key()),
        ("apiKey", says(key(), "The same.")),
        ("session_id", label()),
        ("sessionId", label()),
    ];
    says(request(vec![], optional), "One of both spellings of each field.")
}

fn token() -> Value {
    let fields = vec![
        ("access_token", line(4_096)),
        ("expires_in", says(within(1, LONGEST), "Seconds.")),
        ("token_type", json!({ "const": "Bearer" })),
    ];
    says(answer(fields, vec![]), "Without the envelope, as OAuth clients read it.")
}

fn session() -> Value {
    let required = vec![
        ("sessionId", reference("SessionId")),
        ("keyId", reference("KeyId")),
        ("issuedAt", moment()),
        ("expiresAt", moment()),
    ];
    answer(required, vec![("label", line(128)), ("customerId", reference("CustomerId"))])
}

fn revoked() -> Value {
    let fields = vec![("message", line(200)), ("sessionId", reference("SessionId")), ("revokedAt", moment())];
    answer(fields, vec![])
}

pub(super) fn login() -> Operation {
    Operation::new(TAG, "Exchange a key for a token")
        .says("The same key and session get the same token while it is valid.")
        .reads("LoginRequest")
        .bare(200, "The token.", reference("Token"))
        .refuses(&[401, 403, 409, 429])
}

pub(super) fn logout() -> Operation {
    Operation::new(TAG, "Revoke one's own session")
        .says("By a token: its session. By a key: the session that the body names, else the default one.")
        .may_read("LogoutRequest")
        .done(reference("LoggedOut"))
        .refuses(&[404])
}

pub(super) fn list_sessions() -> Operation {
    let fields = vec![("sessions", list(reference("Session"))), ("pagination", reference("More"))];
    Operation::new(TAG, "List living sessions")
        .says("Of one's own key; of all for admins with keys:read.")
        .query("keyId", reference("KeyId"), "Of this key.")
        .query("customerId", reference("CustomerId"), "Of this customer's keys.")
        .pages()
        .listed(answer(fields, vec![]))
}

pub(super) fn revoke_session() -> Operation {
    Operation::new(TAG, "Revoke a session").done(reference("RevokedSession"))
}
