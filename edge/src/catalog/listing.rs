//! Listings: which applications, versions and files a key sees, filtered, sorted and cut into pages.

use std::sync::Arc;

use common::catalog::question::{Question, folded};
use common::catalog::{File, Version, compare_versions};
use common::cursor::{List, Place};
use common::fields::Fields;
use common::id::VersionName;
use common::key::Kind;
use common::page::{Page, Sent, Turn};
use serde::Serialize;

use super::kept::{Name, Weighed};
use super::shapes::{
    ApplicationShape, ApplicationsShape, FileShape, FilesShape, VersionShape, VersionsShape,
};
use super::view::View;
use super::{Catalog, application_id, version_wanted};
use crate::deliver::told::Told;
use crate::error::{Failure, Refusal};
use crate::gate::Permit;
use crate::request::Ask;

/// An answer of the catalog: an application, or a page of a list.
pub struct Listed {
    /// What is told.
    pub told: Told,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// Whether it was asked for by a cursor. One is read, and written, for a single key.
    is_behind: bool,
}

impl Listed {
    fn of(data: &impl Serialize, turn: Turn, page: &Page) -> Result<Self, Failure> {
        let told = Told::render(data, Some(turn.pagination))?;
        Ok(Self { told, next: turn.more.next_cursor, is_behind: page.after().is_some() })
    }
}

impl Weighed for Listed {
    fn weight(&self) -> usize {
        self.told.len()
    }
}

