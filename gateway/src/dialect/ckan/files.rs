//! Actions with files (ckan.md sections 1.3, 7): a multipart form on its way to the catalogue, part by part as it arrives.

use axum::extract::Request;
use madang_kit::{
    Error,
    ckan::{Dict, Outcome, Refusal},
    rpc,
};
use madang_proto::catalog::v1::{ActFile, ActRequest, ActWithFilesRequest, act_with_files_request::Part};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use super::{
    action::Home,
    answer::Given,
    body::{self, BODY_BYTES, FIELDS, Unreadable},
    call::{Call, json_of},
};
use crate::dialect::upload_form::UploadForm;

/// Pieces of a form on their way to the catalogue; a full channel slows the sender down.
const PIECES_IN_FLIGHT: usize = 16;

/// What became of a form.
pub(super) enum Taken {
    /// It had no file: this is its dictionary.
    Fields(Dict),
    /// It had files, and the action was asked for; its dictionary is for the answer.
    Asked(Dict, Outcome<Given>),
}

/// A form on its way.
struct Sending {
    fields: Vec<(String, String)>,
    /// Bytes of the fields.
    bytes: usize,
    /// Tells that there is a file, and what came before it.
    begin: Option<oneshot::Sender<ActRequest>>,
    pieces: mpsc::Sender<ActWithFilesRequest>,
}

/// Reads a form and, if it has files, asks for the action. One that breaks off is never ended with [`Part::End`], so nothing of it
/// is kept.
pub(super) async fn take(call: &Call<'_>, home: Home, request: Request) -> Result<Taken, Unreadable> {
    let mut form = UploadForm::read(request, call.gateway.config.upload_bytes).await?;
    let (begin, first) = oneshot::channel();
    let (pieces, received) = mpsc::channel(PIECES_IN_FLIGHT);
    let mut sending = Sending { fields: Vec::new(), bytes: 0, begin: Some(begin), pieces };
    let asking = async {
        let first = ActWithFilesRequest { part: Some(Part::Begin(first.await.ok()?)) };
        let parts = tokio_stream::once(first).chain(ReceiverStream::new(received));
        let answer = call.gateway.actions.clone().act_with_files(rpc::request(&call.context, parts)).await;
        Some(answer.map_err(Error::from))
    };
    let sent = async {
        let sent = sending.send(call, home, &mut form).await;
        let fields = std::mem::take(&mut sending.fields);
        drop(sending); // without a file nobody is asked
        sent.map(|()| body::pairs(fields.into_iter()))
    };
    let (answer, sent) = tokio::join!(asking, sent);
    let dict = sent?; // what is wrong with the form is known better here
    match answer {
        None => Ok(Taken::Fields(dict)),
        Some(answer) => {
            let outcome = match answer {
                Ok(answer) => json_of(answer.into_inner()).map(Given::Json),
                Err(error) => Err(error.into()),
            };
            Ok(Taken::Asked(dict, outcome))
        }
    }
}

impl Sending {
    async fn send(&mut self, call: &Call<'_>, home: Home, form: &mut UploadForm) -> Result<(), Unreadable> {
        while let Some(mut part) = form.next_part().await? {
            let (field, filename) = (part.name().to_owned(), part.file_name().to_owned());
            if !part.has_file_name() {
                let mut value = Vec::new();
                while let Some(bytes) = part.chunk().await? {
                    self.count(bytes.len())?;
                    value.extend_from_slice(&bytes);
                }
                self.fields.push((field, String::from_utf8(value).map_err(|_| unreadable())?));
                self.count(0)?;
                continue;
            }
            if filename.is_empty() {
                part.pass_over().await?; // a field of a page where no file was chosen
                continue;
            }
            if home == Home::Gateway {
                return Err(Unreadable::Refused(Refusal::invalid(&field, "Uploads of files are not served here")));
            }
            if let Some(begin) = self.begin.take() {
                let _ = begin.send(request(call, &self.fields)?); // refused if nobody waits for it
            }
            let file = ActFile { field, filename, content_type: part.content_type().to_owned() };
            if !self.piece(Part::File(file)).await {
                return Ok(());
            }
            while let Some(bytes) = part.chunk().await? {
                if !self.piece(Part::Chunk(bytes)).await {
                    return Ok(());
                }
            }
        }
        if self.begin.is_none() {
            let end = request(call, &self.fields)?;
            self.piece(Part::End(end)).await;
        }
        Ok(())
    }

    /// Sends a piece; false if the catalogue has answered already.
    async fn piece(&self, part: Part) -> bool {
        self.pieces.send(ActWithFilesRequest { part: Some(part) }).await.is_ok()
    }

    fn count(&mut self, bytes: usize) -> Result<(), Unreadable> {
        self.bytes += bytes;
        if self.bytes > BODY_BYTES || self.fields.len() > FIELDS { Err(unreadable()) } else { Ok(()) }
    }
}

fn unreadable() -> Unreadable {
    Unreadable::Json("Invalid request. The form cannot be read.".to_owned())
}

/// The action with the fields so far.
fn request(call: &Call<'_>, fields: &[(String, String)]) -> Result<ActRequest, Unreadable> {
    let dict = serde_json::to_vec(&body::pairs(fields.iter().cloned())).map_err(|error| Unreadable::Refused(error.into()))?;
    let (action, site_url) = (call.action.to_owned(), call.gateway.site_url.clone());
    Ok(ActRequest { action, dict: dict.into(), site_url, reads: false })
}
