//! A direct upload as `multipart/form-data` (RFC 7578): fields in any order, the file hashed while it streams in.

use bytes::Bytes;
use common::digest::Digest;
use common::problem::{Code, Problem};
use futures_util::Stream;
use http::header::CONTENT_DISPOSITION;
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::uploads::disposition::file_name;
use crate::uploads::{Blobs, Receiver};

/// The most bytes of file that a direct upload takes.
pub(crate) const LARGEST_DIRECT: u64 = 10 * 1024 * 1024;
/// Parts of a form; the contract knows nine fields.
const MOST_PARTS: usize = 20;
/// Bytes of one text field: release notes of 5 000 characters fit four times.
const LONGEST_TEXT: usize = 64 * 1024;
/// The file, every text, and what the form itself needs.
pub(crate) const LARGEST_FORM: u64 = LARGEST_DIRECT + 2 * 1024 * 1024;

/// A form that was read to its end.
pub(crate) struct Form {
    /// The text fields in the order in which they came.
    pub(crate) texts: Vec<(String, String)>,
    /// The part named `file`.
    pub(crate) file: Option<FormFile>,
}

/// The file of a form: received, not yet kept.
pub(crate) struct FormFile {
    /// The `filename` of the part.
    pub(crate) name: Option<String>,
    /// The Content-Type of the part.
    pub(crate) content_type: Option<String>,
    /// Its bytes.
    pub(crate) bytes: Receiver,
}

/// Why a form could not be read.
pub(crate) enum Unreadable {
    /// It is not what the route takes.
    Refused(Problem),
    /// The bytes could not be written.
    Disk(object_store::Error),
}

impl From<Problem> for Unreadable {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<object_store::Error> for Unreadable {
    fn from(error: object_store::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<multer::Error> for Unreadable {
    fn from(error: multer::Error) -> Self {
        Self::Refused(match error {
            multer::Error::StreamSizeExceeded { .. } => too_large(),
            // Its text can quote the body.
            _ => invalid("The body is not a complete multipart/form-data form"),
        })
    }
}

/// The refusal of a file that is too large for a direct upload; it names the way that takes it.
pub(crate) fn too_large() -> Problem {
    Problem::new(
        Code::PayloadTooLarge,
        "file_too_large",
        "A direct upload takes files of up to 10 MiB: use the large upload, POST /v1/management/upload/large-url",
    )
}

fn invalid(message: &str) -> Problem {
    Problem::new(Code::Validation, "invalid_multipart", message)
}

/// Reads a form. Memory stays at one piece of the file; dropped half way, nothing stays on the disk.
pub(crate) async fn read<S, E>(blobs: &Blobs, body: S, content_type: &str) -> Result<Form, Unreadable>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| invalid("multipart/form-data needs a boundary in its Content-Type"))?;
    let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(LARGEST_FORM));
    let mut parts = Multipart::with_constraints(body, boundary, limits);
    let mut form = Form { texts: Vec::new(), file: None };
    let mut count = 0;
    while let Some(part) = parts.next_field().await? {
        count += 1;
        if count > MOST_PARTS {
            return Err(invalid("A form has at most 20 parts").into());
        }
        match part.name().map(str::to_owned) {
            Some(name) if name == "file" && form.file.is_some() => {
                return Err(invalid("A form has one part named 'file'").into());
            }
            Some(name) if name == "file" => form.file = Some(read_file(blobs, part).await?),
            Some(name) => form.texts.push((name, read_text(part).await?)),
            None => return Err(invalid("Each part of a form needs a name").into()),
        }
    }
    Ok(form)
}

