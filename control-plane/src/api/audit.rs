//! What the vendor's people did, newest first.

use std::sync::Arc;

use common::cursor::{List, Place};
use common::digest::Digest;
use common::id::TenantId;
use common::problem::{Code, Problem, refusals};
use common::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::Desk;
use crate::api::activity::named;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::dates::Dates;
use crate::api::fields::Fields;
use crate::api::page::{More, Page};
use crate::error::Failure;
use crate::store::{AuditLine, AuditQuestion, Slice};

/// Who did what no key did.
const OPERATOR: &str = "operator";

/// A line as it is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditView<'a> {
    id: String,
    action: &'a str,
    target: String,
    actor: &'a str,
    before: &'a RawValue,
    after: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
    /// The operator's commands come in no request.
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
    timestamp: Timestamp,
}

impl<'a> AuditView<'a> {
    fn of(line: &'a AuditLine, tenant: TenantId) -> Result<Self, Failure> {
        let object = |text| serde_json::from_str(text).map_err(|e| Failure::broken("api", e));
        // Rows are numbered over all tenants: how many there are between two of one's own is nobody's business.
        let digest = Digest::of(format!("audit/{tenant}/{}", line.row).as_bytes()).to_string();
        Ok(Self {
            id: format!("aud_{}", &digest[..32]),
            action: &line.action,
            target: line.target.replacen(&within(tenant), ":", 1),
            actor: line.actor.as_ref().map_or(OPERATOR, |key| key.as_str()),
            before: object(&line.before)?,
            after: object(&line.after)?,
            ip: line.address.as_deref(),
            request_id: &line.request_id,
            timestamp: line.at,
        })
    }
}

/// What the names of a tenant's records have between their kind and their own part.
fn within(tenant: TenantId) -> String {
    format!(":{tenant}/")
}

#[derive(Serialize)]
struct AuditList<'a> {
    entries: Vec<AuditView<'a>>,
    pagination: &'a More,
}

/// `GET /v1/audit`. It is about the whole tenant: not for keys that are narrowed to applications.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    if caller.applications().is_some() {
        let says = "The audit is about everything: use a key that is not narrowed to applications";
        return Err(Problem::new(Code::Forbidden, "key_narrowed", says).into());
    }
    let mut fields = call.query_fields();
    let question = read(&mut fields, caller.tenant());
    let page = Page::read_in(&mut fields, list_of(&question, caller.tenant()), &desk.cursors)?;
    let page = fields.settle(Ok(page))?;
    let (after, slice) = match page.after() {
        Some(after) => {
            let row = after.id.parse().map_err(|_| refusals::invalid_cursor())?;
            (Some(row), Slice { offset: 0, limit: page.reach() })
        }
        None => (None, page.slice()),
    };
    let listed = desk.store.read().await?.audit_of(caller.tenant(), &question, after, slice).await?;
    let (lines, turn) = page.turn(listed, |line| Place { key: String::new(), id: line.row.to_string() });
    let view = |line| AuditView::of(line, caller.tenant());
    let entries = lines.iter().map(view).collect::<Result<Vec<_>, _>>()?;
    Answer::turned(&AuditList { entries, pagination: &turn.more }, &turn, &call)
}

/// The list that cursors belong to: another question is another list.
fn list_of(question: &AuditQuestion, tenant: TenantId) -> List {
    let moment = |moment: Option<Timestamp>| moment.map_or_else(String::new, |moment| moment.to_string());
    let actor = question.actor.as_ref().map_or("", |key| key.as_ref().map_or(OPERATOR, |key| key.as_str()));
    List::of("audit", tenant)
        .and(question.action.as_deref().unwrap_or_default())
        .and(&question.targets.as_ref().map(|targets| targets.join(" ")).unwrap_or_default())
        .and(actor)
        .and(&moment(question.since))
        .and(&moment(question.until))
}

fn read(fields: &mut Fields, tenant: TenantId) -> AuditQuestion {
    let targets = fields.text("target").flatten().map(|target| {
        let whole = target.replacen(':', &within(tenant), 1);
        vec![target, whole]
    });
    let actor = match fields.text("actor").flatten().as_deref() {
        None => named(fields, "keyId").map(Some),
        Some(OPERATOR) => Some(None),
        Some(_) => named(fields, "actor").map(Some),
    };
    let Dates { since, until } = Dates::read(fields);
    AuditQuestion { action: fields.text("action").flatten(), targets, actor, since, until }
}
