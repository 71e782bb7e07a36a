//! What edges report, written down: each report once, in one transaction with everything that it brings.

use std::collections::BTreeSet;

use async_trait::async_trait;
use common::id::{ApplicationId, CustomerId, KeyId, TenantId};
use common::time::Timestamp;
use common::wire::address::Address;

use super::super::activity::{Amount, Forgetting, Intake, Ledger, ReportName, Span, Taken};
use super::super::sums::{Day, OfKey, Slot, Sums, millis};
use super::super::{Applications as _, Outbox as _, StoreFault, Tenants as _};
use super::fields::{Fields, number};
use super::{Session, SqliteStore, broke};
use crate::domain::{Announcement, Change};

const TAKING: &str = "taking in reports";
const TELLING: &str = "announcing downloads";
const FORGETTING: &str = "forgetting what is old";

/// Reports beyond a gap that are remembered one by one. Edges speak in order: what is missing for longer was lost.
const MOST_BEYOND: usize = 1_000;

#[async_trait]
impl Ledger for SqliteStore {
    async fn take_in(&self, intakes: &[Intake], now: Timestamp) -> Result<Taken, StoreFault> {
        let mut session = self.session(TAKING).await?;
        let mut fresh = Vec::new();
        for intake in intakes {
            if session.is_new(&intake.report).await? {
                fresh.push(intake);
            }
        }
        let counted = fresh.len() as u64;
        let repeated = intakes.len() as u64 - counted;
        if fresh.is_empty() {
            return Ok(Taken { repeated, ..Taken::default() });
        }
        let (transfers, strange) = session.write_transfers(&fresh).await?;
        session.write_sums(Sums::of(&fresh)).await?;
        let reporters: BTreeSet<(&str, u64)> =
            fresh.iter().map(|intake| (intake.report.edge.as_str(), intake.report.boot)).collect();
        for (edge, boot) in reporters {
            session.close_ranks(edge, boot, now).await?;
        }
        session.transaction.commit().await.map_err(broke(TAKING))?;
        Ok(Taken { counted, repeated, transfers, strange })
    }

    async fn tell_downloads(&self, most: u64) -> Result<u64, StoreFault> {
        let mut session = self.session(TELLING).await?;
        let query = sqlx::query(
            "UPDATE versions SET download_count = downloads WHERE row IN
             (SELECT row FROM versions WHERE downloads <> download_count LIMIT ?)
             RETURNING tenant, application, name",
        );
        let query = query.bind(number(most));
        let rows = query.fetch_all(&mut *session.transaction).await.map_err(broke(TELLING))?;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut change = Change::default();
        for row in &rows {
            let fields = Fields::of(row, TELLING);
            let (tenant, application) = (fields.parsed("tenant")?, fields.parsed("application")?);
            let address = Address::Version(tenant, application, fields.parsed("name")?);
            change.announcements.push(Announcement { address, denies: false });
        }
        let sequence = session.standing().await?.position.sequence + 1;
        session.record_change(&change, sequence).await.map_err(broke(TELLING))?;
        session.transaction.commit().await.map_err(broke(TELLING))?;
        Ok(rows.len() as u64)
    }

    async fn forget(&self, old: Forgetting) -> Result<bool, StoreFault> {
        let mut session = self.session(FORGETTING).await?;
        let (activity, most) = (old.activity.millis(), number(old.most));
        // By row, the order of arrival: a time that an edge had wrong keeps nothing else from going.
        let query = sqlx::query(
            "DELETE FROM activity WHERE row IN (SELECT row FROM activity ORDER BY row LIMIT ?) AND at < ?",
        );
        let mut full = session.run_forgetting(query.bind(most).bind(activity)).await? >= old.most;
        for (span, before) in [(Span::Minute, old.minutes.millis()), (Span::Hour, activity)] {
            for table in [
                "DELETE FROM usage WHERE (key, span, start, application) IN (SELECT key, span, start, application
                 FROM usage WHERE span = ? AND start < ? LIMIT ?)",
                "DELETE FROM refusals WHERE (key, span, start, reason) IN (SELECT key, span, start, reason
                 FROM refusals WHERE span = ? AND start < ? LIMIT ?)",
            ] {
                let query = sqlx::query(table).bind(millis(span)).bind(before).bind(most);
                full |= session.run_forgetting(query).await? >= old.most;
            }
        }
        for table in [
            "DELETE FROM reports WHERE (edge, boot) IN (SELECT edge, boot FROM reporters WHERE heard_at < ?)",
            "DELETE FROM reporters WHERE heard_at < ?",
        ] {
            session.run_forgetting(sqlx::query(table).bind(activity)).await?;
        }
        session.transaction.commit().await.map_err(broke(FORGETTING))?;
        Ok(full)
    }
}

