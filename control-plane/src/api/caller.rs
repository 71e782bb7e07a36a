//! The only entrance: who is asking, from where, and whether the route is for them.
//!
//! Refusals come in the order of the contract, cheapest first: no key, no such key, a dead key, an inactive account, an
//! address, the kind of key, its scope.

mod proof;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use common::credential;
use common::id::{ApplicationId, KeyId, SessionId, TenantId};
use common::key::{Holder, Kind};
use common::network::canonical;
use common::policy::{CustomerPolicy, KeyPolicy, may_know};
use common::problem::{Problem, refusals};
use common::proof::{FORWARDED_HEADER, Forwarded};
use common::routes::{Credential, Plane, Route, RouteId};
use common::scope::Scope;
use common::session::is_token;
use common::time::Timestamp;
use http::HeaderMap;
use http::header::HOST;

use crate::api::call::Call;
use crate::api::idempotency::Keeping;
use crate::api::{Desk, Peer};
use crate::domain::{Actor, Context, Limits, Refusal};
use crate::error::Failure;
pub(crate) use proof::{Use, by_holder, by_key, has_not_ended};

/// Somebody whose key opened the door.
#[derive(Debug)]
pub(crate) struct Caller {
    key: KeyPolicy,
    /// Whose key it is; none for an admin's.
    customer: Option<CustomerPolicy>,
    /// How the answer to this request is kept, when it asks for that.
    keeping: Option<Arc<Keeping>>,
    /// The key, and which of its secrets.
    holder: Holder,
    /// The session, when its token was used.
    session: Option<SessionId>,
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

    /// The key and the secret that was used, or that the session was opened by.
    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The session whose token was used.
    pub(crate) fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// The key as its secret opens it.
    pub(crate) fn policy(&self) -> &KeyPolicy {
        &self.key
    }

    /// Whether it is a vendor's with that scope.
    pub(crate) fn manages(&self, scope: Scope) -> bool {
        // What belongs to all applications is not for a key that is narrowed to some.
        self.key.kind == Kind::Admin && self.key.applications.is_none() && self.has(scope)
    }

    /// Whose key it is; none for an admin's.
    pub(crate) fn customer(&self) -> Option<&CustomerPolicy> {
        self.customer.as_ref()
    }

    /// The applications that the key is narrowed to; `None`: to none.
    pub(crate) fn applications(&self) -> Option<&[ApplicationId]> {
        self.key.applications.as_deref()
    }

    /// Whether the key may know of an application: keys can be narrowed to some, customers have some.
    pub(crate) fn may_know(&self, application: &ApplicationId) -> bool {
        may_know(&self.key, self.customer.as_ref(), application)
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
        self.context_at(call.address, call.request_id.clone(), call.now)
    }

    /// The same, where the request has been read already.
    pub(crate) fn context_at(&self, address: IpAddr, request_id: String, now: Timestamp) -> Context {
        let actor = Actor {
            key: Some(self.key.id.clone()),
            scopes: self.key.scopes,
            applications: self.key.applications.clone(),
            limits: Limits::of(&self.key),
            address: Some(address),
            request_id,
        };
        Context { tenant: self.key.tenant, actor, now }
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
    let used = Use { address: asking.address, now: asking.now };
    let caller = match is_token(secret.expose()) {
        true => proof::by_token(desk, secret.expose(), used).await?,
        false => by_key(desk, secret.expose(), used).await?,
    };
    suits(route, &caller.key)?;
    let is_of_all = matches!(route.id, RouteId::CreateCustomer | RouteId::ChangeCustomer | RouteId::PutTier);
    if is_of_all && caller.key.applications.is_some() {
        return Err(Refusal::NotForNarrowedKeys.into());
    }
    Ok(caller)
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
