//! What a key may see: applications, versions, files, and the object behind a download. From the replica alone.
//!
//! Views of an application with its versions are held ready under the same rule as keys: written by
//! `and_compute_with` alone, loaded inside it, refreshed by the feed after the commit.

pub mod issue;
mod kept;
pub mod link;
pub mod listing;
pub mod platform;
pub mod selection;
mod shapes;
#[cfg(test)]
mod tests;
pub mod updates;
mod view;

use std::sync::{Arc, PoisonError, RwLock};

use common::catalog::{File, Version};
use common::id::{ApplicationId, FileId, TenantId, VersionName};
use common::key::Kind;
use common::mac::MacKeys;
use common::wire::address::Address;
use common::wire::v1::Record;
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::deliver::{Facts, Object};
use crate::error::{Failure, Refusal};
use crate::gate::Permit;
use crate::replica::{Changed, ReplicaFault, SharedReplica};
use crate::request::Ask;
use kept::{Kept, Name};
use listing::Listed;
use selection::VersionWanted;
use updates::Check;
pub use view::{Reach, View};

/// Bytes of listings, and of answers to update checks, that are kept at most.
const MOST_KEPT: u64 = 32 << 20;

/// What an edge can show.
pub struct Catalog {
    replica: SharedReplica,
    views: Cache<(TenantId, ApplicationId), Arc<View>>,
    /// As the keyring's: look-ups under way, to be waited for after the replica was replaced.
    loading: RwLock<()>,
    lists: Kept<Listed>,
    checks: Kept<Check>,
    /// What the cursors of its lists are sealed with.
    cursors: MacKeys,
}

impl Catalog {
    /// Over `replica`, with at most `most` applications held ready.
    pub fn new(replica: SharedReplica, most: u64, cursors: MacKeys) -> Self {
        Self::keeping(MOST_KEPT, replica, most, cursors)
    }

    /// The same with at most so many bytes of listings kept, and as many of checks.
    fn keeping(kept: u64, replica: SharedReplica, most: u64, cursors: MacKeys) -> Self {
        let (views, loading) = (Cache::new(most), RwLock::default());
        Self { replica, views, loading, lists: Kept::new(kept), checks: Kept::new(kept), cursors }
    }

    /// The application, as far as this key may know of it.
    ///
    /// # Errors
    /// [`Refusal::ApplicationNotFound`] for what is not there, denied, outside the key's access, or to a customer
    /// inactive: all the same, so that nobody learns which.
    pub fn view(&self, permit: &Permit, id: &ApplicationId) -> Result<Arc<View>, Failure> {
        if !permit.may_know(id) {
            return Err(Refusal::ApplicationNotFound.into());
        }
        let tenant = permit.key().tenant;
        // Its vendor still works on an inactive one.
        let shown = |view: &Arc<View>| view.application.is_active || permit.key().kind == Kind::Admin;
        let view = self.load(tenant, id)?.filter(shown);
        let address = Address::Application(tenant, id.clone());
        let view = view.filter(|_| !(self.replica.has_denials() && self.replica.is_denied(&address)));
        view.ok_or_else(|| Refusal::ApplicationNotFound.into())
    }

