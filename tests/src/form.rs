//! `multipart/form-data` bodies (RFC 7578), byte for byte the same each time, so that an upload can be sent again.

/// What separates the parts.
const BOUNDARY: &str = "madang-5f3a9c71-tests";

/// One part of a form.
#[derive(Clone, Copy, Debug)]
pub struct FilePart<'a> {
    /// The field's name: `file`.
    pub part: &'a str,
    /// The file's name.
    pub file: &'a str,
    /// The media type.
    pub media: &'a str,
    /// The file's bytes.
    pub bytes: &'a [u8],
}

impl<'a> FilePart<'a> {
    /// A CSV file in the part `file`.
    pub fn csv(file: &'a str, text: &'a str) -> Self {
        Self { part: "file", file, media: "text/csv", bytes: text.as_bytes() }
    }
}

/// The content type and the body of a form.
pub fn form(parts: &[FilePart<'_>]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(opening(part).as_bytes());
        body.extend_from_slice(part.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (content_type(), body)
}

/// The content type of every form here.
pub(crate) fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// What stands before a part's bytes.
pub(crate) fn opening(part: &FilePart<'_>) -> String {
    let FilePart { part, file, media, .. } = part;
    format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{part}\"; filename=\"{file}\"\r\ncontent-type: {media}\r\n\r\n")
}
