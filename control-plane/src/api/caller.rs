//! The only entrance: who is asking, from where, and whether the route is for them.
//!
//! Refusals come in the order of the contract, cheapest first: no key, no such key, a dead key, an inactive account, an
//! address, the kind of key, its scope.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use common::credential;
use common::id::{ApplicationId, KeyId, TenantId};
use common::key::{Kind, Presented};
use common::network::canonical;
use common::policy::{Denied, Facts, KeyPolicy, TenantPolicy, evaluate, may_know};
use common::problem::{Problem, refusals};
use common::proof::{FORWARDED_HEADER, Forwarded};
use common::routes::{Credential, Plane, Route};
use common::scope::Scope;
use common::time::Timestamp;
use http::HeaderMap;
use http::header::HOST;

use crate::api::call::Call;
use crate::api::idempotency::Keeping;
use crate::api::{Desk, Peer};
use crate::domain::{Actor, Context, Refusal};
use crate::error::Failure;

/// Somebody whose key opened the door.
#[derive(Debug)]
pub(crate) struct Caller {
    key: KeyPolicy,
    /// How the answer to this request is kept, when it asks for that.
    keeping: Option<Arc<Keeping>>,
}

impl Caller {
    /// The same, of a request whose answer is to be kept.
    pub(crate) fn keeping(self, keeping: Arc<Keeping>) -> Self {
        Self { keeping: Some(keeping), ..self }
    }

    /// How the answer to the request is to be kept, if it is.
    pub(crate) fn keeps(&self) -> Option<&Keeping> {
        self.keeping.as_deref()
    }

    /// Whose things it may see and change.
    pub(crate) fn tenant(&self) -> TenantId {
        self.key.tenant
    }

    /// The key that was used.
    pub(crate) fn key(&self) -> &KeyId {
        &self.key.id
    }

    /// Whether the key may know of an application: keys can be narrowed to some.
    pub(crate) fn may_know(&self, application: &ApplicationId) -> bool {
        may_know(&self.key, None, application)
    }

    /// Refuses what concerns an application that the key may not know of, as if there were none.
    pub(crate) fn permits(&self, application: &ApplicationId) -> Result<(), Refusal> {
        if self.may_know(application) {
            Ok(())
        } else {
            Err(Refusal::UnknownApplication(application.clone()))
        }
    }

    /// Whether the key has a scope.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.key.scopes.contains(scope)
    }

    /// What a command of this caller is decided with.
    pub(crate) fn context(&self, call: &Call) -> Context {
        let actor = Actor {
            key: Some(self.key.id.clone()),
            scopes: self.key.scopes,
            applications: self.key.applications.clone(),
            address: Some(call.address),
            request_id: call.request_id.clone(),
        };
        Context { tenant: self.key.tenant, actor, now: call.now }
    }
}

/// Where a request comes from, and what links in its answer start with.
pub(crate) struct Origin {
    pub(crate) address: IpAddr,
    pub(crate) base: String,
}

/// An edge's word when an edge of ours gave it; otherwise what the socket says, and the public URL, or on loopback the
/// host that was asked.
pub(crate) fn origin(desk: &Desk, headers: &HeaderMap, peer: Option<Peer>, now: Timestamp) -> Origin {
    let word = headers.get(FORWARDED_HEADER).and_then(|value| value.to_str().ok());
    if let Some(word) = word.and_then(|word| Forwarded::open(word, &desk.forwarding, now)) {
        return Origin { address: canonical(word.address), base: word.base };
    }
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).filter(|host| is_plain_host(host));
    let base = match (&desk.public_url, host) {
        (Some(url), _) => url.clone(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => "http://localhost".to_owned(),
    };
    // Without a peer (calls inside the process) the address is one that no allowlist names.
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| canonical(peer.ip()));
    Origin { address, base }
}

fn is_plain_host(host: &str) -> bool {
    (1..=255).contains(&host.len())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b))
}

/// What a caller is judged by.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) address: IpAddr,
    pub(crate) now: Timestamp,
}

/// Looks at the credential of a request.
pub(crate) async fn admit(desk: &Desk, route: &Route, asking: Asking<'_>) -> Result<Caller, Failure> {
    let found = credential::find(asking.headers).map_err(|_| refusals::ambiguous_credentials())?;
    let secret = found.ok_or_else(refusals::missing_credential)?;
    let presented = Presented::parse(secret.expose()).ok_or_else(refusals::malformed_key)?;
    if !desk.tenancy.takes(presented.owner) {
        return Err(refusals::tenant_required().into());
    }
    let known = desk.store.read().await?.identify(&presented.digest()).await?;
    let known = known.ok_or_else(|| refusals::denied(Denied::Unknown))?;
    if known.key.deleted_at.is_some() {
        return Err(refusals::denied(Denied::Deleted).into());
    }
    let tenant = TenantPolicy { id: known.tenant.id, is_active: known.tenant.is_active };
    let facts = Facts {
        key: &known.key.policy,
        customer: known.customer.as_ref().map(|customer| &customer.policy),
        tenant: Some(&tenant),
        owner: presented.owner,
        address: asking.address,
    };
    evaluate(facts, asking.now).map_err(refusals::denied)?;
    suits(route, &known.key.policy)?;
    Ok(Caller { key: known.key.policy, keeping: None })
}

/// Whether the route is for keys of this kind and with these scopes.
fn suits(route: &Route, key: &KeyPolicy) -> Result<(), Problem> {
    // What both planes answer, the edge answers for customers: the desk is the vendor's.
    let admins_only = route.credential == Credential::Admin || route.plane == Plane::EdgeOrDesk;
    if admins_only && key.kind != Kind::Admin {
        return Err(refusals::admin_key_required());
    }
    match route.scope {
        Some(scope) if !key.scopes.contains(scope) => Err(refusals::scope_missing(scope)),
        Some(_) | None => Ok(()),
    }
}
