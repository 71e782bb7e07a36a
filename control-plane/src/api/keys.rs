//! API keys in both meanings: a customer's, and scoped ones of the vendor. A secret is told once, when it is made.

use std::sync::Arc;

use common::cursor::List;
use common::id::{ApplicationId, CustomerId, KeyId};
use common::key::{Kind, text_of};
use common::secret::Secret;
use common::time::Timestamp;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::fields::Fields;
use crate::api::page::{More, Page};
use crate::domain::key::{
    self, About, Create, ForCustomer, ForCustomerFacts, Key, KeyFacts, NewKey, Patch, Rotate,
};
use crate::domain::{Context, Refusal};
use crate::store::{Slice, Writing};

/// A key as it is told: everything but its secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView<'a> {
    key_id: &'a KeyId,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    name: &'a str,
    description: &'a str,
    scopes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit_rpm: Option<u32>,
    ip_allowlist: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_ids: Option<&'a [ApplicationId]>,
    channels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// Until when the secret before the present one works, or worked.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_key_expires_at: Option<Timestamp>,
    is_enabled: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

impl<'a> KeyView<'a> {
    fn of(key: &'a Key) -> Self {
        let policy = &key.policy;
        Self {
            key_id: &policy.id,
            kind: policy.kind,
            customer_id: policy.customer.as_ref(),
            name: &key.name,
            description: &key.description,
            scopes: policy.scopes.iter().map(|scope| scope.as_str()).collect(),
            rate_limit_rpm: policy.rate_limit.map(|limit| limit.get()),
            ip_allowlist: policy.allowlist.to_texts(),
            application_ids: policy.applications.as_deref(),
            channels: &policy.channels,
            expires_at: policy.expires_at,
            previous_key_expires_at: key.digests.previous.map(|old| old.until),
            is_enabled: policy.is_enabled,
            created_at: key.created_at,
            updated_at: key.updated_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A key with its secret: told once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewKeyView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    key_id: &'a KeyId,
    api_key: String,
    api_secret: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regenerated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_key_expires_at: Option<Timestamp>,
}

impl<'a> NewKeyView<'a> {
    fn created(new: &'a NewKey) -> Self {
        Self {
            customer_id: new.key.policy.customer.as_ref(),
            key_id: &new.key.policy.id,
            api_key: text_of(new.key.policy.tenant, &new.secret),
            api_secret: new.secret.expose(),
            name: &new.key.name,
            created_at: Some(new.key.created_at),
            regenerated_at: None,
            previous_key_expires_at: new.key.digests.previous.map(|old| old.until),
        }
    }

    fn regenerated(new: &'a NewKey) -> Self {
        Self { created_at: None, regenerated_at: Some(new.key.updated_at), ..Self::created(new) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyList<'a> {
    api_keys: Vec<KeyView<'a>>,
    pagination: &'a More,
}

/// `GET /v1/management/apikeys`: the oldest first.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    page_of(&desk, &caller, None, call).await
}

/// `GET /v1/management/customers/{customerId}/apikeys`.
pub(super) async fn list_of_customer(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: CustomerId = call.id("customerId")?;
    page_of(&desk, &caller, Some(id), call).await
}

async fn page_of(desk: &Desk, caller: &Caller, customer: Option<CustomerId>, call: Call) -> Handled {
    let mut fields = call.query_fields();
    let list = List::of("keys", caller.tenant()).and(customer.as_ref().map_or("", CustomerId::as_str));
    let page = Page::read_in(&mut fields, list, &desk.cursors)?;
    let page = fields.settle(Ok(page))?;
    let mut truth = desk.store.read().await?;
    if let Some(id) = &customer
        && truth.customer(caller.tenant(), id).await?.is_none()
    {
        return Err(Refusal::UnknownCustomer(id.clone()).into());
    }
    let listed = match page.after() {
        Some(after) => truth.keys_after(caller.tenant(), customer.as_ref(), after, page.reach()).await?,
        None => truth.keys(caller.tenant(), customer.as_ref(), page.slice()).await?,
    };
    let (keys, turn) = page.turn(listed, Key::place);
    let api_keys = keys.iter().map(KeyView::of).collect();
    Answer::turned(&KeyList { api_keys, pagination: &turn.more }, &turn, &call)
}

/// `GET /v1/management/apikeys/{keyId}`.
pub(super) async fn read(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: KeyId = call.id("keyId")?;
    let key =
        desk.store.read().await?.key(caller.tenant(), &id).await?.filter(|key| key.deleted_at.is_none());
    Answer::done(&KeyView::of(&key.ok_or(Refusal::UnknownKey(id))?))
}

/// `POST /v1/management/apikeys`: how scoped keys of the vendor are made, and any customer's.
pub(super) async fn create(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let (kind, customer) = (fields.text("kind").flatten(), fields.text("customerId").flatten());
    let command = Create::parse(kind, customer, settings(&mut fields), context.now);
    let command = fields.settle(command)?;
    let mut truth = desk.store.write().await?;
    let facts = KeyFacts {
        customer: match &command.customer {
            Some(id) => truth.customer(context.tenant, id).await?,
            None => None,
        },
        unknown_applications: truth.missing_applications(context.tenant, command.applications()).await?,
    };
    let decision = key::create(command, facts, &context, &mut desk.rng()?)?;
    let answer = Answer::created(&NewKeyView::created(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

/// `POST /v1/management/customers/{customerId}/apikeys`: a key for a customer who may not exist yet.
pub(super) async fn create_for_customer(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: CustomerId = call.id("customerId")?;
    let id = Some(id).filter(|id| !desk.is_vendor(id));
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let about = About {
        name: fields.text("name").flatten(),
        tier: fields.text("tier").flatten(),
        notes: fields.text("notes").flatten(),
    };
    let command = ForCustomer::parse(id, about, settings(&mut fields), &context);
    let command = fields.settle(command)?;
    let mut truth = desk.store.write().await?;
    let facts = ForCustomerFacts {
        customer: match &command.customer {
            Some(id) => truth.customer(context.tenant, id).await?,
            None => None,
        },
        tiers: truth.tiers(context.tenant).await?,
        unknown_applications: truth.missing_applications(context.tenant, command.applications()).await?,
    };
    let decision = key::create_for_customer(command, facts, &context, &mut desk.rng()?)?;
    let answer = Answer::created(&NewKeyView::created(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

/// `PATCH /v1/management/apikeys/{keyId}`.
pub(super) async fn change(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: KeyId = call.id("keyId")?;
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let command = Patch::parse(id, settings(&mut fields));
    let command = fields.settle(command)?;
    let mut truth = desk.store.write().await?;
    let existing = truth.key(context.tenant, &command.id).await?;
    let unknown = truth.missing_applications(context.tenant, command.applications()).await?;
    let decision = key::patch(command, existing, unknown, &context)?;
    let answer = Answer::done(&KeyView::of(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'a> {
    message: &'static str,
    key_id: &'a KeyId,
    deleted_at: Timestamp,
}

/// `DELETE /v1/management/apikeys/{keyId}`.
pub(super) async fn delete(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: KeyId = call.id("keyId")?;
    let context = caller.context(&call);
    let mut truth = desk.store.write().await?;
    let existing = truth.key(context.tenant, &id).await?;
    let decision = key::delete(&id, existing, &context)?;
    let told = Deleted { message: "API key deleted successfully", key_id: &id, deleted_at: context.now };
    let answer = Answer::done(&told)?;
    desk.settle(&caller, truth, decision.change, answer).await
}

/// `POST /v1/management/customers/{customerId}/regenerate-key`: a new secret for the customer's first key.
pub(super) async fn regenerate_of_customer(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: CustomerId = call.id("customerId")?;
    let mut truth = desk.store.write().await?;
    if truth.customer(caller.tenant(), &id).await?.is_none() {
        return Err(Refusal::UnknownCustomer(id).into());
    }
    let keys = truth.keys(caller.tenant(), Some(&id), Slice { offset: 0, limit: 1 }).await?;
    let first = keys.items.into_iter().next().ok_or(Refusal::CustomerWithoutKey(id))?;
    regenerate(&desk, &caller, truth, first, &caller.context(&call)).await
}

/// `POST /v1/management/admin/regenerate-key`: a new secret for the caller's own key.
pub(super) async fn regenerate_own(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let mut truth = desk.store.write().await?;
    let own = truth.key(caller.tenant(), caller.key()).await?;
    let own = own.ok_or_else(|| Refusal::UnknownKey(caller.key().clone()))?;
    regenerate(&desk, &caller, truth, own, &caller.context(&call)).await
}

async fn regenerate(
    desk: &Desk,
    caller: &Caller,
    truth: Box<dyn Writing>,
    key: Key,
    context: &Context,
) -> Handled {
    let id = key.policy.id.clone();
    let decision = key::regenerate(&id, Some(key), context, &mut desk.rng()?)?;
    let answer = Answer::done(&NewKeyView::regenerated(&decision.outcome))?;
    desk.settle(caller, truth, decision.change, answer).await
}

/// `POST /v1/management/apikeys/{keyId}/rotate`: a new secret, beside which the old one may go on for a while.
pub(super) async fn rotate(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: KeyId = call.id("keyId")?;
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let overlap = fields.whole("overlapSeconds").flatten();
    let command = fields.settle(Rotate::parse(id, overlap))?;
    let mut truth = desk.store.write().await?;
    let existing = truth.key(context.tenant, &command.id).await?;
    let decision = key::rotate(&command, existing, &context, &mut desk.rng()?)?;
    let answer = Answer::created(&NewKeyView::created(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

fn settings(fields: &mut Fields) -> key::Fields {
    key::Fields {
        name: fields.text("name").into(),
        description: fields.text("description").into(),
        scopes: fields.texts("scopes").into(),
        preset: fields.text("preset").flatten(),
        rate_limit_rpm: fields.whole("rateLimitRpm").into(),
        ip_allowlist: fields.texts("ipAllowlist").into(),
        application_ids: fields.texts("applicationIds").into(),
        channels: fields.texts("channels").into(),
        expires_at: fields.text("expiresAt").into(),
        is_enabled: fields.flag_or("isEnabled", true),
        secret: fields.text("apiSecret").flatten().map(Secret::new),
    }
}
