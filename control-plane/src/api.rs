//! The HTTP of the desk: one router made from the one route table, and the way of every request through it.
//!
//! The way: name it, learn who asks, let the caller in or not, hand it to its handler, tell the outcome. The body is
//! not touched before the caller is in.

mod activity;
mod answer;
mod applications;
mod audit;
mod backups;
mod call;
mod caller;
mod confirm;
mod customers;
mod dates;
mod desk;
mod direct_upload;
mod edges;
mod fields;
mod idempotency;
mod keys;
mod large_upload;
mod lent;
mod page;
mod resumable;
mod sessions;
mod stats;
mod throttle;
mod tiers;
mod usage;
mod versions;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::response::Response;
use axum::routing::any;
use common::cors;
use common::problem::{Code, Format, Problem, refusals, sane_request_id};
use common::routes::{ROUTES, Route, RouteId, allowed_methods};
use common::time::Timestamp;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::{ALLOW, EXPECT};
use http::{HeaderMap, HeaderValue, Method};
use uuid::Uuid;

use crate::api::answer::Handled;
use crate::api::call::Call;
use crate::api::caller::{Asking, Caller};
pub(crate) use crate::api::desk::Desk;
pub(crate) use crate::api::idempotency::InFlight;
pub(crate) use crate::api::throttle::Failures;
use crate::error::{Failure, REQUEST_ID, fail, options, tell_document};

/// Who is at the other end of the connection: an extension that the listener puts on each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

type Keyed = Box<dyn Fn(Arc<Desk>, Caller, Call) -> BoxFuture<'static, Handled> + Send + Sync>;
type Ticketed = Box<dyn Fn(Arc<Desk>, Call) -> BoxFuture<'static, Handled> + Send + Sync>;

enum Handler {
    /// For those whose key was looked at.
    Keyed(Keyed),
    /// For those who bring no credential in a header: a signed text in the path, or a key in the body.
    Ticketed(Ticketed),
    /// For everybody: what this API is.
    Document,
    /// The edge answers it, from what it knows.
    Elsewhere,
}

