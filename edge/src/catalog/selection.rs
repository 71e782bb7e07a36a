//! What a request wants of the catalog, read from its path, query or link, and the way from there to the object.

use std::sync::Arc;

use common::catalog::parse_file_name;
use common::fields::Fields;
use common::id::{ApplicationId, FileId, VersionName};
use common::routes::RouteId;

use super::link::Link;
use super::{Catalog, View, application_id, file_id, version_wanted};
use crate::deliver::Object;
use crate::error::{Failure, Refusal};
use crate::gate::Permit;
use crate::request::Ask;

/// Which version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VersionWanted {
    /// The newest that shows to the key.
    Latest,
    /// This one.
    Named(VersionName),
}

/// Which file of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileWanted {
    /// The main one.
    Main,
    /// By id.
    Id(FileId),
    /// By name.
    Named(String),
}

/// What a download wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Of which application.
    pub application: ApplicationId,
    /// Which version.
    pub version: VersionWanted,
    /// Which file.
    pub file: FileWanted,
}

/// An object with what leads to it, for the answer of `downloads/url`.
#[derive(Debug)]
pub struct Selected {
    /// The application.
    pub view: Arc<View>,
    /// The version's name.
    pub version: VersionName,
    /// The file's id.
    pub file: FileId,
    /// The bytes and how they are told.
    pub object: Arc<Object>,
}

/// The names in a query or a body, as texts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    application: String,
    version: String,
    file: Option<String>,
}

impl Named {
    /// Reads them; what is missing is noted in `fields`.
    pub fn read(fields: &mut Fields) -> Option<Self> {
        let (application, version) = (fields.required_text("applicationId"), fields.required_text("version"));
        let file = fields.text("fileId").flatten().filter(|text| !text.is_empty());
        Some(Self { application: application?, version: version?, file })
    }

    /// What they name.
    ///
    /// # Errors
    /// 404 for text that cannot name anything.
    pub fn wanted(&self) -> Result<Wanted, Refusal> {
        Ok(Wanted {
            application: application_id(&self.application)?,
            version: version_wanted(&self.version)?,
            file: self.file.as_deref().map_or(Ok(FileWanted::Main), |id| file_id(id).map(FileWanted::Id))?,
        })
    }

    fn of_query(ask: &Ask) -> Result<Self, Refusal> {
        let mut fields = ask.query()?.fields();
        match (Self::read(&mut fields), fields.into_faults()) {
            (Some(named), faults) if faults.is_empty() => {
                Ok(Self { version: asked_version(&named.version), ..named })
            }
            (_, faults) => Err(Refusal::BadParameters(faults)),
        }
    }
}

/// A version in a query. None has a space: it was a plus, as in `1.0+5`, that nobody encoded.
pub(super) fn asked_version(text: &str) -> String {
    text.replace(' ', "+")
}

/// The name of a file in a path, in the form that names are kept in: a Mac writes `é` as two characters.
fn asked_name(text: &str) -> String {
    if text.is_ascii() {
        // Composed already.
        return text.to_owned();
    }
    parse_file_name(text).unwrap_or_else(|_| text.to_owned())
}

impl Selected {
    /// A file of the version at `place`.
    pub(super) fn of(view: &Arc<View>, place: usize, wanted: &FileWanted) -> Result<Self, Refusal> {
        let (at, object) = view.object(place, wanted)?;
        let version = view.versions.get(place).ok_or(Refusal::VersionNotFound)?;
        let file = version.files.get(at).ok_or(Refusal::FileNotFound)?;
        let (version, file) = (version.name.clone(), file.id.clone());
        Ok(Self { version, file, object: Arc::clone(object), view: Arc::clone(view) })
    }

    /// What a link to it names.
    pub fn names(&self) -> (ApplicationId, VersionName, FileId) {
        (self.view.application.id.clone(), self.version.clone(), self.file.clone())
    }
}

impl Wanted {
    /// Reads what a keyed download route names.
    ///
    /// # Errors
    /// 404 for text that cannot name anything, 400 for a query that lacks what it needs.
    pub fn parse(ask: &Ask) -> Result<Self, Failure> {
        if ask.id() == RouteId::IssueLink {
            return Ok(Named::of_query(ask)?.wanted()?);
        }
        let file = match ask.id() {
            RouteId::DownloadNamed => FileWanted::Named(asked_name(ask.param(2))),
            _ => FileWanted::Id(file_id(ask.param(2))?),
        };
        Ok(Self { application: application_id(ask.param(0))?, version: version_wanted(ask.param(1))?, file })
    }

    /// What a link was issued for.
    pub fn of_link(link: &Link) -> Self {
        Self {
            application: link.application.clone(),
            version: VersionWanted::Named(link.version.clone()),
            file: FileWanted::Id(link.file.clone()),
        }
    }
}

impl Catalog {
    /// The object that is wanted, when this key gets it.
    ///
    /// # Errors
    /// 404 for what is not there or not for this key to know of, 403 for a tier too low and for drafts.
    pub fn select(
        &self,
        permit: &Permit,
        wanted: &Wanted,
        channel: Option<&str>,
    ) -> Result<Selected, Failure> {
        let view = self.view(permit, &wanted.application)?;
        let place = self.place(permit, &view, &wanted.version, channel)?;
        Ok(Selected::of(&view, place, &wanted.file)?)
    }
}
