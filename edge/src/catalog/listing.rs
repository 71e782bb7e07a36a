//! Listings: which applications, versions and files a key sees, filtered, sorted and cut into pages.

mod paging;

use common::catalog::Application;
use common::id::ApplicationId;
use common::key::Kind;
use common::problem::render_success;

use super::shapes::{
    ApplicationShape, ApplicationsShape, FileShape, FilesShape, PageShape, VersionShape, VersionsShape,
};
use super::{Catalog, application_id, version_wanted};
use crate::error::{Failure, Refusal};
use crate::gate::Permit;
use crate::request::{Ask, Query};
use paging::Page;

/// The JSON of an answer.
pub type Listing = Vec<u8>;

impl Catalog {
    /// `GET /v1/applications` for a customer's key: what is assigned to it.
    ///
    /// # Errors
    /// 400 for a query that it cannot obey.
    pub fn list_applications(
        &self,
        permit: &Permit,
        ask: &Ask,
        request_id: &str,
    ) -> Result<Listing, Failure> {
        let query = ask.query()?;
        let page = Page::parse(&query)?;
        let known = permit.customer().map_or(&[][..], |customer| &customer.applications);
        let filter = Filter::parse(&query)?;
        let mut views = Vec::new();
        for id in known {
            match self.view(permit, id) {
                Ok(view) if filter.admits(&view.application) => views.push(view),
                Ok(_) | Err(Failure::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        sort(&mut views, &query, |view| &view.application)?;
        let (cut, pagination) = page.cut(&views);
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
            pagination: PageShape { has_more: pagination.has_next },
        };
        Ok(render_success(&data, Some(pagination), request_id)?)
    }

    /// `GET /v1/applications/{id}` for a customer's key.
    ///
    /// # Errors
    /// 404 for what this key may not know of.
    pub fn read_application(&self, permit: &Permit, ask: &Ask, request_id: &str) -> Result<Listing, Failure> {
        let view = self.view(permit, &application_id(ask.params.get(0))?)?;
        let latest = self.visible(permit, &view, None).next().map(|version| &version.name);
        Ok(render_success(&ApplicationShape::new(&view.application, latest), None, request_id)?)
    }

    /// `GET /v1/applications/{id}/versions`: whole, unless a page is asked for.
    ///
    /// # Errors
    /// 404 for what this key may not know of, 400 for a query that it cannot obey.
    pub fn list_versions(&self, permit: &Permit, ask: &Ask, request_id: &str) -> Result<Listing, Failure> {
        let view = self.view(permit, &application_id(ask.params.get(0))?)?;
        let query = ask.query()?;
        let page = Page::parse_optional(&query)?;
        let mut versions: Vec<_> = self.visible(permit, &view, ask.channel()).collect();
        if let Some(text) = query.get(&["changelog"]).map(str::to_lowercase) {
            let notes = |notes: &String| notes.to_lowercase().contains(&text);
            versions.retain(|version| version.release_notes.as_ref().is_some_and(notes));
        }
        let id = &view.application.id;
        let (cut, pagination) = page.cut(&versions);
        let data = VersionsShape {
            application_id: id,
            versions: cut.iter().map(|version| VersionShape::new(id, version)).collect(),
            pagination: PageShape { has_more: pagination.has_next },
        };
        Ok(render_success(&data, Some(pagination), request_id)?)
    }

    /// `GET /v1/applications/{id}/versions/{v}/files`.
    ///
    /// # Errors
    /// As [`Catalog::version`].
    pub fn list_files(&self, permit: &Permit, ask: &Ask, request_id: &str) -> Result<Listing, Failure> {
        let view = self.view(permit, &application_id(ask.params.get(0))?)?;
        let version = self.version(permit, &view, &version_wanted(ask.params.get(1))?, ask.channel())?;
        let (cut, pagination) = Page::parse_optional(&ask.query()?)?.cut(&version.files);
        let data = FilesShape {
            application_id: &view.application.id,
            version: &version.name,
            files: cut.iter().map(FileShape::new).collect(),
            pagination: PageShape { has_more: pagination.has_next },
        };
        Ok(render_success(&data, Some(pagination), request_id)?)
    }
}

/// What a listing of applications is narrowed to.
struct Filter {
    search: Option<String>,
    tags: Vec<String>,
    is_active: Option<bool>,
}

impl Filter {
    fn parse(query: &Query) -> Result<Self, Refusal> {
        let tags = query.get(&["tags", "tag"]).unwrap_or_default();
        Ok(Self {
            search: query.get(&["search"]).map(str::to_lowercase),
            tags: tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            is_active: query.flag("isActive")?,
        })
    }

    fn admits(&self, application: &Application) -> bool {
        let has = |text: &String| {
            application.name.to_lowercase().contains(text)
                || application.description.to_lowercase().contains(text)
        };
        self.search.as_ref().is_none_or(has)
            && (self.tags.is_empty() || self.tags.iter().any(|tag| application.tags.contains(tag)))
            && self.is_active.is_none_or(|wanted| application.is_active == wanted)
    }
}

/// By `sortBy` name (default), createdAt or updatedAt, and `sortOrder` asc (default) or desc; ids break ties.
fn sort<T>(items: &mut [T], query: &Query, of: impl Fn(&T) -> &Application) -> Result<(), Refusal> {
    let key = |a: &Application| (a.name.to_lowercase(), a.id.clone());
    let id = |a: &Application| -> ApplicationId { a.id.clone() };
    match query.get(&["sortBy"]).unwrap_or("name") {
        "name" => items.sort_by_cached_key(|item| key(of(item))),
        "createdAt" => items.sort_by_cached_key(|item| (of(item).created_at, id(of(item)))),
        "updatedAt" => items.sort_by_cached_key(|item| (of(item).updated_at, id(of(item)))),
        _ => return Err(Refusal::BadParameter("sortBy", "must be name, createdAt or updatedAt".to_owned())),
    }
    match query.get(&["sortOrder"]).unwrap_or("asc") {
        "asc" => {}
        "desc" => items.reverse(),
        _ => return Err(Refusal::BadParameter("sortOrder", "must be asc or desc".to_owned())),
    }
    Ok(())
}
