//! The forms of ids, names and other texts that many routes share, with the limits that the servers keep.

use serde_json::{Value, json};

use super::schema::{bounded, form, line, list_or_commas, one_of, says};
use crate::scope::Scope;

/// The components that are plain texts.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        (
            "ApplicationId",
            says(form("^[A-Za-z0-9_-]{1,100}$"), "An application. Imported ids may have this wider form."),
        ),
        (
            "NewApplicationId",
            says(
                form("^[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$"),
                "The id of a new application: it ends up in URLs and shell lines.",
            ),
        ),
        ("CustomerId", says(form("^[A-Za-z0-9_-]{1,100}$"), "A customer.")),
        ("KeyId", says(form("^[A-Za-z0-9_-]{1,100}$"), "An API key's public name: safe to log.")),
        ("SessionId", says(form("^[A-Za-z0-9_-]{1,100}$"), "A session's public name.")),
        ("VersionId", form("^[A-Za-z0-9_-]{1,100}$")),
        ("FileId", says(form("^[A-Za-z0-9_-]{1,100}$"), "A file of a version.")),
        ("UploadId", form("^[A-Za-z0-9_-]{1,100}$")),
        ("BackupId", form("^[A-Za-z0-9_-]{1,100}$")),
        ("EdgeId", says(form("^[A-Za-z0-9._:-]{1,100}$"), "An edge, as its TIDEGATE_EDGE_ID names it.")),
        ("TenantId", json!({ "type": "string", "format": "uuid" })),
        (
            "VersionName",
            says(form("^[A-Za-z0-9._+-]{1,50}$"), "The number or name of a version; never `latest`."),
        ),
        (
            "VersionWanted",
            says(form("^[A-Za-z0-9._+-]{1,50}$"), "A version, or `latest`: the newest that this key sees."),
        ),
        (
            "FileName",
            says(
                line(255),
                "1 to 255 bytes after NFKC, without / \\ : < > | ? * \" ' control characters or `..`, not beginning or ending with a dot or space, and no device name of Windows.",
            ),
        ),
        ("FileType", one_of(&["MAIN", "DEPENDENCY", "DOCUMENTATION", "CONFIGURATION"])),
        ("TierName", says(form("^[A-Za-z0-9_-]{1,50}$"), "A tier. `Standard` is another word for `Basic`.")),
        ("Checksum", says(form("^[0-9a-f]{64}$"), "The SHA-256 of a file, in lower-case hexadecimal.")),
        ("Scope", one_of(&Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>())),
        ("Url", json!({ "type": "string", "format": "uri" })),
    ]
}

/// At most 20 words of 1 to 50 characters: tags, channels.
pub(super) fn words() -> Value {
    bounded(line(50), 20)
}

/// The same as requests may send them.
pub(super) fn words_sent() -> Value {
    list_or_commas(line(50), 20)
}
