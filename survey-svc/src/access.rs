//! Notes of who worked with personal data, in the transaction of the work: if the note can't be written, nothing happens
//! (dataspace.md section 9).

use madang_kit::{Clock, Context, Error, Id, Result, Tx, check};
use madang_proto::survey::v1::Operator;
use serde_json::{Value, json};

use crate::store::access::{self as rows, Access};

const EMAIL_CHARS: usize = 254;
const REMARK_CHARS: usize = 500;

/// What is noted.
pub(crate) struct Note<'a> {
    /// `panel.create`, ….
    pub(crate) action: &'a str,
    /// Whose data.
    pub(crate) panels: Vec<String>,
    /// Counts and cursors; no personal value.
    pub(crate) detail: Value,
}

/// An operator who said who he is.
pub(crate) struct Known(Operator);

/// Demands the operator's address and, where originals are shown, a reason.
pub(crate) fn identify(operator: Option<Operator>, with_remark: bool) -> Result<Known> {
    let operator = operator.unwrap_or_default();
    let email = operator.email.trim();
    if !check::is_email(email) || email.chars().count() > EMAIL_CHARS {
        return Err(Error::invalid("email", "email", "email must be the operator's e-mail address"));
    }
    let remark = operator.remark.trim();
    if (with_remark && remark.is_empty()) || remark.chars().count() > REMARK_CHARS || remark.contains('\0') {
        return Err(Error::invalid("remark", "length", format!("remark must say why, in 1 to {REMARK_CHARS} characters")));
    }
    Ok(Known(Operator { email: email.to_owned(), remark: remark.to_owned(), source: operator.source }))
}

impl Known {
    /// Writes a note.
    pub(crate) async fn note(&self, tx: &mut Tx, clock: &Clock, context: &Context, space: &str, note: Note<'_>) -> Result<()> {
        let Operator { email, remark, source } = self.0.clone();
        let record = Access {
            id: Id::generate().to_string(),
            at: clock.now(),
            actor: context.principal.user.to_string(),
            operator_email: email,
            remark,
            action: note.action.to_owned(),
            panel_ids: json!(note.panels).to_string(),
            detail: note.detail.to_string(),
            source,
        };
        rows::insert(tx, space, &record).await
    }
}
