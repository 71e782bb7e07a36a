//! What happened: uploads and downloads, and every write of the management.

use serde_json::{Value, json};

use super::operation::Operation;
use super::schema::{
    Field, answer, flag, line, list, moment, moment_or_day, one_of, reference, says, text, whole,
};

const TAG: &str = "Records";

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Activity", activity()), ("RecentDownload", recent_download()), ("AuditEntry", audit_entry())]
}

fn happened() -> Vec<Field> {
    vec![
        ("type", one_of(&["upload", "download"])),
        ("id", line(100)),
        ("applicationId", reference("ApplicationId")),
        ("version", reference("VersionName")),
        ("fileSize", whole(0)),
        ("bytes", says(whole(0), "Handed over; of an upload all of them.")),
        ("completed", flag()),
        ("fileName", reference("FileName")),
        ("timestamp", moment()),
    ]
}

fn circumstances() -> Vec<Field> {
    vec![
        ("applicationName", line(200)),
        ("keyId", reference("KeyId")),
        ("clientIp", line(50)),
        ("customerId", reference("CustomerId")),
        ("userAgent", text(200)),
    ]
}

fn activity() -> Value {
    says(answer(happened(), circumstances()), "An upload or a download.")
}

fn recent_download() -> Value {
    let downloaded_at = vec![("downloadedAt", says(moment(), "The timestamp once more."))];
    let required = [happened(), downloaded_at].concat();
    says(answer(required, circumstances()), "A download as an application's numbers tell of it.")
}

fn audit_entry() -> Value {
    let state = || json!({ "type": "object" });
    let required = vec![
        ("id", line(100)),
        ("action", line(100)),
        ("target", line(500)),
        ("actor", says(line(100), "The id of the key, or `operator`.")),
        ("before", says(state(), "What is different afterwards, as it was.")),
        ("after", says(state(), "The same as it is.")),
        ("timestamp", moment()),
    ];
    let request_id = says(line(128), "Absent when the operator wrote at the machine.");
    let optional = vec![("ip", line(50)), ("requestId", request_id)];
    says(answer(required, optional), "A write of the management; never changed afterwards.")
}

pub(super) fn list_activity() -> Operation {
    let fields = vec![
        ("activities", list(reference("Activity"))),
        ("count", says(whole(0), "How many are in this answer.")),
        ("pagination", reference("More")),
    ];
    let types = one_of(&["upload", "uploads", "download", "downloads", "all"]);
    Operation::new(TAG, "List uploads and downloads")
        .says("The newest first.")
        .query("type", types, "`all` when absent.")
        .query("applicationId", reference("ApplicationId"), "Of this application.")
        .query("customerId", reference("CustomerId"), "Of this customer.")
        .query("keyId", reference("KeyId"), "By this key.")
        .query("startDate", moment_or_day(), "From this moment or day.")
        .query("endDate", moment_or_day(), "To this moment or day.")
        .pages()
        .listed(answer(fields, vec![]))
}

pub(super) fn list_audit() -> Operation {
    let fields = vec![("entries", list(reference("AuditEntry"))), ("pagination", reference("More"))];
    Operation::new(TAG, "List the writes of the management")
        .says("The newest first.")
        .query("action", line(100), "Like `key.create`.")
        .query("target", line(500), "What was written.")
        .query("actor", line(100), "The id of a key, or `operator`.")
        .query("keyId", reference("KeyId"), "The id of a key, when `actor` is absent.")
        .query("startDate", moment_or_day(), "From this moment or day.")
        .query("endDate", moment_or_day(), "To this moment or day.")
        .pages()
        .listed(answer(fields, vec![]))
}
