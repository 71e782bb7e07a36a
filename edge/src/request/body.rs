//! The body of a request that the edge answers itself: JSON, small, and soon.

use std::time::Duration;

use common::fields::Fields;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::error::{Failure, Refusal};
use crate::listen::Incoming;

/// The most bytes.
const LARGEST: usize = 64 * 1024;
/// It must be whole within this time, whatever its pace.
const WITHIN: Duration = Duration::from_secs(30);

/// Reads the fields of a JSON body; no body at all has none. What is not read of it stays there.
///
/// # Errors
/// 415 for another type, 413 when it is too large, 400 when it breaks off or is not a JSON object.
pub(crate) async fn read_fields(headers: &HeaderMap, body: Option<&mut Incoming>) -> Result<Fields, Failure> {
    read_within(WITHIN, headers, body).await
}

async fn read_within<B>(
    within: Duration,
    headers: &HeaderMap,
    body: Option<&mut B>,
) -> Result<Fields, Failure>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(body) = body.filter(|body| !body.is_end_stream()) else { return Ok(Fields::default()) };
    if !is_json(headers) {
        return Err(Refusal::NotJson.into());
    }
    if body.size_hint().lower() > LARGEST as u64 {
        return Err(Refusal::JsonTooLarge(LARGEST).into());
    }
    let bytes = match tokio::time::timeout(within, Limited::new(body, LARGEST).collect()).await {
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
    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use futures_util::stream::{self, BoxStream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    type Pieces = BoxStream<'static, std::io::Result<Frame<Bytes>>>;

    /// A body that comes in pieces of unknown number, then ends, breaks off or never ends.
    async fn read(pieces: &[&'static [u8]], end: Pieces) -> Result<Option<String>, &'static str> {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))).collect();
        let mut body = StreamBody::new(stream::iter(pieces).chain(end));
        let read = read_within(Duration::from_millis(20), &HeaderMap::new(), Some(&mut body)).await;
        read.map(|mut fields| fields.text("a").flatten()).map_err(|failure| match failure {
            Failure::Refused(refusal) => refusal.reason(),
            Failure::Told(told) => told.0.reason,
            other => panic!("{other:?}"),
        })
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_within_its_bounds() {
        let ends = || stream::empty().boxed();
        let (breaks, hangs) = (
            || stream::once(async { Err(std::io::Error::other("gone")) }).boxed(),
            || stream::pending().boxed(),
        );
        let whole = [&b"{\"a\":"[..], b"\"b\"}"];
        assert_eq!(read(&whole, ends()).await, Ok(Some("b".to_owned())));
        assert_eq!(read(&[], ends()).await, Ok(None));
        assert_eq!(read(&whole, breaks()).await, Err("body_incomplete"));
        assert_eq!(read(&whole, hangs()).await, Err("body_incomplete"));
        assert_eq!(read(&whole[..1], ends()).await, Err("invalid_json"));
        assert_eq!(read(&[&[b' '; LARGEST]], ends()).await, Ok(None));
        assert_eq!(read(&[&[b' '; LARGEST], b"{"], hangs()).await, Err("body_too_large"));
    }

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