impl SqliteStore {
    async fn session(&self, doing: &'static str) -> Result<Session, StoreFault> {
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(broke(doing))?;
        Ok(Session { transaction })
    }
}

impl Session {
    async fn run_forgetting(&mut self, query: super::Query<'_>) -> Result<u64, StoreFault> {
        let done = query.execute(&mut *self.transaction).await.map_err(broke(FORGETTING))?;
        Ok(done.rows_affected())
    }

    /// Notes a report; false when it was counted before.
    async fn is_new(&mut self, report: &ReportName) -> Result<bool, StoreFault> {
        let query = sqlx::query(
            "INSERT INTO reports (edge, boot, number) SELECT ?1, ?2, ?3 WHERE NOT EXISTS
             (SELECT 1 FROM reporters WHERE edge = ?1 AND boot = ?2 AND below > ?3) ON CONFLICT DO NOTHING",
        );
        let query = query.bind(&report.edge).bind(number(report.boot)).bind(number(report.number));
        let done = query.execute(&mut *self.transaction).await.map_err(broke(TAKING))?;
        Ok(done.rows_affected() == 1)
    }

    /// Remembers reports without a gap before them as one number.
    async fn close_ranks(&mut self, edge: &str, boot: u64, now: Timestamp) -> Result<(), StoreFault> {
        let query = sqlx::query("SELECT below FROM reporters WHERE edge = ? AND boot = ?");
        let row = query.bind(edge).bind(number(boot)).fetch_optional(&mut *self.transaction).await;
        let row = row.map_err(broke(TAKING))?;
        let mut below: u64 =
            row.as_ref().map(|row| Fields::of(row, TAKING).number("below")).transpose()?.unwrap_or(0);
        let query = sqlx::query("SELECT number FROM reports WHERE edge = ? AND boot = ? ORDER BY number");
        let rows = query.bind(edge).bind(number(boot)).fetch_all(&mut *self.transaction).await;
        let rows = rows.map_err(broke(TAKING))?;
        let mut left = rows.len();
        for row in &rows {
            let there: u64 = Fields::of(row, TAKING).number("number")?;
            if there != below && left <= MOST_BEYOND {
                break;
            }
            below = there + 1;
            left -= 1;
        }
        let query = sqlx::query("DELETE FROM reports WHERE edge = ? AND boot = ? AND number < ?");
        let query = query.bind(edge).bind(number(boot)).bind(number(below));
        query.execute(&mut *self.transaction).await.map_err(broke(TAKING))?;
        let query = sqlx::query(
            "INSERT INTO reporters (edge, boot, below, heard_at) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET below = excluded.below, heard_at = excluded.heard_at",
        );
        let query = query.bind(edge).bind(number(boot)).bind(number(below)).bind(now.millis());
        query.execute(&mut *self.transaction).await.map(drop).map_err(broke(TAKING))
    }

    /// Writes transfers down; gives how many, and how many are of tenants that there are not.
    async fn write_transfers(&mut self, fresh: &[&Intake]) -> Result<(u64, u64), StoreFault> {
        let (mut written, mut strange) = (0, 0);
        let downloads = || fresh.iter().flat_map(|intake| &intake.downloads);
        let mut known = BTreeSet::new();
        for tenant in downloads().map(|download| download.activity.tenant).collect::<BTreeSet<TenantId>>() {
            if self.tenant(tenant).await?.is_some() {
                known.insert(tenant);
            }
        }
        for download in downloads() {
            if known.contains(&download.activity.tenant) {
                let inserted = self.insert_activity(&download.activity).await.map_err(broke(TAKING))?;
                written += u64::from(inserted);
            } else {
                strange += 1;
            }
        }
        Ok((written, strange))
    }

