//! Listings: which applications, versions and files a key sees, filtered, sorted and cut into pages.

use common::catalog::question::{Question, folded};
use common::catalog::{File, Version, compare_versions};
use common::cursor::{List, Place};
use common::fields::Fields;
use common::id::VersionName;
use common::key::Kind;
use common::page::{Page, Sent, Turn};
use common::problem::render_success;
use serde::Serialize;

use super::shapes::{
    ApplicationShape, ApplicationsShape, FileShape, FilesShape, VersionShape, VersionsShape,
};
use super::{Catalog, application_id, version_wanted};
use crate::error::{Failure, Refusal};
use crate::gate::Permit;
use crate::request::Ask;

/// The JSON of an answer.
pub type Listing = Vec<u8>;

/// A page of a list.
pub struct Listed {
    /// The answer.
    pub json: Listing,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

fn listed(data: &impl Serialize, turn: Turn, request_id: &str) -> Result<Listed, Failure> {
    let json = render_success(data, Some(turn.pagination), request_id)?;
    Ok(Listed { json, next: turn.more.next_cursor })
}

impl Catalog {
    /// `GET /v1/applications` for a customer's key: what is assigned to it.
    ///
    /// # Errors
    /// 400 for a query that it cannot obey.
    pub fn list_applications(&self, permit: &Permit, ask: &Ask, request_id: &str) -> Result<Listed, Failure> {
        let mut fields = ask.query()?.fields();
        let (question, sent) = (Question::read(&mut fields), Sent::read(&mut fields));
        sound(fields)?;
        let list = question.narrow(list_of("applications", permit));
        let page = sent.page(list, &self.cursors).ok_or(Refusal::InvalidCursor)?;
        let known = permit.customer().map_or(&[][..], |customer| &customer.applications);
        let mut views = Vec::new();
        for id in known {
            match self.view(permit, id) {
                Ok(view) if question.admits(&view.application) => views.push(view),
                Ok(_) | Err(Failure::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        question.sort(&mut views, |view| &view.application);
        let (cut, turn) = page.cut(
            &views,
            |view, after| question.is_past(&view.application, after),
            |view| question.place(&view.application),
        );
        let shape = |view: &'_ std::sync::Arc<super::View>| {
            self.visible(permit, view, None).next().map(|version| version.name.clone())
        };
        let latest: Vec<_> = cut.iter().map(shape).collect();
        let data = ApplicationsShape {
            applications: (cut.iter().zip(&latest))
                .map(|(view, latest)| ApplicationShape::new(&view.application, latest.as_ref()))
                .collect(),
            is_admin: permit.key().kind == Kind::Admin,
            is_financial_admin: false,
            pagination: &turn.more,
        };
        listed(&data, turn.clone(), request_id)
    }

    /// `GET /v1/applications/{id}` for a customer's key.
    ///
    /// # Errors
    /// 404 for what this key may not know of.
    pub fn read_application(&self, permit: &Permit, ask: &Ask, request_id: &str) -> Result<Listing, Failure> {
        let view = self.view(permit, &application_id(ask.param(0))?)?;
        let latest = self.visible(permit, &view, None).next().map(|version| &version.name);
        Ok(render_success(&ApplicationShape::new(&view.application, latest), None, request_id)?)
    }

    /// `GET /v1/applications/{id}/versions`: whole, unless a page is asked for.
    ///
    /// # Errors
    /// 404 for what this key may not know of, 400 for a query that it cannot obey.
    pub fn list_versions(&self, permit: &Permit, ask: &Ask, request_id: &str) -> Result<Listed, Failure> {
        let view = self.view(permit, &application_id(ask.param(0))?)?;
        let mut fields = ask.query()?.fields();
        let id = &view.application.id;
        let searched = fields.text("changelog").flatten().map(|text| folded(&text));
        let list = list_of("versions", permit).and(id.as_str()).and(&channel_of(ask));
        let list = list.and(searched.as_deref().unwrap_or_default());
        let page = self.page_or_whole(fields, list)?;
        let mut versions: Vec<_> = self.visible(permit, &view, ask.channel()).collect();
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
        listed(&data, turn.clone(), request_id)
    }

    /// `GET /v1/applications/{id}/versions/{v}/files`.
    ///
    /// # Errors
    /// As [`Catalog::version`].
    pub fn list_files(&self, permit: &Permit, ask: &Ask, request_id: &str) -> Result<Listed, Failure> {
        let view = self.view(permit, &application_id(ask.param(0))?)?;
        let version = self.version(permit, &view, &version_wanted(ask.param(1))?, ask.channel())?;
        let list = list_of("files", permit).and(view.application.id.as_str()).and(version.id.as_str());
        let page = self.page_or_whole(ask.query()?.fields(), list)?;
        let (cut, turn) = page.cut(&version.files, |file, after| place_of_file(file) > *after, place_of_file);
        let data = FilesShape {
            application_id: &view.application.id,
            version: &version.name,
            files: cut.iter().map(FileShape::new).collect(),
            pagination: &turn.more,
        };
        listed(&data, turn.clone(), request_id)
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
