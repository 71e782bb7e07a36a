//! An application as it is held ready: its versions in order, the kinds of them that keys are judged by, and the objects
//! of its files, each prepared when it is first asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use common::catalog::{Application, TEST, Version, compare_versions};
use common::id::VersionName;

use super::object_of;
use super::selection::FileWanted;
use crate::deliver::Object;
use crate::error::Refusal;
use crate::gate::Permit;

/// An application and all its versions, newest first.
#[derive(Debug)]
pub struct View {
    /// The application.
    pub application: Application,
    /// Its versions, yanked ones and drafts among them.
    pub versions: Vec<Version>,
    generation: u64,
    places: HashMap<VersionName, usize>,
    /// One version of each kind, by its place.
    kinds: Vec<usize>,
    /// By version and file.
    objects: Vec<Box<[OnceLock<Arc<Object>>]>>,
}

/// Which kinds of a view's versions a key sees, whichever channel it asks through. Two keys with the same reach into the
/// same view are told the same when they ask the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach(pub(super) u64);

/// More kinds than this have no reach: answers are made anew for each who asks.
const MOST_KINDS: usize = 64;

/// The next view's number; none of this process has another's.
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

impl View {
    /// From records in any order.
    pub(super) fn new(application: Application, mut versions: Vec<Version>) -> Self {
        versions.sort_by(|a, b| compare_versions(&b.name, &a.name));
        let places = versions.iter().enumerate().map(|(place, version)| (version.name.clone(), place));
        let unprepared = |version: &Version| version.files.iter().map(|_| OnceLock::new()).collect();
        Self {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            places: places.collect(),
            kinds: kinds_of(&versions),
            objects: versions.iter().map(unprepared).collect(),
            application,
            versions,
        }
    }

    /// Tells this view from every other one, also from an earlier one of the same application.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Where the version of that name stands.
    pub(super) fn place_of(&self, name: &VersionName) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// What a key reaches here; none where there are too many kinds to say.
    pub fn reach(&self, permit: &Permit) -> Option<Reach> {
        if self.kinds.len() > MOST_KINDS {
            return None;
        }
        let examples = self.kinds.iter().filter_map(|place| self.versions.get(*place)).enumerate();
        let reached =
            examples.filter(|(_, version)| permit.reaches(version) && has_right_to(permit, version));
        Some(Reach(reached.fold(0, |bits, (number, _)| bits | 1 << number)))
    }

    /// The object of a file that is wanted of the version at `place`, with the file's place in it.
    ///
    /// # Errors
    /// When the version has none such.
    pub(super) fn object(&self, place: usize, wanted: &FileWanted) -> Result<(usize, &Arc<Object>), Refusal> {
        let version = self.versions.get(place).ok_or(Refusal::VersionNotFound)?;
        let at = position_of(version, wanted).ok_or(Refusal::FileNotFound)?;
        let file = version.files.get(at).ok_or(Refusal::FileNotFound)?;
        let object = self.objects.get(place).and_then(|files| files.get(at)).ok_or(Refusal::FileNotFound)?;
        Ok((at, object.get_or_init(|| Arc::new(object_of(version, file)))))
    }
}

/// Whether there is a channel through which it would show. Only these two are ever asked for by it.
fn has_right_to(permit: &Permit, version: &Version) -> bool {
    [version.channel.as_str(), TEST].iter().any(|channel| permit.sees(version, Some(channel)))
}

/// Versions are of one kind when nothing that a permit is asked about tells them apart. Yanked ones are of none.
fn kinds_of(versions: &[Version]) -> Vec<usize> {
    let kind = |v: &Version| (v.required_tier.clone(), v.channel.clone(), v.is_enabled);
    let mut known = HashMap::new();
    for (place, version) in versions.iter().enumerate().filter(|(_, version)| version.is_active) {
        known.entry(kind(version)).or_insert(place);
    }
    let mut kinds: Vec<usize> = known.into_values().collect();
    kinds.sort_unstable();
    kinds
}

fn position_of(version: &Version, wanted: &FileWanted) -> Option<usize> {
    match wanted {
        FileWanted::Main => {
            let main = version.main_file()?;
            version.files.iter().position(|file| std::ptr::eq(file, main))
        }
        FileWanted::Id(id) => version.files.iter().position(|file| file.id == *id),
        FileWanted::Named(name) => version.files.iter().position(|file| file.name == *name),
    }
}
