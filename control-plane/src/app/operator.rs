//! What the operator at the machine does to tenants: with the database alone, also while desks run on it. They find
//! what was written in their outbox, and announce it within a second.

use std::path::{Path, PathBuf};

use common::digest::Digest;
use common::id::{BackupId, TenantId};
use common::runtime::clock::{Clock, entropy};
use common::secret::Secret;
use common::tenancy::Tenancy;
use common::time::Timestamp;

use crate::app::tenancy::key_text;
use crate::app::{StartError, keys};
use crate::backup::{self, BackupFiles};
use crate::config::Config;
use crate::domain::backup::Contents;
use crate::domain::restore::restore;
use crate::domain::tenant::{self, Alter, Found, Tenant};
use crate::domain::{Actor, Context, Decision};
use crate::store::sqlite::SqliteStore;
use crate::store::{KeptEdge, Store as _};

/// The operator of one system.
pub struct Operator<'a> {
    store: SqliteStore,
    tenancy: Tenancy,
    backups: BackupFiles,
    /// Where bytes lie.
    blobs: PathBuf,
    clock: &'a dyn Clock,
}

/// A tenant that was made.
pub struct Founded {
    /// Its id.
    pub tenant: TenantId,
    /// Its first admin key as its owner uses it.
    pub admin_key: Secret,
}

/// What a restored backup brought.
pub struct Returned {
    /// The moment that it shows.
    pub created_at: Timestamp,
    /// Everything in it.
    pub contents: Contents,
    /// Of the bytes that its files have, those that are not there.
    pub missing: Vec<Digest>,
}

/// A tenant, and what it stores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The tenant.
    pub tenant: Tenant,
    /// In bytes, uploads under way counted.
    pub used_bytes: u64,
}

