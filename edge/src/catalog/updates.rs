//! Update checks: is there something newer for this platform, among what this key sees?

use std::cmp::Ordering;
use std::sync::Arc;

use common::catalog::{File, FileType, Version, compare_precedence};
use common::digest::Digest;
use common::fields::Fields;
use common::id::{ApplicationId, VersionName};
use common::time::Timestamp;
use serde::Serialize;

use super::platform::{Arch, Os, Platform, fitness};
use super::selection::{Selected, asked_version};
use super::{Catalog, application_id, object_of};
use crate::error::{Failure, Refusal};
use crate::gate::Permit;
use crate::request::Ask;

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

/// The answer when there is something newer.
#[derive(Debug)]
pub struct Offer {
    /// What is offered.
    pub selected: Selected,
    notes: String,
    published: Timestamp,
    /// Where its signature lies.
    pub signature: Option<(Digest, u64)>,
}

/// The answer as updaters read it, in no envelope.
#[derive(Serialize)]
pub struct UpdateShape<'a> {
    version: &'a VersionName,
    url: &'a str,
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
    /// The newest version that is news and has a file for that platform.
    ///
    /// # Errors
    /// 404 for an application that this key may not know of.
    pub fn find_update(&self, permit: &Permit, question: &Question) -> Result<Option<Offer>, Failure> {
        let view = self.view(permit, &question.application)?;
        let newest_first = self.visible(permit, &view, question.channel.as_deref());
        let mut news = newest_first.take_while(|version| question.is_news(version));
        let found = news.find_map(|version| Some((version, fitting(version, question)?)));
        Ok(found.map(|(version, file)| Offer {
            notes: version.release_notes.clone().unwrap_or_default(),
            published: version.created_at,
            signature: signature_of(version, file).map(|signature| (signature.digest, signature.size)),
            selected: Selected {
                version: version.name.clone(),
                file: file.id.clone(),
                object: object_of(version, file),
                view: Arc::clone(&view),
            },
        }))
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
    /// What is told; `url` leads to the bytes.
    pub fn shape<'a>(&'a self, url: &'a str, signature: Option<&'a str>) -> UpdateShape<'a> {
        UpdateShape {
            version: &self.selected.version,
            url,
            notes: &self.notes,
            pub_date: self.published,
            sha256: self.selected.object.digest,
            size: self.selected.object.size,
            signature,
        }
    }
}
