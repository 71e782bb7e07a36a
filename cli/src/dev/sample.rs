//! The sample: this very executable as an application, with a customer and a key, published through the API as any
//! vendor would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::proof::SEQUENCE_HEADER;
use common::secret::Secret;
use common::wire::Position;
use control_plane::app::Running;
use serde_json::{Value, json};

/// Its application.
pub(super) const APPLICATION: &str = "tidegate";
/// Its version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Its file.
pub(super) const FILE: &str = "tidegate";
const CUSTOMER: &str = "sample-customer";
/// Where the customer's key is kept, so that a later start can print its lines again.
const KEY_FILE: &str = "sample.key";

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SampleError {
    /// A file.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Nobody to publish as.
    #[error(
        "{0} is missing: set TIDEGATE_ADMIN_KEY to the admin key of this directory, or begin anew with another --data"
    )]
    NoAdminKey(PathBuf),
    /// The way to the control plane.
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    /// It said no.
    #[error("the control plane answered {status}: {says}")]
    Refused {
        /// The status.
        status: u16,
        /// Its message.
        says: String,
    },
}

/// What there is to download.
pub(super) struct Sample {
    /// The customer's key.
    pub(super) key: Secret,
    /// SHA-256 of the executable, as published.
    pub(super) checksum: Option<String>,
    /// The last write that this start made; `None` when everything was there.
    pub(super) position: Option<Position>,
    /// Whether the admin key that was brought along, if one was, is this system's.
    pub(super) admin_key_fits: Option<bool>,
}

/// Publishes what is not there yet. Without an admin key (its owner may have removed the file) what is there serves.
pub(super) async fn publish(
    desk: &Running,
    data: &Path,
    admin_key: Option<&Secret>,
) -> Result<Sample, SampleError> {
    let base = format!("http://{}", desk.address);
    let admin_key_fits = match admin_key {
        Some(key) => Some(Vendor::new(base.clone(), key.clone())?.is_known().await?),
        None => None,
    };
    let key_file = data.join(KEY_FILE);
    if let Ok(key) = tokio::fs::read_to_string(&key_file).await {
        let key = Secret::new(key.trim().to_owned());
        return Ok(Sample { key, checksum: None, position: None, admin_key_fits });
    }
    let admin = match (&desk.first_admin_key, admin_key.filter(|_| admin_key_fits == Some(true))) {
        (Some(key), _) | (None, Some(key)) => key.clone(),
        (None, None) => read_admin_key(data).await?,
    };
    let mut vendor = Vendor::new(base, admin)?;
    let application = json!({
        "applicationId": APPLICATION,
        "name": "Tidegate",
        "description": "The program that serves this file",
        "tags": ["sample"],
    });
    vendor.post_unless_there("/v1/management/applications", application).await?;
    let checksum = upload_self(&mut vendor).await?;
    let customer = json!({ "name": "Sample customer", "tier": "Premium" });
    let path = format!("/v1/management/customers/{CUSTOMER}/apikeys");
    let made = vendor.send(reqwest::Method::POST, &path, customer).await?;
    let grant = json!({ "addCustomerIds": [CUSTOMER] });
    let path = format!("/v1/management/applications/{APPLICATION}/customers");
    vendor.send(reqwest::Method::PUT, &path, grant).await?;
    let key = Secret::new(made["apiKey"].as_str().unwrap_or_default().to_owned());
    // Last, because it says that all the rest is done.
    control_plane::app::write_secret(&key_file, &key)?;
    Ok(Sample { key, checksum, position: vendor.position, admin_key_fits })
}

async fn read_admin_key(data: &Path) -> Result<Secret, SampleError> {
    let file = data.join("admin.key");
    let text = tokio::fs::read_to_string(&file).await.map_err(|_| SampleError::NoAdminKey(file))?;
    Ok(Secret::new(text.trim().to_owned()))
}

/// Through the large upload, as it is larger than a direct one may be. `None` when it was there.
async fn upload_self(vendor: &mut Vendor) -> Result<Option<String>, SampleError> {
    let path = std::env::current_exe()?;
    let size = tokio::fs::metadata(&path).await?.len();
    let begin = json!({
        "applicationId": APPLICATION,
        "version": VERSION,
        "fileName": FILE,
        "fileSize": size,
        "fileType": "MAIN",
        // Also where uploads are drafts by default: the sample is to be downloaded.
        "isEnabled": true,
    });
    let Some(begun) = vendor.post_unless_there("/v1/management/upload/large-url", begin).await? else {
        return Ok(None);
    };
    vendor.put_file(begun["uploadUrl"].as_str().unwrap_or_default(), &path, size).await?;
    let complete = json!({
        "uploadId": begun["uploadId"],
        "releaseNotes": "The executable that is running right now.",
    });
    let done = vendor.send(reqwest::Method::POST, "/v1/management/upload/large-complete", complete).await?;
    Ok(done["checksum"].as_str().map(str::to_owned))
}

/// A vendor's side of the management API.
struct Vendor {
    client: reqwest::Client,
    base: String,
    key: Secret,
    position: Option<Position>,
}

impl Vendor {
    fn new(base: String, key: Secret) -> Result<Self, SampleError> {
        // In clear text on loopback: a machine without root certificates will do.
        let client =
            reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(120));
        let client = client.build()?;
        Ok(Self { client, base, key, position: None })
    }

    /// Whether this system knows the key.
    async fn is_known(&mut self) -> Result<bool, SampleError> {
        match self.send(reqwest::Method::GET, "/v1/applications?limit=1", Value::Null).await {
            Ok(_) => Ok(true),
            Err(SampleError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `None` when it is there already (409): an earlier start made it.
    async fn post_unless_there(&mut self, path: &str, body: Value) -> Result<Option<Value>, SampleError> {
        match self.send(reqwest::Method::POST, path, body).await {
            Ok(data) => Ok(Some(data)),
            Err(SampleError::Refused { status: 409, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn send(&mut self, method: reqwest::Method, path: &str, body: Value) -> Result<Value, SampleError> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.bearer_auth(self.key.expose()).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await?;
        if let Some(position) =
            answer.headers().get(SEQUENCE_HEADER).and_then(|v| v.to_str().ok()?.parse().ok())
        {
            self.position = self.position.max(Some(position));
        }
        read(answer).await
    }

    async fn put_file(&self, url: &str, path: &Path, size: u64) -> Result<(), SampleError> {
        // The URL begins with what the world calls us, where nobody answers before the sample is there.
        let at = url.find("/v1/uploads/").map_or(url, |at| &url[at..]);
        let file = tokio::fs::File::open(path).await?;
        let answer = self
            .client
            .put(format!("{}{at}", self.base))
            .header("content-length", size)
            .body(file)
            .send()
            .await?;
        read(answer).await.map(|_| ())
    }
}

/// The `data` of an answer, or what it says was wrong.
async fn read(answer: reqwest::Response) -> Result<Value, SampleError> {
    let status = answer.status();
    let mut body: Value = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
    if status.is_success() {
        return Ok(body["data"].take());
    }
    let says = body["error"]["message"].as_str().unwrap_or("no reason given").to_owned();
    Err(SampleError::Refused { status: status.as_u16(), says })
}
