//! `POST /rawstore/objects`: a file as a form, as clients send it to an object store (spec-store.md 1.6). The permission in it is all that
//! is asked for; the file comes last.

use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use madang_kit::{Code, Context, Error, Principal, Result, rpc};
use madang_proto::pipeline::v1::{PutSourceFileRequest, SourceFile};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    error::SpecError,
    rawstore::{self, Policy},
};
use crate::{
    Gateway,
    dialect::{
        request,
        upload_form::{UploadForm, UploadPart},
    },
};

/// Bytes of a field that is no file.
const FIELD_BYTES: usize = 16 * 1024;
/// Pieces on their way; a full channel slows the sender down.
const PIECES_IN_FLIGHT: usize = 16;
/// Bytes of one piece.
const PIECE: usize = 1 << 20;

/// Keeps a file.
pub(crate) async fn receive(State(gateway): State<Gateway>, request: Request) -> Result<StatusCode, SpecError> {
    let context = request::context(request.extensions(), Principal::anonymous());
    let mut form = UploadForm::read(request, gateway.config.upload_bytes).await?;
    let (mut policy, mut signature) = (String::new(), String::new());
    while let Some(mut part) = form.next_part().await? {
        match part.name() {
            "policy" => policy = text(&mut part).await?,
            "x-madang-signature" => signature = text(&mut part).await?,
            "file" => {
                let refused = || Error::new(Code::Denied, "the form carries no permission that holds");
                let policy = rawstore::opened(&gateway, &policy, &signature).ok_or_else(refused)?;
                keep(&gateway, &context, policy, part).await?;
                return Ok(StatusCode::NO_CONTENT);
            }
            _ => part.pass_over().await?,
        }
    }
    Err(Error::invalid("file", "missing", "the form has no file").into())
}

async fn text(part: &mut UploadPart<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > FIELD_BYTES {
            return Err(Error::invalid(part.name(), "too_long", "a field of the form is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid(part.name(), "encoding", "a field of the form is no text"))
}

async fn keep(gateway: &Gateway, context: &Context, policy: Policy, part: UploadPart<'_>) -> Result<()> {
    let Policy { owner: owner_id, key, bytes, md5, content_type, private, owner_bytes, .. } = policy;
    let md5 = STANDARD.decode(md5).map_err(Error::internal)?;
    let file = SourceFile { owner_id, key, bytes, md5: md5.into(), content_type, private, owner_bytes: Some(owner_bytes) };
    let (pieces, received) = mpsc::channel(PIECES_IN_FLIGHT);
    let mut flows = gateway.flows.clone();
    let answer = flows.put_source_file(rpc::request(context, ReceiverStream::new(received)));
    let (answer, sent) = tokio::join!(answer, send(part, file, pieces));
    sent?; // what is wrong with the form is known better here
    answer?;
    Ok(())
}

/// Sends a file on, piece by piece. If it breaks off, what came is not of the announced length, so nothing of it is kept.
async fn send(mut part: UploadPart<'_>, file: SourceFile, pieces: mpsc::Sender<PutSourceFileRequest>) -> Result<()> {
    let mut left = file.bytes;
    let other_length = || Error::invalid("file", "length", "the file is not as long as was announced");
    if pieces.send(PutSourceFileRequest { file: Some(file), chunk: Bytes::new() }).await.is_err() {
        return Ok(()); // it has answered already
    }
    while let Some(mut bytes) = part.chunk().await? {
        left = left.checked_sub(bytes.len() as u64).ok_or_else(other_length)?;
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(PIECE));
            if pieces.send(PutSourceFileRequest { file: None, chunk }).await.is_err() {
                return Ok(());
            }
        }
    }
    if left == 0 { Ok(()) } else { Err(other_length()) }
}
