//! Backups of a tenant.

use serde_json::{Value, json};

use super::operation::{Operation, headers, yes_or_no};
use super::schema::{Field, answer, line, list, moment, one_of, reference, says, whole};

const TAG: &str = "Backups";

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("Backup", answer(backup(), expiry())), ("BackupWithUrls", with_urls()), ("Restored", restored())]
}

fn backup() -> Vec<Field> {
    vec![
        ("backupId", reference("BackupId")),
        ("backupType", one_of(&["AUTOMATIC", "MANUAL"])),
        ("status", one_of(&["COMPLETED", "FAILED"])),
        ("sizeBytes", says(whole(0), "Of the file; 0 when it failed.")),
        ("createdAt", moment()),
    ]
}

fn expiry() -> Vec<Field> {
    vec![("expiresAt", moment())]
}

fn with_urls() -> Value {
    let urls = vec![("downloadUrl", reference("Url")), ("urlExpiresAt", moment())];
    says(answer(backup(), [expiry(), urls].concat()), "The URL is made for `generateUrls=true`.")
}

fn restored() -> Value {
    let fields = vec![("message", line(200)), ("backupId", reference("BackupId")), ("restoredAt", moment())];
    answer(fields, vec![])
}

pub(super) fn list_backups() -> Operation {
    let fields = vec![("backups", list(reference("Backup"))), ("pagination", reference("More"))];
    Operation::new(TAG, "List backups").says("The newest first.").pages().listed(answer(fields, vec![]))
}

pub(super) fn create_backup() -> Operation {
    Operation::new(TAG, "Make a backup").created(reference("Backup")).refuses(&[409])
}

pub(super) fn read_backup() -> Operation {
    Operation::new(TAG, "Read a backup")
        .query("generateUrls", yes_or_no(), "True: with a URL that needs no key, when the backup is whole.")
        .done(reference("BackupWithUrls"))
}

pub(super) fn restore_backup() -> Operation {
    Operation::new(TAG, "Restore a backup").done(reference("Restored")).refuses(&[409])
}

pub(super) fn download_backup() -> Operation {
    let file = json!({
        "description": "The backup: lines of JSON, compressed.",
        "headers": headers(&["Content-Disposition"]),
        "content": { "application/zstd": {} },
    });
    Operation::new(TAG, "Download a backup by its URL")
        .answers_with(200, file)
        // The URL ends with the key that asked for it.
        .refuses(&[401, 403])
}
