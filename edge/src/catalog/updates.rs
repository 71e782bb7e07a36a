//! Update checks: is there something newer for this platform, among what this key sees?

use std::cmp::Ordering;
use std::sync::Arc;

use common::catalog::{File, FileType, Version, compare_precedence};
use common::digest::Digest;
use common::fields::Fields;
use common::id::{ApplicationId, FileId, VersionName};
use common::time::Timestamp;
use http::HeaderValue;
use serde::Serialize;

use super::kept::{Name, Weighed};
use super::link::LIFETIME;
use super::platform::{Arch, Os, Platform, fitness};
use super::selection::{FileWanted, Selected, asked_version};
use super::view::View;
use super::{Catalog, application_id};
use crate::deliver::told::etag_of;
use crate::error::{Failure, Refusal};
use crate::gate::Permit;
use crate::request::Ask;

/// How long the link of an answer stays the same, in milliseconds.
const SAME_FOR: i64 = 5 * 60 * 1000;
/// Longer signature files are none.
const LONGEST_SIGNATURE: u64 = 4 * 1024;
/// The signature files that updaters know, best first.
const SIGNATURES: [&str; 2] = [".sig", ".minisig"];
/// What lies beside the files of a version and is never what anybody would install.
const COMPANIONS: &[&str] =
    &[".sig", ".minisig", ".asc", ".sha256", ".sha512", ".md5", ".blockmap", ".zsync"];

/// What an updater asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    application: ApplicationId,
    /// What it has; `None` = nothing yet.
    current: Option<VersionName>,
    platform: Platform,
    /// `channel` of the query, else `X-Channel`.
    pub channel: Option<String>,
}

/// What a check found.
#[derive(Debug)]
pub struct Offer {
    /// What is offered.
    pub selected: Selected,
    notes: String,
    published: Timestamp,
    /// Where its signature lies.
    pub signature: Option<(Digest, u64)>,
}

/// A check that was answered: the same to everybody who sees the same, but for the link.
#[derive(Debug)]
pub struct Check(Option<Told>);

/// An offer as it is told, without its URL.
#[derive(Debug)]
pub struct Told {
    /// What the link names.
    pub names: (ApplicationId, VersionName, FileId),
    /// What its URL ends with.
    pub file_name: Arc<str>,
    /// What it goes through.
    pub channel: Option<String>,
    opening: Vec<u8>,
    closing: Vec<u8>,
    /// Of all that is told of it, and of all that its link names.
    covered: Digest,
}

/// A check that is to be answered: the view that it is answered from, and where its answer is kept.
pub struct Asked {
    view: Arc<View>,
    name: Option<Name>,
}

/// What stands before the URL in an answer, which is in no envelope: updaters read it as it is.
#[derive(Serialize)]
struct Opening<'a> {
    version: &'a VersionName,
}

/// What stands behind it.
#[derive(Serialize)]
struct Closing<'a> {
    notes: &'a str,
    pub_date: Timestamp,
    sha256: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
}

impl Question {
    /// Reads path, query and `X-Channel`.
    ///
    /// # Errors
    /// 400 with everything that is wrong with the query.
    pub fn parse(ask: &Ask) -> Result<Self, Refusal> {
        let mut fields = ask.query()?.fields();
        let current =
            read(&mut fields, "current", |text| asked_version(text).parse().map_err(|e| format!("{e}")));
        let os = read(&mut fields, "os", |text| {
            Os::parse(text).ok_or_else(|| "must be windows, macos, linux, freebsd, android or ios".to_owned())
        });
        let arch = read(&mut fields, "arch", |text| {
            let known = "must be x86_64, aarch64, i686, armv7, riscv64, ppc64le or s390x";
            Arch::parse(text).ok_or_else(|| known.to_owned())
        });
        let channel = read(&mut fields, "channel", |text| Ok(text.trim().to_owned()));
        let faults = fields.into_faults();
        if !faults.is_empty() {
            return Err(Refusal::BadParameters(faults));
        }
        Ok(Self {
            application: application_id(ask.param(0))?,
            current,
            platform: Platform { os, arch },
            channel: channel.or_else(|| ask.channel().map(str::to_owned)),
        })
    }

    fn is_news(&self, version: &Version) -> bool {
        let newer = |current| compare_precedence(&version.name, current) == Ordering::Greater;
        self.current.as_ref().is_none_or(newer)
    }
}

fn read<T>(
    fields: &mut Fields,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let parsed = parse(&fields.text(name).flatten()?);
    parsed.map_err(|says| fields.fault(name, says)).ok()
}

impl Catalog {
    /// What was answered to this very check before.
    ///
    /// # Errors
    /// 404 for an application that this key may not know of.
    pub fn recall_update(&self, permit: &Permit, ask: &Ask) -> Result<Result<Arc<Check>, Asked>, Failure> {
        let view = self.view(permit, &application_id(ask.param(0))?)?;
        let name = self.name_of("updates", (permit, ask), &view);
        Ok(self.checks.find(name.as_ref()).ok_or(Asked { view, name }))
    }

