//! The management API as a vendor uses it: what must be there before anybody can download.

use std::net::SocketAddr;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::Failure;
use crate::files::Sample;

/// Requests at the same time: commits of several share one write to the disk.
const AT_ONCE: usize = 32;

/// The control plane, for who has its admin key.
pub(crate) struct Desk {
    base: String,
    admin_key: String,
    http: Client,
}

impl Desk {
    pub(crate) fn new(address: SocketAddr, admin_key: String) -> Result<Self, Failure> {
        Ok(Self { base: format!("http://{address}"), admin_key, http: client()? })
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.admin_key);
        let answer = request.json(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            return Err(format!("{path} was answered {status}: {text}").into());
        }
        let mut answer: Value = serde_json::from_str(&text)?;
        Ok(answer["data"].take())
    }

    /// An application, and a customer who may have it.
    pub(crate) async fn offer(&self, application: &str, customer: &str) -> Result<(), Failure> {
        let body = json!({ "applicationId": application, "name": application, "customerIds": [customer] });
        self.send(Method::POST, "/v1/management/applications", &body).await.map(drop)
    }

    pub(crate) async fn create_customer(&self, id: &str) -> Result<(), Failure> {
        let body = json!({ "customerId": id, "name": id, "tier": "Enterprise" });
        self.send(Method::POST, "/v1/management/customers", &body).await.map(drop)
    }

    /// A key with everything on: a limit that is counted and never reached, and an allowlist. Gives its text.
    pub(crate) async fn create_key(&self, customer: &str) -> Result<String, Failure> {
        let path = format!("/v1/management/customers/{customer}/apikeys");
        let body = json!({ "rateLimitRpm": u32::MAX, "ipAllowlist": ["127.0.0.0/8", "10.0.0.0/8"] });
        let answer = self.send(Method::POST, &path, &body).await?;
        Ok(answer["apiKey"].as_str().ok_or("no apiKey in the answer")?.to_owned())
    }

    /// So many more of them, which nobody uses.
    pub(crate) async fn create_keys(&self, customer: &str, count: u32) -> Result<(), Failure> {
        let each = stream::iter(0..count).map(|_| self.create_key(customer));
        each.buffer_unordered(AT_ONCE).try_for_each(async |_| Ok(())).await
    }

    /// A file of a version, on the way that large files go.
    pub(crate) async fn upload(
        &self,
        application: &str,
        version: &str,
        file: &Sample,
    ) -> Result<(), Failure> {
        let about = json!({
            "applicationId": application, "version": version, "fileName": file.name, "fileSize": file.size,
        });
        let begun = self.send(Method::POST, "/v1/management/upload/large-url", &about).await?;
        let text = |name: &str| begun[name].as_str().ok_or("the upload has no address");
        let bytes = tokio::fs::File::open(&file.path).await?;
        let sent = self.http.put(text("uploadUrl")?).header("content-length", file.size).body(bytes);
        sent.send().await?.error_for_status()?;
        let complete = json!({ "uploadId": text("uploadId")?, "checksum": file.digest });
        self.send(Method::POST, "/v1/management/upload/large-complete", &complete).await.map(drop)
    }
}

/// One that believes any certificate: it asks servers that this tool has started. A connection a request at a time, as
/// wrk does it: no HTTP/2.
pub(crate) fn client() -> Result<Client, Failure> {
    Ok(Client::builder().tls_danger_accept_invalid_certs(true).http1_only().build()?)
}
