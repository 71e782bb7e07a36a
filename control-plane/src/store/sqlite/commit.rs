//! Writing a change: rows, stamps, outbox, audit, and last the sequence, in the transaction that the decision was made in.

use async_trait::async_trait;
use common::wire::Position;
use common::wire::address::Address;

use super::super::{Committed, Outbox as _, StoreError, StoreFault, Writing};
use super::fields::number;
use super::{Query, Session, broke};
use crate::domain::{Announcement, Change, Noun, Refusal, Row};

const WRITING: &str = "writing a change";
/// What the triggers on keys say; see migration 0002.
const ONE_KEY: &str = "a secret belongs to one key";

#[async_trait]
impl Writing for Session {
    async fn commit(mut self: Box<Self>, change: Change) -> Result<Committed, StoreError> {
        let standing = self.standing().await?.position;
        if change.is_empty() {
            return Ok(Committed { position: standing, is_announced: false });
        }
        for row in &change.rows {
            self.write(row).await.map_err(|fault| refused(row, fault))?;
        }
        let is_announced = !change.announcements.is_empty();
        let position = Position { sequence: standing.sequence + u64::from(is_announced), ..standing };
        self.record_change(&change, position.sequence).await.map_err(broke(WRITING))?;
        self.transaction.commit().await.map_err(broke("committing a change"))?;
        Ok(Committed { position, is_announced })
    }
}

/// What a broken constraint means for whoever gave the command: another write, decided beside this one, was faster.
fn refused(row: &Row, fault: sqlx::Error) -> StoreError {
    let is_taken = |says: &str| says.contains(ONE_KEY);
    let taken =
        fault.as_database_error().filter(|fault| fault.is_unique_violation() || is_taken(fault.message()));
    let Some(says) = taken.map(|fault| fault.message().to_owned()) else {
        return StoreFault::new(WRITING, fault).into();
    };
    let refusal = match row {
        Row::Insert(Noun::Application(application)) => {
            Refusal::DuplicateApplication(application.facts.id.clone())
        }
        Row::Insert(Noun::Customer(customer)) => Refusal::DuplicateCustomer(customer.policy.id.clone()),
        Row::Insert(Noun::Tenant(tenant)) => Refusal::DuplicateTenant(tenant.id),
        Row::Insert(Noun::Key(_)) | Row::Update(Noun::Key(_))
            if says.contains("keys.digest") || says.contains("keys.previous_digest") || is_taken(&says) =>
        {
            Refusal::DuplicateSecret
        }
        Row::Insert(_)
        | Row::Update(_)
        | Row::AddFile { .. }
        | Row::Grant(..)
        | Row::Revoke(..)
        | Row::Answer(_)
        | Row::Forget(_)
        | Row::EndUpload(_)
        | Row::Happened(_)
        | Row::Backup(_)
        | Row::ForgetBackup(_)
        | Row::ForgetEdge(_) => Refusal::Raced,
    };
    refusal.into()
}

impl Session {
    async fn write(&mut self, row: &Row) -> Result<(), sqlx::Error> {
        match row {
            Row::Insert(noun) => self.insert(noun).await,
            Row::Update(noun) => self.update(noun).await,
            Row::AddFile { version, file, at } => self.insert_file(version, file, *at).await,
            Row::Grant(tenant, customer, application) => self.grant(*tenant, customer, application).await,
            Row::Revoke(tenant, customer, application) => self.revoke(*tenant, customer, application).await,
            Row::Answer(answer) => self.insert_answer(answer).await,
            Row::Forget(session) => self.forget_session(session).await,
            Row::EndUpload(id) => self.delete_upload(id).await,
            Row::Happened(activity) => self.insert_activity(activity).await.map(drop),
            Row::Backup(backup) => self.insert_backup(backup).await,
            Row::ForgetBackup(id) => self.forget_backup(id).await,
            Row::ForgetEdge(id) => self.forget_edge(id).await,
        }
    }

