//! The room through its door: a request and an object in, an answer out.

mod body;
mod conditional;
mod headers;
mod ranges;
mod receipts;
mod served;

use std::sync::{Arc, Mutex};

use bytes::Buf as _;
use common::digest::Digest;
use common::time::Timestamp;
use common::wire::v1::event::Carrier;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body_util::BodyExt as _;
use tempfile::TempDir;

use super::chunk::Chunk;
use super::receipt::{Errand, Receipt, Slip, Witness};
use super::{Body, Facts, Object, Plan, plan};
use crate::file_io::is_resident;
use crate::origin::{ImmutableFile, Origin};

/// Last-Modified of every object here: Wed, 15 Jan 2025 10:00:00 GMT, and a bit.
const MODIFIED: i64 = 1_736_935_200_987;

fn facts_of(bytes: &[u8]) -> Facts {
    Facts {
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        file_name: "my-app-2.2.0.exe".to_owned(),
        content_type: "application/x-msdownload".to_owned(),
        modified: Timestamp::from_millis(MODIFIED),
    }
}

fn object_of(bytes: &[u8]) -> Object {
    Object::new(facts_of(bytes))
}

/// An object of `size` bytes of which none is looked at.
fn object(size: u64) -> Object {
    Object::new(facts(size))
}

fn facts(size: u64) -> Facts {
    Facts { size, ..facts_of(b"never read") }
}

fn request(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        headers.append(name, value);
    }
    headers
}

fn headers_of(plan: &Plan) -> &HeaderMap {
    match plan {
        Plan::Head(head) => head.headers(),
        Plan::Send(transfer) => transfer.headers(),
        Plan::Refuse(_, headers) => headers,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    assert!(headers.get_all(name).iter().count() <= 1, "{name} stands twice");
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// Who is told how answers ended.
#[derive(Default)]
struct Notebook {
    bytes: Mutex<u64>,
    receipts: Mutex<Vec<Receipt>>,
}

impl Witness for Notebook {
    fn handed_over(&self, bytes: u64) {
        *self.bytes.lock().unwrap() += bytes;
    }

    fn ended(&self, receipt: Receipt) {
        self.receipts.lock().unwrap().push(receipt);
    }
}

fn errand(object: &Object) -> Errand {
    Errand {
        tenant: "14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap(),
        key: "key_1".parse().unwrap(),
        customer: None,
        application: "my-app".parse().unwrap(),
        version: "2.2.0".parse().unwrap(),
        file: "file_1".parse().unwrap(),
        file_name: object.file_name.clone(),
        file_size: object.size,
        carrier: Carrier::Key,
        address: [203, 0, 113, 9].into(),
        user_agent: None,
        request_id: "req-1".into(),
        began_at: Timestamp::from_millis(MODIFIED),
    }
}

/// Bytes on disk, as the control plane puts them there.
struct Blob {
    root: TempDir,
    object: Object,
    notebook: Arc<Notebook>,
}

impl Blob {
    fn new(bytes: &[u8]) -> Self {
        let (root, object) = (tempfile::tempdir().unwrap(), object_of(bytes));
        let path = root.path().join(object.digest.blob_path());
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        Self { root, object, notebook: Arc::default() }
    }

    fn cut_to(&self, size: u64) {
        let path = self.root.path().join(self.object.digest.blob_path());
        std::fs::File::options().write(true).open(path).unwrap().set_len(size).unwrap();
    }

    /// Out of the page cache, so that reading it takes the disk.
    fn leave_memory(&self) {
        let path = self.root.path().join(self.object.digest.blob_path());
        let file = std::fs::File::open(path).unwrap();
        file.sync_all().unwrap();
        // The kernel leaves what another core has just touched: until that is over it is asked again.
        let began = std::time::Instant::now();
        loop {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
            if !is_resident(&file, 0, 1) {
                return;
            }
            assert!(began.elapsed() < std::time::Duration::from_secs(20), "the file stays in memory");
            std::thread::yield_now();
        }
    }

    async fn open(&self) -> Arc<ImmutableFile> {
        let origin = Origin::new(self.root.path().to_owned(), 1 << 20);
        origin.open(&self.object.digest, self.object.size).await.unwrap().unwrap()
    }

    fn slip(&self) -> Slip {
        Slip::new(errand(&self.object), self.notebook.clone())
    }

    async fn get(&self, headers: &HeaderMap) -> Response<Body> {
        match plan(&Method::GET, headers, &self.object) {
            Plan::Send(transfer) => transfer.into_response(&self.open().await, self.slip()),
            Plan::Head(head) => head.into_response(),
            Plan::Refuse(problem, _) => panic!("{problem:?}"),
        }
    }
}

/// Takes all of a frame, as a connection does.
fn take(frame: http_body::Frame<Chunk>, into: &mut Vec<u8>) {
    let mut chunk = frame.into_data().unwrap();
    into.extend_from_slice(chunk.chunk());
    chunk.advance(chunk.remaining());
}

/// The bytes of a body whose announced length holds, in the header and in the hint.
async fn collect(response: Response<Body>) -> Vec<u8> {
    let announced = text(response.headers(), "content-length").map(|length| length.parse().unwrap());
    assert_eq!(http_body::Body::size_hint(response.body()).exact(), announced);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(announced, Some(bytes.len() as u64));
    bytes.to_vec()
}
