//! The first tenant and its first admin key, made when the database of a system of one tenant is new.

use common::id::TenantId;
use common::key::text_of;
use common::secret::Secret;
use common::tenancy::Tenancy;
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
#[derive(Default)]
pub(super) struct First {
    /// The one tenant; `None` where there may be several.
    pub(super) tenant: Option<TenantId>,
    /// The admin key, when it was made now and not brought along.
    pub(super) made: Option<Secret>,
}

/// The tenant that is there, or a new one. Where there may be several, they are the operator's to make.
pub(super) async fn first(
    store: &dyn Store,
    config: &Config,
    now: Timestamp,
    rng: &mut (impl Rng + Send),
) -> Result<First, StartError> {
    if config.tenancy == Tenancy::Multi {
        return Ok(First::default());
    }
    // Looked at while writing: of several desks that start together, one makes the tenant.
    let mut truth = store.write().await?;
    match truth.tenants().await?.as_slice() {
        [] => {}
        [tenant] => return Ok(First { tenant: Some(tenant.id), made: None }),
        several => return Err(StartError::SeveralTenants(several.len())),
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
    Ok(First { tenant: Some(id), made })
}

/// The key as its owner uses it.
pub(super) fn key_text(tenant: TenantId, new: &NewKey) -> Secret {
    Secret::new(text_of(tenant, &new.secret))
}
