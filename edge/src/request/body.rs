//! The body of a request that the edge answers itself: JSON, small, and soon.

use std::time::Duration;

use common::fields::Fields;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use crate::error::{Failure, Refusal};

/// The most bytes.
const LARGEST: usize = 64 * 1024;
/// It must be whole within this time, whatever its pace.
const WITHIN: Duration = Duration::from_secs(30);

/// Reads the fields of a JSON body; no body at all has none. What is not read of it stays there.
///
/// # Errors
/// 415 for another type, 413 when it is too large, 400 when it breaks off or is not a JSON object.
pub(crate) async fn read_fields(headers: &HeaderMap, body: Option<&mut Incoming>) -> Result<Fields, Failure> {
    let Some(body) = body.filter(|body| !body.is_end_stream()) else { return Ok(Fields::default()) };
    if !is_json(headers) {
        return Err(Refusal::NotJson.into());
    }
    if body.size_hint().lower() > LARGEST as u64 {
        return Err(Refusal::JsonTooLarge(LARGEST).into());
    }
    let bytes = match tokio::time::timeout(WITHIN, Limited::new(body, LARGEST).collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Refusal::JsonTooLarge(LARGEST).into());
        }
        Ok(Err(_)) | Err(_) => return Err(Refusal::BodyIncomplete.into()),
    };
    Fields::of_json(&bytes).map_err(|problem| Failure::Told(Box::new((problem, HeaderMap::new()))))
}

/// A body without a type is what the route takes (RFC 9110 section 8.3 leaves it to the recipient).
fn is_json(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return !headers.contains_key(CONTENT_TYPE) };
    let media = line.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let media = media.trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_that_it_is_json_or_nothing() {
        let check = |lines: &[&'static str], expected: bool| {
            let lines = lines.iter().map(|line| (CONTENT_TYPE, http::HeaderValue::from_static(line)));
            let headers: HeaderMap = lines.fold(HeaderMap::new(), |mut headers, (name, line)| {
                headers.append(name, line);
                headers
            });
            assert_eq!(is_json(&headers), expected, "{headers:?}");
        };
        check(&[], true);
        check(&["application/json"], true);
        check(&["Application/JSON; charset=utf-8"], true);
        check(&["application/merge-patch+json"], true);
        check(&["application/x-www-form-urlencoded"], false);
        check(&["text/plain"], false);
        check(&[""], false);
        check(&["application/json", "text/plain"], false);
    }
}
