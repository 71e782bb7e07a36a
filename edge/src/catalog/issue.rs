//! What a key lends: signed URLs, and share links, which it may hand on.

use std::time::Duration;

use common::digest::Digest;
use common::fields::Fields;
use common::mac::MacKeys;
use common::problem::render_success;
use common::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::Catalog;
use super::link::{LIFETIME, Link};
use super::selection::{Named, Wanted};
use super::shapes::LinkShape;
use super::updates::Told;
use crate::error::{Failure, Refusal};
use crate::gate::Permit;
use crate::request::Ask;

/// What a path segment cannot hold as it is: all but the unreserved characters of RFC 3986 section 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Minutes of a share link.
const SHORTEST: u64 = 5;
const USUAL: u64 = 30;
const LONGEST: u64 = 24 * 60;

/// What links are made with.
pub struct Issuer<'a> {
    /// What they start with.
    pub base: &'a str,
    /// What signs download URLs.
    pub links: &'a MacKeys,
    /// What signs share links.
    pub shares: &'a MacKeys,
}

/// A download URL.
#[derive(Debug)]
pub struct Lent {
    /// All of it.
    pub url: String,
    sealed: String,
    expires_at: Timestamp,
}

impl Issuer<'_> {
    /// A link as a URL that ends with the file's name.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] without a secret.
    pub fn lend(&self, link: &Link, file_name: &str) -> Result<Lent, Refusal> {
        let sealed = link.seal(self.links).ok_or(Refusal::NotReady)?;
        let name = utf8_percent_encode(file_name, SEGMENT);
        let url = format!("{}/v1/d/{sealed}/{name}", self.base);
        Ok(Lent { url, sealed, expires_at: link.expires_at() })
    }

    /// What an update check offers this key, until then.
    ///
    /// # Errors
    /// As [`Issuer::lend`].
    pub fn lend_offered(&self, permit: &Permit, offer: &Told, ends: Timestamp) -> Result<Lent, Refusal> {
        let link = Link::new(permit.holder(), offer.names.clone(), offer.channel.as_deref(), ends);
        self.lend(&link, &offer.file_name)
    }
}

/// What a share link is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    named: Named,
    minutes: u64,
}

impl Order {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 with everything that is wrong.
    pub fn parse(mut fields: Fields) -> Result<Self, Refusal> {
        let (named, minutes) = (Named::read(&mut fields), read_minutes(&mut fields));
        match (named, fields.into_faults()) {
            (Some(named), faults) if faults.is_empty() => Ok(Self { named, minutes }),
            (_, faults) => Err(Refusal::BadFields(faults)),
        }
    }
}

fn read_minutes(fields: &mut Fields) -> u64 {
    let long = fields.whole_within("expiresInMinutes", SHORTEST..=LONGEST).flatten();
    let short = fields.whole_within("expiresMinutes", SHORTEST..=LONGEST).flatten();
    if long.zip(short).is_some_and(|(long, short)| long != short) {
        fields.fault("expiresMinutes", "differs from expiresInMinutes: send one of them");
    }
    long.or(short).unwrap_or(USUAL)
}

/// A share link as it is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShareShape {
    share_url: String,
    token: String,
    expires_at: Timestamp,
    expires_in_minutes: u64,
}

impl Catalog {
    /// `GET /v1/downloads/url`: a link that needs no header.
    ///
    /// # Errors
    /// As [`Catalog::select`].
    pub fn issue_link(
        &self,
        permit: &Permit,
        ask: &Ask,
        issuer: &Issuer<'_>,
        request_id: &str,
    ) -> Result<Vec<u8>, Failure> {
        let selected = self.select(permit, &Wanted::parse(ask)?, ask.channel())?;
        let expires_at = ask.arrival.at.plus(LIFETIME);
        let link = Link::new(permit.holder(), selected.names(), ask.channel(), expires_at);
        let lent = issuer.lend(&link, &selected.object.file_name)?;
        let data = LinkShape {
            // Names this issue of the link without being the link.
            download_id: format!("dl_{}", &Digest::of(lent.sealed.as_bytes()).to_string()[..32]),
            url: &lent.url,
            download_url: &lent.url,
            expires_at: lent.expires_at,
            file_name: &selected.object.file_name,
            file_size: selected.object.size,
            checksum: selected.object.digest,
            checksum_algorithm: "SHA-256",
        };
        Ok(render_success(&data, None, request_id)?)
    }

    /// `POST /v1/downloads/share`: a link for somebody else. `latest` is the version that is the latest now.
    ///
    /// # Errors
    /// As [`Catalog::select`].
    pub fn share(
        &self,
        permit: &Permit,
        ask: &Ask,
        order: &Order,
        issuer: &Issuer<'_>,
    ) -> Result<impl Serialize + use<>, Failure> {
        let selected = self.select(permit, &order.named.wanted()?, ask.channel())?;
        let expires_at = ask.arrival.at.plus(Duration::from_secs(order.minutes * 60));
        let link = Link::new(permit.holder(), selected.names(), ask.channel(), expires_at);
        let token = link.seal(issuer.shares).ok_or(Refusal::NotReady)?;
        let share_url = format!("{}/v1/downloads/d/{token}", issuer.base);
        Ok(ShareShape { share_url, token, expires_at, expires_in_minutes: order.minutes })
    }
}

/// The download URL that a share link leads to. It lives no longer, and is as free to be used from anywhere.
///
/// # Errors
/// As [`Issuer::lend`].
pub fn lend_on(share: &Link, now: Timestamp, file_name: &str, issuer: &Issuer<'_>) -> Result<Lent, Refusal> {
    let expires_at = share.expires_at().min(now.plus(LIFETIME));
    issuer.lend(&share.handed_on(expires_at), file_name)
}
