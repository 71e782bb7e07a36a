//! Things as lines of a backup. The names of the fields are what old files have: they stay.

mod catalog;
mod key;

use std::collections::{BTreeMap, BTreeSet};

use common::id::{ApplicationId, CustomerId, TenantId};
use common::limit::RequestsPerMinute;
use common::policy::CustomerPolicy;
use common::tier::{Tier, TierName};
use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use self::catalog::{ApplicationForm, FileForm, VersionForm};
use self::key::KeyForm;
use crate::domain::backup::Contents;
use crate::domain::customer::Customer;
use crate::domain::tenant::Tenant;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Record {
    Tenant(TenantForm),
    Tier(TierForm),
    Application(ApplicationForm),
    Customer(CustomerForm),
    Version(VersionForm),
    /// Of the version in the last line before it that has one.
    File(FileForm),
    Key(KeyForm),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TenantForm {
    id: TenantId,
    name: String,
    is_active: bool,
    quota_bytes: Option<u64>,
    created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TierForm {
    name: TierName,
    rank: u32,
    rate_limit: Option<RequestsPerMinute>,
    max_concurrent_downloads: Option<u32>,
    bytes_per_second: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerForm {
    id: CustomerId,
    name: String,
    tier: TierName,
    channels: Vec<String>,
    is_active: bool,
    applications: Vec<ApplicationId>,
    notes: Option<String>,
    email: Option<String>,
    reference: Option<String>,
    license: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// All lines, in an order in which each names only what stands before it.
pub(super) fn records(contents: &Contents) -> impl Iterator<Item = Record> {
    let files = |version: &common::catalog::Version| {
        let added = |file: &common::catalog::File| contents.added.get(&file.id).copied();
        let at = version.created_at;
        let forms = version.files.iter().map(move |file| FileForm::of(file, added(file).unwrap_or(at)));
        forms.map(Record::File).collect::<Vec<_>>()
    };
    let versions = contents.versions.iter().flat_map(move |version| {
        std::iter::once(Record::Version(VersionForm::of(version))).chain(files(&version.facts))
    });
    std::iter::once(Record::Tenant(TenantForm::of(&contents.tenant)))
        .chain(contents.tiers.iter().map(|tier| Record::Tier(TierForm::of(tier))))
        .chain(contents.applications.iter().map(|it| Record::Application(ApplicationForm::of(it))))
        .chain(contents.customers.iter().map(|it| Record::Customer(CustomerForm::of(it))))
        .chain(versions)
        .chain(contents.keys.iter().map(|key| Record::Key(KeyForm::of(key))))
}

/// What all lines come to, or why they do not hold together.
pub(super) fn gather(records: Vec<Record>) -> Result<Contents, &'static str> {
    let mut records = records.into_iter();
    let Some(Record::Tenant(tenant)) = records.next() else { return Err("it does not begin with a tenant") };
    let id = tenant.id;
    let mut contents = Contents {
        tenant: tenant.tenant(),
        tiers: vec![],
        customers: vec![],
        applications: vec![],
        versions: vec![],
        added: BTreeMap::new(),
        keys: vec![],
    };
    for record in records {
        match record {
            Record::Tenant(_) => return Err("it is two tenants'"),
            Record::Tier(form) => contents.tiers.push(form.tier()),
            Record::Application(form) => contents.applications.push(form.application(id)),
            Record::Customer(form) => contents.customers.push(form.customer(id)),
            Record::Version(form) => contents.versions.push(form.version(id)),
            Record::File(form) => {
                let (file, at) = form.file();
                let version = contents.versions.last_mut().ok_or("a file has no version")?;
                contents.added.insert(file.id.clone(), at);
                version.facts.files.push(file);
            }
            Record::Key(form) => contents.keys.push(form.key(id)?),
        }
    }
    hold_together(&contents).map(|()| contents)
}

/// A file that was made by us always does.
fn hold_together(contents: &Contents) -> Result<(), &'static str> {
    let applications: BTreeSet<_> = contents.applications.iter().map(|it| &it.facts.id).collect();
    let customers: BTreeSet<_> = contents.customers.iter().map(|it| &it.policy.id).collect();
    let granted = contents.customers.iter().flat_map(|customer| &customer.policy.applications);
    let versioned = contents.versions.iter().map(|version| &version.application);
    if !granted.chain(versioned).all(|id| applications.contains(id)) {
        return Err("it names an application that is not in it");
    }
    let mut owners = contents.keys.iter().filter_map(|key| key.policy.customer.as_ref());
    if owners.all(|id| customers.contains(id)) {
        Ok(())
    } else {
        Err("a key is of a customer that is not in it")
    }
}

impl TenantForm {
    fn of(tenant: &Tenant) -> Self {
        let Tenant { id, name, is_active, quota_bytes, created_at } = tenant.clone();
        Self { id, name, is_active, quota_bytes, created_at }
    }

    fn tenant(self) -> Tenant {
        let Self { id, name, is_active, quota_bytes, created_at } = self;
        Tenant { id, name, is_active, quota_bytes, created_at }
    }
}

impl TierForm {
    fn of(tier: &Tier) -> Self {
        let Tier { name, rank, rate_limit, max_concurrent_downloads, bytes_per_second } = tier.clone();
        Self { name, rank, rate_limit, max_concurrent_downloads, bytes_per_second }
    }

    fn tier(self) -> Tier {
        let Self { name, rank, rate_limit, max_concurrent_downloads, bytes_per_second } = self;
        Tier { name, rank, rate_limit, max_concurrent_downloads, bytes_per_second }
    }
}

impl CustomerForm {
    fn of(customer: &Customer) -> Self {
        let Customer { tenant: _, policy, name, notes, email, reference, license, created_at, updated_at } =
            customer.clone();
        let CustomerPolicy { id, tier, channels, is_active, applications } = policy;
        Self {
            id,
            name,
            tier,
            channels,
            is_active,
            applications,
            notes,
            email,
            reference,
            license,
            created_at,
            updated_at,
        }
    }

    fn customer(self, tenant: TenantId) -> Customer {
        let policy = CustomerPolicy {
            id: self.id,
            tier: self.tier,
            channels: self.channels,
            is_active: self.is_active,
            applications: self.applications,
        };
        Customer {
            tenant,
            policy,
            name: self.name,
            notes: self.notes,
            email: self.email,
            reference: self.reference,
            license: self.license,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