/// The digests of the parts of a form, each of its name, its file name, its type and its bytes: the form whatever its
/// boundary.
pub(crate) async fn read_parts(body: Bytes, content_type: &str) -> Result<Vec<Digest>, multer::Error> {
    let boundary = multer::parse_boundary(content_type)?;
    let whole = futures_util::stream::once(std::future::ready(Ok::<_, std::convert::Infallible>(body)));
    let mut parts = Multipart::new(whole, boundary);
    let mut digests = Vec::new();
    while let Some(part) = parts.next_field().await? {
        let texts = [part.name(), part.file_name(), part.content_type().map(AsRef::as_ref)];
        let mut told = Vec::new();
        for text in texts {
            let text = text.unwrap_or_default();
            told.extend_from_slice(&(text.len() as u64).to_be_bytes());
            told.extend_from_slice(text.as_bytes());
        }
        told.extend_from_slice(&Digest::of(&part.bytes().await?).0);
        digests.push(Digest::of(&told));
    }
    Ok(digests)
}

async fn read_file(blobs: &Blobs, mut part: Field<'_>) -> Result<FormFile, Unreadable> {
    let mut bytes = blobs.receive().await?;
    while let Some(piece) = part.chunk().await? {
        if bytes.size() + piece.len() as u64 > LARGEST_DIRECT {
            return Err(too_large().into());
        }
        bytes.write(piece).await?;
    }
    let content_type = part.content_type().map(ToString::to_string);
    let disposition = part.headers().get(CONTENT_DISPOSITION);
    let name = disposition.and_then(|header| file_name(header.as_bytes()));
    Ok(FormFile { name, content_type, bytes })
}

async fn read_text(mut part: Field<'_>) -> Result<String, Unreadable> {
    let mut text = Vec::new();
    while let Some(piece) = part.chunk().await? {
        if text.len() + piece.len() > LONGEST_TEXT {
            return Err(invalid("A text field of a form has at most 64 KiB").into());
        }
        text.extend_from_slice(&piece);
    }
    String::from_utf8(text).map_err(|_| invalid("A text field of a form is not UTF-8").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn part(name: &str, more: &str, content: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{content}\r\n")
    }

    async fn check(body: String) -> Result<(Vec<(String, String)>, Option<Digest>), Problem> {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let pieces: Vec<_> =
            body.as_bytes().chunks(7).map(|p| Ok::<_, std::io::Error>(Bytes::copy_from_slice(p))).collect();
        let form = match read(&blobs, stream::iter(pieces), "multipart/form-data; boundary=b").await {
            Ok(form) => form,
            Err(Unreadable::Refused(problem)) => return Err(problem),
            Err(Unreadable::Disk(e)) => panic!("{e}"),
        };
        let digest = match form.file {
            Some(file) => Some(file.bytes.seal().await.unwrap().blob.digest),
            None => None,
        };
        Ok((form.texts, digest))
    }

    #[tokio::test]
    async fn fields_may_come_before_and_after_the_file() {
        let body = part("version", "", "1.0")
            + &part("file", "; filename=\"a.exe\"", "MZ..")
            + &part("applicationId", "", "app")
            + "--b--\r\n";
        let (texts, digest) = check(body).await.unwrap();
        assert_eq!(texts, [("version".into(), "1.0".into()), ("applicationId".into(), "app".into())]);
        assert_eq!(digest, Some(Digest::of(b"MZ..")));
    }

    #[tokio::test]
    async fn forms_out_of_bounds_are_refused() {
        let refused = async |body: String| check(body).await.unwrap_err();
        assert_eq!(refused(part("a", "", "1")).await.reason, "invalid_multipart");
        assert_eq!(
            refused(part("a", "", "1").repeat(21) + "--b--").await.message,
            "A form has at most 20 parts"
        );
        assert_eq!(
            refused(part("file", "", "1").repeat(2) + "--b--").await.message,
            "A form has one part named 'file'"
        );
        let large = "x".repeat(usize::try_from(LARGEST_DIRECT).unwrap() + 1);
        let problem = refused(part("file", "", &large) + "--b--").await;
        assert_eq!((problem.code, problem.reason), (Code::PayloadTooLarge, "file_too_large"));
        assert!(problem.message.contains("large-url"));
    }
}
