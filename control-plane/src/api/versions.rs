//! Versions, changed and withdrawn. Listing them is the edge's.

use std::sync::Arc;

use common::catalog;
use common::digest::Digest;
use common::id::{ApplicationId, VersionId, VersionName};
use common::time::Timestamp;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::domain::Context;
use crate::domain::version::{self, Fields, Patch, PatchFacts, Version};
use crate::error::Failure;

/// A version as it is told; size and checksum are those of its main file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionView<'a> {
    message: &'static str,
    version_id: &'a VersionId,
    application_id: &'a ApplicationId,
    version: &'a VersionName,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_notes: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_tier: Option<&'a str>,
    channel: &'a str,
    is_active: bool,
    is_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<Digest>,
    download_count: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> VersionView<'a> {
    fn of(version: &'a Version, message: &'static str) -> Self {
        let catalog::Version { id, name, release_notes, required_tier, channel, .. } = &version.facts;
        let main = version.facts.main_file();
        Self {
            message,
            version_id: id,
            application_id: &version.application,
            version: name,
            release_notes: release_notes.as_deref(),
            required_tier: required_tier.as_ref().map(|tier| tier.as_str()),
            channel,
            is_active: version.facts.is_active,
            is_enabled: version.facts.is_enabled,
            file_size: main.map(|file| file.size),
            checksum: main.map(|file| file.digest),
            download_count: version.facts.download_count,
            created_at: version.facts.created_at,
            updated_at: version.facts.updated_at,
        }
    }
}

/// `PATCH /v1/applications/{applicationId}/versions/{version}`.
pub(super) async fn change(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let (application, version) = named(&caller, &call)?;
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let edits = Fields {
        release_notes: fields.text("releaseNotes").into(),
        required_tier: fields.text("requiredTier").into(),
        channel: fields.text("channel").into(),
        is_active: fields.flag_or("isActive", true),
        is_enabled: fields.flag_or("isEnabled", !desk.draft_by_default),
    };
    let command = fields.settle(Patch::parse(application, version, edits))?;
    apply(&desk, &caller, command, &context, "Version updated successfully").await
}

/// `DELETE …`: nobody gets the version any more; its bytes are kept.
pub(super) async fn yank(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let (application, version) = named(&caller, &call)?;
    let context = caller.context(&call);
    let command = Patch::yank(application, version);
    apply(&desk, &caller, command, &context, "Version withdrawn successfully").await
}

async fn apply(
    desk: &Desk,
    caller: &Caller,
    command: Patch,
    context: &Context,
    message: &'static str,
) -> Handled {
    let mut truth = desk.store.write().await?;
    let facts = PatchFacts {
        application: truth.application(context.tenant, &command.application).await?,
        version: truth.version(context.tenant, &command.application, &command.version).await?,
        tiers: truth.tiers(context.tenant).await?,
    };
    let decision = version::patch(command, facts, context)?;
    let answer = Answer::done(&VersionView::of(&decision.outcome, message))?;
    desk.settle(caller, truth, decision.change, answer).await
}

fn named(caller: &Caller, call: &Call) -> Result<(ApplicationId, VersionName), Failure> {
    let application = call.id("applicationId")?;
    caller.permits(&application)?;
    Ok((application, call.id("version")?))
}
