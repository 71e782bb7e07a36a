//! The first tenant and its first admin key, made when the database is new.

use common::id::TenantId;
use common::key::text_of;
use common::secret::Secret;
use common::time::Timestamp;
use rand::Rng;

use crate::app::{StartError, keys};
use crate::config::Config;
use crate::domain::key::NewKey;
use crate::domain::tenant::{self, Found};
use crate::domain::{Actor, Context};
use crate::store::Store;

/// The name of a tenant that nobody named.
const NAME: &str = "Tidegate";

/// Whom this desk works for.
pub(super) struct Tenancy {
    pub(super) tenant: TenantId,
    /// The admin key, when it was made now and not brought along.
    pub(super) made: Option<Secret>,
}

/// The tenant that is there, or a new one.
pub(super) async fn first(
    store: &dyn Store,
    config: &Config,
    now: Timestamp,
    rng: &mut (impl Rng + Send),
) -> Result<Tenancy, StartError> {
    // Looked at while writing: of several desks that start together, one makes the tenant.
    let mut truth = store.write().await?;
    if let Some(tenant) = truth.tenants().await?.first() {
        return Ok(Tenancy { tenant: tenant.id, made: None });
    }
    let id = config.tenant_id.unwrap_or_else(|| TenantId::generate(rng));
    let context = Context { tenant: id, actor: Actor::operator(), now };
    let command = Found::parse(NAME.to_owned(), config.admin_key.clone())?;
    let decision = tenant::found(command, None, &context, rng)?;
    let mut made = None;
    if config.admin_key.is_none() {
        let key = key_text(id, &decision.outcome);
        // Before the commit: a crash between the two leaves a file that the next start writes anew, not a lost key.
        let path = config.data.join("admin.key");
        keys::write_secret(&path, &key).map_err(|e| StartError::File(path.display().to_string(), e))?;
        tracing::info!(file = %path.display(), "the first admin key was made");
        made = Some(key);
    }
    truth.commit(decision.change).await?;
    Ok(Tenancy { tenant: id, made })
}

/// Makes a further admin key with all scopes, for an operator who has lost his.
pub(crate) async fn add_admin(
    store: &dyn Store,
    now: Timestamp,
    rng: &mut (impl Rng + Send),
) -> Result<Secret, StartError> {
    let mut truth = store.write().await?;
    let tenants = truth.tenants().await?;
    let id = tenants.first().map(|tenant| tenant.id).ok_or(StartError::NoTenant)?;
    let context = Context { tenant: id, actor: Actor::operator(), now };
    let decision = tenant::add_admin(&context, rng);
    let key = key_text(id, &decision.outcome);
    truth.commit(decision.change).await?;
    Ok(key)
}

fn key_text(tenant: TenantId, new: &NewKey) -> Secret {
    Secret::new(text_of(tenant, &new.secret))
}
