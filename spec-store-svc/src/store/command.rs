//! What pipeline-svc has to be told.

use madang_kit::{Db, Error, Id, Principal, Result, Tx};
use prost::Message;

/// A command as it is stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Command {
    pub(crate) id: String,
    /// `start`, `cancel` or `remove`.
    pub(crate) kind: String,
    /// The flow, or the dataset.
    pub(crate) subject: String,
    /// The kind's own message.
    pub(crate) request: Vec<u8>,
    /// On whose behalf, JSON.
    pub(crate) principal: String,
}

/// Adds a command.
pub(crate) async fn add(tx: &mut Tx, kind: &str, subject: &str, request: &impl Message, principal: &Principal) -> Result<()> {
    let text = "INSERT INTO command (id, kind, subject, request, principal) VALUES ($1, $2, $3, $4, $5)";
    let query = tx.query(text).bind(Id::generate().to_string()).bind(kind.to_owned()).bind(subject.to_owned());
    let principal = serde_json::to_string(principal).map_err(Error::internal)?;
    query.bind(request.encode_to_vec()).bind(principal).run().await?;
    Ok(())
}

/// The oldest commands.
pub(crate) async fn oldest(db: &Db, limit: i64) -> Result<Vec<Command>> {
    Ok(db.query("SELECT id, kind, subject, request, principal FROM command ORDER BY id LIMIT $1").bind(limit).all().await?)
}

/// Removes a command that was carried out.
pub(crate) async fn remove(tx: &mut Tx, id: &str) -> Result<()> {
    tx.query("DELETE FROM command WHERE id = $1").bind(id.to_owned()).run().await?;
    Ok(())
}
