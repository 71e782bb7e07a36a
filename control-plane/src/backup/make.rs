//! Making backups and removing those whose time is over: what the API and the clock both do.

use std::time::Duration;

use common::id::BackupId;
use common::time::Timestamp;
use rand::Rng;

use super::BackupFiles;
use crate::domain::backup::{Backup, Cause, Contents, forget, is_due, may_make, note};
use crate::domain::tenant::Tenant;
use crate::domain::{Actor, Context, Refusal};
use crate::store::{Slice, Store, StoreError, StoreFault};

/// Backups that are removed in one go, so that others come in between.
const MOST: u64 = 100;

/// How often backups are made by themselves, and how long those are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Automatic {
    /// `None`: none are made.
    pub every: Option<Duration>,
    /// Of those that are made from now on.
    pub keep: Duration,
}

impl Default for Automatic {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { every: Some(day), keep: day * 30 }
    }
}

/// Writes a backup of the context's tenant. It has no row yet: one whose file could not be written says so.
///
/// # Errors
/// When there is more than a backup can hold.
pub(crate) async fn make(
    store: &dyn Store,
    files: &BackupFiles,
    (cause, expires_at): (Cause, Option<Timestamp>),
    context: &Context,
    rng: &mut (impl Rng + Send),
) -> Result<Backup, StoreError> {
    let _turn = files.turn().await;
    let id = BackupId::generate(rng);
    let contents = contents(store, context).await?;
    let (work, name, at) = (files.clone(), id.clone(), context.now);
    let written = tokio::task::spawn_blocking(move || work.write(&name, &contents, at)).await;
    let size = match written {
        Ok(Ok(written)) => Some(written.size),
        Ok(Err(e)) => failed(&id, &e),
        Err(e) => failed(&id, &e),
    };
    Ok(Backup { id, tenant: context.tenant, cause, size, created_at: context.now, expires_at })
}

fn failed(id: &BackupId, cause: &dyn std::fmt::Display) -> Option<u64> {
    tracing::error!(backup = %id, %cause, "a backup could not be written");
    None
}

/// Everything of the context's tenant, as of one moment.
async fn contents(store: &dyn Store, context: &Context) -> Result<Contents, StoreError> {
    let mut truth = store.read().await?;
    let kept = truth.backups(context.tenant, Slice { offset: 0, limit: 0 }).await?.total;
    may_make(truth.count_records(context.tenant).await?, kept)?;
    let contents = truth.contents(context.tenant).await?;
    Ok(contents.ok_or(Refusal::UnknownTenant(context.tenant))?)
}

/// Makes the backups that are due at `now`, removes those whose time is over, and says how many were made.
///
/// # Errors
/// The first thing that broke; a tenant that is too large for a backup is logged, and the others go on.
pub(crate) async fn keep_up(
    store: &dyn Store,
    files: &BackupFiles,
    rule: Automatic,
    now: Timestamp,
    rng: &mut (impl Rng + Send),
) -> Result<usize, StoreError> {
    let mut made = 0;
    let tenants = match rule.every {
        Some(_) => store.read().await?.tenants().await?,
        None => vec![],
    };
    for tenant in &tenants {
        let so_far = store.read().await?.rhythm(tenant.id).await?;
        if !rule.every.is_some_and(|every| is_due(tenant, so_far, every, now)) {
            continue;
        }
        match automatic(store, files, (tenant, rule.keep), now, rng).await {
            Ok(()) => made += 1,
            Err(StoreError::Refused(refusal)) => {
                tracing::error!(tenant = %tenant.id, %refusal, "no automatic backup");
            }
            Err(fault) => return Err(fault),
        }
    }
    // Also with automatic backups switched off: those that there are were promised to go.
    for backup in store.read().await?.expired_backups(now, MOST).await? {
        remove(store, files, &backup, now).await?;
    }
    Ok(made)
}

async fn automatic(
    store: &dyn Store,
    files: &BackupFiles,
    (tenant, keep): (&Tenant, Duration),
    now: Timestamp,
    rng: &mut (impl Rng + Send),
) -> Result<(), StoreError> {
    let context = Context { tenant: tenant.id, actor: Actor::operator(), now };
    let expires_at = Some(now.plus(keep));
    let backup = make(store, files, (Cause::Automatic, expires_at), &context, rng).await?;
    store.write().await?.commit(note(backup, &context).change).await?;
    Ok(())
}

