//! Back to a backup: what it holds becomes as it was, what was made after it is hidden, and nothing is destroyed.
//!
//! Only rights of secrets do not come back. A key that was deleted or disabled since stays so, one that ends earlier now
//! goes on ending then, and the secrets are those of now: whoever revoked one did not mean until the next restore.

use std::collections::BTreeMap;

use common::id::{ApplicationId, CustomerId, FileId, KeyId, VersionId};
use common::time::Timestamp;
use common::wire::address::Address;

use super::Context;
use super::application::Application;
use super::backup::{Backup, Contents};
use super::change::{Change, Decision, Noun, Row};
use super::customer::Customer;
use super::key::Key;
use super::version::Version;

/// How many things a restore has to do with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// Those that were missing and are there again.
    pub added: u64,
    /// Those that are as they were again.
    pub changed: u64,
    /// Those that were made after the backup, and are hidden now.
    pub hidden: u64,
}

/// Decides on a restore. `present` is everything that there is now; `None` in a system without this tenant. `backup` is
/// its row, where there is one.
#[must_use]
pub fn restore(
    backup: Option<&Backup>,
    was: &Contents,
    present: Option<&Contents>,
    context: &Context,
) -> Decision<Restored> {
    let mut work =
        Work { change: Change::default(), counts: Restored::default(), added: &was.added, context };
    work.tenant(was, present);
    work.tiers(was, present);
    work.applications(was, present);
    work.customers(was, present);
    work.versions(was, present);
    work.keys(was, present);
    let Work { mut change, counts: outcome, .. } = work;
    if !change.is_empty() {
        let target = backup.map_or_else(|| Address::Tenant(was.tenant.id).to_string(), Backup::target);
        let after = vec![
            ("added", outcome.added.to_string()),
            ("changed", outcome.changed.to_string()),
            ("hidden", outcome.hidden.to_string()),
        ];
        change.audit(context, "backup.restore", target, (vec![], after));
    }
    Decision { change, outcome }
}

struct Work<'a> {
    change: Change,
    counts: Restored,
    added: &'a BTreeMap<FileId, Timestamp>,
    context: &'a Context,
}

