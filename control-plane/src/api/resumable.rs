//! The bytes of a large upload in parts, by the core of tus 1.0: HEAD says how far it is, PATCH goes on from there,
//! DELETE gives it up. What has come stays when a connection breaks, and when the desk is restarted.

use std::sync::Arc;

use common::problem::{Code, Problem};
use common::routes::Route;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::{Call, unsupported};
use crate::api::large_upload::{Entered, enter, find, interrupted, note};
use crate::domain::upload::{self, Progress, Upload};
use crate::domain::{Context, Refusal};
use crate::error::Failure;
use crate::uploads::parts::Parts;
use crate::uploads::stream::receive_part;
use crate::uploads::sweep::clear;

const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const PART: &str = "application/offset+octet-stream";

/// `HEAD /v1/uploads/{ticket}`: how many bytes are there, durably.
pub(super) async fn offset(desk: Arc<Desk>, call: Call) -> Handled {
    let Entered { ticket, mut context } = enter(&desk, &call)?;
    speaks_our_version(&call.headers)?;
    let existing = find(&mut *desk.store.read().await?, &ticket, call.now).await?;
    let upload = upload::may_receive(&ticket.upload, existing, &context)?;
    context.actor.key.clone_from(&upload.created_by);
    let offset = match upload.progress {
        Progress::Begun if finish_if_whole(&desk, &upload, &context).await? => upload.declared_size,
        Progress::Begun => desk.blobs.size_of_parts(&upload.id).await?,
        Progress::Received(_) | Progress::Completed { .. } => upload.declared_size,
    };
    let mut headers = told(offset);
    headers.insert(UPLOAD_LENGTH, HeaderValue::from(upload.declared_size));
    Ok(Answer::bodiless().with_headers(headers))
}

/// `PATCH /v1/uploads/{ticket}`: more bytes, from the offset that it names. With the last of them the file counts as
/// received, as after a PUT.
pub(super) async fn resume(desk: Arc<Desk>, call: Call) -> Handled {
    // A ticket that is none of ours learns nothing else.
    let Entered { ticket, mut context } = enter(&desk, &call)?;
    speaks_our_version(&call.headers)?;
    if call.media_type().as_deref() != Some(PART) {
        return Err(unsupported("Send application/offset+octet-stream").into());
    }
    let from = number(&call.headers, &UPLOAD_OFFSET).ok_or_else(|| {
        Problem::new(
            Code::Validation,
            "invalid_header",
            "Send Upload-Offset: how many bytes were sent before",
        )
    })?;
    let existing = find(&mut *desk.store.read().await?, &ticket, call.now).await?;
    let upload = upload::may_receive(&ticket.upload, existing, &context)?;
    context.actor.key.clone_from(&upload.created_by);
    let size = upload.declared_size;
    if number(&call.headers, &CONTENT_LENGTH).is_some_and(|length| from.saturating_add(length) > size) {
        return Err(too_long(size).into());
    }
    if matches!(upload.progress, Progress::Received(_)) {
        stands_at(size, from)?;
        return Ok(Answer::empty().with_headers(told(size)));
    }
    let parts = desk.blobs.go_on(&upload.id).await?;
    let mut parts = parts.ok_or_else(|| Refusal::UploadBusy(upload.id.clone()))?;
    stands_at(parts.size(), from)?;
    let received = receive_part(&mut parts, call.body.into_data_stream(), size).await;
    received.map_err(|e| interrupted(e, || too_long(size).into()))?;
    let answer = Answer::empty().with_headers(told(parts.size()));
    if parts.size() < size {
        return Ok(answer);
    }
    context.now = desk.clock.now();
    Ok(answer.at(finish(&desk, &upload, &context, &parts).await?))
}

/// `DELETE /v1/uploads/{ticket}`: gives the upload and its space up.
pub(super) async fn abandon(desk: Arc<Desk>, call: Call) -> Handled {
    let Entered { ticket, mut context } = enter(&desk, &call)?;
    speaks_our_version(&call.headers)?;
    let mut truth = desk.store.write().await?;
    let existing = find(&mut *truth, &ticket, call.now).await?;
    context.actor.key = existing.as_ref().and_then(|upload| upload.created_by.clone());
    let decision = upload::abandon(&ticket.upload, existing, &context)?;
    clear(&mut *truth, &desk.blobs, &decision.outcome).await?;
    let position = desk.commit(truth, decision.change).await?;
    Ok(Answer::empty().with_headers(HeaderMap::from_iter([(TUS_RESUMABLE, VERSION)])).at(position))
}

/// Brings an upload to its end whose last byte came, but whose end did not: the desk went down, or its database was
/// away. False while bytes are missing, or while somebody is at it.
pub(super) async fn finish_if_whole(
    desk: &Desk,
    upload: &Upload,
    context: &Context,
) -> Result<bool, Failure> {
    if upload.progress != Progress::Begun
        || desk.blobs.size_of_parts(&upload.id).await? != upload.declared_size
    {
        return Ok(false);
    }
    let Some(parts) = desk.blobs.go_on(&upload.id).await? else { return Ok(false) };
    if parts.size() != upload.declared_size {
        return Ok(false);
    }
    finish(desk, upload, context, &parts).await.map(|_| true)
}

async fn finish(
    desk: &Desk,
    upload: &Upload,
    context: &Context,
    parts: &Parts,
) -> Result<common::wire::Position, Failure> {
    note(desk, &upload.id, context, (parts.seal().await?, Some(parts))).await
}

/// What every answer of these routes says of the protocol, and failures of where the upload stands.
pub(super) fn mark(route: &Route, failure: &Failure, headers: &mut HeaderMap) {
    let Failure::Refused(problem) = failure else { return };
    if !route.path.starts_with("/v1/uploads/") {
        return;
    }
    headers.insert(TUS_RESUMABLE, VERSION);
    if problem.code == Code::PreconditionFailed {
        headers.insert(TUS_VERSION, VERSION);
    }
    if let Some(offset) = problem.details.as_ref().and_then(|details| details["uploadOffset"].as_u64()) {
        headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
    }
}

fn told(offset: u64) -> HeaderMap {
    HeaderMap::from_iter([(TUS_RESUMABLE, VERSION), (UPLOAD_OFFSET, HeaderValue::from(offset))])
}

/// Who names no version is taken for one of ours: curl, for one.
fn speaks_our_version(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(TUS_RESUMABLE).is_none_or(|version| version == VERSION) {
        return Ok(());
    }
    let says = "This server speaks version 1.0.0 of the tus protocol";
    Err(Problem::new(Code::PreconditionFailed, "tus_version_unsupported", says))
}

fn stands_at(offset: u64, from: u64) -> Result<(), Problem> {
    if offset == from {
        return Ok(());
    }
    let says = format!("The upload stands at {offset} bytes: go on from there");
    let problem = Problem::new(Code::Conflict, "offset_mismatch", says);
    Err(problem.with_details(serde_json::json!({ "uploadOffset": offset })))
}

fn too_long(size: u64) -> Problem {
    let says = format!("More bytes were sent than the {size} that were declared: begin another upload");
    Problem::new(Code::PayloadTooLarge, "upload_too_long", says)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let text = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}
