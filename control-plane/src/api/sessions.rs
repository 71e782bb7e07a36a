//! Sessions: a login lends a key's rights to a token for two hours, a logout takes them back before.

use std::sync::Arc;

use common::id::{CustomerId, KeyId, SessionId};
use common::problem::Code;
use common::scope::Scope;
use common::time::Timestamp;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::{Caller, Use, by_key};
use crate::api::fields::Fields;
use crate::api::page::{More, Page};
use crate::api::throttle::throttled;
use crate::domain::session::{self, Login, OpenFacts, Reach, Session};
use crate::domain::{Context, Refusal};
use crate::error::Failure;
use crate::store::Listed;
use crate::store::sessions::SessionFilter;

/// More than any session id that is refused for its length should need, and little for who is not known yet.
const LARGEST_LOGIN: usize = 2 * 1024 * 1024;

/// RFC 6749 section 5.1 has these names, and clients read them without an envelope.
#[derive(Serialize)]
struct Opened<'a> {
    access_token: &'a str,
    expires_in: u64,
    token_type: &'static str,
}

/// `POST /auth/login`, `POST /v1/auth/login`.
pub(super) async fn login(desk: Arc<Desk>, call: Call) -> Handled {
    let used = Use { address: call.address, now: call.now };
    let request_id = call.request_id.clone();
    let mut fields = call.json_fields_within(LARGEST_LOGIN).await?;
    let key = either(&mut fields, "api_key", "apiKey");
    let label = either(&mut fields, "session_id", "sessionId");
    let command = fields.settle(Login::parse(key, label))?;
    let caller = match by_key(&desk, command.key.expose(), used).await {
        Err(Failure::Refused(problem)) if problem.code == Code::Unauthorized => {
            let is_told = desk.failures.admit(used.address, used.now);
            return Err(if is_told { problem } else { throttled() }.into());
        }
        outcome => outcome?,
    };
    // A token is asked for far more often than a session begins: who has one keeps no writer waiting.
    let mut truth = desk.store.read().await?;
    let existing = truth.session_of(caller.holder(), command.label.as_deref(), used.now).await?;
    drop(truth);
    if let Some(existing) = existing {
        return opened(&desk, &existing, used.now);
    }
    let context = caller.context_at(used.address, request_id, used.now);
    begin(&desk, &caller, command.label, &context).await
}

async fn begin(desk: &Desk, caller: &Caller, label: Option<String>, context: &Context) -> Handled {
    let mut truth = desk.store.write().await?;
    let facts = OpenFacts {
        key: caller.policy().clone(),
        holder: caller.holder().clone(),
        existing: truth.session_of(caller.holder(), label.as_deref(), context.now).await?,
        count: truth.count_sessions(caller.key(), context.now).await?,
    };
    let decision = session::open(label, facts, context, &mut desk.rng()?)?;
    let answer = opened(desk, &decision.outcome, context.now)?;
    desk.settle(caller, truth, decision.change, answer).await
}

fn opened(desk: &Desk, session: &Session, now: Timestamp) -> Handled {
    let token = session.claims().seal(&desk.sessions);
    let token = token.ok_or_else(|| Failure::broken("api", "no key seals session tokens"))?;
    let expires_in = session.expires_at.since(now).as_secs().max(1);
    Answer::bare(&Opened { access_token: token.expose(), expires_in, token_type: "Bearer" })
}

/// A field that clients write in two ways; sent in both it must say one thing.
fn either(fields: &mut Fields, name: &'static str, other: &'static str) -> Option<String> {
    match (fields.text(name).flatten(), fields.text(other).flatten()) {
        (Some(a), Some(b)) if a != b => {
            fields.fault(name, format!("and {other} differ: send one of them"));
            None
        }
        (a, b) => a.or(b),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended<'a> {
    message: &'static str,
    session_id: &'a SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

/// `POST /auth/logout`, `POST /v1/auth/logout`: by a token its own session, by a key the one that the body names.
pub(super) async fn logout(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let label = either(&mut fields, "session_id", "sessionId");
    let label = fields.settle(session::parse_label(label))?;
    let mut truth = desk.store.write().await?;
    let session = match caller.session() {
        Some(id) => truth.session(id).await?,
        None => truth.session_of(caller.holder(), label.as_deref(), context.now).await?,
    };
    let id = session.as_ref().ok_or(Refusal::NoSession)?.id.clone();
    let decision = session::revoke(&id, session, Reach::Own(caller.key()), &context)?;
    let told = Ended { message: "Logged out successfully", session_id: &id, revoked_at: None };
    let answer = Answer::done(&told)?;
    desk.settle(&caller, truth, decision.change, answer).await
}

/// `DELETE /v1/auth/sessions/{sessionId}`.
pub(super) async fn revoke(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: SessionId = call.id("sessionId")?;
    let context = caller.context(&call);
    let mut truth = desk.store.write().await?;
    let existing = truth.session(&id).await?;
    let reach = if caller.manages(Scope::KeysWrite) { Reach::Tenant } else { Reach::Own(caller.key()) };
    let decision = session::revoke(&id, existing, reach, &context)?;
    let revoked_at = decision.outcome.revoked_at;
    let answer =
        Answer::done(&Ended { message: "Session revoked successfully", session_id: &id, revoked_at })?;
    desk.settle(&caller, truth, decision.change, answer).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView<'a> {
    session_id: &'a SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    key_id: &'a KeyId,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl<'a> SessionView<'a> {
    fn of(session: &'a Session) -> Self {
        Self {
            session_id: &session.id,
            label: session.label.as_deref(),
            key_id: &session.holder.key,
            customer_id: session.customer.as_ref(),
            issued_at: session.issued_at,
            expires_at: session.expires_at,
        }
    }
}

#[derive(Serialize)]
struct SessionList<'a> {
    sessions: Vec<SessionView<'a>>,
    pagination: More,
}

/// `GET /v1/auth/sessions`: the living ones of the caller's key, or of the tenant for who may read keys.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let now = call.now;
    let mut fields = call.query_fields();
    let page = Page::read(&mut fields)?;
    let asked = SessionFilter { key: id(&mut fields, "keyId"), customer: id(&mut fields, "customerId") };
    let page = fields.settle(Ok(page))?;
    let listed = match within(asked, &caller) {
        Some(filter) => {
            desk.store.read().await?.sessions(caller.tenant(), &filter, now, page.slice()).await?
        }
        None => Listed { items: vec![], total: 0 },
    };
    let (pagination, more) = page.told(listed.total);
    let sessions = listed.items.iter().map(SessionView::of).collect();
    Answer::page(&SessionList { sessions, pagination: more }, pagination)
}

fn id<T: std::str::FromStr<Err: std::fmt::Display>>(fields: &mut Fields, name: &'static str) -> Option<T> {
    let parsed = fields.text(name).flatten()?.parse();
    parsed.map_err(|says: T::Err| fields.fault(name, says.to_string())).ok()
}

/// What is left of a filter for this caller; `None`: nothing.
fn within(asked: SessionFilter, caller: &Caller) -> Option<SessionFilter> {
    if caller.manages(Scope::KeysRead) {
        return Some(asked);
    }
    let own = asked.key.is_none_or(|key| key == *caller.key());
    own.then(|| SessionFilter { key: Some(caller.key().clone()), customer: asked.customer })
}
