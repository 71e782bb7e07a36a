//! Backups of the caller's tenant: listed, made, read, downloaded, restored.

mod ticket;

use std::sync::Arc;

use axum::body::Body;
use common::cursor::List;
use common::id::{BackupId, TenantId};
use common::problem::{Code, Problem};
use common::time::Timestamp;
use serde::Serialize;
use tokio_util::io::ReaderStream;

use self::ticket::{LIFETIME, Ticket};
use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::{Caller, Use, by_holder};
use crate::api::page::{More, Page};
use crate::backup::make::make;
use crate::domain::Refusal;
use crate::domain::backup::{self, Backup, Cause};
use crate::domain::restore;
use crate::error::{Attachment, Failure};

/// A backup as it is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupView<'a> {
    backup_id: &'a BackupId,
    backup_type: &'static str,
    status: &'static str,
    size_bytes: u64,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_expires_at: Option<Timestamp>,
}

impl<'a> BackupView<'a> {
    fn of(backup: &'a Backup) -> Self {
        Self {
            backup_id: &backup.id,
            backup_type: backup.cause.as_str(),
            status: if backup.size.is_some() { "COMPLETED" } else { "FAILED" },
            size_bytes: backup.size.unwrap_or(0),
            created_at: backup.created_at,
            expires_at: backup.expires_at,
            download_url: None,
            url_expires_at: None,
        }
    }
}

#[derive(Serialize)]
struct BackupList<'a> {
    backups: Vec<BackupView<'a>>,
    pagination: &'a More,
}

/// Somebody else's tenant is as absent as none.
fn own_tenant(caller: &Caller, call: &Call) -> Result<TenantId, Failure> {
    let named: TenantId = call.id("tenantId")?;
    if named != caller.tenant() {
        return Err(Refusal::UnknownTenant(named).into());
    }
    match caller.policy().applications {
        None => Ok(named),
        Some(_) => Err(Refusal::NotForNarrowedKeys.into()),
    }
}

/// `GET /v1/control/tenants/{tenantId}/backups`: newest first.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let tenant = own_tenant(&caller, &call)?;
    let mut fields = call.query_fields();
    let page = Page::read_in(&mut fields, List::of("backups", tenant), &desk.cursors)?;
    let page = fields.settle(Ok(page))?;
    let mut truth = desk.store.read().await?;
    let listed = match page.after() {
        Some(after) => truth.backups_after(tenant, after, page.reach()).await?,
        None => truth.backups(tenant, page.slice()).await?,
    };
    let (backups, turn) = page.turn(listed, Backup::place);
    let backups = backups.iter().map(BackupView::of).collect();
    Answer::turned(&BackupList { backups, pagination: &turn.more }, &turn, &call)
}

/// `POST /v1/control/tenants/{tenantId}/backups`: everything that was answered before is in it.
pub(super) async fn create(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    own_tenant(&caller, &call)?;
    let context = caller.context(&call);
    let mut rng = desk.rng()?;
    let made = make(desk.store.as_ref(), &desk.backups, (Cause::Manual, None), &context, &mut rng).await?;
    let is_whole = made.size.is_some();
    let decision = backup::note(made, &context);
    let truth = desk.store.write().await?;
    if !is_whole {
        desk.commit(truth, decision.change).await?;
        return Err(Failure::broken("backup", "the file could not be written"));
    }
    let answer = Answer::created(&BackupView::of(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

/// `GET /v1/control/tenants/{tenantId}/backups/{backupId}`.
pub(super) async fn read(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let tenant = own_tenant(&caller, &call)?;
    let id: BackupId = call.id("backupId")?;
    let mut fields = call.query_fields();
    let with_urls = fields.flag("generateUrls").flatten().unwrap_or(false);
    fields.settle(Ok(()))?;
    let found = desk.store.read().await?.backup(tenant, &id).await?;
    let found = found.ok_or(Refusal::UnknownBackup(id))?;
    let mut view = BackupView::of(&found);
    if with_urls && found.size.is_some() {
        let expires_at = call.now.plus(LIFETIME);
        let ticket = Ticket { tenant, backup: found.id.clone(), holder: caller.holder().clone(), expires_at };
        let sealed = ticket.seal(&desk.backup_tickets);
        let sealed = sealed.ok_or_else(|| Failure::broken("api", "no key seals URLs of backups"))?;
        view.download_url = Some(format!("{}/v1/backups/{sealed}", call.base));
        view.url_expires_at = Some(expires_at);
    }
    Answer::done(&view)
}

/// `GET /v1/backups/{ticket}`: the file, for as long as the key that asked for the URL could have it.
pub(super) async fn download(desk: Arc<Desk>, call: Call) -> Handled {
    let absent = || Problem::new(Code::NotFound, "backup_not_found", "There is no such backup");
    let ticket = call.params.get("ticket").and_then(|text| Ticket::open(text, &desk.backup_tickets));
    let ticket = ticket.ok_or_else(absent)?;
    if ticket.expires_at <= call.now {
        let message = "This URL has expired: ask for another";
        return Err(Problem::new(Code::Expired, "backup_url_expired", message).into());
    }
    let used = Use { address: call.address, now: call.now };
    by_holder(&desk, &ticket.holder, ticket.tenant, used).await?;
    let found = desk.store.read().await?.backup(ticket.tenant, &ticket.backup).await?;
    let found = found.filter(|backup| backup.size.is_some()).ok_or_else(absent)?;
    let file = tokio::fs::File::open(desk.backups.path(found.tenant, &found.id)).await;
    let file = file.map_err(|e| Failure::broken("backup", e))?;
    let length = file.metadata().await.map_err(|e| Failure::broken("backup", e))?.len();
    Answer::attached(Attachment {
        body: Body::from_stream(ReaderStream::new(file)),
        length,
        name: format!("{}.jsonl.zst", found.id),
        content_type: "application/zstd",
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoredView<'a> {
    message: String,
    backup_id: &'a BackupId,
    restored_at: Timestamp,
}

/// `POST /v1/control/tenants/{tenantId}/backups/{backupId}/restore`.
pub(super) async fn restore(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let tenant = own_tenant(&caller, &call)?;
    let id: BackupId = call.id("backupId")?;
    let context = caller.context(&call);
    let _turn = desk.backups.turn().await;
    let found = desk.store.read().await?.backup(tenant, &id).await?;
    let found = backup::whole(found, &id)?;
    let (files, wanted) = (desk.backups.clone(), found.clone());
    let was = tokio::task::spawn_blocking(move || files.read(&wanted)).await;
    let was = was.map_err(|e| Failure::broken("backup", e))?;
    let was = was.map_err(|e| Refusal::BackupDamaged { backup: id.clone(), why: e.to_string() })?;
    let mut truth = desk.store.write().await?;
    backup::may_make(truth.count_records(tenant).await?, 0)?;
    let present = truth.contents(tenant).await?;
    let decision = restore::restore(Some(&found), &was, present.as_ref(), &context);
    let restore::Restored { added, changed, hidden } = decision.outcome;
    let message = format!("Restored: {added} added, {changed} changed, {hidden} hidden");
    let answer = Answer::done(&RestoredView { message, backup_id: &id, restored_at: context.now })?;
    desk.settle(&caller, truth, decision.change, answer).await
}
