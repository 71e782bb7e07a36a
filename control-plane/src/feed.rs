//! The feed for edges, straight from here: they confirm the bus by it, and follow it while the bus is away.
//!
//! Nothing in it is asked of the database: the answers come from the carrier in this process, so that a fleet that
//! comes back all at once costs requests and no queries.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use common::bus::https::{
    ACK_HEADER, ACKS_PATH, BUCKETS_PATH, HEAD_PATH, NEWS_PATH, Question, Told, asked_for, read_ack, tell,
};
use common::bus::local::LocalBus;
use common::bus::{BusError, Feed as _, MOST_BUCKETS};
use common::digest::Digest;
use common::fields::FieldFault;
use common::mac::MacKeys;
use common::problem::{Format, refusals};
use common::proof::{EDGE_HEADER, EdgeWord};
use common::runtime::clock::Clock;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;

use crate::error::{Failure, fail, hand_over};
use crate::fleet::Fleet;

/// The longest that news are waited for: an edge that asks again proves that it is there.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Bytes of an acknowledgement; ours have a tenth of that.
const LARGEST_ACK: usize = 4_096;
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// What edges follow, and who they are known by.
#[derive(Clone)]
pub(crate) struct FeedDoor {
    pub(crate) carrier: LocalBus,
    /// Where what they say of themselves goes.
    pub(crate) fleet: Arc<Fleet>,
    /// Opens what edges prove themselves by.
    pub(crate) keys: MacKeys,
    pub(crate) clock: Arc<dyn Clock>,
    /// Ends the waiting: the desk closes.
    pub(crate) stop: CancellationToken,
}

/// The routes.
pub(crate) fn router(door: FeedDoor) -> Router {
    Router::new()
        .route(HEAD_PATH, get(head))
        .route(BUCKETS_PATH, get(buckets))
        .route(&format!("{BUCKETS_PATH}/{{name}}"), get(bucket))
        .route(NEWS_PATH, get(news))
        .route(ACKS_PATH, post(acknowledge))
        .with_state(Arc::new(door))
}

type Door = State<Arc<FeedDoor>>;

async fn head(State(door): Door, headers: HeaderMap) -> Response {
    let found = async { Ok(whole(door.carrier.head().await?)) };
    door.answer(&headers, BYTES, found).await
}

/// Several, for one question; a herd of edges that rebuild asks for all of them.
async fn buckets(State(door): Door, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let found = async {
        let Some(names) = query.as_deref().and_then(asked_for) else { return Err(Failed::Asked) };
        Ok(Some(tell(door.carrier.buckets(&names).await?)))
    };
    door.answer(&headers, BYTES, found).await
}

/// A single one, for edges that are older.
async fn bucket(State(door): Door, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let found = async {
        // What is no name is the name of nothing.
        let Ok(name) = name.parse::<Digest>() else { return Ok(None) };
        Ok(whole(door.carrier.buckets(&[name]).await?.pop().flatten()))
    };
    door.answer(&headers, BYTES, found).await
}

async fn news(State(door): Door, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let found = async {
        let said = headers.get(ACK_HEADER).and_then(|value| read_ack(value.to_str().ok()?));
        if let Some(sealed) = said.filter(|sealed| sealed.len() <= LARGEST_ACK) {
            door.fleet.take(&sealed);
        }
        let Some(question) = query.as_deref().and_then(Question::parse) else { return Ok(None) };
        Ok(whole(door.news(question).await?))
    };
    door.answer(&headers, JSON, found).await
}

async fn acknowledge(State(door): Door, headers: HeaderMap, body: Body) -> Response {
    let found = async {
        // What is too large or breaks off is none; the edge says the next one in a second.
        let sealed = to_bytes(body, LARGEST_ACK).await.unwrap_or_default();
        Ok(door.fleet.take(&sealed).then(Vec::new))
    };
    door.answer(&headers, BYTES, found).await
}

/// Why an edge of ours gets no answer.
enum Failed {
    /// What it asks is no question for buckets.
    Asked,
    Bus(BusError),
}

impl From<BusError> for Failed {
    fn from(error: BusError) -> Self {
        Self::Bus(error)
    }
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Bus(fault) => Self::broken("feed", fault),
            Failed::Asked => {
                let says =
                    format!("must be 1 to {MOST_BUCKETS} names of buckets with commas between, none twice");
                refusals::invalid_fields(&[FieldFault { field: "names", says }]).into()
            }
        }
    }
}

fn whole(found: Option<Bytes>) -> Option<Vec<Bytes>> {
    found.map(|bytes| vec![bytes])
}

impl FeedDoor {
    async fn news(&self, question: Question) -> Result<Option<Bytes>, BusError> {
        let wait = Duration::from_millis(question.wait).min(LONGEST_WAIT);
        let news = tokio::select! {
            news = self.carrier.news(question.cursor(), wait) => news?,
            () = self.stop.cancelled() => self.carrier.news(question.cursor(), Duration::ZERO).await?,
        };
        // Read after the news: a head is never behind what comes with it.
        let told = Told::of(self.carrier.head().await?.as_ref(), &news);
        Ok(serde_json::to_vec(&told).ok().map(Bytes::from))
    }

    /// What was `found`, for an edge of ours; nobody else is told anything, and nothing is looked for.
    async fn answer(
        &self,
        headers: &HeaderMap,
        content_type: &'static str,
        found: impl Future<Output = Result<Option<Vec<Bytes>>, Failed>>,
    ) -> Response {
        let now = self.clock.now();
        let word = headers.get(EDGE_HEADER).and_then(|value| value.to_str().ok());
        let known = word.and_then(|text| EdgeWord::open(text, &self.keys, now));
        let outcome = match known {
            None => Err(Failure::from(refusals::edges_only())),
            Some(_) => found.await.map_err(Failure::from),
        };
        match outcome {
            Ok(found) => hand_over(found, content_type),
            Err(failure) => fail(&failure, Format::of_headers(headers), "", now),
        }
    }
}

#[cfg(test)]
mod tests;
