//! Bytes, and the links that lead to them; update checks.

use serde_json::{Value, json};

use super::operation::{Operation, headers};
use super::schema::{answer, form, line, moment, or_null, reference, request, says, text, whole, within};

const TAG: &str = "Downloads";

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("DownloadLink", download_link()),
        ("ShareRequest", share_request()),
        ("ShareLink", share_link()),
        ("Update", update()),
    ]
}

fn download_link() -> Value {
    let url = json!({ "type": "string", "format": "uri", "minLength": 50 });
    let fields = vec![
        ("downloadId", line(100)),
        ("url", url.clone()),
        ("downloadUrl", says(url, "The same as `url`.")),
        ("expiresAt", moment()),
        ("fileName", reference("FileName")),
        ("fileSize", whole(0)),
        ("checksum", reference("Checksum")),
        ("checksumAlgorithm", json!({ "const": "SHA-256" })),
    ];
    answer(fields, vec![])
}

fn share_request() -> Value {
    let minutes = || or_null(within(5, 1_440));
    request(
        vec![("applicationId", reference("ApplicationId")), ("version", reference("VersionWanted"))],
        vec![
            ("fileId", says(or_null(reference("FileId")), "The MAIN file when absent, else the first.")),
            ("expiresInMinutes", says(minutes(), "30 when absent.")),
            ("expiresMinutes", says(minutes(), "The same.")),
        ],
    )
}

fn share_link() -> Value {
    let fields = vec![
        ("shareUrl", reference("Url")),
        ("token", line(4_096)),
        ("expiresAt", moment()),
        ("expiresInMinutes", within(5, 1_440)),
    ];
    answer(fields, vec![])
}

fn update() -> Value {
    let required = vec![
        ("version", reference("VersionName")),
        ("url", reference("Url")),
        ("notes", text(5_000)),
        ("pub_date", json!({ "type": "string", "format": "date-time" })),
        ("sha256", reference("Checksum")),
        ("size", whole(0)),
    ];
    let signature = says(text(4_096), "The text of the file's own `.sig` or `.minisig`.");
    says(answer(required, vec![("signature", signature)]), "As updaters read it: without the envelope.")
}

/// What every route that answers bytes takes and gives (RFC 9110 sections 13 and 14).
fn bytes(operation: Operation) -> Operation {
    let any = || json!({ "type": "string" });
    let mut partial = whole_file("A part of the file, or several.");
    partial["headers"]["Content-Range"] = json!({ "$ref": "#/components/headers/Content-Range" });
    partial["content"]["multipart/byteranges"] = json!({});
    let unchanged = json!({
        "description": "The client has these very bytes.",
        "headers": headers(&["ETag", "Last-Modified"]),
    });
    Operation { tells_by_head: true, ..operation }
        .header("Range", any(), "One range or several; a malformed one is ignored.")
        .header("If-Range", any(), "The range counts only while the file has this ETag.")
        .header("If-Match", any(), "412 unless the file has one of these ETags.")
        .header("If-None-Match", any(), "304 when the file has one of these ETags.")
        .header("If-Modified-Since", any(), "304 when the file is not newer.")
        .header("If-Unmodified-Since", any(), "412 when the file is newer.")
        .answers_with(200, whole_file("The whole file."))
        .answers_with(206, partial)
        .answers_with(304, unchanged)
        .refuses(&[412, 416])
}

fn whole_file(description: &str) -> Value {
    json!({
        "description": description,
        "headers": headers(&[
            "ETag", "Last-Modified", "Accept-Ranges", "Content-Disposition", "Repr-Digest", "X-Checksum-Sha256",
        ]),
        "content": { "*/*": {} },
    })
}

pub(super) fn download_file() -> Operation {
    bytes(Operation::new(TAG, "Download a file by its id").channel())
}

pub(super) fn download_named() -> Operation {
    bytes(Operation::new(TAG, "Download a file by its name").channel())
}

pub(super) fn download_signed() -> Operation {
    let operation = Operation::new(TAG, "Download by a URL of /v1/downloads/url")
        .says("Answers as the key that it was issued to would be answered now.");
    bytes(operation).refuses(&[401, 403])
}

pub(super) fn download_shared() -> Operation {
    let redirect = json!({
        "description": "To a signed URL, where the edge is configured so.",
        "headers": headers(&["Location"]),
    });
    let operation = Operation::new(TAG, "Download by a share link")
        .says("Stops when its creator, version or application does.");
    bytes(operation).answers_with(302, redirect).refuses(&[401, 403])
}

pub(super) fn issue_link() -> Operation {
    Operation::new(TAG, "Ask for a URL that needs no key")
        .query_required("applicationId", reference("ApplicationId"), "Of which application.")
        .query_required("version", reference("VersionWanted"), "Of which version.")
        .query("fileId", reference("FileId"), "The MAIN file when absent, else the first.")
        .channel()
        .done(reference("DownloadLink"))
        .refuses(&[404])
}

pub(super) fn share_file() -> Operation {
    Operation::new(TAG, "Make a share link")
        .reads("ShareRequest")
        .channel()
        .done(reference("ShareLink"))
        .refuses(&[404])
}

pub(super) fn check_update() -> Operation {
    let word = || form("^[A-Za-z0-9._+-]{0,50}$");
    Operation::new("Updates", "Ask whether there is something newer")
        .query("current", word(), "What the client runs; absent: the newest is told.")
        .query("os", text(50), "The client's system, in any usual spelling.")
        .query("arch", text(50), "The client's processor, in any usual spelling.")
        .query("channel", text(50), "As X-Channel elsewhere.")
        .bare(200, "There is something newer.", reference("Update"))
        .empty(204, "There is nothing newer that fits.")
        .spared()
}