/// The file first: without its row nobody would ever remove it.
pub(crate) async fn remove(
    store: &dyn Store,
    files: &BackupFiles,
    backup: &Backup,
    now: Timestamp,
) -> Result<(), StoreError> {
    files.remove(backup).map_err(|e| StoreFault::new("removing a backup's file", e))?;
    let context = Context { tenant: backup.tenant, actor: Actor::operator(), now };
    store.write().await?.commit(forget(backup, &context)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::contract::{self, context, customer_of, new_customer, new_file, new_key, rng, tenant};
    use crate::store::contract::{commit, new_application, with_tenant};
    use crate::store::sqlite::SqliteStore;

    struct Database(tempfile::TempDir);

    #[async_trait::async_trait]
    impl contract::Database for Database {
        async fn open(&self) -> Arc<dyn Store> {
            Arc::new(SqliteStore::open(&self.0.path().join("t.db"), context().now).await.unwrap())
        }
    }

    #[tokio::test]
    async fn a_file_holds_what_the_store_holds_and_no_altered_one_is_read() {
        let database = Database(tempfile::tempdir().unwrap());
        let files = BackupFiles::below(database.0.path());
        let (store, _) = with_tenant(&database).await;
        commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
        commit(store.as_ref(), new_application("tool", &["c1"])).await.unwrap();
        new_file(store.as_ref(), "1.0", "a.zip", 3).await;
        new_key(store.as_ref(), "c1", 4).await;
        let made =
            make(store.as_ref(), &files, (Cause::Manual, None), &context(), &mut rng(5)).await.unwrap();
        let contents = store.read().await.unwrap().contents(tenant()).await.unwrap().unwrap();
        assert_eq!(contents.customers[0], customer_of(store.as_ref(), "c1").await);
        assert_eq!(
            (contents.versions[0].facts.files.len(), contents.added.len(), contents.keys.len()),
            (1, 1, 2)
        );
        assert_eq!(files.read(&made).unwrap(), contents);
        let path = files.path(tenant(), &made.id);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(made.size, Some(whole.len() as u64));
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(files.read(&made).is_err(), "cut at {at}");
            let mut altered = whole.clone();
            altered[at] ^= 0x20;
            std::fs::write(&path, &altered).unwrap();
            // A bit that zstd has no use for may change nothing.
            assert!(files.read(&made).map_or(true, |read| read == contents), "altered at {at}");
        }
        std::fs::write(path.with_added_extension("unfinished"), "half").unwrap();
        assert_eq!((files.sweep().unwrap(), files.sweep().unwrap()), (1, 0));
    }

    #[tokio::test]
    async fn automatic_backups_come_by_the_clock_and_go_by_it() {
        let database = Database(tempfile::tempdir().unwrap());
        let files = BackupFiles::below(database.0.path());
        let (store, _) = with_tenant(&database).await;
        let day = Duration::from_secs(86_400);
        let rule = Automatic { every: Some(day), keep: day * 2 };
        let mut random = rng(7);
        let mut step = async |rule: Automatic, hours: u32| {
            let now = context().now.plus(day / 24 * hours);
            let made = keep_up(store.as_ref(), &files, rule, now, &mut random).await.unwrap();
            let kept = store.read().await.unwrap().backups(tenant(), Slice::ALL).await.unwrap().items;
            let there = kept.iter().filter(|backup| files.path(tenant(), &backup.id).is_file()).count();
            assert_eq!(there, kept.len());
            (made, kept.len())
        };
        assert_eq!((step(rule, 0).await, step(rule, 23).await), ((0, 0), (0, 0)));
        assert_eq!((step(rule, 24).await, step(rule, 47).await), ((1, 1), (0, 1)));
        assert_eq!((step(rule, 48).await, step(rule, 71).await), ((1, 2), (0, 2)));
        let off = Automatic { every: None, ..rule };
        assert_eq!((step(off, 72).await, step(off, 96).await), ((0, 1), (0, 0)));
        let directory = database.0.path().join("backups").join(tenant().to_string());
        assert_eq!(directory.read_dir().unwrap().count(), 0);
    }
}