    /// The newest version that is news and has a file for that platform.
    pub fn find_update(&self, permit: &Permit, asked: &Asked, question: &Question) -> Option<Offer> {
        let view = &asked.view;
        let newest_first = self.visible_places(permit, view, question.channel.as_deref());
        let versions = newest_first.filter_map(|place| Some((place, view.versions.get(place)?)));
        let mut news = versions.take_while(|(_, version)| question.is_news(version));
        let (place, version, file) =
            news.find_map(|(place, version)| Some((place, version, fitting(version, question)?)))?;
        Some(Offer {
            notes: version.release_notes.clone().unwrap_or_default(),
            published: version.created_at,
            signature: signature_of(version, file).map(|signature| (signature.digest, signature.size)),
            selected: Selected::of(view, place, &FileWanted::Id(file.id.clone())).ok()?,
        })
    }

    /// Remembers what a check found, with the text of its signature.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn keep_update(
        &self,
        asked: Asked,
        question: Question,
        found: Option<(Offer, Option<String>)>,
    ) -> Result<Arc<Check>, Failure> {
        let tell = |(offer, signature): (Offer, Option<String>)| offer.tell(question.channel, signature);
        let check = Arc::new(Check(found.map(tell).transpose()?));
        self.checks.keep(asked.name, &check);
        Ok(check)
    }
}

impl Check {
    /// What is newer, if anything is.
    pub fn offer(&self) -> Option<&Told> {
        self.0.as_ref()
    }
}

impl Weighed for Check {
    fn weight(&self) -> usize {
        let held = |told: &Told| told.opening.len() + told.closing.len() + told.file_name.len();
        size_of::<Self>() + self.0.as_ref().map_or(0, held)
    }
}

/// The file that fits best: exact before unspecific, signed before unsigned, else the first. Only main ones, unless a
/// version has none.
fn fitting<'v>(version: &'v Version, question: &Question) -> Option<&'v File> {
    let offered = |file: &&File| !COMPANIONS.iter().any(|ending| ends_with(&file.name, ending));
    let all: Vec<&File> = version.files.iter().filter(offered).collect();
    let has_main = all.iter().any(|file| file.file_type == FileType::Main);
    let candidates = all.into_iter().filter(|file| !has_main || file.file_type == FileType::Main);
    let application = question.application.as_str();
    let fits = candidates.filter_map(|file| {
        let fitness = fitness(&file.name, application, question.platform)?;
        Some((file, (fitness, signature_of(version, file).is_some())))
    });
    // The first of equals, where max_by_key would take the last.
    fits.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(file, _)| file)
}

/// The signature that lies beside a file: `app.zip.sig` beside `app.zip`.
fn signature_of<'v>(version: &'v Version, file: &File) -> Option<&'v File> {
    SIGNATURES.iter().find_map(|ending| {
        let beside = |other: &&File| {
            other.size <= LONGEST_SIGNATURE && other.name.strip_prefix(file.name.as_str()) == Some(ending)
        };
        version.files.iter().find(beside)
    })
}

fn ends_with(name: &str, ending: &str) -> bool {
    let from = name.len().checked_sub(ending.len());
    from.and_then(|from| name.get(from..)).is_some_and(|tail| tail.eq_ignore_ascii_case(ending))
}

impl Offer {
    fn tell(self, channel: Option<String>, signature: Option<String>) -> Result<Told, serde_json::Error> {
        let Self { selected, notes, published, .. } = self;
        let mut opening = serde_json::to_vec(&Opening { version: &selected.version })?;
        opening.pop();
        opening.extend_from_slice(br#","url":"#);
        let closing = serde_json::to_vec(&Closing {
            notes: &notes,
            pub_date: published,
            sha256: selected.object.digest,
            size: selected.object.size,
            signature: signature.as_deref(),
        })?;
        let closing = [&b","[..], closing.get(1..).unwrap_or_default()].concat();
        let (names, file_name) = (selected.names(), selected.object.file_name.clone());
        let parts = [&opening, &closing, channel.as_deref().unwrap_or_default().as_bytes()];
        let parts =
            parts.into_iter().chain([names.0.as_str(), names.2.as_str(), &file_name].map(str::as_bytes));
        let covered: Vec<u8> = parts.flat_map(|part| Digest::of(part).0).collect();
        Ok(Told { covered: Digest::of(&covered), names, file_name, channel, opening, closing })
    }
}

impl Told {
    /// Until when a link works that is made now. The same for five minutes, so that an answer stays the same that long;
    /// and whoever is told by a 304 to go on with it has no less time than who gets it anew.
    pub fn link_ends(now: Timestamp) -> Timestamp {
        let begun = now.millis().div_euclid(SAME_FOR);
        Timestamp::from_millis(begun.saturating_add(1).saturating_mul(SAME_FOR)).plus(LIFETIME)
    }

    /// The tag of the answer with such a link to this key.
    pub fn etag(&self, permit: &Permit, base: &str, link_ends: Timestamp) -> HeaderValue {
        let mut covered = Vec::with_capacity(160);
        covered.extend_from_slice(&self.covered.0);
        covered.extend_from_slice(&permit.entry().digest.0);
        covered.extend_from_slice(&link_ends.millis().to_le_bytes());
        covered.extend_from_slice(base.as_bytes());
        etag_of(&Digest::of(&covered))
    }

    /// The answer; `url` leads to the bytes.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn json(&self, url: &str) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::with_capacity(self.opening.len() + url.len() + 2 + self.closing.len());
        json.extend_from_slice(&self.opening);
        serde_json::to_writer(&mut json, url)?;
        json.extend_from_slice(&self.closing);
        Ok(json)
    }
}
