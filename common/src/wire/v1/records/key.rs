//! A key's record: its policy, and what is kept of its secrets.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::understood;
use crate::digest::Digest;
use crate::id::{ApplicationId, CustomerId, KeyId, TenantId};
use crate::key::{Digests, Kind, Previous};
use crate::limit::RequestsPerMinute;
use crate::network::Allowlist;
use crate::policy::KeyPolicy;
use crate::scope::Scopes;
use crate::time::Timestamp;
use crate::wire::Unreadable;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyForm {
    tenant: TenantId,
    sha256: Digest,
    /// A reader that does not know of it refuses the old secret before its time, and nothing worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousForm>,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerId>,
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_limit_rpm: Option<RequestsPerMinute>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ip_allowlist: Vec<IpNet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applications: Option<Vec<ApplicationId>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    is_enabled: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_deleted: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct PreviousForm {
    sha256: Digest,
    until: Timestamp,
}

impl KeyForm {
    pub(super) fn new(key: &KeyPolicy, digests: Digests) -> Self {
        let previous = digests.previous.map(|old| PreviousForm { sha256: old.digest, until: old.until });
        Self {
            tenant: key.tenant,
            sha256: digests.current,
            previous,
            kind: key.kind,
            customer: key.customer.clone(),
            scopes: key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            rate_limit_rpm: key.rate_limit,
            ip_allowlist: key.allowlist.networks().to_vec(),
            applications: key.applications.clone(),
            channels: key.channels.clone(),
            expires_at: key.expires_at,
            // A reader that does not know of deletion must not find it switched on.
            is_enabled: key.is_enabled && !key.is_deleted,
            is_deleted: key.is_deleted,
            requires: vec![],
        }
    }

    pub(super) fn into_policy(self, id: KeyId) -> Result<(KeyPolicy, Digests), Unreadable> {
        understood(&self.requires)?;
        let allowlist = Allowlist::of(self.ip_allowlist).map_err(|_| Unreadable::new("allowlist"))?;
        let policy = KeyPolicy {
            id,
            tenant: self.tenant,
            kind: self.kind,
            customer: self.customer,
            // A scope that this reader does not know grants nothing here.
            scopes: self.scopes.iter().filter_map(|text| text.parse().ok()).collect::<Scopes>(),
            rate_limit: self.rate_limit_rpm,
            allowlist,
            applications: self.applications,
            channels: self.channels,
            expires_at: self.expires_at,
            is_enabled: self.is_enabled,
            is_deleted: self.is_deleted,
        };
        let previous = self.previous.map(|old| Previous { digest: old.sha256, until: old.until });
        Ok((policy, Digests { current: self.sha256, previous }))
    }
}

#[cfg(test)]
mod tests {
    use crate::digest::Digest;
    use crate::key::{Digests, Previous};
    use crate::policy::tests::key;
    use crate::time::Timestamp;
    use crate::wire::address::Address;
    use crate::wire::v1::Record;

    #[test]
    fn a_key_travels_with_both_its_secrets_and_without_the_old_one_as_ever() {
        let key = key();
        let address = Address::Key(key.id.clone());
        let previous = Previous { digest: Digest([1; 32]), until: Timestamp::from_millis(5) };
        for previous in [None, Some(previous)] {
            let digests = Digests { current: Digest([2; 32]), previous };
            let record = Record::Key(key.clone(), digests);
            let json = record.encode().unwrap();
            assert_eq!(json.get().contains("previous"), previous.is_some());
            assert_eq!(Record::decode(&address, json.get()), Ok(record));
        }
        let both = Record::Key(key, Digests { current: Digest([2; 32]), previous: Some(previous) });
        insta::assert_snapshot!(both.encode().unwrap(), @r#"{"tenant":"14632221-b1b6-4eec-844a-39f60c7f1523","sha256":"0202020202020202020202020202020202020202020202020202020202020202","previous":{"sha256":"0101010101010101010101010101010101010101010101010101010101010101","until":"1970-01-01T00:00:00.005Z"},"kind":"customer","customer":"cust_1","scopes":["apps:read","downloads:read"],"isEnabled":true}"#);
    }
}
