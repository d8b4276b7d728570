//! `datastore_info`: what a table is (ckan.md 6.8).

use madang_kit::ckan::{Outcome, Refusal};
use serde_json::{Value, json};

use super::{field::shown, table_to_read};
use crate::{ckan::Act, store::datastore as store};

/// `datastore_info`
pub(crate) async fn info(act: &mut Act) -> Outcome {
    let absent = |word: &str| Refusal::NotFound(format!("Resource/Alias \"{word}\" was not found."));
    let table = table_to_read(act, absent).await?;
    let mut answer = json!({});
    if act.flag("include_meta", true)? {
        let bytes: u64 = table.snapshot.files.iter().map(|file| file.bytes).sum();
        answer["meta"] = json!({
            "id": table.resource.id,
            "count": table.snapshot.rows(),
            "size": bytes,
            "db_size": bytes,
            "idx_size": 0,
            "table_type": "BASE TABLE",
            "aliases": store::aliases(&mut act.source, &table.resource.id).await?,
        });
    }
    let with_schema = act.flag("include_fields_schema", true)?;
    let field = |field| {
        let mut dict = shown(field);
        if with_schema {
            let is_key = table.about.unique_key.contains(&field.name);
            let is_index = is_key || table.about.indexes.iter().any(|index| index.split(',').any(|name| name.trim() == field.name));
            dict["schema"] = json!({
                "native_type": field.kind,
                "notnull": !field.nullable,
                "index_name": is_index.then(|| format!("{}_idx", field.name)),
                "is_index": is_index,
                "uniquekey": is_key,
            });
        }
        dict
    };
    answer["fields"] = table.fields.iter().map(field).collect::<Value>();
    Ok(answer)
}
