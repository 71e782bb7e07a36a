//! A session's record: that it was ended. A session that lives has none.

use serde::{Deserialize, Serialize};

use super::understood;
use crate::id::SessionId;
use crate::session::Revoked;
use crate::time::Timestamp;
use crate::wire::Unreadable;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionForm {
    revoked_at: Timestamp,
    expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
}

impl From<&Revoked> for SessionForm {
    fn from(session: &Revoked) -> Self {
        Self { revoked_at: session.revoked_at, expires_at: session.expires_at, requires: vec![] }
    }
}

impl SessionForm {
    pub(super) fn into_revoked(self, id: SessionId) -> Result<Revoked, Unreadable> {
        understood(&self.requires)?;
        Ok(Revoked { id, revoked_at: self.revoked_at, expires_at: self.expires_at })
    }
}

#[cfg(test)]
mod tests {
    use crate::session::Revoked;
    use crate::time::Timestamp;
    use crate::wire::address::Address;
    use crate::wire::v1::Record;

    #[test]
    fn the_end_of_a_session_travels_without_anything_of_its_token() {
        let (id, at) = ("ses_1".parse().unwrap(), Timestamp::from_millis);
        let address = Address::Session("ses_1".parse().unwrap());
        let record = Record::Session(Revoked { id, revoked_at: at(1), expires_at: at(7_200_000) });
        let json = record.encode().unwrap();
        insta::assert_snapshot!(json, @r#"{"revokedAt":"1970-01-01T00:00:00.001Z","expiresAt":"1970-01-01T02:00:00.000Z"}"#);
        assert_eq!(Record::decode(&address, json.get()), Ok(record));
    }
}
