//! How files come in: in one request, or announced, received and completed.

use serde_json::{Value, json};

use super::operation::{Operation, headers};
use super::schema::{
    Field, answer, flag, line, moment, one_of, or_null, reference, request, says, text, whole,
};

const TAG: &str = "Uploads";

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("UploadForm", upload_form()),
        ("UploadJson", upload_json()),
        ("UploadAnnouncement", announcement()),
        ("UploadTicket", ticket()),
        ("UploadCompletion", completion()),
        ("ReceivedUpload", received()),
        ("AddedFile", added()),
    ]
}

/// What may be said of a file, whatever way its bytes take.
fn about() -> Vec<Field> {
    vec![
        ("releaseNotes", or_null(text(5_000))),
        ("fileType", or_null(reference("FileType"))),
        ("contentType", or_null(text(100))),
        ("requiredTier", or_null(reference("TierName"))),
        ("channel", or_null(line(50))),
        ("description", or_null(text(2_000))),
        ("isEnabled", says(or_null(flag()), "False: a draft.")),
    ]
}

fn target() -> Vec<Field> {
    vec![("applicationId", reference("ApplicationId")), ("version", reference("VersionName"))]
}

/// A form knows only texts: an empty one is null.
fn upload_form() -> Value {
    let file = json!({ "type": "string", "contentMediaType": "application/octet-stream" });
    let optional = vec![
        ("fileName", reference("FileName")),
        ("releaseNotes", text(5_000)),
        ("fileType", reference("FileType")),
        ("contentType", text(100)),
        ("requiredTier", reference("TierName")),
        ("channel", text(50)),
        ("description", text(2_000)),
        ("isEnabled", one_of(&["true", "false"])),
    ];
    request([target(), vec![("file", says(file, "At most 10 MiB."))]].concat(), optional)
}

fn upload_json() -> Value {
    let content = json!({ "type": "string", "contentEncoding": "base64" });
    let required = vec![
        ("fileName", reference("FileName")),
        ("fileContent", says(content, "At most 10 MiB before base64; white space in it is ignored.")),
    ];
    request([target(), required].concat(), about())
}

fn announcement() -> Value {
    let required = vec![("fileName", reference("FileName")), ("fileSize", whole(1))];
    request([target(), required].concat(), about())
}

fn ticket() -> Value {
    let url = says(
        reference("Url"),
        "Where the bytes go, by PUT or resumable; it needs no key, and ends with the one that asked for it.",
    );
    answer(vec![("uploadId", reference("UploadId")), ("uploadUrl", url), ("expiresAt", moment())], vec![])
}

/// What was announced, which may be said once more.
fn again() -> Vec<Field> {
    let as_announced = |name| says(or_null(reference(name)), "As announced, when sent.");
    vec![
        ("applicationId", as_announced("ApplicationId")),
        ("version", as_announced("VersionName")),
        ("fileName", as_announced("FileName")),
    ]
}

fn completion() -> Value {
    let optional = vec![
        ("releaseNotes", or_null(text(5_000))),
        ("fileSize", says(or_null(whole(0)), "Checked when sent.")),
        ("checksum", says(or_null(text(200)), "SHA-256, checked when sent.")),
        ("size", says(or_null(whole(0)), "Another name of fileSize.")),
        ("sha256", says(or_null(text(200)), "Another name of checksum.")),
    ];
    request(vec![("uploadId", reference("UploadId"))], [again(), optional].concat())
}

fn received() -> Value {
    let fields =
        vec![("uploadId", reference("UploadId")), ("size", whole(0)), ("checksum", reference("Checksum"))];
    answer(fields, vec![])
}

fn added() -> Value {
    let fields = vec![
        ("message", line(200)),
        ("versionId", reference("VersionId")),
        ("applicationId", reference("ApplicationId")),
        ("version", reference("VersionName")),
        ("fileId", reference("FileId")),
        ("fileName", reference("FileName")),
        ("fileSize", whole(0)),
        ("checksum", reference("Checksum")),
    ];
    answer(fields, vec![])
}

pub(super) fn upload_file() -> Operation {
    Operation::new(TAG, "Upload a file of at most 10 MiB")
        .says("The same version again with another file name adds a file to it.")
        .reads_content(json!({
            "multipart/form-data": { "schema": reference("UploadForm") },
            "application/json": { "schema": reference("UploadJson") },
        }))
        .created(reference("AddedFile"))
        .refuses(&[404, 409])
}

pub(super) fn begin_upload() -> Operation {
    Operation::new(TAG, "Announce a large file")
        .reads("UploadAnnouncement")
        .done(reference("UploadTicket"))
        .refuses(&[404, 409])
}

pub(super) fn complete_upload() -> Operation {
    Operation::new(TAG, "Complete a large upload")
        .says("Size and SHA-256 are verified. Repeating it gives the same answer.")
        .reads("UploadCompletion")
        .created(reference("AddedFile"))
        .refuses(&[404, 409, 410])
}

pub(super) fn receive_upload() -> Operation {
    Operation::new(TAG, "Send the bytes of a large upload")
        .says("Sent again, the later bytes count, until the upload is completed. They replace parts.")
        .reads_content(json!({ "*/*": {} }))
        .done(reference("ReceivedUpload"))
        .refuses(&[401, 403, 409])
}

pub(super) fn read_offset() -> Operation {
    let answer = json!({
        "description": "How far the upload came.",
        "headers": headers(&["Upload-Offset", "Upload-Length", "Tus-Resumable"]),
    });
    tus(Operation::new(TAG, "Ask how far a large upload came"))
        .answers_with(200, answer)
        .refuses(&[401, 403, 409, 412])
}

pub(super) fn resume_upload() -> Operation {
    let answer = json!({
        "description": "What was sent is kept.",
        "headers": headers(&["Upload-Offset", "Tus-Resumable"]),
    });
    tus(Operation::new(TAG, "Send more of a large upload"))
        .header("Upload-Offset", whole(0), "Where these bytes begin: where the upload stands.")
        .reads_content(json!({ "application/offset+octet-stream": {} }))
        .answers_with(204, answer)
        .refuses(&[401, 403, 409, 412])
}

pub(super) fn abandon_upload() -> Operation {
    tus(Operation::new(TAG, "Abandon a large upload"))
        .empty(204, "Nothing of it is kept.")
        .refuses(&[401, 403, 409, 412])
}

/// tus 1.0 core.
fn tus(operation: Operation) -> Operation {
    operation.header("Tus-Resumable", json!({ "type": "string" }), "1.0.0 when it is sent.")
}