    async fn write_sums(&mut self, sums: Sums) -> Result<(), StoreFault> {
        for (day, count) in &sums.days {
            self.count_downloads(day, *count).await.map_err(broke(TAKING))?;
        }
        let mut keys = BTreeSet::new();
        for (key, at) in sums.last_used {
            if self.touch_key(&key, at).await.map_err(broke(TAKING))? {
                keys.insert(key);
            }
        }
        let named: BTreeSet<(TenantId, ApplicationId)> =
            (sums.usage.keys()).filter_map(|((of, ..), id)| Some((of.0, id.clone()?))).collect();
        let mut applications = BTreeSet::new();
        for (tenant, id) in named {
            if self.application(tenant, &id).await?.is_some() {
                applications.insert((tenant, id));
            }
        }
        for ((slot, application), amount) in sums.usage {
            // Anybody with a key can name applications that there are not: each would be a row for ever.
            let application = application.filter(|id| applications.contains(&(slot.0.0, id.clone())));
            if keys.contains(&slot.0) {
                self.add_usage(&slot, application.as_ref(), amount).await.map_err(broke(TAKING))?;
            }
        }
        for ((slot, reason), count) in sums.refusals {
            if keys.contains(&slot.0) {
                self.add_refusals(&slot, &reason, count).await.map_err(broke(TAKING))?;
            }
        }
        Ok(())
    }

    /// Counts whole downloads of a version that there is.
    async fn count_downloads(&mut self, day: &Day, count: u64) -> Result<(), sqlx::Error> {
        let (tenant, application, version, start, customer) = day;
        let tenant = tenant.to_string();
        let query = sqlx::query(
            "UPDATE versions SET downloads = downloads + ? WHERE tenant = ? AND application = ? AND name = ?",
        );
        let query = query.bind(number(count)).bind(&tenant).bind(application.as_str()).bind(version.as_str());
        if query.execute(&mut *self.transaction).await?.rows_affected() == 0 {
            return Ok(());
        }
        let query = sqlx::query(
            "INSERT INTO downloads (tenant, application, version, day, customer, count) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        );
        let query = query.bind(tenant).bind(application.as_str()).bind(version.as_str()).bind(start.millis());
        let query = query.bind(customer.as_ref().map_or("", CustomerId::as_str)).bind(number(count));
        query.execute(&mut *self.transaction).await.map(drop)
    }

    /// Notes when a key was last used; false when the tenant has no such key.
    async fn touch_key(&mut self, (tenant, key): &OfKey, at: Timestamp) -> Result<bool, sqlx::Error> {
        // A minute may have begun before the key that was used in it.
        let query = sqlx::query(
            "UPDATE keys SET last_used_at = max(coalesce(last_used_at, created_at), created_at, ?)
             WHERE tenant = ? AND id = ?",
        );
        let query = query.bind(at.millis()).bind(tenant.to_string()).bind(KeyId::as_str(key));
        Ok(query.execute(&mut *self.transaction).await?.rows_affected() == 1)
    }

    async fn add_usage(
        &mut self,
        ((_, key), span, start): &Slot,
        application: Option<&ApplicationId>,
        amount: Amount,
    ) -> Result<(), sqlx::Error> {
        // Capped, so that no sum of rows leaves the 63 bits of an integer.
        let query = sqlx::query(
            "INSERT INTO usage (key, span, start, application, requests, bytes, errors) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET requests = min(requests + excluded.requests, 4503599627370496),
             bytes = min(bytes + excluded.bytes, 4503599627370496),
             errors = min(errors + excluded.errors, 4503599627370496)",
        );
        let query = query.bind(key.as_str()).bind(millis(*span)).bind(start.millis());
        let query = query.bind(application.map_or("", ApplicationId::as_str));
        let query = query.bind(number(amount.requests)).bind(number(amount.bytes));
        query.bind(number(amount.errors)).execute(&mut *self.transaction).await.map(drop)
    }

    async fn add_refusals(
        &mut self,
        ((_, key), span, start): &Slot,
        reason: &str,
        count: u64,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO refusals (key, span, start, reason, count) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET count = min(count + excluded.count, 4503599627370496)",
        );
        let query = query.bind(key.as_str()).bind(millis(*span)).bind(start.millis());
        query.bind(reason).bind(number(count)).execute(&mut *self.transaction).await.map(drop)
    }
}
