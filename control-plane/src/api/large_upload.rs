//! The large upload: begun with what the file will be, received as bare bytes at a URL of its own, completed into a
//! version. Whatever the size, memory holds one piece; whichever desk is asked, the database knows how far it came.

use std::sync::Arc;

use common::id::{TenantId, UploadId};
use common::problem::{Code, Problem};
use common::proof::UploadTicket;
use common::scope::Scopes;
use common::time::Timestamp;
use common::wire::Position;
use http::header::CONTENT_LENGTH;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::{Call, broke_off};
use crate::api::caller::{Caller, has_not_ended};
use crate::api::direct_upload::{AddedView, file_fields};
use crate::api::fields::Fields;
use crate::api::resumable;
use crate::domain::upload::{self, Begin, Complete, CompleteFacts, CompleteFields, Progress, Upload};
use crate::domain::version::Stored;
use crate::domain::{Actor, Context, Limits, Refusal};
use crate::error::Failure;
use crate::store::Reading;
use crate::uploads::parts::Parts;
use crate::uploads::sealed::Sealed;
use crate::uploads::stream::{Interrupted, receive_exactly};
use crate::uploads::sweep::forget;

/// The most bytes of one file: 64 GiB.
const LARGEST: u64 = 64 * 1024 * 1024 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Begun<'a> {
    upload_id: &'a UploadId,
    upload_url: String,
    expires_at: Timestamp,
}

/// `POST /v1/management/upload/large-url`.
pub(super) async fn begin(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let (context, base) = (caller.context(&call), call.base.clone());
    let mut fields = call.json_fields().await?;
    let about = file_fields(&mut fields);
    let size = fields.whole("fileSize").flatten();
    let command = fields.settle(Begin::parse(about, size))?;
    if size.is_some_and(|size| size > LARGEST) {
        let message = format!("A file has at most {LARGEST} bytes");
        return Err(Problem::new(Code::PayloadTooLarge, "file_too_large", message).into());
    }
    caller.permits(&command.file.application)?;
    let mut truth = desk.store.write().await?;
    let facts = desk.file_facts(&mut *truth, (context.tenant, context.now), &command.file).await?;
    let decision = upload::begin(command, facts, &context, &mut desk.rng()?)?;
    let upload = &decision.outcome;
    let ticket =
        UploadTicket { tenant: upload.tenant, upload: upload.id.clone(), expires_at: upload.expires_at };
    let sealed =
        ticket.seal(&desk.tickets).ok_or_else(|| Failure::broken("api", "no key seals upload tickets"))?;
    let upload_url = format!("{base}/v1/uploads/{sealed}");
    let told = Begun { upload_id: &upload.id, upload_url, expires_at: upload.expires_at };
    let answer = Answer::done(&told)?;
    desk.settle(&caller, truth, decision.change, answer).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Received<'a> {
    upload_id: &'a UploadId,
    size: u64,
    checksum: common::digest::Digest,
}

/// `PUT /v1/uploads/{ticket}`: exactly the bytes that were announced. Sent again, the later ones count; they replace
/// parts, too.
pub(super) async fn receive(desk: Arc<Desk>, call: Call) -> Handled {
    let Entered { ticket, mut context } = enter(&desk, &call)?;
    let existing = find(&mut *desk.store.read().await?, &ticket, call.now).await?;
    let upload = upload::may_receive(&ticket.upload, existing, &context)?;
    let announced =
        call.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(received) = announced.filter(|length| *length != upload.declared_size) {
        return Err(Refusal::SizeMismatch { declared: upload.declared_size, received }.into());
    }
    let body = call.body.into_data_stream();
    let received = receive_exactly(&desk.blobs, body, upload.declared_size).await;
    let sealed = received.map_err(|e| {
        interrupted(e, || {
            let message = format!("More bytes came than the {} that were declared", upload.declared_size);
            Problem::new(Code::Conflict, "size_mismatch", message).into()
        })
    })?;
    let blob = sealed.blob;
    // The ticket spoke for whoever began the upload; the time is that of the last byte.
    context.actor.key = upload.created_by;
    context.now = desk.clock.now();
    let position = note(&desk, &ticket.upload, &context, (sealed, None)).await?;
    let told = Received { upload_id: &ticket.upload, size: blob.size, checksum: blob.digest };
    Ok(Answer::done(&told)?.at(position))
}

/// A ticket of ours that is not past its time, and what is decided with it.
pub(super) struct Entered {
    pub(super) ticket: UploadTicket,
    pub(super) context: Context,
}

/// Opens the ticket in the path.
pub(super) fn enter(desk: &Desk, call: &Call) -> Result<Entered, Failure> {
    let ticket = call.params.get("ticket").and_then(|text| UploadTicket::open(text, &desk.tickets));
    let ticket =
        ticket.ok_or_else(|| Problem::new(Code::NotFound, "upload_not_found", "There is no such upload"))?;
    if ticket.expires_at <= call.now {
        // It may have been swept already, and is still told what it was.
        return Err(Refusal::UploadExpired(ticket.upload).into());
    }
    let actor = Actor {
        key: None,
        scopes: Scopes::default(),
        applications: None,
        limits: Limits::default(),
        address: Some(call.address),
        request_id: call.request_id.clone(),
    };
    let context = Context { tenant: ticket.tenant, actor, now: call.now };
    Ok(Entered { ticket, context })
}

