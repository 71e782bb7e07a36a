//! The route table as the edge looks it up: by path, then by method.

use common::routes::{ROUTES, Route, allowed_methods};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use crate::error::Refusal;

/// Decoded path parameters, in the order of the path. At most three.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params(Vec<String>);

impl Params {
    /// The parameter at that place of the path, from 0; empty when the path has fewer.
    pub fn get(&self, place: usize) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }
}

/// The look-up.
#[derive(Clone)]
pub struct Table {
    paths: matchit::Router<&'static str>,
    prefix: String,
}

impl Table {
    /// For requests with and without `prefix` (the path of the public URL, empty or like `/dl`).
    ///
    /// # Errors
    /// When two paths of the table contradict each other: a mistake in the table.
    pub fn new(prefix: &str) -> Result<Self, matchit::InsertError> {
        let mut paths = matchit::Router::new();
        let mut known: Vec<&str> = Vec::new();
        for route in ROUTES.iter() {
            if !known.contains(&route.path) {
                known.push(route.path);
                paths.insert(route.path, route.path)?;
            }
        }
        Ok(Self { paths, prefix: prefix.trim_end_matches('/').to_owned() })
    }

    /// The target without our prefix. `None` for a target without a path, like `*`.
    pub fn without_prefix(&self, uri: &Uri) -> Option<Uri> {
        let whole =
            uri.path_and_query().map(http::uri::PathAndQuery::as_str).filter(|text| text.starts_with('/'))?;
        let bare =
            whole.strip_prefix(self.prefix.as_str()).filter(|rest| rest.starts_with('/')).unwrap_or(whole);
        // The authority stays: over HTTP/2 it alone says which host was asked (RFC 9113 section 8.3.1).
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(bare.parse().ok()?);
        Uri::from_parts(parts).ok()
    }

    /// The line of the table that a path is of, whatever the method.
    pub fn path(&self, path: &str) -> Option<&'static str> {
        self.paths.at(path).ok().map(|matched| *matched.value)
    }

    /// The route of a method and path, with what the path names. HEAD asks for what GET would answer.
    ///
    /// # Errors
    /// [`Refusal::UnknownRoute`], or [`Refusal::MethodNotAllowed`] with the methods that the path has.
    pub fn find(&self, method: &Method, path: &str) -> Result<(&'static Route, Params), Refusal> {
        let matched = self.paths.at(path).map_err(|_| Refusal::UnknownRoute)?;
        let line = |method: &Method| {
            ROUTES.iter().find(|route| route.path == *matched.value && route.method == method)
        };
        let read = || if *method == Method::HEAD { line(&Method::GET) } else { None };
        let route = line(method).or_else(read);
        let route = route.ok_or_else(|| Refusal::MethodNotAllowed(allowed_methods(matched.value)))?;
        let decoded =
            matched.params.iter().map(|(_, text)| percent_decode_str(text).decode_utf8().map(Into::into));
        let params: Vec<String> = decoded.collect::<Result<_, _>>().map_err(|_| Refusal::UnknownRoute)?;
        Ok((route, Params(params)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::routes::RouteId;

    fn find(method: Method, path: &str) -> Result<(RouteId, Vec<String>), Refusal> {
        let table = Table::new("").unwrap();
        table.find(&method, path).map(|(route, params)| (route.id, params.0))
    }

    #[test]
    fn a_path_leads_to_its_route_and_names() {
        let two = vec!["my-app".to_owned(), "1.0+b".to_owned()];
        assert_eq!(
            find(Method::GET, "/v1/applications/my-app/versions/1.0%2Bb/files"),
            Ok((RouteId::ListFiles, two))
        );
        assert_eq!(find(Method::HEAD, "/v1/downloads/url"), Ok((RouteId::IssueLink, vec![])));
        assert_eq!(find(Method::GET, "/v1/applications/%ff"), Err(Refusal::UnknownRoute));
        for nothing in
            ["/", "/v1", "/v1/applications/", "/v2/applications", "//v1/applications", "/v1/applications/a/b"]
        {
            assert_eq!(find(Method::GET, nothing), Err(Refusal::UnknownRoute), "{nothing}");
        }
        let others = Refusal::MethodNotAllowed(vec!["GET", "HEAD", "OPTIONS"]);
        assert_eq!(find(Method::DELETE, "/v1/applications"), Err(others));
    }

    #[test]
    fn targets_are_taken_with_and_without_the_public_prefix() {
        let table = Table::new("/dl/").unwrap();
        let check = |target: &str, path: Option<&str>| {
            let bare = table.without_prefix(&target.parse().unwrap());
            assert_eq!(bare.as_ref().map(Uri::path), path, "{target}");
        };
        check("/dl/v1/applications?x=1", Some("/v1/applications"));
        check("/v1/applications", Some("/v1/applications"));
        check("/dlx/v1", Some("/dlx/v1"));
        check("http://other.example/dl/v1", Some("/v1"));
        check("*", None);
    }
}
