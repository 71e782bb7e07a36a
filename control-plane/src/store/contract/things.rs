//! Things: what was written is found again, as a whole and by those who look for it.

use std::time::Duration;

use super::*;
use crate::domain::Row;
use crate::domain::tenant::{self as tenant_domain, Alter};

pub(crate) async fn grants_are_part_of_their_customers(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let tool: ApplicationId = "tool".parse().unwrap();
    for (id, name) in [("c1", "One"), ("c2", "Two")] {
        commit(store.as_ref(), new_customer(id, name)).await.unwrap();
    }
    commit(store.as_ref(), new_application("tool", &["c1"])).await.unwrap();
    assert_eq!(customer_of(store.as_ref(), "c1").await.policy.applications, std::slice::from_ref(&tool));
    let lists = (Some(vec!["c2".to_owned()]), Some(vec!["c1".to_owned()]));
    let facts = AssignFacts {
        application: application_of(store.as_ref(), "tool").await,
        assigned: vec!["c1".parse().unwrap()],
        unknown: vec![],
    };
    let command = Assign::parse(tool.clone(), lists.0, lists.1).unwrap();
    let decision = application::assign(command, facts, &context()).unwrap();
    commit(store.as_ref(), decision.change).await.unwrap();
    assert_eq!(customer_of(store.as_ref(), "c1").await.policy.applications, []);
    let mut reading = store.read().await.unwrap();
    let assigned = reading.assigned(tenant(), &tool).await.unwrap();
    assert_eq!(
        assigned.iter().map(|c| (c.id.as_str(), c.name.as_str())).collect::<Vec<_>>(),
        [("c2", "Two")]
    );
    assert_eq!(
        reading.assignments(tenant(), std::slice::from_ref(&tool)).await.unwrap().remove(&tool),
        Some(assigned)
    );
    assert!(reading.assignments(tenant(), &[]).await.unwrap().is_empty());
    let ids: Vec<CustomerId> = ["c1", "x", "c2"].map(|id| id.parse().unwrap()).to_vec();
    assert_eq!(reading.missing_customers(tenant(), &ids).await.unwrap(), ids[1..2]);
}

pub(crate) async fn deleted_things_keep_their_ids_and_leave_the_lists(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let tool: ApplicationId = "tool".parse().unwrap();
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    let made = new_key(store.as_ref(), "c1", 6).await;
    let existing = application_of(store.as_ref(), "tool").await;
    let gone = application::delete(&tool, existing, &context()).unwrap();
    commit(store.as_ref(), gone.change).await.unwrap();
    let id = made.key.policy.id.clone();
    commit(store.as_ref(), key::delete(&id, Some(made.key), &context()).unwrap().change).await.unwrap();
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.applications(tenant()).await.unwrap(), []);
    assert_eq!(reading.application(tenant(), &tool).await.unwrap(), Some(gone.outcome));
    assert_eq!(reading.missing_applications(tenant(), std::slice::from_ref(&tool)).await.unwrap(), [tool]);
    assert_eq!(reading.keys(tenant(), Some(&"c1".parse().unwrap()), Slice::ALL).await.unwrap().total, 0);
    assert!(reading.key(tenant(), &id).await.unwrap().unwrap().deleted_at.is_some());
    drop(reading);
    let again = commit(store.as_ref(), new_application("tool", &[])).await;
    assert!(matches!(again, Err(StoreError::Refused(Refusal::DuplicateApplication(_)))));
}

pub(crate) async fn a_key_is_found_by_its_digest_with_all_it_depends_on(database: &dyn Database) {
    let (store, first) = with_tenant(database).await;
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    let made = new_key(store.as_ref(), "c1", 7).await;
    let mut reading = store.read().await.unwrap();
    let identity = reading.identify(&common::key::digest_of(&made.secret)).await.unwrap().unwrap();
    assert_eq!(identity.key, made.key);
    assert_eq!(identity.customer.unwrap().name, "One");
    assert_eq!(identity.tenant.id, tenant());
    assert_eq!(identity.tiers.len(), 3);
    let admin = reading.identify(&first.key.digests.current).await.unwrap().unwrap();
    assert_eq!((admin.key.policy.kind, admin.customer), (Kind::Admin, None));
    assert_eq!(reading.identify(&Digest::of(b"another")).await.unwrap(), None);
    drop(reading);
    let renewed =
        key::regenerate(&made.key.policy.id, Some(made.key.clone()), &context(), &mut rng(8)).unwrap();
    commit(store.as_ref(), renewed.change).await.unwrap();
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.identify(&made.key.digests.current).await.unwrap(), None);
    let identity = reading.identify(&renewed.outcome.key.digests.current).await.unwrap().unwrap();
    assert_eq!(identity.key.policy.id, made.key.policy.id);
}

