//! A file in one request: as a form, or as JSON with the bytes in base64.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use common::digest::Digest;
use common::id::{ApplicationId, FileId, VersionId, VersionName};
use common::problem::Problem;
use http::header::CONTENT_LENGTH;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::{Call, unsupported};
use crate::api::caller::Caller;
use crate::api::fields::Fields;
use crate::domain::version::{self, AddFile, Added, FileFields, Stored};
use crate::error::Failure;
use crate::uploads::Receiver;
use crate::uploads::form::{self, LARGEST_DIRECT, too_large};

/// A JSON body with 10 MiB in base64 and white space in it.
pub(super) const LARGEST_JSON: usize = 16 * 1024 * 1024;

/// A file that was added to a version.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddedView<'a> {
    message: &'static str,
    version_id: &'a VersionId,
    application_id: &'a ApplicationId,
    version: &'a VersionName,
    file_id: &'a FileId,
    file_name: &'a str,
    file_size: u64,
    checksum: Digest,
}

impl<'a> AddedView<'a> {
    pub(super) fn of(added: &'a Added) -> Self {
        Self {
            message: "File uploaded successfully",
            version_id: &added.version.facts.id,
            application_id: &added.version.application,
            version: &added.version.facts.name,
            file_id: &added.file.id,
            file_name: &added.file.name,
            file_size: added.file.size,
            checksum: added.file.digest,
        }
    }
}

/// `POST /v1/management/upload`.
pub(super) async fn upload(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let context = caller.context(&call);
    let (command, bytes) = match call.media_type().as_deref() {
        Some("multipart/form-data") => read_form(&desk, call).await?,
        None | Some("application/json") => read_json(&desk, call).await?,
        Some(_) => return Err(unsupported("Send multipart/form-data, or application/json").into()),
    };
    caller.permits(&command.application)?;
    // Decided twice: now, so that what will be refused leaves no bytes behind, and again where it is written.
    let facts =
        desk.file_facts(&mut *desk.store.read().await?, (context.tenant, context.now), &command).await?;
    let foreseen = Stored { size: bytes.size(), digest: Digest([0; 32]) };
    version::add_unannounced(command.clone(), foreseen, facts, &context, &mut desk.rng()?)?;
    let sealed = bytes.seal().await?;
    let stored = Stored { size: sealed.blob.size, digest: sealed.blob.digest };
    let mut truth = desk.store.write().await?;
    let facts = desk.file_facts(&mut *truth, (context.tenant, context.now), &command).await?;
    let decision = version::add_unannounced(command, stored, facts, &context, &mut desk.rng()?)?;
    let answer = Answer::created(&AddedView::of(&decision.outcome))?;
    sealed.name().await?;
    desk.metrics.count_upload(stored.size);
    desk.settle(&caller, truth, decision.change, answer).await
}

async fn read_form(desk: &Desk, call: Call) -> Result<(AddFile, Receiver), Failure> {
    refuse_by_length(&call)?;
    let content_type = call.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let form =
        form::read(&desk.blobs, call.body.into_data_stream(), &content_type).await.map_err(|e| match e {
            form::Unreadable::Refused(problem) => Failure::from(problem),
            form::Unreadable::Disk(e) => Failure::from(e),
        })?;
    let mut fields = Fields::of_texts(form.texts);
    let mut about = file_fields(&mut fields);
    if let Some(file) = &form.file {
        about.file_name = about.file_name.or_else(|| file.name.clone());
        about.content_type = about.content_type.or_else(|| file.content_type.clone());
    } else {
        fields.fault("file", "is required");
    }
    let command = fields.settle(AddFile::parse(about))?;
    let file = form.file.ok_or_else(|| Failure::broken("api", "a form without a file was settled"))?;
    Ok((command, file.bytes))
}

async fn read_json(desk: &Desk, call: Call) -> Result<(AddFile, Receiver), Failure> {
    let mut fields = call.json_fields_within(LARGEST_JSON).await?;
    let content = fields.text("fileContent").flatten();
    let bytes = match content.as_deref().map(decode) {
        Some(Some(bytes)) => bytes,
        Some(None) => {
            fields.fault("fileContent", "must be base64");
            Bytes::new()
        }
        None => {
            fields.fault("fileContent", "is required");
            Bytes::new()
        }
    };
    drop(content);
    let about = file_fields(&mut fields);
    let command = fields.settle(AddFile::parse(about))?;
    if bytes.len() as u64 > LARGEST_DIRECT {
        return Err(too_large().into());
    }
    let mut receiver = desk.blobs.receive().await?;
    receiver.write(bytes).await?;
    Ok((command, receiver))
}

/// Clients break base64 into lines, and some leave the padding out.
fn decode(text: &str) -> Option<Bytes> {
    let bare: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(&bare).or_else(|_| STANDARD_NO_PAD.decode(&bare)).ok().map(Bytes::from)
}

/// A body that cannot fit is refused before it is read.
fn refuse_by_length(call: &Call) -> Result<(), Problem> {
    let length = call.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let fits = length.is_none_or(|length| length <= form::LARGEST_FORM);
    if fits { Ok(()) } else { Err(too_large()) }
}

/// The fields that say what a file is, whatever way its bytes take.
pub(super) fn file_fields(fields: &mut Fields) -> FileFields {
    FileFields {
        application_id: fields.text("applicationId").flatten(),
        version: fields.text("version").flatten(),
        file_name: fields.text("fileName").flatten(),
        file_type: fields.text("fileType").flatten(),
        content_type: fields.text("contentType").flatten(),
        description: fields.text("description").flatten(),
        release_notes: fields.text("releaseNotes").flatten(),
        required_tier: fields.text("requiredTier").flatten(),
        channel: fields.text("channel").flatten(),
        is_enabled: fields.flag("isEnabled").flatten(),
    }
}