fn keyed<F, Fut>(handler: F) -> Handler
where
    F: Fn(Arc<Desk>, Caller, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Handled> + Send + 'static,
{
    Handler::Keyed(Box::new(move |desk, caller, call| handler(desk, caller, call).boxed()))
}

fn ticketed<F, Fut>(handler: F) -> Handler
where
    F: Fn(Arc<Desk>, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Handled> + Send + 'static,
{
    Handler::Ticketed(Box::new(move |desk, call| handler(desk, call).boxed()))
}

fn handler_of(route: RouteId) -> Handler {
    match route {
        RouteId::ListApplications => keyed(applications::list),
        RouteId::ReadApplication => keyed(applications::read),
        RouteId::CreateApplication => keyed(applications::create),
        RouteId::ChangeApplication => keyed(applications::edit::change),
        RouteId::DeleteApplication => keyed(applications::delete),
        RouteId::RestoreApplication => keyed(applications::edit::restore),
        RouteId::AssignCustomers => keyed(applications::assign),
        RouteId::ChangeVersion => keyed(versions::change),
        RouteId::YankVersion => keyed(versions::yank),
        RouteId::UploadFile => keyed(direct_upload::upload),
        RouteId::BeginUpload => keyed(large_upload::begin),
        RouteId::ReceiveUpload => ticketed(large_upload::receive),
        RouteId::CompleteUpload => keyed(large_upload::complete),
        RouteId::ReadUploadOffset => ticketed(resumable::offset),
        RouteId::ResumeUpload => ticketed(resumable::resume),
        RouteId::AbandonUpload => ticketed(resumable::abandon),
        RouteId::ListCustomers => keyed(customers::list),
        RouteId::CreateCustomer => keyed(customers::create),
        RouteId::ReadCustomer => keyed(customers::read),
        RouteId::ChangeCustomer => keyed(customers::change),
        RouteId::ListCustomerKeys => keyed(keys::list_of_customer),
        RouteId::CreateCustomerKey => keyed(keys::create_for_customer),
        RouteId::RegenerateCustomerKey => keyed(keys::regenerate_of_customer),
        RouteId::RegenerateOwnKey => keyed(keys::regenerate_own),
        RouteId::ListKeys => keyed(keys::list),
        RouteId::CreateKey => keyed(keys::create),
        RouteId::ReadKey => keyed(keys::read),
        RouteId::ChangeKey => keyed(keys::change),
        RouteId::DeleteKey => keyed(keys::delete),
        RouteId::OpenApi => Handler::Document,
        RouteId::RotateKey => keyed(keys::rotate),
        RouteId::Login | RouteId::LoginV1 => ticketed(sessions::login),
        RouteId::Logout | RouteId::LogoutV1 => keyed(sessions::logout),
        RouteId::ListSessions => keyed(sessions::list),
        RouteId::RevokeSession => keyed(sessions::revoke),
        RouteId::ListTiers => keyed(tiers::list),
        RouteId::ReadTier => keyed(tiers::read),
        RouteId::PutTier => keyed(tiers::put),
        RouteId::ReadKeyUsage => keyed(usage::read),
        RouteId::ReadStats => keyed(stats::read),
        RouteId::ListActivity => keyed(activity::list),
        RouteId::ListAudit => keyed(audit::list),
        RouteId::ListBackups => keyed(backups::list),
        RouteId::CreateBackup => keyed(backups::create),
        RouteId::ReadBackup => keyed(backups::read),
        RouteId::RestoreBackup => keyed(backups::restore),
        RouteId::DownloadBackup => ticketed(backups::download),
        RouteId::ListEdges => keyed(edges::list),
        RouteId::RemoveEdge => keyed(edges::remove),
        RouteId::ListVersions
        | RouteId::ListFiles
        | RouteId::DownloadFile
        | RouteId::DownloadNamed
        | RouteId::IssueLink
        | RouteId::DownloadSigned
        | RouteId::ShareFile
        | RouteId::DownloadShared
        | RouteId::DownloadSharedLong
        | RouteId::CheckUpdate
        | RouteId::Health => Handler::Elsewhere,
    }
}

/// A method of a path: its line in the table, and who answers it.
struct Entry {
    route: &'static Route,
    handler: Handler,
}

/// The router of the desk. Every path is also answered below the path of the public URL.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let mut paths: Vec<(&'static str, Vec<Entry>)> = Vec::new();
    for route in ROUTES {
        let handler = handler_of(route.id);
        if matches!(handler, Handler::Elsewhere) {
            continue;
        }
        let entry = Entry { route, handler };
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, entries)) => entries.push(entry),
            None => paths.push((route.path, vec![entry])),
        }
    }
    let mut router = Router::new();
    for (path, entries) in paths {
        let (desk, entries) = (desk.clone(), Arc::new(entries));
        let answer = move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            let (desk, entries) = (desk.clone(), entries.clone());
            async move { answer(&desk, path, &entries, params.ok(), request).await }
        };
        router = router.route(path, any(answer));
    }
    let prefix =
        desk.public_url.as_deref().and_then(|url| url.parse::<http::Uri>().ok()?.path_and_query().cloned());
    if let Some(prefix) = prefix.as_ref().map(|p| p.path().trim_end_matches('/')).filter(|p| !p.is_empty()) {
        router = router.clone().nest(prefix, router);
    }
    let nothing = move |request: Request| {
        let desk = desk.clone();
        async move { answer(&desk, "", &[], None, request).await }
    };
    router.fallback(nothing)
}

