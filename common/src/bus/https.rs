//! The control plane itself as a carrier, over HTTP: what edges confirm the bus by, and follow while it is away.
//!
//! Three things are asked for: the head, buckets by their names, and what came after a cursor, which may wait. One is
//! told: how far an edge has come. All of it is sealed or named by its digest as on
//! any other carrier, so the transport is trusted with nothing.

mod several;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::{Client, RequestBuilder, Response};
use serde::{Deserialize, Serialize};

use crate::bus::{Acks, BusError, Cursor, Feed, LogId, News};
use crate::digest::Digest;
use crate::proof::EDGE_HEADER;
use crate::wire::Unreadable;
use crate::wire::v1::bucket::LARGEST_PACKED;
pub use several::{asked_for, tell};

/// Where the head is.
pub const HEAD_PATH: &str = "/internal/v1/feed/head";
/// Where the buckets are: several by the query that [`asked_for`] reads, one by the name that follows, as edges ask
/// that are older.
pub const BUCKETS_PATH: &str = "/internal/v1/feed/buckets";
/// Where the news are; a [`Question`] follows.
pub const NEWS_PATH: &str = "/internal/v1/feed/news";

/// Where edges say that they leave.
pub const ACKS_PATH: &str = "/internal/v1/acknowledgements";
/// The header by which they say along with a question how far they have come: an acknowledgement in base64.
pub const ACK_HEADER: &str = "x-tidegate-acknowledgement";

/// How long an answer may take beyond what was asked to wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long buckets may take: a single one may have some hundred MiB.
const BUCKET_PATIENCE: Duration = Duration::from_secs(120);
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// The largest bucket after its length. A thousand batches of the largest form are less.
const LARGEST_ANSWER: usize = LARGEST_PACKED + several::LENGTH;

/// What came after which place, as a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// The history that is followed.
    pub epoch: u64,
    /// Sequence and part of the last batch that was taken.
    pub changes: LogId,
    /// The same of denials.
    pub denials: LogId,
    /// How long to wait for the first, in milliseconds.
    pub wait: u64,
}

impl Question {
    /// The cursor that it asks from.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch, changes: self.changes, denials: self.denials }
    }

    fn path(&self) -> String {
        let Self { epoch, changes, denials, wait } = self;
        format!("{NEWS_PATH}?epoch={epoch}&changes={changes}&denials={denials}&wait={wait}")
    }

    /// Reads the query; every part must be there.
    #[must_use]
    pub fn parse(query: &str) -> Option<Self> {
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            epoch: value("epoch")?.parse().ok()?,
            changes: value("changes")?.parse().ok()?,
            denials: value("denials")?.parse().ok()?,
            wait: value("wait")?.parse().ok()?,
        })
    }
}

/// News and the head beside them, as JSON; sealed bytes in base64.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    changes: Vec<(LogId, String)>,
    denials: Vec<(LogId, String)>,
}

impl Told {
    /// Of what a feed says.
    #[must_use]
    pub fn of(head: Option<&Bytes>, news: &News) -> Self {
        let log = |entries: &[(LogId, Bytes)]| {
            entries.iter().map(|(id, sealed)| (*id, STANDARD.encode(sealed))).collect()
        };
        let head = head.map(|sealed| STANDARD.encode(sealed));
        Self { head, changes: log(&news.changes), denials: log(&news.denials) }
    }

    /// What it says.
    ///
    /// # Errors
    /// When something in it is no base64.
    pub fn read(self) -> Result<(Option<Bytes>, News), Unreadable> {
        let bytes =
            |text: String| STANDARD.decode(text).map(Bytes::from).map_err(|_| Unreadable::new("base64"));
        let log = |entries: Vec<(LogId, String)>| {
            entries.into_iter().map(|(id, text)| Ok((id, bytes(text)?))).collect::<Result<_, Unreadable>>()
        };
        let news = News { changes: log(self.changes)?, denials: log(self.denials)? };
        Ok((self.head.map(bytes).transpose()?, news))
    }
}

/// The control plane as an edge follows it.
pub struct HttpsBus {
    client: Client,
    control_plane: String,
    /// The proof that an edge of ours asks, made anew for each request: it has a time in it.
    word: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// The head that came with the last news, until it is asked for: a look costs one request, not two.
    told: Mutex<Option<Bytes>>,
    /// What this edge has to say of itself, until it next asks for news: it then goes along.
    unsaid: Mutex<Option<Bytes>>,
}

impl HttpsBus {
    /// Of the control plane at that URL, without a trailing slash.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(
        control_plane: String,
        word: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    ) -> Result<Self, String> {
        let client = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        // A machine without root certificates is no reason not to start, unless they are needed.
        let client = if control_plane.starts_with("https:") { client } else { client.tls_certs_only([]) };
        let client = client.build().map_err(|error| error.to_string())?;
        Ok(Self { client, control_plane, word, told: Mutex::default(), unsaid: Mutex::default() })
    }

    async fn get(&self, path: &str, patience: Duration) -> Result<Option<Bytes>, BusError> {
        self.ask(self.client.get(format!("{}{path}", self.control_plane)), patience).await
    }

    async fn ask(&self, request: RequestBuilder, patience: Duration) -> Result<Option<Bytes>, BusError> {
        let word =
            (self.word)().ok_or_else(|| BusError::Away("no secret to prove this edge by".to_owned()))?;
        let request = request.header(EDGE_HEADER, word).timeout(patience);
        let answer = request.send().await.map_err(|error| away(&error))?;
        match answer.status().as_u16() {
            200 => read(answer).await.map(Some),
            404 => Ok(None),
            401 => Err(BusError::Away(
                "the control plane answered 401: compare edge_secret here and there, and the clocks"
                    .to_owned(),
            )),
            status => Err(BusError::Away(format!("the control plane answered {status}"))),
        }
    }

    fn keep(&self, head: Option<Bytes>) -> Option<Bytes> {
        swap(&self.told, head)
    }
}

