//! What somebody may not know of answers like what does not exist: another customer's things, another tenant's.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::{Admin, Answer, Client, PATIENCE, Stock, System, eventually};

use super::questions::{Ids, Question, operations};
use super::{Operation, Strangers, log_in, under};

/// A stock, and one of everything else that has an id.
async fn things(admin: &Admin, name: &str) -> (Stock, Ids) {
    let stock = admin.stock(name).await;
    let tier = format!("tier-{name}");
    admin.put(&format!("/v1/management/tiers/{tier}"), &json!({ "rank": 3 })).await.expect(201);
    let about = json!({ "fileName": "large.bin", "fileSize": 3 });
    let upload = admin.begin_upload(name, "3.0.0", about).await.expect(200).text("/uploadId");
    log_in(&admin.with(None), &stock.key).await;
    let sessions = format!("/v1/auth/sessions?keyId={}", stock.key.id);
    let session = admin.get(&sessions).await.expect(200).text("/sessions/0/sessionId");
    let ids = Ids::of(&stock);
    let backups = format!("/v1/control/tenants/{}/backups", ids.get("tenantId"));
    let backup = admin.post(&backups, &json!({})).await.expect(201).text("/backupId");
    let more = [("name", tier), ("uploadId", upload), ("sessionId", session), ("backupId", backup)];
    (stock, more.into_iter().fold(ids, |ids, (name, id)| ids.having(name, &id)))
}

/// Somebody at a door, and which routes it is let in to there.
struct Asker {
    name: &'static str,
    client: Client,
    is_admin: bool,
    at_desk: bool,
}

impl Asker {
    fn may_ask(&self, operation: &Operation) -> bool {
        let is_for = match operation.credential.as_str() {
            "any" => true,
            "admin" => self.is_admin,
            _ => false,
        };
        // What an edge alone answers, the desk knows nothing of.
        is_for && !(self.at_desk && operation.plane == "edge")
    }
}

#[tokio::test]
async fn another_customers_things_answer_like_things_that_are_not_there() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let ((stock, own), (_, foreign)) =
        (things(&admin, "own-things").await, things(&admin, "their-things").await);
    // Those are the vendor's, and the same for both.
    let foreign = ["tenantId", "backupId"].into_iter().fold(foreign, |ids, name| ids.with(name, &own));
    let mut askers = Vec::new();
    for (name, base) in
        [("first edge", &system.edges[0]), ("second edge", &system.edges[1]), ("desk", &system.desk)]
    {
        let client = Client::new(base, Some(&stock.key.text));
        let at_desk = name == "desk";
        if !at_desk {
            eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        }
        askers.push(Asker { name, client, is_admin: false, at_desk });
    }
    let hidden = compare(&askers, &own, &foreign).await;
    assert!(hidden.values().sum::<usize>() > 60, "{hidden:?}");
    assert_names(&hidden, &["applicationId", "fileId", "keyId", "sessionId"]);
}

#[tokio::test]
async fn another_tenants_things_answer_like_things_that_are_not_there() {
    let system = System::of_several_tenants().await;
    let (owner, other) = (system.found("Owner").await, system.found("Other").await);
    let (stock, foreign) = things(&owner.admin(0), "theirs").await;
    let (customer, own) = things(&other.admin(0), "mine").await;
    let asker = |name, client: Client, is_admin, at_desk| Asker { name, client, is_admin, at_desk };
    let key = &customer.key.text;
    let askers = [
        asker("admin at the first edge", other.admin(0).0, true, false),
        asker("admin at the second edge", other.admin(1).0, true, false),
        asker("admin at the desk", other.at_desk().0, true, true),
        asker("customer at the first edge", other.client(0, key), false, false),
        asker("customer at the second edge", other.client(1, key), false, false),
        asker("customer at the desk", Client::new(&system.desk, Some(key)), false, true),
    ];
    for edge in [0, 1] {
        let waiting =
            [(other.client(edge, key), customer.path()), (owner.client(edge, &stock.key.text), stock.path())];
        for (client, path) in waiting {
            eventually(PATIENCE, || async { client.get(&path).await.is(200) }).await;
        }
    }
    let hidden = compare(&askers, &own, &foreign).await;
    assert!(hidden.values().sum::<usize>() > 300, "{hidden:?}");
    let every = Ids::names();
    let every: Vec<&str> = every.iter().map(String::as_str).filter(|name| !Ids::is_no_secret(name)).collect();
    assert_names(&hidden, &every);
    // And nothing came of it.
    owner.client(0, &stock.key.text).get(&stock.path()).await.expect(200);
    let admin = owner.admin(0);
    let (backup, tenant) = (foreign.get("backupId"), foreign.get("tenantId"));
    let audit = admin.get("/v1/audit?limit=100").await.expect(200);
    let actions = audit.column("/entries", "action");
    assert!(!actions.iter().any(|action| action == "backup.restore"), "{actions:?}");
    admin.get(&format!("/v1/control/tenants/{tenant}/backups/{backup}")).await.expect(200);
}

