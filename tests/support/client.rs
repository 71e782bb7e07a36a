//! A caller of the API, and what it is told.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{ClientBuilder, Method, RequestBuilder, Version};
use serde_json::Value;

use crate::contract;

/// No answer within this time is a hang.
pub const LONGEST: Duration = Duration::from_secs(40);

/// Somebody who talks to one base URL, with one credential or none.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    credential: Option<String>,
}

impl Client {
    #[must_use]
    pub fn new(base: &str, credential: Option<&str>) -> Self {
        let http = builder(base).build().unwrap();
        Self { http, base: base.to_owned(), credential: credential.map(str::to_owned) }
    }

    /// The same caller who speaks this version of HTTP alone.
    #[must_use]
    pub fn over(&self, version: Version) -> Self {
        let http = builder(&self.base);
        let http = if version == Version::HTTP_2 { http.http2_prior_knowledge() } else { http.http1_only() };
        Self { http: http.build().unwrap(), ..self.clone() }
    }

    /// The same caller at another address of this machine.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let http = builder(&self.base).local_address(address);
        Self { http: http.build().unwrap(), ..self.clone() }
    }

    /// The same caller at another door.
    #[must_use]
    pub fn to(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same caller with another credential.
    #[must_use]
    pub fn with(&self, credential: Option<&str>) -> Self {
        Self { credential: credential.map(str::to_owned), ..self.clone() }
    }

    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request to a path, or to a whole URL, which gets no credential.
    pub fn request(&self, method: Method, target: &str) -> RequestBuilder {
        if target.starts_with("http://") || target.starts_with("https://") {
            return self.http.request(method, target);
        }
        let request = self.http.request(method, format!("{}{target}", self.base));
        match &self.credential {
            Some(credential) => request.bearer_auth(credential),
            None => request,
        }
    }

    pub async fn get(&self, target: &str) -> Answer {
        send(self.request(Method::GET, target)).await
    }

    /// The first byte of a file: over at once, so that it is not cut when the right to it ends meanwhile.
    pub async fn peek(&self, target: &str) -> Answer {
        self.get_with(target, "range", "bytes=0-0").await
    }

    /// Whether GET is answered by that status now; what is cut meanwhile, because a right ends, is not yet.
    pub async fn comes_to(&self, target: &str, status: u16) -> Result<Answer, String> {
        self.try_get(target).await?.is(status).map_err(|answer| format!("{answer:?}"))
    }

    /// GET with one more header.
    pub async fn get_with(&self, target: &str, name: &str, value: &str) -> Answer {
        send(self.request(Method::GET, target).header(name, value)).await
    }

    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, target).json(body)).await
    }

    pub async fn put(&self, target: &str, body: &Value) -> Answer {
        send(self.request(Method::PUT, target).json(body)).await
    }

    pub async fn patch(&self, target: &str, body: &Value) -> Answer {
        send(self.request(Method::PATCH, target).json(body)).await
    }

    pub async fn delete(&self, target: &str) -> Answer {
        send(self.request(Method::DELETE, target)).await
    }

    /// GET that may find nobody there.
    pub async fn try_get(&self, target: &str) -> Result<Answer, String> {
        try_send(self.request(Method::GET, target)).await
    }
}

/// Servers behind TLS have a certificate of their own making.
fn builder(base: &str) -> ClientBuilder {
    let http = reqwest::Client::builder().no_proxy().timeout(LONGEST);
    http.tls_danger_accept_invalid_certs(base.starts_with("https:"))
}

/// Sends a request and reads the whole answer, which must be one that the OpenAPI document foresees.
pub async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.expect("no answer")
}

/// The same where nobody may be listening.
pub async fn try_send(request: RequestBuilder) -> Result<Answer, String> {
    let told = |error: reqwest::Error| format!("{error:?}");
    let (http, request) = request.build_split();
    let request = request.map_err(told)?;
    let method = request.method().clone();
    let answer = http.execute(request).await.map_err(told)?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let path = answer.url().path().to_owned();
    let body = answer.bytes().await.map_err(told)?.to_vec();
    let answer = Answer { status, headers, body };
    contract::check(&method, &path, &answer);
    Ok(answer)
}

/// What a caller was told.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(600)]);
        write!(f, "{} {:?} {text}", self.status, self.headers)
    }
}

impl Answer {
    /// Itself, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// For `eventually`.
    pub fn is(self, status: u16) -> Result<Self, Box<Self>> {
        if self.status == status { Ok(self) } else { Err(Box::new(self)) }
    }

    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// What lies at a JSON pointer in `data`.
    #[must_use]
    #[track_caller]
    pub fn data(&self, pointer: &str) -> Value {
        let json = self.json();
        json["data"].pointer(pointer).unwrap_or_else(|| panic!("no data{pointer}: {self:?}")).clone()
    }

    /// The text at a JSON pointer in `data`.
    #[must_use]
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        self.data(pointer).as_str().unwrap_or_else(|| panic!("no text at {pointer}: {self:?}")).to_owned()
    }

    /// The list at a JSON pointer in `data`, reduced to one field of each item.
    #[must_use]
    #[track_caller]
    pub fn column(&self, pointer: &str, field: &str) -> Vec<String> {
        let list = self.data(pointer);
        let items = list.as_array().unwrap_or_else(|| panic!("no list at {pointer}: {self:?}"));
        items.iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// `code` and `reason` of a failure, in either form.
    #[must_use]
    #[track_caller]
    pub fn failure(&self) -> (String, String) {
        let json = self.json();
        let error = if json["error"].is_object() { &json["error"] } else { &json };
        let word = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (word("code"), word("reason"))
    }

    /// `reason` of a failure, when the body is one.
    #[must_use]
    pub fn failure_reason(&self) -> Option<String> {
        let json: Value = serde_json::from_slice(&self.body).ok()?;
        let error = if json["error"].is_object() { &json["error"] } else { &json };
        error["reason"].as_str().map(str::to_owned)
    }

    /// The values of a header; empty when there is none.
    #[must_use]
    pub fn header_lines(&self, name: &str) -> Vec<&str> {
        let name: HeaderName = name.parse().unwrap();
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The first value of a header that must be there.
    #[must_use]
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.header_lines(name).first().copied().unwrap_or_else(|| panic!("no header {name}: {self:?}"))
    }
}
