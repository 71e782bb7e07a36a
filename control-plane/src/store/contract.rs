//! What every store must do, whatever database it is over. A database brings a [`Database`] and calls `suite!`.

mod answers;
mod edges;
pub(crate) mod happened;
mod lists;
mod sessions;
mod things;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;
use common::catalog::FileType;
use common::digest::Digest;
use common::id::{ApplicationId, CustomerId, TenantId};
use common::key::Kind;
use common::secret::Secret;
use common::time::Timestamp;
use common::wire::address::Address;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{Committed, Mark, Shelf, Slice, Store, StoreError};
use crate::domain::application::{self, Application, Assign, AssignFacts};
use crate::domain::customer::{self, Customer};
use crate::domain::key::{self, KeyFacts, NewKey};
use crate::domain::quota::Usage;
use crate::domain::tenant::{Found, found};
use crate::domain::upload::{self, Begin, Complete, CompleteFacts, CompleteFields};
use crate::domain::version::{AddFile, Added, FileFacts, FileFields, Stored, add_file};
use crate::domain::{Actor, Change, Context, Refusal};

/// Something that can be opened, closed, and opened again with all that it held.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    async fn open(&self) -> Arc<dyn Store>;
}

/// One test for each behaviour, over the database that the expression makes.
macro_rules! suite {
    ($database:expr) => {
        $crate::store::contract::suite!($database;
            a_failed_commit_leaves_nothing,
            an_empty_change_writes_nothing,
            the_sequence_is_dense_under_eight_writers,
            of_two_writers_with_one_application_id_one_wins,
            every_write_has_audit_and_outbox_beside_it,
            reopening_keeps_everything,
            a_reading_sees_one_moment,
            what_was_announced_is_pending_no_more,
            pending_changes_come_in_whole_writes,
            a_walk_finds_every_record_once,
            grants_are_part_of_their_customers,
            deleted_things_keep_their_ids_and_leave_the_lists,
            a_key_is_found_by_its_digest_with_all_it_depends_on,
            lists_come_in_slices,
            lists_go_on_behind_a_place_whatever_comes_in_between,
            a_version_gathers_its_files,
            an_upload_remembers_how_far_it_came,
            files_and_living_uploads_are_what_a_tenant_uses,
            uploads_whose_time_is_over_are_found_and_bytes_that_something_has,
            no_secret_is_kept,
            an_answer_is_kept_beside_its_write_until_it_expires,
            of_two_answers_to_one_request_one_is_kept,
            a_key_is_found_by_both_its_secrets,
            a_secret_belongs_to_one_key_also_when_it_is_its_old_one,
            a_session_is_found_by_its_key_and_label_while_it_lives,
            sessions_of_a_replaced_secret_leave_the_list,
            spent_sessions_are_forgotten_and_the_records_of_revoked_ones_end,
            an_upload_is_activity_with_its_file_or_not_at_all,
            a_report_counts_once_however_often_it_comes,
            reports_count_in_any_order_and_beyond_gaps,
            activity_comes_newest_first_in_pages_that_do_not_shift,
            activity_is_narrowed_by_everything_that_it_says,
            names_that_name_nothing_are_kept_and_count_nowhere,
            a_key_knows_when_it_was_last_used,
            counted_downloads_are_told_with_a_place_in_the_history,
            downloads_are_counted_by_version_customer_and_day,
            what_is_old_is_forgotten_and_the_counts_stay,
            the_audit_is_narrowed,
            edges_are_kept_until_they_are_gone
        );
    };
    ($database:expr; $($name:ident),*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $crate::store::contract::$name(&$database).await;
        })*
    };
}
pub(crate) use answers::{
    an_answer_is_kept_beside_its_write_until_it_expires, of_two_answers_to_one_request_one_is_kept,
};
pub(crate) use edges::edges_are_kept_until_they_are_gone;
pub(crate) use happened::{
    a_key_knows_when_it_was_last_used, a_report_counts_once_however_often_it_comes,
    activity_comes_newest_first_in_pages_that_do_not_shift, activity_is_narrowed_by_everything_that_it_says,
    an_upload_is_activity_with_its_file_or_not_at_all,
    counted_downloads_are_told_with_a_place_in_the_history,
    downloads_are_counted_by_version_customer_and_day, names_that_name_nothing_are_kept_and_count_nowhere,
    reports_count_in_any_order_and_beyond_gaps, the_audit_is_narrowed,
    what_is_old_is_forgotten_and_the_counts_stay,
};
pub(crate) use lists::{lists_come_in_slices, lists_go_on_behind_a_place_whatever_comes_in_between};
pub(crate) use sessions::{
    a_key_is_found_by_both_its_secrets, a_secret_belongs_to_one_key_also_when_it_is_its_old_one,
    a_session_is_found_by_its_key_and_label_while_it_lives, opened, revoked,
    sessions_of_a_replaced_secret_leave_the_list,
    spent_sessions_are_forgotten_and_the_records_of_revoked_ones_end,
};
pub(crate) use suite;
pub(crate) use things::{
    a_key_is_found_by_its_digest_with_all_it_depends_on, a_version_gathers_its_files,
    an_upload_remembers_how_far_it_came, deleted_things_keep_their_ids_and_leave_the_lists,
    files_and_living_uploads_are_what_a_tenant_uses, grants_are_part_of_their_customers, no_secret_is_kept,
    uploads_whose_time_is_over_are_found_and_bytes_that_something_has,
};
pub(crate) use writes::{
    a_failed_commit_leaves_nothing, a_reading_sees_one_moment, a_walk_finds_every_record_once,
    an_empty_change_writes_nothing, every_write_has_audit_and_outbox_beside_it,
    of_two_writers_with_one_application_id_one_wins, pending_changes_come_in_whole_writes,
    reopening_keeps_everything, the_sequence_is_dense_under_eight_writers,
    what_was_announced_is_pending_no_more,
};