fn swap(place: &Mutex<Option<Bytes>>, new: Option<Bytes>) -> Option<Bytes> {
    // One assignment: a panic elsewhere leaves it whole.
    std::mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), new)
}

/// The body, no larger than news or a bucket may be.
async fn read(mut answer: Response) -> Result<Bytes, BusError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| away(&error))? {
        if body.len() + piece.len() > LARGEST_ANSWER {
            return Err(BusError::Unreadable(Unreadable::new("answer: it is too large")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// What is told of an error: never the address, which may hold a password.
fn away(error: &reqwest::Error) -> BusError {
    let what = match () {
        () if error.is_timeout() => "no answer in time",
        () if error.is_connect() => "no connection",
        () => "the connection broke",
    };
    BusError::Away(format!("control plane: {what}"))
}

#[async_trait]
impl Feed for HttpsBus {
    async fn head(&self) -> Result<Option<Bytes>, BusError> {
        match self.keep(None) {
            Some(head) => Ok(Some(head)),
            None => self.get(HEAD_PATH, PATIENCE).await,
        }
    }

    async fn buckets(&self, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError> {
        let names = several::first_of(names);
        let Some(first) = names.first() else { return Ok(Vec::new()) };
        let query = several::ask_for(names);
        match self.get(&format!("{BUCKETS_PATH}?{query}"), BUCKET_PATIENCE).await? {
            Some(answer) => Ok(several::read(answer, names.len())?),
            // A control plane that is older than this edge tells of one at a time.
            None => Ok(vec![self.get(&format!("{BUCKETS_PATH}/{first}"), BUCKET_PATIENCE).await?]),
        }
    }

    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError> {
        let Cursor { epoch, changes, denials } = cursor;
        let wait_millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let question = Question { epoch, changes, denials, wait: wait_millis };
        let mut request = self.client.get(format!("{}{}", self.control_plane, question.path()));
        if let Some(sealed) = swap(&self.unsaid, None) {
            request = request.header(ACK_HEADER, STANDARD.encode(sealed));
        }
        let body = self.ask(request, wait + PATIENCE).await?;
        let body = body.ok_or_else(|| BusError::Away("the control plane has no feed".to_owned()))?;
        let told: Told = serde_json::from_slice(&body).map_err(|error| Unreadable::json("news", &error))?;
        let (head, news) = told.read()?;
        self.keep(head);
        Ok(news)
    }
}

#[async_trait]
impl Acks for HttpsBus {
    /// Goes along with the next question, so that a fleet asks no more often for it.
    async fn acknowledge(&self, sealed: Bytes) -> Result<(), BusError> {
        swap(&self.unsaid, Some(sealed));
        Ok(())
    }

    async fn say_goodbye(&self, sealed: Bytes) -> Result<(), BusError> {
        let request = self.client.post(format!("{}{ACKS_PATH}", self.control_plane)).body(sealed);
        self.ask(request, PATIENCE).await.map(|_| ())
    }
}

/// An acknowledgement as a header carries it.
#[must_use]
pub fn read_ack(header: &str) -> Option<Bytes> {
    STANDARD.decode(header).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_back_as_it_was() {
        let place = |sequence| LogId { sequence, part: u64::MAX };
        let question = Question { epoch: 7, changes: place(8), denials: place(9), wait: 1_000 };
        let path = question.path();
        assert_eq!(Question::parse(path.split_once('?').unwrap().1), Some(question));
        for wrong in
            ["", "epoch=1", "epoch=1&changes=1&denials=1-0&wait=0", "epochs=1&changes=1-0&denials=1-0&wait=0"]
        {
            assert_eq!(Question::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_told_reads_back_as_it_was() {
        let entry = |sequence: u64| (LogId { sequence, part: 1 }, Bytes::from(vec![0xff; 3]));
        let news = News { changes: vec![entry(1), entry(2)], denials: vec![entry(3)] };
        let head = Bytes::from_static(b"\0head");
        let text = serde_json::to_vec(&Told::of(Some(&head), &news)).unwrap();
        let (read_head, read_news) = serde_json::from_slice::<Told>(&text).unwrap().read().unwrap();
        assert_eq!(read_head, Some(head));
        assert_eq!((read_news.changes, read_news.denials), (news.changes, news.denials));
        let wrong = r#"{"changes":[["1-0","not base64"]],"denials":[]}"#;
        assert!(serde_json::from_str::<Told>(wrong).unwrap().read().is_err());
    }
}
