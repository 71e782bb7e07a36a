//! One request as handlers see it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use common::problem::{Code, Problem, refusals};
use common::time::Timestamp;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::api::fields::Fields;
use crate::error::Failure;

/// The most bytes of a JSON body.
pub(crate) const LARGEST_JSON: usize = 1024 * 1024;
/// A JSON body must be whole within this time, whatever its pace.
pub(crate) const JSON_TIME: Duration = Duration::from_secs(60);

/// A request that was admitted.
pub(crate) struct Call {
    /// The path, below the public URL's own.
    pub(crate) path: String,
    /// The parameters of the path, decoded.
    pub(crate) params: HashMap<String, String>,
    /// The text behind `?`.
    pub(crate) query: Option<String>,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body, on loan.
    pub(crate) body: Body,
    /// Who is asking, by the socket or by an edge's word.
    pub(crate) address: IpAddr,
    /// What links in the answer start with.
    pub(crate) base: String,
    /// Its name in logs and answers.
    pub(crate) request_id: String,
    /// When it arrived.
    pub(crate) now: Timestamp,
}

impl Call {
    /// The id in the path. A text that cannot be one names nothing that is there.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        let parsed = self.params.get(name).and_then(|text| text.parse().ok());
        parsed.ok_or_else(|| Problem::new(Code::NotFound, "not_found", "There is no such thing"))
    }

    /// The fields of the query.
    pub(crate) fn query_fields(&self) -> Fields {
        Fields::of_query(self.query.as_deref())
    }

    /// The fields of the JSON body.
    pub(crate) async fn json_fields(self) -> Result<Fields, Failure> {
        self.json_fields_within(LARGEST_JSON).await
    }

    /// The same with a bound of its own.
    pub(crate) async fn json_fields_within(self, most: usize) -> Result<Fields, Failure> {
        let is_json = self.media_type().is_none_or(|media| is_json(&media));
        let body = read_whole(self.body, most, JSON_TIME).await?;
        if !is_json && !body.is_empty() {
            return Err(unsupported("Send application/json").into());
        }
        Ok(Fields::of_json(&body)?)
    }

    /// The media type of the body, in lower case and without parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let value = self.headers.get(CONTENT_TYPE)?.to_str().unwrap_or("?");
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }
}

/// A whole body of at most `most` bytes, which must be there in time.
pub(crate) async fn read_whole(body: Body, most: usize, within: Duration) -> Result<Bytes, Failure> {
    let too_large = || {
        let message = format!("The body is larger than {} KiB", most / 1024);
        Failure::from(Problem::new(Code::PayloadTooLarge, "body_too_large", message))
    };
    if http_body::Body::size_hint(&body).lower() > most as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(within, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) | Err(_) => Err(broke_off().into()),
    }
}

fn is_json(media: &str) -> bool {
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

/// The refusal of a body whose type the route does not read.
pub(crate) fn unsupported(message: &str) -> Problem {
    refusals::unsupported_media_type(message)
}

/// The refusal of a body that was not sent to its end.
pub(crate) fn broke_off() -> Problem {
    refusals::body_incomplete()
}