    async fn insert(&mut self, noun: &Noun) -> Result<(), sqlx::Error> {
        match noun {
            Noun::Tenant(tenant) => self.insert_tenant(tenant).await,
            Noun::Tier(tenant, tier) => self.upsert_tier(*tenant, tier).await,
            Noun::Customer(customer) => self.insert_customer(customer).await,
            Noun::Application(application) => self.insert_application(application).await,
            Noun::Version(version) => self.insert_version(version).await,
            Noun::Key(key) => self.insert_key(key).await,
            Noun::Upload(upload) => self.insert_upload(upload).await,
            Noun::Session(session) => self.insert_session(session).await,
        }
    }

    async fn update(&mut self, noun: &Noun) -> Result<(), sqlx::Error> {
        match noun {
            Noun::Tenant(tenant) => self.update_tenant(tenant).await,
            Noun::Tier(tenant, tier) => self.upsert_tier(*tenant, tier).await,
            Noun::Customer(customer) => self.update_customer(customer).await,
            Noun::Application(application) => self.update_application(application).await,
            Noun::Version(version) => self.update_version(version).await,
            Noun::Key(key) => self.update_key(key).await,
            Noun::Upload(upload) => self.update_upload(upload).await,
            Noun::Session(session) => self.update_session(session).await,
        }
    }

    /// Everything about a change but its rows.
    pub(super) async fn record_change(&mut self, change: &Change, sequence: u64) -> Result<(), sqlx::Error> {
        for announcement in &change.announcements {
            stamp(announcement, sequence).execute(&mut *self.transaction).await?;
            let query = sqlx::query("INSERT INTO outbox (sequence, address, denies) VALUES (?, ?, ?)");
            let query = query.bind(number(sequence)).bind(announcement.address.to_string());
            query.bind(announcement.denies).execute(&mut *self.transaction).await?;
        }
        for entry in &change.audit {
            self.insert_audit(entry, sequence).await?;
        }
        let query = sqlx::query("UPDATE meta SET sequence = ?").bind(number(sequence));
        query.execute(&mut *self.transaction).await.map(drop)
    }
}

/// Notes on the row of an announced record which write changed it, and in which bucket it lies.
fn stamp(announcement: &Announcement, sequence: u64) -> Query<'static> {
    let address = &announcement.address;
    let query = sqlx::query(match address {
        Address::Tenant(..) => "UPDATE tenants SET sequence = ?, bucket = ? WHERE id = ?",
        Address::Tier(..) => "UPDATE tiers SET sequence = ?, bucket = ? WHERE tenant = ? AND name = ?",
        Address::Customer(..) => "UPDATE customers SET sequence = ?, bucket = ? WHERE tenant = ? AND id = ?",
        Address::Application(..) => {
            "UPDATE applications SET sequence = ?, bucket = ? WHERE tenant = ? AND id = ?"
        }
        Address::Version(..) => {
            "UPDATE versions SET sequence = ?, bucket = ? WHERE tenant = ? AND application = ? AND name = ?"
        }
        Address::Key(..) => "UPDATE keys SET sequence = ?, bucket = ? WHERE id = ?",
        Address::Session(..) => "UPDATE sessions SET sequence = ?, bucket = ? WHERE id = ?",
    });
    let query = query.bind(number(sequence)).bind(address.bucket());
    match address {
        Address::Tenant(id) => query.bind(id.to_string()),
        Address::Tier(tenant, name) => query.bind(tenant.to_string()).bind(name.as_str()),
        Address::Customer(tenant, id) => query.bind(tenant.to_string()).bind(id.as_str()),
        Address::Application(tenant, id) => query.bind(tenant.to_string()).bind(id.as_str()),
        Address::Version(tenant, application, name) => {
            query.bind(tenant.to_string()).bind(application.as_str()).bind(name.as_str())
        }
        Address::Key(id) => query.bind(id.as_str()),
        Address::Session(id) => query.bind(id.as_str()),
    }
}
