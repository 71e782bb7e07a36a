//! What makes a request the same as another: method, route, path, query, type and bytes of the body.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use common::digest::Digest;
use common::problem::Code;
use common::routes::{Route, RouteId};
use http::header::CONTENT_TYPE;

use crate::api::call::{self, Call, LARGEST_JSON};
use crate::api::direct_upload;
use crate::error::Failure;
use crate::uploads::form::{self, LARGEST_FORM, too_large};

/// A form with a file must be whole within this time; one that stands still is given up sooner.
const FORM_TIME: Duration = Duration::from_secs(15 * 60);

/// The digest of a list of texts, wherever one ends and the next begins.
pub(super) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
    let mut told = Vec::new();
    for part in parts {
        told.extend_from_slice(&(part.len() as u64).to_be_bytes());
        told.extend_from_slice(part);
    }
    Digest::of(&told)
}

/// How long one waits for the edges is not what is done: who sends a request again may wait longer.
fn of_query(query: &str) -> String {
    let waits = |pair: &&str| matches!(pair.split('=').next(), Some("wait" | "waitSeconds"));
    query.split('&').filter(|pair| !waits(pair)).collect::<Vec<_>>().join("&")
}

/// Reads the body of a request, takes the fingerprint of all of it, and hands it on with its body.
pub(super) async fn take(route: &Route, mut call: Call) -> Result<(Call, Digest), Failure> {
    let media = call.media_type().unwrap_or_default();
    let is_form = media == "multipart/form-data" && route.id == RouteId::UploadFile;
    let body = read(route, std::mem::take(&mut call.body), is_form).await?;
    let content_type =
        call.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content = if is_form { of_form(content_type.to_owned(), &body).await } else { Digest::of(&body) };
    let mut params: Vec<_> = call.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    params.sort_unstable();
    let params = of_parts(params.iter().map(String::as_bytes));
    let query = of_query(call.query.as_deref().unwrap_or_default());
    let fingerprint = of_parts([
        route.method.as_str().as_bytes(),
        route.path.as_bytes(),
        &params.0,
        query.as_bytes(),
        media.as_bytes(),
        &content.0,
    ]);
    call.body = Body::from(body);
    Ok((call, fingerprint))
}

/// The whole body, within the bounds that the route's handler has too.
async fn read(route: &Route, body: Body, is_form: bool) -> Result<Bytes, Failure> {
    if !is_form {
        let most = if route.id == RouteId::UploadFile { direct_upload::LARGEST_JSON } else { LARGEST_JSON };
        return call::read_whole(body, most, call::JSON_TIME).await;
    }
    let most = usize::try_from(LARGEST_FORM).unwrap_or(usize::MAX);
    call::read_whole(body, most, FORM_TIME).await.map_err(|failure| match failure {
        Failure::Refused(problem) if problem.code == Code::PayloadTooLarge => too_large().into(),
        other => other,
    })
}

/// Of a form without its boundary: who sends it again chooses another. One that is none is its bytes, and refused later.
async fn of_form(content_type: String, body: &Bytes) -> Digest {
    let parts = form::read_parts(body.clone(), &content_type).await;
    parts.map_or_else(|_| Digest::of(body), |parts| of_parts(parts.iter().map(|part| &part.0[..])))
}