/// The upload of a ticket, when those whom it is for still want it, and the key that began it still opens a door.
pub(super) async fn find(
    truth: &mut (impl Reading + ?Sized),
    ticket: &UploadTicket,
    now: Timestamp,
) -> Result<Option<Upload>, Failure> {
    let found = find_of(truth, ticket.tenant, &ticket.upload).await?;
    if let Some(key) = found.as_ref().and_then(|upload| upload.created_by.as_ref()) {
        has_not_ended(truth, key, now).await?;
    }
    Ok(found)
}

async fn find_of(
    truth: &mut (impl Reading + ?Sized),
    tenant: TenantId,
    id: &UploadId,
) -> Result<Option<Upload>, Failure> {
    let Some(upload) = truth.upload(tenant, id).await? else { return Ok(None) };
    let vendor = truth.tenant(tenant).await?;
    let application = truth.application(tenant, &upload.command.application).await?;
    upload::is_wanted(&upload, vendor.as_ref(), application)?;
    Ok(Some(upload))
}

/// Notes what an upload has received, whole: names the bytes, and forgets those that they replace. Parts count only
/// while nothing has replaced them; a whole body replaces them.
pub(super) async fn note(
    desk: &Desk,
    id: &UploadId,
    context: &Context,
    (sealed, parts): (Sealed, Option<&Parts>),
) -> Result<Position, Failure> {
    let stored = Stored { size: sealed.blob.size, digest: sealed.blob.digest };
    let mut truth = desk.store.write().await?;
    let before = find_of(&mut *truth, context.tenant, id).await?;
    // Once more: many bytes take long to come. Who completes the upload of a key that has ended speaks for itself.
    if let Some(key) = &context.actor.key {
        has_not_ended(&mut *truth, key, context.now).await?;
    }
    let decision = upload::receive(id, before.clone(), stored, context)?;
    match parts {
        Some(parts) if !parts.are_current().await? => return Err(Refusal::UploadReplaced(id.clone()).into()),
        Some(_) => {}
        None => desk.blobs.drop_parts(id).await?,
    }
    sealed.name().await?;
    if let Some(Upload { progress: Progress::Received(replaced), .. }) = before
        && replaced.digest != stored.digest
    {
        forget(&mut *truth, &desk.blobs, id, replaced).await?;
    }
    desk.metrics.count_upload(stored.size);
    desk.commit(truth, decision.change).await
}

/// Why bytes did not come to their end; what is said of too many depends on the route.
pub(super) fn interrupted(error: Interrupted, too_long: impl FnOnce() -> Failure) -> Failure {
    match error {
        Interrupted::TooShort { declared, received } => Refusal::SizeMismatch { declared, received }.into(),
        Interrupted::TooLong => too_long(),
        Interrupted::Broken => broke_off().into(),
        Interrupted::Disk(e) => e.into(),
        Interrupted::File(e) => e.into(),
    }
}

/// `POST /v1/management/upload/large-complete`. Repeated, it gives the same answer.
pub(super) async fn complete(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let command = Complete::parse(complete_fields(&mut fields));
    let command = fields.settle(command)?;
    let unknown = || Refusal::UnknownUpload(command.id.clone());
    let existing = desk.store.read().await?.upload(context.tenant, &command.id).await?;
    let upload = existing.ok_or_else(unknown)?;
    caller.permits(&upload.command.application)?;
    resumable::finish_if_whole(&desk, &upload, &context).await?;
    let mut truth = desk.store.write().await?;
    let upload = truth.upload(context.tenant, &command.id).await?.ok_or_else(unknown)?;
    if let Progress::Received(stored) = upload.progress
        && !desk.blobs.holds(stored.digest, stored.size).await?
    {
        // A backup that was restored can be older than the bytes.
        return Err(Refusal::UploadNotReceived(upload.id).into());
    }
    let file = desk.file_facts(&mut *truth, (context.tenant, context.now), &upload.command).await?;
    let facts = CompleteFacts { upload: Some(upload), file };
    let decision = upload::complete(command, facts, &context, &mut desk.rng()?)?;
    let answer = Answer::created(&AddedView::of(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

fn complete_fields(fields: &mut Fields) -> CompleteFields {
    let (size, sha256) = (fields.whole("size").flatten(), fields.text("sha256").flatten());
    CompleteFields {
        upload_id: fields.text("uploadId").flatten(),
        release_notes: fields.text("releaseNotes").flatten(),
        application_id: fields.text("applicationId").flatten(),
        version: fields.text("version").flatten(),
        file_name: fields.text("fileName").flatten(),
        file_size: fields.whole("fileSize").flatten().or(size),
        checksum: fields.text("checksum").flatten().or(sha256),
    }
}
