//! A success before it is a response: data, pagination, and the place of the write in the history.

use axum::response::Response;
use common::page::{Turn, next_link};
use common::problem::{Pagination, render_success};
use common::proof::SEQUENCE_HEADER;
use common::wire::Position;
use http::header::LINK;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::api::call::Call;
use crate::api::confirm::EdgesView;
use crate::error::{Attachment, Failure, Outcome, attach, repeat, succeed};

/// What a handler gives back.
pub(crate) type Handled = Result<Answer, Failure>;

/// A success.
#[derive(Debug)]
pub(crate) struct Answer {
    outcome: Outcome,
    /// Nothing where headers say all.
    data: Option<Box<RawValue>>,
    headers: HeaderMap,
    pagination: Option<Pagination>,
    /// Where the next page is: `Link` (RFC 8288).
    next: Option<String>,
    position: Option<Position>,
    kept: Kept,
    /// Told as it is, without the envelope.
    is_bare: bool,
    /// Bytes that are told instead of data.
    attachment: Option<Attachment>,
    /// Which edges have applied it, when somebody waited for them.
    edges: Option<EdgesView>,
}

/// An answer as it was rendered, to be told with more in its `meta`.
#[derive(Serialize, Deserialize)]
struct Rendered<M> {
    success: bool,
    data: Box<RawValue>,
    meta: M,
}

#[derive(Serialize)]
struct MoreMeta<'a> {
    #[serde(flatten)]
    was: Map<String, Value>,
    #[serde(flatten)]
    edges: &'a EdgesView,
}

/// What an answer has to do with an earlier or later one to the same request.
#[derive(Debug)]
enum Kept {
    /// Nothing.
    Not,
    /// It is there for later.
    Now,
    /// It was there: its status and body, which are told again as they were.
    Before(u16, Vec<u8>),
}

impl Answer {
    /// 200 with data.
    pub(crate) fn done(data: &impl Serialize) -> Handled {
        Self::new(Outcome::Done, data)
    }

    /// 201 with data.
    pub(crate) fn created(data: &impl Serialize) -> Handled {
        Self::new(Outcome::Created, data)
    }

    /// 200 with a page of a list.
    pub(crate) fn page(data: &impl Serialize, pagination: Pagination) -> Handled {
        Self::done(data).map(|answer| Self { pagination: Some(pagination), ..answer })
    }

    /// 200 with data that its readers expect without an envelope.
    pub(crate) fn bare(data: &impl Serialize) -> Handled {
        Self::done(data).map(|answer| Self { is_bare: true, ..answer })
    }

    /// 200 with bytes to be saved as a file.
    pub(crate) fn attached(attachment: Attachment) -> Handled {
        Self::done(&()).map(|answer| Self { attachment: Some(attachment), ..answer })
    }

    /// 200 with a page of a list that gives out cursors.
    pub(crate) fn turned(data: &impl Serialize, turn: &Turn, call: &Call) -> Handled {
        let query = call.query.as_deref().unwrap_or_default();
        let cursor = turn.more.next_cursor.as_deref();
        let next = cursor.and_then(|cursor| next_link(&call.base, &call.path, query, cursor));
        Self::page(data, turn.pagination).map(|answer| Self { next, ..answer })
    }

    /// The same, of a write that has this place in the history.
    pub(crate) fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }

    /// The place of the write in the history, if it is one.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The same, after its caller waited for the edges.
    pub(crate) fn confirmed(self, edges: EdgesView) -> Self {
        Self { edges: Some(edges), ..self }
    }

    /// 200 without a body.
    pub(crate) fn bodiless() -> Self {
        Self {
            outcome: Outcome::Done,
            data: None,
            headers: HeaderMap::new(),
            pagination: None,
            next: None,
            position: None,
            kept: Kept::Not,
            is_bare: false,
            attachment: None,
            edges: None,
        }
    }

    /// 204.
    pub(crate) fn empty() -> Self {
        Self { outcome: Outcome::Empty, ..Self::bodiless() }
    }

    /// The same with headers of its own.
    pub(crate) fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    fn new(outcome: Outcome, data: &impl Serialize) -> Handled {
        let data = serde_json::value::to_raw_value(data).map_err(|e| Failure::broken("api", e))?;
        Ok(Self { outcome, data: Some(data), ..Self::bodiless() })
    }

    /// An answer that was given before, with its status and body.
    pub(crate) fn again(status: u16, body: Vec<u8>) -> Handled {
        Self::done(&()).map(|answer| Self { kept: Kept::Before(status, body), ..answer })
    }

    /// The same, once it is kept for later.
    pub(crate) fn kept(self) -> Self {
        Self { kept: Kept::Now, ..self }
    }

    /// Whether it is kept for later, or was.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self.kept, Kept::Not)
    }

    /// Its status and body, as the response will have them.
    pub(crate) fn told(&self, request_id: &str) -> Result<(u16, Vec<u8>), Failure> {
        let status = succeed(self.outcome, Vec::new(), request_id).status().as_u16();
        Ok((status, self.body(request_id)?))
    }

    fn body(&self, request_id: &str) -> Result<Vec<u8>, Failure> {
        let Some(data) = &self.data else { return Ok(Vec::new()) };
        if self.is_bare {
            return Ok(data.get().as_bytes().to_vec());
        }
        render_success(data, self.pagination, request_id).map_err(|e| Failure::broken("api", e))
    }

    /// True when it tells of a write.
    pub(crate) fn is_write(&self) -> bool {
        self.position.is_some() && !matches!(self.kept, Kept::Before(..))
    }

    /// The response with its envelope.
    pub(crate) fn into_response(mut self, request_id: &str) -> Result<Response, Failure> {
        if let Some(attachment) = self.attachment.take() {
            return Ok(attach(attachment, request_id));
        }
        let is_confirmed = self.edges.as_ref().is_none_or(EdgesView::is_whole);
        let unconfirmed = (!is_confirmed).then_some(Outcome::Unconfirmed);
        let body = self.body(request_id)?;
        let mut response = match self.kept {
            Kept::Before(status, body) => {
                repeat(unconfirmed, status, with_edges(body, self.edges.as_ref())?, request_id)
            }
            Kept::Now | Kept::Not => {
                let body = with_edges(body, self.edges.as_ref())?;
                succeed(unconfirmed.unwrap_or(self.outcome), body, request_id)
            }
        };
        if let Some(next) = self.next.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(LINK, next);
        }
        response.headers_mut().extend(self.headers);
        if let Some(position) = self.position.and_then(|p| HeaderValue::from_str(&p.to_string()).ok()) {
            response.headers_mut().insert(SEQUENCE_HEADER, position);
        }
        Ok(response)
    }
}

/// Says in the `meta` of a body which edges have applied what it tells of.
fn with_edges(body: Vec<u8>, edges: Option<&EdgesView>) -> Result<Vec<u8>, Failure> {
    let Some(edges) = edges else { return Ok(body) };
    let joined = || -> serde_json::Result<Vec<u8>> {
        let Rendered { success, data, meta } = serde_json::from_slice(&body)?;
        serde_json::to_vec(&Rendered { success, data, meta: MoreMeta { was: meta, edges } })
    };
    joined().map_err(|e| Failure::broken("api", e))
}
