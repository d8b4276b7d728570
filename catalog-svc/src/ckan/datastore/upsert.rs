//! `datastore_upsert`: rows by their unique key, or by `_id` (ckan.md 6.3).

use madang_kit::ckan::{Outcome, Refusal};
use serde_json::Value;

use super::{
    change::{ATTEMPTS, Change, Done, Method, shown},
    records, table_to_change,
};
use crate::{ckan::Act, store::tail as store};

/// Parameters that an answer does not repeat.
pub(super) const OURS: [&str; 5] = ["id", "records", "force", "dry_run", "include_records"];

/// `datastore_upsert`
pub(crate) async fn upsert(act: &mut Act) -> Outcome {
    let method = match act.text("method").filter(|method| !method.is_empty()).as_deref() {
        None | Some("upsert") => Method::Upsert,
        Some("insert") => Method::Insert,
        Some("update") => Method::Update,
        Some(_) => return Err(Refusal::invalid("method", "Value must be one of ['upsert', 'insert', 'update']")),
    };
    let given = records(&act.dict)?;
    let (is_trial, include) = (act.flag("dry_run", false)?, act.flag("include_records", false)?);
    for _ in 0..ATTEMPTS {
        let table = table_to_change(act).await?;
        let mut change = Change::read(&table.fields, &table.about.unique_key, method, &given)?;
        change.look(&act.catalog, &table).await?;
        change.reserve(&act.catalog, &table.resource.id, &table.snapshot.files).await?;
        act.begin().await?;
        act.is_trial = is_trial;
        change.lock(act, &table.resource.id).await?;
        let tx = act.tx()?;
        if store::standing(tx, &table.resource.id).await? != Some((table.publishes, table.about.revision)) {
            act.give_up();
            continue;
        }
        match change.write(act, &table).await {
            Ok(Done::Rows(rows)) => {
                let mut answer = act.dict.clone();
                for name in OURS {
                    answer.remove(name);
                }
                answer.insert("resource_id".to_owned(), table.resource.id.clone().into());
                answer.insert("method".to_owned(), act.text("method").unwrap_or_else(|| "upsert".to_owned()).into());
                if include {
                    answer.insert("records".to_owned(), shown(&table.fields, rows));
                }
                return Ok(Value::Object(answer));
            }
            Ok(Done::Again) => act.give_up(),
            Err(error) if super::is_taken(&error) => act.give_up(), // a writer of another build
            Err(error) => return Err(error),
        }
    }
    Err(super::too_busy())
}
