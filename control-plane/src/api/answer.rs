//! A success before it is a response: data, pagination, and the place of the write in the history.

use axum::response::Response;
use common::problem::{Pagination, render_success};
use common::proof::SEQUENCE_HEADER;
use common::wire::Position;
use http::HeaderValue;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Failure, Outcome, succeed};

/// What a handler gives back.
pub(crate) type Handled = Result<Answer, Failure>;

/// A success.
#[derive(Debug)]
pub(crate) struct Answer {
    outcome: Outcome,
    data: Box<RawValue>,
    pagination: Option<Pagination>,
    position: Option<Position>,
    /// Told as it is, without the envelope.
    is_bare: bool,
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

    /// The same, of a write that has this place in the history.
    pub(crate) fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }

    fn new(outcome: Outcome, data: &impl Serialize) -> Handled {
        let data = serde_json::value::to_raw_value(data).map_err(|e| Failure::broken("api", e))?;
        Ok(Self { outcome, data, pagination: None, position: None, is_bare: false })
    }

    /// True when it tells of a write.
    pub(crate) fn is_write(&self) -> bool {
        self.position.is_some()
    }

    /// The response with its envelope.
    pub(crate) fn into_response(self, request_id: &str) -> Result<Response, Failure> {
        let body = match self.is_bare {
            true => Ok(self.data.get().as_bytes().to_vec()),
            false => render_success(&self.data, self.pagination, request_id),
        };
        let body = body.map_err(|e| Failure::broken("api", e))?;
        let mut response = succeed(self.outcome, body, request_id);
        if let Some(position) = self.position.and_then(|p| HeaderValue::from_str(&p.to_string()).ok()) {
            response.headers_mut().insert(SEQUENCE_HEADER, position);
        }
        Ok(response)
    }
}
