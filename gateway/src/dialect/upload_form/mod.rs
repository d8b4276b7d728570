//! A multipart form whose parts are read one after the other, under watch, so that no sender takes more of us than he gives.
//!
//! All bytes of the request count, not only those of the files; parts and their headers are bounded; and a sender who is slow for
//! too long is cut off. Only the time that we wait for him counts: waiting for the catalogue is not his fault. What the parser can't
//! bound by itself, the [`guard`] in front of it does.

mod guard;

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{
        DefaultBodyLimit, FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, header::CONTENT_LENGTH},
};
use bytes::Bytes;
use madang_kit::{Code, Error, Result};
use tokio::time::Instant;

use guard::{Guard, Watch};

/// What boundaries and part headers may add to the bytes of the files.
const SLACK_BYTES: u64 = 1 << 20;
/// Bytes in which the first part must begin.
const FIRST_PART_WITHIN: u64 = 64 * 1024;
/// Bytes in which each further part must begin.
const NEXT_PART_WITHIN: u64 = 16 * 1024;
/// The headers of one part, in bytes.
const PART_HEADERS: usize = 16 * 1024;
/// Parts of a form, whatever their names.
const PARTS: usize = 1_000;
/// How long a sender may pause.
const PAUSE: Duration = Duration::from_mins(1);
/// How long we wait in all for a sender that is slower than [`BYTES_PER_SECOND`].
const GRACE: Duration = Duration::from_mins(1);
/// The slowest sender, on average over the time that we waited for him.
const BYTES_PER_SECOND: u64 = 1_024;

/// A form.
pub(crate) struct UploadForm {
    form: Multipart,
    wait: Wait,
    parts: usize,
}

/// One part of a form. It is read to its end before the next one is asked for.
pub(crate) struct UploadPart<'a> {
    part: Field<'a>,
    wait: &'a mut Wait,
}

impl UploadForm {
    /// The form in a request that may carry `upload_bytes` of files.
    pub(crate) async fn read(request: Request, upload_bytes: u64) -> Result<Self> {
        let watch = Arc::new(Watch::new(upload_bytes.saturating_add(SLACK_BYTES)));
        if announced(request.headers()).is_some_and(|bytes| bytes > watch.limit()) {
            return Err(guard::too_large(watch.limit()));
        }
        let mut guarded = request.map(|body| Body::from_stream(Guard::new(body, watch.clone())));
        DefaultBodyLimit::disable().apply(&mut guarded); // the guard has the limit
        let form = Multipart::from_request(guarded, &()).await;
        let form = form.map_err(|_| guard::malformed("the body must be multipart/form-data with a part 'file'"))?;
        Ok(Self { form, wait: Wait { watch, waited: Duration::ZERO }, parts: 0 })
    }

    /// The next part.
    pub(crate) async fn next_part(&mut self) -> Result<Option<UploadPart<'_>>> {
        let within = if self.parts == 0 { FIRST_PART_WITHIN } else { NEXT_PART_WITHIN };
        self.wait.watch.allow(within);
        let Some(part) = self.wait.for_sender(self.form.next_field()).await? else { return Ok(None) };
        self.wait.watch.allow(u64::MAX);
        self.parts += 1;
        if self.parts > PARTS {
            return Err(guard::malformed(&format!("the form has more than {PARTS} parts")));
        }
        if size(part.headers()) > PART_HEADERS {
            return Err(guard::malformed("the headers of a part are too long"));
        }
        Ok(Some(UploadPart { part, wait: &mut self.wait }))
    }
}

impl UploadPart<'_> {
    /// Whether it carries a file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.part.name(), Some("file" | "files"))
    }

    /// The field that it is.
    pub(crate) fn name(&self) -> &str {
        self.part.name().unwrap_or_default()
    }

    /// Whether it came as a file, though its name may be empty.
    pub(crate) fn has_file_name(&self) -> bool {
        self.part.file_name().is_some()
    }

    /// The file's name, if it has one.
    pub(crate) fn file_name(&self) -> &str {
        self.part.file_name().unwrap_or_default()
    }

    /// The file's type, if it is told.
    pub(crate) fn content_type(&self) -> &str {
        self.part.content_type().unwrap_or_default()
    }

    /// The next bytes.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.wait.for_sender(self.part.chunk()).await
    }

    /// Reads to the end and keeps nothing.
    pub(crate) async fn pass_over(mut self) -> Result<()> {
        while self.chunk().await?.is_some() {}
        Ok(())
    }
}

/// Waits for the sender, within limits.
struct Wait {
    watch: Arc<Watch>,
    waited: Duration,
}

