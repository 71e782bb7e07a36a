//! One delivery: who gets what, by what right, as the errand that its receipt will tell.

use common::wire::v1::event::Carrier;
use http::HeaderMap;
use http::header::USER_AGENT;

use crate::catalog::selection::Selected;
use crate::deliver::receipt::Errand;
use crate::error::Caller;
use crate::gate::Permit;
use crate::request::Ask;

/// The longest name of a client that is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// Who gets what, by what right.
pub(super) struct Delivery<'a> {
    pub(super) permit: &'a Permit,
    pub(super) selected: &'a Selected,
    pub(super) carrier: Carrier,
    /// Through which channel.
    pub(super) channel: Option<&'a str>,
}

impl Delivery<'_> {
    pub(super) fn errand(&self, ask: &Ask, caller: &Caller) -> Errand {
        let (key, selected) = (self.permit.key(), self.selected);
        Errand {
            tenant: key.tenant,
            key: key.id.clone(),
            customer: key.customer.clone(),
            application: selected.view.application.id.clone(),
            version: selected.version.clone(),
            file: selected.file.clone(),
            file_name: selected.object.file_name.clone(),
            file_size: selected.object.size,
            carrier: self.carrier,
            address: ask.arrival.address,
            user_agent: user_agent(&ask.headers),
            request_id: caller.request_id.clone(),
            began_at: ask.arrival.at,
        }
    }
}

/// What a client calls itself, as far as it can be shown.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(USER_AGENT)?.as_bytes());
    let shown: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_AGENT).collect();
    let shown = shown.trim();
    if shown.is_empty() { None } else { Some(shown.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_client_is_called_what_it_calls_itself_but_for_what_cannot_be_shown() {
        let check = |sent: &[u8], kept: Option<&str>| {
            let value = HeaderValue::from_bytes(sent).unwrap();
            let headers = HeaderMap::from_iter([(USER_AGENT, value)]);
            assert_eq!(user_agent(&headers).as_deref(), kept, "{sent:?}");
        };
        check(b"curl/8.5.0", Some("curl/8.5.0"));
        check(b"a\tb \xc2\x85\xff", Some("ab \u{fffd}"));
        check("ü".repeat(300).as_bytes(), Some(&"ü".repeat(200)));
        check(b" \t ", None);
        assert_eq!(user_agent(&HeaderMap::new()), None);
    }
}
