//! Keys as lines: digests of secrets, never the secrets.

use common::digest::Digest;
use common::id::{ApplicationId, CustomerId, KeyId, TenantId};
use common::key::{Digests, Kind, Previous};
use common::limit::RequestsPerMinute;
use common::network::Allowlist;
use common::policy::KeyPolicy;
use common::scope::Scope;
use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::key::Key;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyForm {
    id: KeyId,
    digest: Digest,
    previous: Option<PreviousForm>,
    kind: Kind,
    customer: Option<CustomerId>,
    name: String,
    description: String,
    scopes: Vec<String>,
    rate_limit: Option<RequestsPerMinute>,
    allowlist: Vec<String>,
    applications: Option<Vec<ApplicationId>>,
    channels: Vec<String>,
    expires_at: Option<Timestamp>,
    is_enabled: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    deleted_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct PreviousForm {
    digest: Digest,
    until: Timestamp,
}

impl KeyForm {
    pub(super) fn of(key: &Key) -> Self {
        let policy = &key.policy;
        let previous = key.digests.previous;
        Self {
            id: policy.id.clone(),
            digest: key.digests.current,
            previous: previous.map(|Previous { digest, until }| PreviousForm { digest, until }),
            kind: policy.kind,
            customer: policy.customer.clone(),
            name: key.name.clone(),
            description: key.description.clone(),
            scopes: policy.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            rate_limit: policy.rate_limit,
            allowlist: policy.allowlist.to_texts(),
            applications: policy.applications.clone(),
            channels: policy.channels.clone(),
            expires_at: policy.expires_at,
            is_enabled: policy.is_enabled,
            created_at: key.created_at,
            updated_at: key.updated_at,
            deleted_at: key.deleted_at,
        }
    }

    pub(super) fn key(self, tenant: TenantId) -> Result<Key, &'static str> {
        let scopes = self.scopes.iter().map(|text| text.parse::<Scope>()).collect::<Result<_, _>>();
        let allowlist = Allowlist::parse(self.allowlist.iter().map(String::as_str));
        if (self.kind == Kind::Customer) != self.customer.is_some() {
            return Err("a key's kind and customer do not go together");
        }
        let policy = KeyPolicy {
            id: self.id,
            tenant,
            kind: self.kind,
            customer: self.customer,
            scopes: scopes.map_err(|_| "a key has a scope that is none")?,
            rate_limit: self.rate_limit,
            allowlist: allowlist.map_err(|_| "a key has an address that is none")?,
            applications: self.applications,
            channels: self.channels,
            expires_at: self.expires_at,
            is_enabled: self.is_enabled,
            is_deleted: false,
        };
        let previous = self.previous.map(|PreviousForm { digest, until }| Previous { digest, until });
        Ok(Key {
            policy,
            digests: Digests { current: self.digest, previous },
            name: self.name,
            description: self.description,
            created_at: self.created_at,
            updated_at: self.updated_at,
            last_used_at: None,
            deleted_at: self.deleted_at,
        })
    }
}