impl Catalog {
    /// `GET /v1/applications` for a customer's key: what is assigned to it.
    ///
    /// # Errors
    /// 400 for a query that it cannot obey.
    pub fn list_applications(&self, permit: &Permit, ask: &Ask) -> Result<Arc<Listed>, Failure> {
        let known = permit.customer().map_or(&[][..], |customer| &customer.applications);
        let mut views = Vec::with_capacity(known.len());
        for id in known {
            match self.view(permit, id) {
                Ok(view) => views.push(view),
                Err(Failure::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        let is_admin = permit.key().kind == Kind::Admin;
        let name = self.name("applications", ask).map(|name| name.and(&[is_admin.into()]));
        let name = views.iter().try_fold(name, |name, view| {
            let through = |name: Name| Some(name.through(view, view.reach(permit)?));
            Some(name.and_then(through))
        });
        self.kept_or_made(name.flatten(), || self.make_applications(permit, ask, views))
    }

    fn make_applications(
        &self,
        permit: &Permit,
        ask: &Ask,
        mut views: Vec<Arc<View>>,
    ) -> Result<Listed, Failure> {
        let mut fields = ask.query()?.fields();
        let (question, sent) = (Question::read(&mut fields), Sent::read(&mut fields));
        sound(fields)?;
        let list = question.narrow(list_of("applications", permit));
        let page = sent.page(list, &self.cursors).ok_or(Refusal::InvalidCursor)?;
        views.retain(|view| question.admits(&view.application));
        question.sort(&mut views, |view| &view.application);
        let (cut, turn) = page.cut(
            &views,
            |view, after| question.is_past(&view.application, after),
            |view| question.place(&view.application),
        );
        let newest = |view: &Arc<View>| self.newest(permit, view).cloned();
        let latest: Vec<_> = cut.iter().map(newest).collect();
        let data = ApplicationsShape {
            applications: (cut.iter().zip(&latest))
                .map(|(view, latest)| ApplicationShape::new(&view.application, latest.as_ref()))
                .collect(),
            is_admin: permit.key().kind == Kind::Admin,
            is_financial_admin: false,
            pagination: &turn.more,
        };
        Listed::of(&data, turn.clone(), &page)
    }

    /// `GET /v1/applications/{id}` for a customer's key.
    ///
    /// # Errors
    /// 404 for what this key may not know of.
    pub fn read_application(&self, permit: &Permit, ask: &Ask) -> Result<Arc<Listed>, Failure> {
        let view = self.view(permit, &application_id(ask.param(0))?)?;
        let name = self.name_of("application", (permit, ask), &view);
        self.kept_or_made(name, || {
            let shape = ApplicationShape::new(&view.application, self.newest(permit, &view));
            Ok(Listed { told: Told::render(&shape, None)?, next: None, is_behind: false })
        })
    }

    /// `GET /v1/applications/{id}/versions`: whole, unless a page is asked for.
    ///
    /// # Errors
    /// 404 for what this key may not know of, 400 for a query that it cannot obey.
    pub fn list_versions(&self, permit: &Permit, ask: &Ask) -> Result<Arc<Listed>, Failure> {
        let view = self.view(permit, &application_id(ask.param(0))?)?;
        let name = self.name_of("versions", (permit, ask), &view);
        self.kept_or_made(name, || self.make_versions(permit, ask, &view))
    }

    fn make_versions(&self, permit: &Permit, ask: &Ask, view: &View) -> Result<Listed, Failure> {
        let mut fields = ask.query()?.fields();
        let id = &view.application.id;
        let searched = fields.text("changelog").flatten().map(|text| folded(&text));
        let list = list_of("versions", permit).and(id.as_str()).and(&channel_of(ask));
        let list = list.and(searched.as_deref().unwrap_or_default());
        let page = self.page_or_whole(fields, list)?;
        let mut versions: Vec<_> = self.visible(permit, view, ask.channel()).collect();
        if let Some(text) = searched {
            let notes = |notes: &String| folded(notes).contains(&text);
            versions.retain(|version| version.release_notes.as_ref().is_some_and(notes));
        }
        let place = |version: &&Version| Place { key: String::new(), id: version.name.to_string() };
        let (cut, turn) = page.cut(&versions, |version, after| is_older(version, after), place);
        let data = VersionsShape {
            application_id: id,
            versions: cut.iter().map(|version| VersionShape::new(id, version)).collect(),
            pagination: &turn.more,
        };
        Listed::of(&data, turn.clone(), &page)
    }

    /// `GET /v1/applications/{id}/versions/{v}/files`.
    ///
    /// # Errors
    /// As [`Catalog::version`].
    pub fn list_files(&self, permit: &Permit, ask: &Ask) -> Result<Arc<Listed>, Failure> {
        let view = self.view(permit, &application_id(ask.param(0))?)?;
        let name = self.name_of("files", (permit, ask), &view);
        let name = name.map(|name| name.and(ask.param(1).as_bytes()));
        self.kept_or_made(name, || self.make_files(permit, ask, &view))
    }

    fn make_files(&self, permit: &Permit, ask: &Ask, view: &View) -> Result<Listed, Failure> {
        let version = self.version(permit, view, &version_wanted(ask.param(1))?, ask.channel())?;
        let list = list_of("files", permit).and(view.application.id.as_str()).and(version.id.as_str());
        let page = self.page_or_whole(ask.query()?.fields(), list)?;
        let (cut, turn) = page.cut(&version.files, |file, after| place_of_file(file) > *after, place_of_file);
        let data = FilesShape {
            application_id: &view.application.id,
            version: &version.name,
            files: cut.iter().map(FileShape::new).collect(),
            pagination: &turn.more,
        };
        Listed::of(&data, turn.clone(), &page)
    }

    fn newest<'v>(&self, permit: &Permit, view: &'v View) -> Option<&'v VersionName> {
        self.visible(permit, view, None).next().map(|version| &version.name)
    }

    /// What is kept under that name, or made now, and kept when it is for others too.
    fn kept_or_made(
        &self,
        name: Option<Name>,
        make: impl FnOnce() -> Result<Listed, Failure>,
    ) -> Result<Arc<Listed>, Failure> {
        if let Some(listed) = self.lists.find(name.as_ref()) {
            return Ok(listed);
        }
        let made = Arc::new(make()?);
        if made.next.is_none() && !made.is_behind {
            self.lists.keep(name, &made);
        }
        Ok(made)
    }

    fn page_or_whole(&self, mut fields: Fields, list: List) -> Result<Page, Refusal> {
        let sent = Sent::read(&mut fields);
        sound(fields)?;
        sent.page_or_whole(list, &self.cursors).ok_or(Refusal::InvalidCursor)
    }
}

/// A list as this key sees it, for its cursors.
fn list_of(name: &str, permit: &Permit) -> List {
    List::of(name, permit.key().tenant).and(permit.key().id.as_str())
}

fn channel_of(ask: &Ask) -> String {
    ask.channel().unwrap_or_default().to_ascii_lowercase()
}

/// Newest first: what is past is older.
fn is_older(version: &Version, after: &Place) -> bool {
    let after: Result<VersionName, _> = after.id.parse();
    after.is_ok_and(|after| compare_versions(&version.name, &after).is_lt())
}

fn place_of_file(file: &File) -> Place {
    // As many digits as any order has, so that they sort as numbers do.
    Place { key: format!("{:010}", file.order), id: file.id.to_string() }
}

/// Everything that is wrong with a query, if anything is.
fn sound(fields: Fields) -> Result<(), Refusal> {
    let faults = fields.into_faults();
    if faults.is_empty() { Ok(()) } else { Err(Refusal::BadParameters(faults)) }
}