impl Wait {
    async fn for_sender<T>(&mut self, next: impl Future<Output = Result<T, MultipartError>>) -> Result<T> {
        self.watch.look_first();
        let since = Instant::now();
        let next = tokio::time::timeout(PAUSE, next).await;
        self.waited += since.elapsed();
        let value = match next {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => return Err(self.watch.refusal().unwrap_or_else(|| guard::malformed(&error.body_text()))),
            Err(_) => return Err(Error::new(Code::TimedOut, "the upload paused for too long")),
        };
        if is_slow(self.watch.received(), self.waited) {
            return Err(Error::new(Code::TimedOut, "the upload is too slow"));
        }
        Ok(value)
    }
}

fn is_slow(received: u64, waited: Duration) -> bool {
    waited > GRACE && received < waited.as_secs().saturating_mul(BYTES_PER_SECOND)
}

/// The size that the request says it has.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_TYPE;
    use futures::stream;

    use super::*;

    const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n";

    /// Reads a form that arrives in pieces; gives the files' bytes.
    async fn read(pieces: Vec<Vec<u8>>, upload_bytes: u64) -> Result<Vec<u8>> {
        let body = Body::from_stream(stream::iter(pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)))));
        let mut request = Request::new(body);
        request.headers_mut().insert(CONTENT_TYPE, "multipart/form-data; boundary=b".parse().expect("a header"));
        let mut form = UploadForm::read(request, upload_bytes).await?;
        let mut bytes = Vec::new();
        while let Some(mut part) = form.next_part().await? {
            if !part.is_file() {
                part.pass_over().await?;
                continue;
            }
            while let Some(chunk) = part.chunk().await? {
                bytes.extend_from_slice(&chunk);
            }
        }
        Ok(bytes)
    }

    fn in_pieces(text: &str, size: usize) -> Vec<Vec<u8>> {
        text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect()
    }

    #[tokio::test]
    async fn forms_arrive_whole_however_they_are_cut() {
        let other = "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nleft\r\nout\r\n";
        let data = "x,y\r\n1,\r2\r\n-".repeat(50_000);
        let text = format!("{other}{HEAD}{data}\r\n{HEAD}\r\n{HEAD}z\r\n--b--\r\n");
        for size in [1, 7, 100, 8_192, 200_000, text.len()] {
            assert_eq!(read(in_pieces(&text, size), 1 << 20).await.expect("a form"), format!("{data}z").into_bytes(), "{size}");
        }
    }

    #[tokio::test]
    async fn every_byte_counts() {
        let text = format!("{HEAD}{}\r\n--b--\r\n", "x".repeat(3 << 20));
        assert_eq!(read(in_pieces(&text, 50_000), 1 << 20).await.expect_err("too large").code, Code::TooLarge);
        let other = format!("{}{text}", text.replace("\"file\"", "\"other\"").replace("--b--\r\n", ""));
        let error = read(in_pieces(&other, 50_000), 4 << 20).await.expect_err("too large");
        assert_eq!(error.code, Code::TooLarge, "{error}");
        assert_eq!(read(in_pieces(&text, 50_000), 3 << 20).await.expect("fits").len(), 3 << 20);
    }

    #[tokio::test]
    async fn a_part_begins_soon_or_never() {
        let preamble = "x".repeat(1 << 20);
        let headers = format!("--b\r\nX: {}", "x".repeat(1 << 20));
        let later = format!("{HEAD}1\r\n--b\r\nX: {}", "x".repeat(1 << 20));
        let long = format!("--b\r\nX: {}\r\n\r\n1\r\n--b--\r\n", "x".repeat(40_000));
        for text in [preamble, headers, later, long] {
            for size in [1, 5_000, text.len()] {
                let error = read(in_pieces(&text, size), 1 << 30).await.expect_err("no part");
                let problem = error.fields.first().map(|problem| (problem.field.as_str(), problem.rule.as_str()));
                assert_eq!(problem, Some(("file", "multipart")), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn parts_are_bounded_in_number() {
        let text = format!("{HEAD}\r\n").repeat(PARTS + 1);
        assert_eq!(read(vec![text.into_bytes()], 1 << 20).await.expect_err("too many").code, Code::Invalid);
    }

    #[test]
    fn slow_senders_are_slow_after_a_grace() {
        assert!(!is_slow(0, Duration::from_mins(1)));
        assert!(is_slow(60 * 1_024, Duration::from_secs(61)));
        assert!(!is_slow(61 * 1_024, Duration::from_secs(61)));
    }
}