impl Work<'_> {
    fn insert(&mut self, address: Address, noun: Noun) {
        self.counts.added += 1;
        self.change.announce(address, false);
        self.change.insert(noun);
    }

    fn update(&mut self, address: Address, denies: bool, noun: Noun) {
        self.counts.changed += 1;
        self.change.announce(address, denies);
        self.change.update(noun);
    }

    fn hide(&mut self, address: Address, denies: bool, noun: Noun) {
        self.counts.hidden += 1;
        self.change.announce(address, denies);
        self.change.update(noun);
    }

    fn tenant(&mut self, was: &Contents, present: Option<&Contents>) {
        let address = Address::Tenant(was.tenant.id);
        let Some(now) = present.map(|present| &present.tenant) else {
            return self.insert(address, Noun::Tenant(was.tenant.clone()));
        };
        // Whether the house serves it at all is the operator's word, not the tenant's.
        let mut after = now.clone();
        after.name.clone_from(&was.tenant.name);
        if after != *now {
            self.update(address, false, Noun::Tenant(after));
        }
    }

    /// Tiers that were made after the backup stay: without customers they give nothing to anybody.
    fn tiers(&mut self, was: &Contents, present: Option<&Contents>) {
        let tenant = was.tenant.id;
        for tier in &was.tiers {
            let address = Address::Tier(tenant, tier.name.clone());
            let now = present.and_then(|present| super::tier::find(&tier.name, &present.tiers));
            match now {
                None => self.insert(address, Noun::Tier(tenant, tier.clone())),
                Some(now) if now != tier => self.update(address, false, Noun::Tier(tenant, tier.clone())),
                Some(_) => {}
            }
        }
    }

    fn applications(&mut self, was: &Contents, present: Option<&Contents>) {
        let list = present.map_or(&[][..], |present| &present.applications);
        let mut now: BTreeMap<&ApplicationId, &Application> =
            list.iter().map(|application| (&application.facts.id, application)).collect();
        for application in &was.applications {
            let noun = Noun::Application(application.clone());
            match now.remove(&application.facts.id) {
                None => self.insert(application.address(), noun),
                Some(now) if now != application => {
                    let denies = is_shown(now) && !is_shown(application);
                    self.update(application.address(), denies, noun);
                }
                Some(_) => {}
            }
        }
        for newer in now.into_values().filter(|application| application.deleted_at.is_none()) {
            let mut after = newer.clone();
            after.deleted_at = Some(self.context.now);
            after.facts.updated_at = self.context.now;
            self.hide(newer.address(), true, Noun::Application(after));
        }
    }

    fn customers(&mut self, was: &Contents, present: Option<&Contents>) {
        let list = present.map_or(&[][..], |present| &present.customers);
        let mut now: BTreeMap<&CustomerId, &Customer> =
            list.iter().map(|customer| (&customer.policy.id, customer)).collect();
        for customer in &was.customers {
            let noun = Noun::Customer(customer.clone());
            let before = now.remove(&customer.policy.id);
            match before {
                None => self.insert(customer.address(), noun),
                Some(now) if now != customer => {
                    let denies = now.policy.is_active && !customer.policy.is_active;
                    self.update(customer.address(), denies, noun);
                }
                Some(_) => {}
            }
            self.grants(customer, before);
        }
        for newer in now.into_values().filter(|customer| customer.policy.is_active) {
            let mut after = newer.clone();
            after.policy.is_active = false;
            after.updated_at = self.context.now;
            self.hide(newer.address(), true, Noun::Customer(after));
        }
    }

    /// What is assigned to a customer again, and what no more.
    fn grants(&mut self, was: &Customer, now: Option<&Customer>) {
        let has = now.map_or(&[][..], |now| &now.policy.applications);
        let had = &was.policy.applications;
        let id = || was.policy.id.clone();
        for application in had.iter().filter(|application| !has.contains(application)) {
            self.change.rows.push(Row::Grant(was.tenant, id(), application.clone()));
        }
        for application in has.iter().filter(|application| !had.contains(application)) {
            self.change.rows.push(Row::Revoke(was.tenant, id(), application.clone()));
        }
    }

    /// Files are only ever added, and have no state of their own: one that came after the backup stays.
    fn versions(&mut self, was: &Contents, present: Option<&Contents>) {
        let list = present.map_or(&[][..], |present| &present.versions);
        let mut now: BTreeMap<&VersionId, &Version> =
            list.iter().map(|version| (&version.facts.id, version)).collect();
        for version in &was.versions {
            match now.remove(&version.facts.id) {
                None => self.new_version(version),
                Some(now) => {
                    let mut after = version.clone();
                    after.facts.files.clone_from(&now.facts.files);
                    after.facts.download_count = now.facts.download_count;
                    if after != *now {
                        let denies = shows(now) && !shows(&after);
                        self.update(version.address(), denies, Noun::Version(after));
                    }
                }
            }
        }
        for newer in now.into_values().filter(|version| version.facts.is_active) {
            let mut after = newer.clone();
            after.facts.is_active = false;
            after.facts.updated_at = self.context.now;
            self.hide(newer.address(), shows(newer), Noun::Version(after));
        }
    }

    fn new_version(&mut self, version: &Version) {
        self.insert(version.address(), Noun::Version(version.clone()));
        for file in &version.facts.files {
            let at = self.added.get(&file.id).copied().unwrap_or(version.facts.created_at);
            let version = version.facts.id.clone();
            self.change.rows.push(Row::AddFile { version, file: file.clone(), at });
        }
    }

    fn keys(&mut self, was: &Contents, present: Option<&Contents>) {
        let list = present.map_or(&[][..], |present| &present.keys);
        let mut now: BTreeMap<&KeyId, &Key> = list.iter().map(|key| (&key.policy.id, key)).collect();
        let own = self.context.actor.key.clone();
        let is_own = |key: &Key| own.as_ref() == Some(&key.policy.id);
        for key in &was.keys {
            let Some(now) = now.remove(&key.policy.id) else {
                self.insert(key.address(), Noun::Key(key.clone()));
                continue;
            };
            let after = still_dead(key, now);
            if !is_own(now) && after != *now {
                let denies = now.works(self.context.now) && !after.works(self.context.now);
                self.update(key.address(), denies, Noun::Key(after));
            }
        }
        for newer in now.into_values().filter(|key| key.deleted_at.is_none() && !is_own(key)) {
            let mut after = newer.clone();
            after.deleted_at = Some(self.context.now);
            after.updated_at = self.context.now;
            self.hide(newer.address(), true, Noun::Key(after));
        }
    }
}

fn is_shown(application: &Application) -> bool {
    application.deleted_at.is_none() && application.facts.is_active
}

fn shows(version: &Version) -> bool {
    version.facts.is_active && version.facts.is_enabled
}

/// The key as it was, with no more life in its secrets than it has now.
fn still_dead(was: &Key, now: &Key) -> Key {
    let mut after = was.clone();
    after.digests = now.digests;
    after.last_used_at = now.last_used_at;
    after.deleted_at = now.deleted_at.or(was.deleted_at);
    after.policy.is_enabled = was.policy.is_enabled && now.policy.is_enabled;
    after.policy.expires_at = match (was.policy.expires_at, now.policy.expires_at) {
        (Some(was), Some(now)) => Some(was.min(now)),
        (one, other) => one.or(other),
    };
    after
}