impl<'a> Operator<'a> {
    /// Opens the database that the settings name, made when it is missing.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(config: &Config, clock: &'a dyn Clock) -> Result<Self, StartError> {
        keys::make_directory(&config.data)
            .map_err(|e| StartError::File(format!("data directory {}", config.data.display()), e))?;
        let store = SqliteStore::open(&config.database, clock.now()).await?;
        let backups = BackupFiles::below(&config.data);
        Ok(Self { store, tenancy: config.tenancy, backups, blobs: config.blobs.clone(), clock })
    }

    /// Makes a tenant with its first admin key.
    ///
    /// # Errors
    /// Where there is only one, or the id is in use.
    pub async fn create(
        &self,
        name: String,
        id: Option<TenantId>,
        quota_bytes: Option<u64>,
    ) -> Result<Founded, StartError> {
        if self.tenancy == Tenancy::Single {
            return Err(StartError::SingleTenant);
        }
        let mut rng = entropy().map_err(|e| StartError::Randomness(e.to_string()))?;
        let context = self.context(id.unwrap_or_else(|| TenantId::generate(&mut rng)));
        let command = Found::parse(name, None)?.with_quota(quota_bytes);
        let mut truth = self.store.write().await?;
        let existing = truth.tenant(context.tenant).await?;
        let Decision { change, outcome } = tenant::found(command, existing.as_ref(), &context, &mut rng)?;
        truth.commit(change).await?;
        Ok(Founded { tenant: context.tenant, admin_key: key_text(context.tenant, &outcome) })
    }

    /// All tenants, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<Account>, StartError> {
        let mut reading = self.store.read().await?;
        let mut accounts = Vec::new();
        for tenant in reading.tenants().await? {
            let used_bytes = reading.used_bytes(tenant.id, self.clock.now()).await?;
            accounts.push(Account { tenant, used_bytes });
        }
        Ok(accounts)
    }

    /// Changes a tenant.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub async fn alter(&self, id: TenantId, command: Alter) -> Result<Tenant, StartError> {
        let mut truth = self.store.write().await?;
        let existing = truth.tenant(id).await?;
        let Decision { change, outcome } = tenant::alter(command, existing, &self.context(id))?;
        truth.commit(change).await?;
        Ok(outcome)
    }

    /// Makes a further admin key with all scopes, for a tenant that has lost its own.
    ///
    /// # Errors
    /// When there is no such tenant, or none is named where there are several.
    pub async fn add_admin(&self, id: Option<TenantId>) -> Result<Secret, StartError> {
        let mut rng = entropy().map_err(|e| StartError::Randomness(e.to_string()))?;
        let mut truth = self.store.write().await?;
        let tenants = truth.tenants().await?;
        let id = match (id, self.tenancy) {
            (Some(id), _) => id,
            (None, Tenancy::Multi) => return Err(StartError::WhichTenant),
            (None, Tenancy::Single) if tenants.len() > 1 => {
                return Err(StartError::SeveralTenants(tenants.len()));
            }
            (None, Tenancy::Single) => tenants.first().ok_or(StartError::NoTenant)?.id,
        };
        if !tenants.iter().any(|tenant| tenant.id == id) {
            return Err(crate::domain::Refusal::UnknownTenant(id).into());
        }
        let decision = tenant::add_admin(&self.context(id), &mut rng);
        truth.commit(decision.change).await?;
        Ok(key_text(id, &decision.outcome))
    }

    /// Makes the tenant of a backup again, with everything that was in it, in a system that does not have it.
    ///
    /// # Errors
    /// When the file is damaged, or the tenant is there.
    pub async fn restore(&self, file: &Path) -> Result<Returned, StartError> {
        let path = file.to_owned();
        let read = tokio::task::spawn_blocking(move || backup::file::read(&path)).await;
        let not = |why: String| StartError::Backup(file.display().to_string(), why);
        let (header, contents) = read.map_err(|e| not(e.to_string()))?.map_err(|e| not(e.to_string()))?;
        let mut truth = self.store.write().await?;
        let tenants = truth.tenants().await?;
        if tenants.iter().any(|tenant| tenant.id == header.tenant) {
            return Err(crate::domain::Refusal::DuplicateTenant(header.tenant).into());
        }
        if self.tenancy == Tenancy::Single && !tenants.is_empty() {
            return Err(StartError::SingleTenant);
        }
        let decision = restore(None, &contents, None, &self.context(header.tenant));
        truth.commit(decision.change).await?;
        let missing =
            contents.blobs().into_iter().filter(|digest| !self.blobs.join(digest.blob_path()).is_file());
        Ok(Returned { created_at: header.created_at, missing: missing.collect(), contents })
    }

    /// Removes a backup, file and row.
    ///
    /// # Errors
    /// When there is none of that id.
    pub async fn remove_backup(&self, id: &BackupId) -> Result<(), StartError> {
        let found = self.store.read().await?.any_backup(id).await?;
        let backup = found.ok_or_else(|| crate::domain::Refusal::UnknownBackup(id.clone()))?;
        Ok(backup::make::remove(&self.store, &self.backups, &backup, self.clock.now()).await?)
    }

    /// The edges that were known when a control plane last wrote that down, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn edges(&self) -> Result<Vec<KeptEdge>, StartError> {
        Ok(self.store.kept_edges().await?)
    }

    /// Lets go of an edge that is gone for good: control planes that run follow within 15 s, unless it speaks.
    ///
    /// # Errors
    /// When none of that name is known.
    pub async fn remove_edge(&self, id: &str) -> Result<(), StartError> {
        if !self.store.kept_edges().await?.iter().any(|edge| edge.id == id) {
            return Err(crate::domain::Refusal::UnknownEdge.into());
        }
        Ok(self.store.keep_edges(&[], &[], &[id.to_owned()]).await?)
    }

    /// Lets go of the database.
    pub async fn close(self) {
        self.store.close().await;
    }

    fn context(&self, tenant: TenantId) -> Context {
        Context { tenant, actor: Actor::operator(), now: self.clock.now() }
    }
}