pub(crate) const TENANT: &str = "14632221-b1b6-4eec-844a-39f60c7f1523";

pub(crate) fn context() -> Context {
    let tenant = TENANT.parse().unwrap();
    Context { tenant, actor: Actor::operator(), now: Timestamp::from_millis(1_700_000_000_000) }
}

pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(crate) async fn commit(store: &dyn Store, change: Change) -> Result<Committed, StoreError> {
    store.write().await.unwrap().commit(change).await
}

pub(crate) async fn with_tenant(database: &dyn Database) -> (Arc<dyn Store>, NewKey) {
    let store = database.open().await;
    let command = Found::parse("Acme".to_owned(), None).unwrap();
    let decision = found(command, None, &context(), &mut rng(0)).unwrap();
    commit(store.as_ref(), decision.change).await.unwrap();
    (store, decision.outcome)
}

pub(crate) fn new_application(id: &str, customers: &[&str]) -> Change {
    let fields = application::Fields {
        application_id: Some(id.to_owned()),
        name: Some(format!("The {id}")),
        tags: Some(vec!["a".to_owned(), "ß".to_owned()]),
        customer_ids: Some(customers.iter().map(|id| (*id).to_owned()).collect()),
        is_imported: false,
        ..application::Fields::default()
    };
    let command = application::Create::parse(fields).unwrap();
    application::create(command, None, vec![], &context()).unwrap().change
}

pub(crate) fn new_customer(id: &str, name: &str) -> Change {
    let fields = customer::Fields { name: Some(name.to_owned()), ..customer::Fields::default() };
    let command = customer::Create::parse(Some(id.to_owned()), fields).unwrap();
    customer::create(command, None, &[], &context(), &mut rng(1)).unwrap().change
}

pub(crate) async fn customer_of(store: &dyn Store, id: &str) -> Customer {
    store.read().await.unwrap().customer(tenant(), &id.parse().unwrap()).await.unwrap().unwrap()
}

async fn application_of(store: &dyn Store, id: &str) -> Option<Application> {
    store.read().await.unwrap().application(tenant(), &id.parse().unwrap()).await.unwrap()
}

pub(crate) fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

pub(crate) async fn new_key(store: &dyn Store, customer: &str, seed: u64) -> NewKey {
    let fields = key::Fields {
        ip_allowlist: Some(vec!["10.0.0.0/8, 2001:db8::1".to_owned()]).into(),
        rate_limit_rpm: Some(7).into(),
        channels: Some(vec!["Beta".to_owned()]).into(),
        expires_at: Some("2099-01-01T00:00:00Z".to_owned()).into(),
        application_ids: Some(vec!["tool".to_owned()]).into(),
        ..key::Fields::default()
    };
    let command = key::Create::parse(None, Some(customer.to_owned()), fields, context().now).unwrap();
    let facts = KeyFacts { customer: Some(customer_of(store, customer).await), unknown_applications: vec![] };
    let decision = key::create(command, facts, &context(), &mut rng(seed)).unwrap();
    commit(store, decision.change).await.unwrap();
    decision.outcome
}

pub(crate) async fn new_file(store: &dyn Store, version: &str, name: &str, seed: u64) -> Added {
    let mut reading = store.read().await.unwrap();
    let fields = FileFields {
        application_id: Some("tool".to_owned()),
        version: Some(version.to_owned()),
        file_name: Some(name.to_owned()),
        release_notes: Some("Better".to_owned()),
        ..FileFields::default()
    };
    let command = AddFile::parse(fields).unwrap();
    let facts = FileFacts {
        application: reading.application(tenant(), &command.application).await.unwrap(),
        version: reading.version(tenant(), &command.application, &command.version).await.unwrap(),
        tiers: reading.tiers(tenant()).await.unwrap(),
        enabled_by_default: true,
        usage: Usage::default(),
    };
    drop(reading);
    let stored = Stored { size: 1 << 40, digest: Digest::of(name.as_bytes()) };
    let decision = add_file(command, stored, facts, &context(), &mut rng(seed)).unwrap();
    commit(store, decision.change).await.unwrap();
    decision.outcome
}