    /// The version that is wanted, when this key gets it.
    ///
    /// # Errors
    /// Not there or yanked: 404. Above the key's tier, or a draft that it does not see: 403.
    pub fn version<'v>(
        &self,
        permit: &Permit,
        view: &'v View,
        wanted: &VersionWanted,
        channel: Option<&str>,
    ) -> Result<&'v Version, Failure> {
        let place = self.place(permit, view, wanted, channel)?;
        Ok(view.versions.get(place).ok_or(Refusal::VersionNotFound)?)
    }

    /// The same by its place in the view.
    fn place(
        &self,
        permit: &Permit,
        view: &View,
        wanted: &VersionWanted,
        channel: Option<&str>,
    ) -> Result<usize, Failure> {
        let place = match wanted {
            VersionWanted::Latest => self.visible_places(permit, view, channel).next(),
            VersionWanted::Named(name) => view.place_of(name),
        };
        let version = place.and_then(|place| view.versions.get(place));
        let version = version.filter(|version| self.is_alive(permit, view, version));
        let (place, version) = place.zip(version).ok_or(Refusal::VersionNotFound)?;
        if let (false, Some(tier)) = (permit.reaches(version), &version.required_tier) {
            return Err(Refusal::TierTooLow(tier.clone()).into());
        }
        if !permit.sees(version, channel) {
            return Err(Refusal::VersionNotEnabled(version.name.clone()).into());
        }
        Ok(place)
    }

    /// The versions that a listing shows to this key, newest first.
    pub fn visible<'v>(
        &self,
        permit: &Permit,
        view: &'v View,
        channel: Option<&str>,
    ) -> impl Iterator<Item = &'v Version> {
        self.visible_places(permit, view, channel).filter_map(|place| view.versions.get(place))
    }

    fn visible_places(
        &self,
        permit: &Permit,
        view: &View,
        channel: Option<&str>,
    ) -> impl Iterator<Item = usize> {
        let shown =
            move |v: &Version| self.is_alive(permit, view, v) && permit.reaches(v) && permit.sees(v, channel);
        view.versions.iter().enumerate().filter(move |(_, v)| shown(v)).map(|(place, _)| place)
    }

    /// What an answer of this route out of a view is kept under; none when it is not to be kept.
    fn name_of(&self, route: &str, (permit, ask): (&Permit, &Ask), view: &View) -> Option<Name> {
        Some(self.name(route, ask)?.through(view, view.reach(permit)?))
    }

    fn name(&self, route: &str, ask: &Ask) -> Option<Name> {
        if self.replica.has_denials() { None } else { Name::of(route, ask) }
    }

    /// Brings what is held ready up to the replica's commit.
    pub fn refresh(&self, changed: &Changed) {
        for address in &changed.addresses {
            if let Address::Application(tenant, id) | Address::Version(tenant, id, _) = address {
                self.refresh_view(&(*tenant, id.clone()));
            }
        }
    }

    /// The same for everything, after the replica was replaced.
    pub fn refresh_all(&self) {
        drop(self.loading.write().unwrap_or_else(PoisonError::into_inner));
        for (key, _) in &self.views {
            self.refresh_view(&key);
        }
    }

    fn is_alive(&self, permit: &Permit, view: &View, version: &Version) -> bool {
        let denied = || {
            let address =
                Address::Version(permit.key().tenant, view.application.id.clone(), version.name.clone());
            self.replica.is_denied(&address)
        };
        version.is_active && !(self.replica.has_denials() && denied())
    }

    fn load(&self, tenant: TenantId, id: &ApplicationId) -> Result<Option<Arc<View>>, ReplicaFault> {
        let key = (tenant, id.clone());
        if let Some(view) = self.views.get(&key) {
            return Ok(Some(view));
        }
        let _loading = self.loading.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Ok(None);
        self.views.entry_by_ref(&key).and_compute_with(|there| match there {
            Some(view) => {
                found = Ok(Some(view.into_value()));
                Op::Nop
            }
            None => {
                found = self.read(&key);
                match &found {
                    Ok(Some(view)) => Op::Put(view.clone()),
                    _ => Op::Nop,
                }
            }
        });
        found
    }

    fn refresh_view(&self, key: &(TenantId, ApplicationId)) {
        self.views.entry_by_ref(key).and_compute_with(|there| match (there, self.read(key)) {
            (None, _) => Op::Nop,
            (Some(_), Ok(Some(view))) => Op::Put(view),
            (Some(_), Ok(None) | Err(_)) => Op::Remove,
        });
    }

    fn read(&self, (tenant, id): &(TenantId, ApplicationId)) -> Result<Option<Arc<View>>, ReplicaFault> {
        let record = self.replica.record(&Address::Application(*tenant, id.clone()))?;
        let Some(Record::Application(application)) = record else { return Ok(None) };
        let versions = self.replica.versions(*tenant, id)?;
        #[cfg(test)]
        crate::replica::tests::race::hesitate();
        Ok(Some(Arc::new(View::new(application, versions))))
    }
}

/// What a download delivers: the bytes of a file under its name.
fn object_of(version: &Version, file: &File) -> Object {
    Object::new(Facts {
        digest: file.digest,
        size: file.size,
        file_name: file.name.clone(),
        content_type: file.content_type.clone(),
        modified: version.created_at,
    })
}

/// An application id from a path or query; text that cannot be one names nothing that exists.
fn application_id(text: &str) -> Result<ApplicationId, Refusal> {
    text.parse().map_err(|_| Refusal::ApplicationNotFound)
}

fn version_wanted(text: &str) -> Result<VersionWanted, Refusal> {
    match text {
        "latest" => Ok(VersionWanted::Latest),
        _ => text.parse::<VersionName>().map(VersionWanted::Named).map_err(|_| Refusal::VersionNotFound),
    }
}

fn file_id(text: &str) -> Result<FileId, Refusal> {
    text.parse().map_err(|_| Refusal::FileNotFound)
}
