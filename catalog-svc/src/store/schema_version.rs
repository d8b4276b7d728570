//! The schemas that a table has had, numbered from 1.

use madang_kit::{Db, Error, Result, Tx};
use madang_lake::Schema;

/// Notes a table's columns; another number only if they differ from the last.
pub(crate) async fn note(tx: &mut Tx, table: &str, schema: &Schema) -> Result<()> {
    let columns = serde_json::to_string(schema).map_err(Error::internal)?;
    tx.query(
        "INSERT INTO schema_version (table_id, number, columns)
         SELECT $1, (SELECT COALESCE(MAX(number), 0) + 1 FROM schema_version WHERE table_id = $1), $2
         WHERE NOT EXISTS (SELECT 1 FROM schema_version v WHERE v.table_id = $1 AND v.columns = $2
             AND v.number = (SELECT MAX(number) FROM schema_version WHERE table_id = $1))",
    )
    .bind(table.to_owned())
    .bind(columns)
    .run()
    .await?;
    Ok(())
}

/// All of them, by number.
pub(crate) async fn all(db: &Db, table: &str) -> Result<Vec<(i64, Schema)>> {
    let text = "SELECT number, columns FROM schema_version WHERE table_id = $1 ORDER BY number";
    let rows: Vec<(i64, String)> = db.query(text).bind(table.to_owned()).all().await?;
    rows.into_iter().map(|(number, columns)| Ok((number, serde_json::from_str(&columns).map_err(Error::internal)?))).collect()
}
