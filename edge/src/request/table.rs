//! The route table as the edge looks it up: by path, then by method.

use common::routes::{ROUTES, Route, allowed_methods};
use http::{Method, Uri};

use super::target::{Params, Places, Target, begin_of_ours};
use crate::error::Refusal;

/// The look-up.
#[derive(Clone)]
pub struct Table {
    paths: matchit::Router<Line>,
    prefix: String,
}

/// One path, with the routes that it has.
#[derive(Clone)]
struct Line {
    path: &'static str,
    routes: Vec<&'static Route>,
    places: Places,
}

impl Line {
    fn of(path: &'static str) -> Self {
        let routes = ROUTES.iter().filter(|route| route.path == path).collect();
        Self { path, routes, places: Places::of(path) }
    }

    fn route(&self, method: &Method) -> Option<&'static Route> {
        self.routes.iter().copied().find(|route| route.method == method)
    }
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
                paths.insert(route.path, Line::of(route.path))?;
            }
        }
        Ok(Self { paths, prefix: prefix.trim_end_matches('/').to_owned() })
    }

    /// The target without our prefix. `None` for a target without a path, like `*`.
    pub fn without_prefix(&self, uri: Uri) -> Option<Target> {
        Target::new(uri, &self.prefix)
    }

    /// The line of the table that the path of a target is of, whatever the method.
    pub fn path(&self, uri: &Uri) -> Option<&'static str> {
        let path = uri.path().get(begin_of_ours(uri, &self.prefix)?..)?;
        self.paths.at(path).ok().map(|matched| matched.value.path)
    }

    /// The route of a method and path, with what the path names. HEAD asks for what GET would answer.
    ///
    /// # Errors
    /// [`Refusal::UnknownRoute`], or [`Refusal::MethodNotAllowed`] with the methods that the path has.
    pub(super) fn find(&self, method: &Method, path: &str) -> Result<(&'static Route, Params), Refusal> {
        let line = self.paths.at(path).map_err(|_| Refusal::UnknownRoute)?.value;
        let read = || if *method == Method::HEAD { line.route(&Method::GET) } else { None };
        let route = line.route(method).or_else(read);
        let route = route.ok_or_else(|| Refusal::MethodNotAllowed(allowed_methods(line.path)))?;
        Ok((route, Params::of(path, line.places).ok_or(Refusal::UnknownRoute)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::routes::RouteId;
    use proptest::prelude::*;

    fn find(method: Method, path: &str) -> Result<(RouteId, Vec<String>), Refusal> {
        let table = Table::new("").unwrap();
        let names = |params: Params| {
            let named = (0..3).map(|number| params.get(path, number).to_owned());
            named.filter(|name| !name.is_empty()).collect()
        };
        table.find(&method, path).map(|(route, params)| (route.id, names(params)))
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
            let bare = table.without_prefix(target.parse().unwrap());
            assert_eq!(bare.as_ref().map(Target::path), path, "{target}");
        };
        check("/dl/v1/applications?x=1", Some("/v1/applications"));
        check("/v1/applications", Some("/v1/applications"));
        check("/dlx/v1", Some("/dlx/v1"));
        check("http://other.example/dl/v1", Some("/v1"));
        check("*", None);
    }

    /// What the router itself would say a path names, decoded.
    fn names_by_the_router(path: &str) -> Option<Vec<String>> {
        let mut paths = matchit::Router::new();
        for route in ROUTES {
            // A path that is there already has the same names.
            let _ = paths.insert(route.path, ());
        }
        let matched = paths.at(path).ok()?;
        let decode = |text| percent_encoding::percent_decode_str(text).decode_utf8().map(Into::into).ok();
        matched.params.iter().map(|(_, text)| decode(text)).collect()
    }

    proptest! {
        #[test]
        fn a_path_names_what_the_router_says(
            route in prop::sample::select(ROUTES),
            names in prop::collection::vec("([a-z0-9._+~-]|%2[0-9a-f]|%C3%BC|%ff|%|ü|\\{|\\}){1,8}", 3),
            more in "(/|/x|\\?)?",
        ) {
            let mut names = names.into_iter();
            let segment = |text: &'static str| match text.starts_with('{') {
                true => names.next().unwrap_or_default(),
                false => text.to_owned(),
            };
            let path = route.path.split('/').map(segment).collect::<Vec<_>>().join("/") + &more;
            match (Table::new("").unwrap().find(route.method, &path), names_by_the_router(&path)) {
                (Ok((found, params)), Some(names)) => {
                    prop_assert_eq!(names.len(), found.path.matches('{').count());
                    for number in 0..3 {
                        let name = names.get(number).map_or("", String::as_str);
                        prop_assert_eq!(params.get(&path, number), name, "{} {}", path, number);
                    }
                }
                (Err(Refusal::UnknownRoute), None) => {}
                // The names of another route took the place of a word of this one; whether they can be read is not
                // looked at then.
                (Err(Refusal::MethodNotAllowed(_)), _) => {}
                (found, names) => prop_assert!(false, "{}: {:?} {:?}", path, found, names),
            }
        }
    }
}
