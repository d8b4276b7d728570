//! One line of the audit log for a change in a space.

use madang_kit::{
    Context, Result, Tx,
    audit::{self, Record},
};
use serde_json::Value;

use crate::Surveys;

/// Notes a change in its transaction; the detail holds no personal value.
pub(crate) async fn note(surveys: &Surveys, tx: &mut Tx, context: &Context, action: &str, thing: &str, detail: Value) -> Result<()> {
    audit::write(tx, &surveys.clock, context, Record { action, thing: thing.to_owned(), detail }).await
}
