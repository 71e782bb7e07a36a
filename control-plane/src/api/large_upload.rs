//! The large upload: begun with what the file will be, received as bare bytes at a URL of its own, completed into a
//! version. Whatever the size, memory holds one piece; whichever desk is asked, the database knows how far it came.

use std::sync::Arc;

use common::id::UploadId;
use common::problem::{Code, Problem};
use common::proof::UploadTicket;
use common::scope::Scopes;
use common::time::Timestamp;
use http::header::CONTENT_LENGTH;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::{Call, broke_off};
use crate::api::caller::Caller;
use crate::api::direct_upload::{AddedView, file_fields};
use crate::api::fields::Fields;
use crate::domain::upload::{self, Begin, Complete, CompleteFacts, CompleteFields};
use crate::domain::version::Stored;
use crate::domain::{Actor, Context, Refusal};
use crate::error::Failure;
use crate::uploads::stream::{Interrupted, receive_exactly};

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
    let facts = desk.file_facts(&mut *truth, context.tenant, &command.file).await?;
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

/// `PUT /v1/uploads/{ticket}`: exactly the bytes that were announced. Sent again, the later ones count.
pub(super) async fn receive(desk: Arc<Desk>, call: Call) -> Handled {
    let ticket = call.params.get("ticket").and_then(|text| UploadTicket::open(text, &desk.tickets));
    let ticket =
        ticket.ok_or_else(|| Problem::new(Code::NotFound, "upload_not_found", "There is no such upload"))?;
    let actor = Actor {
        key: None,
        scopes: Scopes::default(),
        applications: None,
        address: Some(call.address),
        request_id: call.request_id.clone(),
    };
    let mut context = Context { tenant: ticket.tenant, actor, now: call.now };
    let existing = desk.store.read().await?.upload(ticket.tenant, &ticket.upload).await?;
    let upload = upload::may_receive(&ticket.upload, existing, &context)?;
    let announced =
        call.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(received) = announced.filter(|length| *length != upload.declared_size) {
        return Err(Refusal::SizeMismatch { declared: upload.declared_size, received }.into());
    }
    let body = call.body.into_data_stream();
    let received = receive_exactly(&desk.blobs, body, upload.declared_size).await;
    let blob = received.map_err(|e| interrupted(e, upload.declared_size))?;
    desk.metrics.count_upload(blob.size);
    // The ticket spoke for whoever began the upload; the time is that of the last byte.
    context.actor.key = upload.created_by;
    context.now = desk.clock.now();
    let mut truth = desk.store.write().await?;
    let existing = truth.upload(context.tenant, &ticket.upload).await?;
    let stored = Stored { size: blob.size, digest: blob.digest };
    let decision = upload::receive(&ticket.upload, existing, stored, &context)?;
    let position = desk.commit(truth, decision.change).await?;
    let told = Received { upload_id: &ticket.upload, size: blob.size, checksum: blob.digest };
    Ok(Answer::done(&told)?.at(position))
}

fn interrupted(error: Interrupted, declared: u64) -> Failure {
    match error {
        Interrupted::TooShort(received) => Refusal::SizeMismatch { declared, received }.into(),
        Interrupted::TooLong => {
            let message = format!("More bytes came than the {declared} that were declared");
            Problem::new(Code::Conflict, "size_mismatch", message).into()
        }
        Interrupted::Broken => broke_off().into(),
        Interrupted::Disk(e) => e.into(),
    }
}

/// `POST /v1/management/upload/large-complete`. Repeated, it gives the same answer.
pub(super) async fn complete(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let command = Complete::parse(complete_fields(&mut fields));
    let command = fields.settle(command)?;
    let mut truth = desk.store.write().await?;
    let existing = truth.upload(context.tenant, &command.id).await?;
    let upload = existing.ok_or_else(|| Refusal::UnknownUpload(command.id.clone()))?;
    caller.permits(&upload.command.application)?;
    let file = desk.file_facts(&mut *truth, context.tenant, &upload.command).await?;
    let facts = CompleteFacts { upload: Some(upload), file };
    let decision = upload::complete(command, facts, &context, &mut desk.rng()?)?;
    let answer = Answer::created(&AddedView::of(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

fn complete_fields(fields: &mut Fields) -> CompleteFields {
    CompleteFields {
        upload_id: fields.text("uploadId").flatten(),
        release_notes: fields.text("releaseNotes").flatten(),
        application_id: fields.text("applicationId").flatten(),
        version: fields.text("version").flatten(),
        file_name: fields.text("fileName").flatten(),
        file_size: fields.whole("fileSize").flatten(),
        checksum: fields.text("checksum").flatten(),
    }
}
