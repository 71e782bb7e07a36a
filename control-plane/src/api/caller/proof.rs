//! What a credential proves: a key, or a session and the key behind it, alive and used from where it may be.

use std::net::{IpAddr, Ipv4Addr};

use common::digest::Digest;
use common::id::{KeyId, TenantId};
use common::key::{Holder, Owner, Presented};
use common::network::Allowlist;
use common::policy::{Denied, Facts, KeyPolicy, TenantPolicy, evaluate};
use common::problem::refusals;
use common::session::Claims;
use common::time::Timestamp;

use super::Caller;
use crate::api::Desk;
use crate::error::Failure;
use crate::store::{Identity, Reading};

/// From where and when a credential is used.
#[derive(Clone, Copy)]
pub(crate) struct Use {
    pub(crate) address: IpAddr,
    pub(crate) now: Timestamp,
}

/// Who brings the text of a key.
pub(crate) async fn by_key(desk: &Desk, text: &str, used: Use) -> Result<Caller, Failure> {
    let presented = Presented::parse(text).ok_or_else(refusals::malformed_key)?;
    if !desk.tenancy.takes(presented.owner) {
        return Err(refusals::tenant_required().into());
    }
    let digest = presented.digest();
    let known = desk.store.read().await?.identify(&digest).await?;
    judge(known, &digest, presented.owner, used)
}

/// Who brings the token of a session: it is judged as its key would be.
pub(super) async fn by_token(desk: &Desk, text: &str, used: Use) -> Result<Caller, Failure> {
    let claims = Claims::open(text, &desk.sessions, used.now).map_err(refusals::denied)?;
    let mut truth = desk.store.read().await?;
    // A session of ours that the truth does not know was lost with a part of the history: nobody could end it.
    let session = truth.session(&claims.id).await?.filter(|session| session.claims() == claims);
    let session = session.ok_or_else(|| refusals::denied(Denied::SessionUnknown))?;
    if session.revoked_at.is_some() {
        return Err(refusals::denied(Denied::SessionRevoked).into());
    }
    let known = truth.identify_by_id(&claims.holder.key).await?;
    let caller = judge_holder(known, &claims.holder, session.tenant, used)?;
    Ok(Caller { session: Some(session.id), ..caller })
}

/// Who brings what a key of the tenant lent: it is judged as that key would be.
pub(crate) async fn by_holder(
    desk: &Desk,
    holder: &Holder,
    tenant: TenantId,
    used: Use,
) -> Result<Caller, Failure> {
    let known = desk.store.read().await?.identify_by_id(&holder.key).await?;
    judge_holder(known, holder, tenant, used)
}

/// Refuses what is done by a ticket that a key lent, when the key has ended since. Where it is used from is not asked:
/// tickets are made to be handed to whoever has the bytes.
pub(crate) async fn has_not_ended(
    truth: &mut (impl Reading + ?Sized),
    key: &KeyId,
    now: Timestamp,
) -> Result<(), Failure> {
    let known = truth.identify_by_id(key).await?;
    let Identity { key, customer, tenant, .. } = known.ok_or_else(|| refusals::denied(Denied::Unknown))?;
    let is_deleted = key.deleted_at.is_some();
    let key = KeyPolicy { is_deleted, allowlist: Allowlist::default(), ..key.policy };
    let facts = Facts {
        key: &key,
        customer: customer.as_ref().map(|customer| &customer.policy),
        tenant: Some(&TenantPolicy { id: tenant.id, is_active: tenant.is_active }),
        owner: Owner::Tenant(tenant.id),
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    evaluate(facts, now).map_err(|denied| refusals::denied(denied).into())
}

fn judge_holder(
    known: Option<Identity>,
    holder: &Holder,
    tenant: TenantId,
    used: Use,
) -> Result<Caller, Failure> {
    // Another secret took the place of the one that it was lent by.
    let digest = known.as_ref().and_then(|known| known.key.digests.of_generation(&holder.generation));
    let digest = digest.ok_or_else(|| refusals::denied(Denied::Unknown))?;
    judge(known, &digest, Owner::Tenant(tenant), used)
}

fn judge(known: Option<Identity>, digest: &Digest, owner: Owner<'_>, used: Use) -> Result<Caller, Failure> {
    let known = known.ok_or_else(|| refusals::denied(Denied::Unknown))?;
    if known.key.deleted_at.is_some() {
        return Err(refusals::denied(Denied::Deleted).into());
    }
    let key = known.key.digests.opened_by(digest, known.key.policy);
    let key = key.ok_or_else(|| refusals::denied(Denied::Unknown))?;
    let tenant = TenantPolicy { id: known.tenant.id, is_active: known.tenant.is_active };
    let facts = Facts {
        key: &key,
        customer: known.customer.as_ref().map(|customer| &customer.policy),
        tenant: Some(&tenant),
        owner,
        address: used.address,
    };
    evaluate(facts, used.now).map_err(refusals::denied)?;
    let customer = known.customer.map(|customer| customer.policy);
    Ok(Caller { holder: Holder::new(key.id.clone(), digest), key, customer, session: None, keeping: None })
}