/// The way of one request.
async fn answer(
    desk: &Arc<Desk>,
    path: &'static str,
    entries: &[Entry],
    params: Option<RawPathParams>,
    request: Request,
) -> Response {
    let now = desk.clock.now();
    let request_id = request_id(request.headers());
    if request.method() == Method::OPTIONS {
        return options(Some(path).filter(|path| !path.is_empty()), &request_id);
    }
    let format = Format::of_headers(request.headers());
    let (is_page, expects_continue) =
        (cors::is_page(request.headers()), request.headers().contains_key(EXPECT));
    let method = request.method().clone();
    let (parts, body) = request.into_parts();
    let (body, rest) = lent::lend(body);
    let call = call_of(desk, parts, params, Arrival { body, request_id: request_id.clone(), now });
    let exact = entries.iter().find(|entry| *entry.route.method == method);
    let entry = exact.or_else(|| entries.iter().find(|entry| answers(entry.route, &method)));
    if let (Ok(call), Some(Entry { handler: Handler::Document, .. })) = (&call, entry) {
        return tell_document(&call.base, &call.headers, &request_id);
    }
    let outcome = match (call, entry) {
        (Ok(call), Some(entry)) => guarded(desk, entry, call).await,
        (Err(problem), Some(_)) => Err(problem.into()),
        (_, None) if entries.is_empty() => Err(refusals::route_not_found().into()),
        (_, None) => Err(refusals::method_not_allowed(&allowed_methods(path)).into()),
    };
    let outcome = outcome.and_then(|answer| {
        desk.metrics.count_answer(answer.is_write());
        answer.into_response(&request_id)
    });
    let mut response = match outcome {
        Ok(response) => response,
        Err(failure) => {
            desk.metrics.count_failure();
            rest.linger(expects_continue).await;
            let mut response = fail(&failure, format, &request_id, now);
            if let Some(entry) = entry {
                resumable::mark(entry.route, &failure, response.headers_mut());
            }
            if let Failure::Refused(Problem { code: Code::MethodNotAllowed, .. }) = failure
                && let Ok(allow) = HeaderValue::from_str(&allowed_methods(path).join(", "))
            {
                response.headers_mut().insert(ALLOW, allow);
            }
            response
        }
    };
    cors::open(response.headers_mut(), is_page);
    response
}

/// Lets the caller in, and runs the handler; a panic in it is a fault of this one request.
async fn guarded(desk: &Arc<Desk>, entry: &Entry, call: Call) -> Handled {
    let run = async {
        match &entry.handler {
            Handler::Keyed(handler) => {
                let asking = Asking { headers: &call.headers, address: call.address, now: call.now };
                let caller = caller::admit(desk, entry.route, asking).await?;
                let wait = confirm::asked(entry.route, &caller, &call)?;
                let answer = idempotency::once(desk, entry.route, handler, (caller, call)).await?;
                match wait {
                    Some(wait) => wait.confirm(desk, answer).await,
                    None => Ok(answer),
                }
            }
            Handler::Ticketed(handler) => handler(desk.clone(), call).await,
            Handler::Document | Handler::Elsewhere => Err(refusals::route_not_found().into()),
        }
    };
    let ended = AssertUnwindSafe(run).catch_unwind().await;
    ended.unwrap_or_else(|_| Err(Failure::broken("api", format!("a panic in {:?}", entry.route.id))))
}

/// What a request brings beside its head.
struct Arrival {
    body: axum::body::Body,
    request_id: String,
    now: Timestamp,
}

fn call_of(
    desk: &Desk,
    parts: http::request::Parts,
    params: Option<RawPathParams>,
    arrival: Arrival,
) -> Result<Call, Problem> {
    let peer = parts.extensions.get::<Peer>().copied();
    let origin = caller::origin(desk, &parts.headers, peer, arrival.now);
    // A path whose parameters are not UTF-8 names nothing.
    let params = params.ok_or_else(refusals::route_not_found)?;
    Ok(Call {
        path: parts.uri.path().to_owned(),
        params: params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body: arrival.body,
        address: origin.address,
        base: origin.base,
        request_id: arrival.request_id,
        now: arrival.now,
    })
}

fn request_id(headers: &HeaderMap) -> String {
    let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).and_then(sane_request_id);
    sent.map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// GET routes also answer HEAD (RFC 9110 section 9.3.2); the server leaves the body out.
fn answers(route: &Route, method: &Method) -> bool {
    route.method == method || (*method == Method::HEAD && *route.method == Method::GET)
}