pub(crate) async fn a_version_gathers_its_files(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    new_file(store.as_ref(), "1.0", "tool.exe", 20).await;
    let second = new_file(store.as_ref(), "1.0", "readme.txt", 21).await;
    let first = new_file(store.as_ref(), "2.0", "tool.exe", 22).await;
    let mut reading = store.read().await.unwrap();
    let version =
        reading.version(tenant(), &"tool".parse().unwrap(), &"1.0".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(version, second.version);
    let files = &version.facts.files;
    assert_eq!(
        files.iter().map(|f| (f.order, f.name.as_str())).collect::<Vec<_>>(),
        [(0, "tool.exe"), (1, "readme.txt")]
    );
    assert_eq!((files[1].file_type, files[1].size), (FileType::Documentation, 1 << 40));
    let outlines = reading.outlines(tenant(), &["tool".parse().unwrap()]).await.unwrap();
    assert_eq!(outlines.len(), 2);
    assert!(outlines.iter().all(|version| version.facts.files.is_empty()));
    assert_eq!(reading.outlines(tenant(), &["other".parse().unwrap()]).await.unwrap(), []);
    drop(reading);
    // Decided beside the other one, on facts that were true once: the database has the last word.
    let mut change = new_application("other", &[]);
    let added = crate::domain::Row::AddFile {
        version: first.version.facts.id.clone(),
        file: common::catalog::File {
            id: "file_x".parse().unwrap(),
            name: "TOOL.exe".to_owned(),
            order: 9,
            ..first.file
        },
        at: context().now,
    };
    change.rows.push(added);
    assert!(matches!(commit(store.as_ref(), change).await, Err(StoreError::Refused(Refusal::Raced))));
}

pub(crate) async fn an_upload_remembers_how_far_it_came(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    let fields = FileFields {
        application_id: Some("tool".to_owned()),
        version: Some("1.0".to_owned()),
        file_name: Some("big.iso".to_owned()),
        channel: Some("Beta".to_owned()),
        ..FileFields::default()
    };
    let facts = FileFacts {
        application: application_of(store.as_ref(), "tool").await,
        version: None,
        tiers: vec![],
        enabled_by_default: true,
        usage: Usage::default(),
    };
    let command = Begin::parse(fields, Some(5)).unwrap();
    let begun = upload::begin(command, facts.clone(), &context(), &mut rng(30)).unwrap();
    let announced = commit(store.as_ref(), begun.change).await.unwrap().is_announced;
    assert!(!announced, "an upload is nobody's business before it is complete");
    let id = begun.outcome.id.clone();
    let read = || async { store.read().await.unwrap().upload(tenant(), &id).await.unwrap() };
    assert_eq!(read().await, Some(begun.outcome));
    let stored = Stored { size: 5, digest: Digest::of(b"bytes") };
    let received = upload::receive(&id, read().await, stored, &context()).unwrap();
    commit(store.as_ref(), received.change).await.unwrap();
    assert_eq!(read().await, Some(received.outcome));
    let fields = CompleteFields { upload_id: Some(id.to_string()), ..CompleteFields::default() };
    let command = Complete::parse(fields).unwrap();
    let facts = CompleteFacts { upload: read().await, file: facts };
    let done = upload::complete(command.clone(), facts, &context(), &mut rng(31)).unwrap();
    commit(store.as_ref(), done.change).await.unwrap();
    let file = FileFacts {
        application: application_of(store.as_ref(), "tool").await,
        version: Some(done.outcome.version.clone()),
        tiers: vec![],
        enabled_by_default: true,
        usage: Usage::default(),
    };
    let facts = CompleteFacts { upload: read().await, file };
    let again = upload::complete(command, facts, &context(), &mut rng(32)).unwrap();
    assert_eq!((again.outcome, again.change), (done.outcome, Change::default()));
}

pub(crate) async fn uploads_whose_time_is_over_are_found_and_bytes_that_something_has(
    database: &dyn Database,
) {
    let (store, _) = with_tenant(database).await;
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    let digest = |text: &str| Digest::of(text.as_bytes());
    let mut ids = Vec::new();
    for (number, bytes) in ["same", "same", "other"].into_iter().enumerate() {
        let number = u64::try_from(number).unwrap();
        let fields = FileFields {
            application_id: Some("tool".to_owned()),
            version: Some(format!("{number}.0")),
            file_name: Some("big.iso".to_owned()),
            ..FileFields::default()
        };
        let facts = FileFacts {
            application: application_of(store.as_ref(), "tool").await,
            version: None,
            tiers: vec![],
            enabled_by_default: true,
            usage: Usage::default(),
        };
        let mut context = context();
        context.now = context.now.plus(Duration::from_secs(number));
        let begun = upload::begin(
            Begin::parse(fields, Some(5)).unwrap(),
            facts.clone(),
            &context,
            &mut rng(50 + number),
        )
        .unwrap();
        commit(store.as_ref(), begun.change).await.unwrap();
        let id = begun.outcome.id.clone();
        let stored = Stored { size: 5, digest: digest(bytes) };
        let received = upload::receive(&id, Some(begun.outcome), stored, &context).unwrap();
        commit(store.as_ref(), received.change).await.unwrap();
        ids.push((id, received.outcome, facts));
    }
    let (last, received, file) = ids[2].clone();
    let fields = CompleteFields { upload_id: Some(last.to_string()), ..CompleteFields::default() };
    let facts = CompleteFacts { upload: Some(received), file };
    let done = upload::complete(Complete::parse(fields).unwrap(), facts, &context(), &mut rng(53)).unwrap();
    commit(store.as_ref(), done.change).await.unwrap();

    let end = |number: usize| context().now.plus(upload::LIFETIME + Duration::from_secs(number as u64));
    let never = Timestamp::from_millis(0);
    let overdue = async |now, kept_since, most| {
        let found = store.read().await.unwrap().overdue_uploads(now, kept_since, most).await.unwrap();
        found.into_iter().map(|upload| upload.id).collect::<Vec<_>>()
    };
    let id = |number: usize| ids[number].0.clone();
    assert_eq!(overdue(end(0), never, 9).await, [id(0)]);
    assert_eq!(overdue(end(9), never, 9).await, [id(0), id(1)], "completed ones are remembered");
    assert_eq!(overdue(end(9), end(2), 9).await, [id(0), id(1), id(2)]);
    assert_eq!(overdue(end(9), end(2), 1).await, [id(0)]);
    let refers =
        async |text, but: &_| store.read().await.unwrap().refers_to(digest(text), but).await.unwrap();
    assert!(refers("same", &id(0)).await, "another upload has them");
    assert!(refers("other", &id(2)).await, "a file has them");
    let mut change = Change::default();
    change.rows.push(Row::EndUpload(id(1)));
    commit(store.as_ref(), change).await.unwrap();
    assert!(!refers("same", &id(0)).await);
    assert!(!refers("nobody's", &id(0)).await);
}

pub(crate) async fn files_and_living_uploads_are_what_a_tenant_uses(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let now = context().now;
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    // Each has 1 TiB, by `new_file`.
    new_file(store.as_ref(), "1.0", "a.bin", 40).await;
    new_file(store.as_ref(), "2.0", "b.bin", 41).await;
    let used = async |at| store.read().await.unwrap().used_bytes(tenant(), at).await.unwrap();
    assert_eq!(used(now).await, 2 << 40);
    let fields = FileFields {
        application_id: Some("tool".to_owned()),
        version: Some("3.0".to_owned()),
        file_name: Some("big.iso".to_owned()),
        ..FileFields::default()
    };
    let application = application_of(store.as_ref(), "tool").await;
    let facts = FileFacts {
        application,
        version: None,
        tiers: vec![],
        enabled_by_default: true,
        usage: Usage::default(),
    };
    let begun =
        upload::begin(Begin::parse(fields, Some(5)).unwrap(), facts, &context(), &mut rng(42)).unwrap();
    commit(store.as_ref(), begun.change).await.unwrap();
    assert_eq!(used(now).await, (2 << 40) + 5, "what is on its way has its place");
    assert_eq!(used(begun.outcome.expires_at).await, 2 << 40, "and loses it when its time is over");
    let usage = async || store.read().await.unwrap().storage(tenant(), now).await.unwrap();
    assert_eq!(usage().await, Usage::default(), "nothing is counted where there is no limit");
    let existing = store.read().await.unwrap().tenant(tenant()).await.unwrap();
    let bounded = tenant_domain::alter(Alter::Quota(Some(7)), existing, &context()).unwrap();
    commit(store.as_ref(), bounded.change).await.unwrap();
    assert_eq!(usage().await, Usage { used: (2 << 40) + 5, limit: Some(7) });
    let other = "24632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap();
    assert_eq!(store.read().await.unwrap().used_bytes(other, now).await.unwrap(), 0);
}

pub(crate) async fn no_secret_is_kept(database: &dyn Database) {
    let store = database.open().await;
    let secret = Secret::new("an-imported-secret-of-the-operator".to_owned());
    let command = Found::parse("Acme".to_owned(), Some(secret.clone())).unwrap();
    let decision = found(command, None, &context(), &mut rng(0)).unwrap();
    commit(store.as_ref(), decision.change).await.unwrap();
    let mut reading = store.read().await.unwrap();
    let lines = reading.audit(tenant(), Slice::ALL).await.unwrap();
    let key = reading.key(tenant(), &decision.outcome.key.policy.id).await.unwrap();
    assert!(!format!("{lines:?}{key:?}{:?}", decision.outcome).contains(secret.expose()));
}