#[tokio::test]
async fn a_key_under_another_tenants_name_opens_no_route() {
    let system = System::of_several_tenants().await;
    let (first, second) = (system.found("First").await, system.found("Second").await);
    let key = first.admin(0).create_admin_key(json!({})).await;
    first.client(0, &key.text).get("/v1/applications").await.expect(200);
    let misnamed = under(&second.tenant.to_string(), &key);
    let mut strangers = Strangers::new(&system.stranger(0));
    for operation in operations(&system.stranger(0)).await {
        if !matches!(operation.credential.as_str(), "any" | "admin") {
            continue;
        }
        for base in [&system.edges[0], &system.desk] {
            if *base == system.desk && operation.plane == "edge" {
                continue;
            }
            let client = strangers.next(base, Some(&misnamed));
            let answer = send(Question::empty(&operation, &Ids::nowhere()).by(&client)).await.expect(401);
            if operation.method != Method::HEAD {
                assert_eq!(answer.failure().1, "key_unknown", "{} of {base}", operation.name());
            }
        }
    }
}

/// Asks of each id of each route for somebody else's and for one that is not there. How many answers were compared, by
/// the name of the id.
async fn compare(askers: &[Asker], own: &Ids, foreign: &Ids) -> BTreeMap<String, usize> {
    let mut operations = operations(&askers[0].client.with(None)).await;
    // Whoever makes a thing chooses its id. A foreign one is as free as any: afterwards it is one's own.
    operations.sort_by_key(makes_what_it_names);
    let mut compared = BTreeMap::new();
    for operation in &operations {
        let names = operation_ids(operation);
        let one = |name: &String| (name.clone(), own.with(name, foreign), own.with(name, &foreign.absent()));
        let all = ("all".to_owned(), foreign.clone(), foreign.absent());
        let sets = names.iter().map(one).chain((!names.is_empty()).then_some(all));
        // Where both are the same there is nothing to hide.
        for (id, theirs, nobodys) in sets.filter(|(_, theirs, nobodys)| theirs != nobodys) {
            for asker in askers.iter().filter(|asker| asker.may_ask(operation)) {
                let question = |ids: &Ids| send(Question::filled(operation, ids).by(&asker.client));
                let (hidden, absent) = (question(&theirs).await, question(&nobodys).await);
                let name = format!("{} asks {} of another's {id}: {theirs:?}", asker.name, operation.name());
                let reads = matches!(operation.method, Method::GET | Method::HEAD);
                assert_eq!(masked(&hidden, &theirs, reads), masked(&absent, &nobodys, reads), "{name}");
                let may_succeed = makes_what_it_names(operation) || filters(operation);
                let is_open = hidden.status < 400 && !may_succeed;
                assert!(!is_open, "{name}: {hidden:?}");
                *compared.entry(id.clone()).or_default() += 1;
            }
        }
    }
    compared
}

fn assert_names(compared: &BTreeMap<String, usize>, names: &[&str]) {
    for name in names {
        assert!(compared.contains_key(*name), "nothing was asked by {name}: {compared:?}");
    }
}

fn makes_what_it_names(operation: &Operation) -> bool {
    matches!(
        operation.name().as_str(),
        "POST /v1/management/applications"
            | "POST /v1/management/customers"
            | "PUT /v1/management/tiers/{name}"
    )
}

/// Whether its ids choose from a list, where a foreign one finds nothing.
fn filters(operation: &Operation) -> bool {
    matches!(operation.name().as_str(), "GET /v1/activity" | "GET /v1/audit" | "GET /v1/auth/sessions")
}

/// The ids that a route is asked with.
fn operation_ids(operation: &Operation) -> Vec<String> {
    let names = Ids::names();
    names.into_iter().filter(|name| Question::mentions(operation, name)).collect()
}

/// An answer without what differs between any two: id and time of the request, what is left of the minute, and the ids
/// that were asked for.
fn masked(answer: &Answer, ids: &Ids, reads: bool) -> (u16, BTreeMap<String, String>, String) {
    // What was made differs as its objects do.
    if answer.status < 400 && !reads {
        return (answer.status, BTreeMap::new(), String::new());
    }
    let differs = ["date", "x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit"];
    let headers = answer.headers.iter().filter(|(name, _)| !differs.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), ids.mask(value.to_str().unwrap())));
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut body) => {
            body["meta"]["requestId"] = Value::Null;
            body["error"]["timestamp"] = Value::Null;
            body.to_string()
        }
        Err(_) => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    (answer.status, headers.collect(), ids.mask(&body))
}
