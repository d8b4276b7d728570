//! What pipeline-svc has to be told: an outbox. Commands of one dataset are carried out in their order, each by one process at a time.

use chrono::{DateTime, Utc};
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
    /// Tries before this one.
    pub(crate) attempt: i64,
}

/// Adds a command about a dataset, or about a flow of it.
pub(crate) async fn add(tx: &mut Tx, kind: &str, subject: &str, request: &impl Message, principal: &Principal) -> Result<()> {
    let text = "INSERT INTO command (id, kind, subject, request, principal, dataset) VALUES ($1, $2, $3, $4, $5, $6)";
    let query = tx.query(text).bind(Id::generate().to_string()).bind(kind.to_owned()).bind(subject.to_owned());
    let principal = serde_json::to_string(principal).map_err(Error::internal)?;
    query.bind(request.encode_to_vec()).bind(principal).bind(dataset_of(subject).to_owned()).run().await?;
    Ok(())
}

/// `ownerid/dataset` of a subject.
fn dataset_of(subject: &str) -> &str {
    subject.match_indices('/').nth(1).and_then(|(at, _)| subject.get(..at)).unwrap_or(subject)
}

/// Claims what is due until `until`: of each dataset the oldest command alone, the oldest first.
pub(crate) async fn claim(db: &Db, now: DateTime<Utc>, until: DateTime<Utc>, limit: i64) -> Result<Vec<Command>> {
    let text = "UPDATE command SET due_at = $2, attempt = attempt + 1
         WHERE due_at <= $1 AND id IN (
             SELECT c.id FROM command c
             WHERE c.due_at <= $1 AND NOT EXISTS (SELECT 1 FROM command e WHERE e.dataset = c.dataset AND e.id < c.id)
             ORDER BY c.id LIMIT $3)
         RETURNING id, kind, subject, request, principal, attempt - 1 AS attempt";
    let mut tx = db.begin().await?;
    let claimed = tx.query(text).bind(now).bind(until).bind(limit).all().await?;
    tx.commit().await?;
    Ok(claimed)
}

/// Puts a command off.
pub(crate) async fn put_off(tx: &mut Tx, id: &str, until: DateTime<Utc>) -> Result<()> {
    tx.query("UPDATE command SET due_at = $2 WHERE id = $1").bind(id.to_owned()).bind(until).run().await?;
    Ok(())
}

/// Removes a command that was carried out.
pub(crate) async fn remove(tx: &mut Tx, id: &str) -> Result<()> {
    tx.query("DELETE FROM command WHERE id = $1").bind(id.to_owned()).run().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use madang_kit::db::Durability;
    use madang_proto::pipeline::v1::CancelFlowRequest;

    use super::*;

    async fn subjects(db: &Db, now: DateTime<Utc>) -> Vec<String> {
        let claimed = claim(db, now, now + chrono::TimeDelta::seconds(60), 10).await.expect("claims");
        let mut told: Vec<_> = claimed.iter().map(|command| format!("{} {} {}", command.kind, command.subject, command.attempt)).collect();
        told.sort();
        told
    }

    async fn removed(db: &Db, subject: &str) {
        let mut tx = db.begin().await.expect("begins");
        tx.query("DELETE FROM command WHERE subject = $1").bind(subject.to_owned()).run().await.expect("removes");
        tx.commit().await.expect("commits");
    }

    #[tokio::test]
    async fn commands_of_one_dataset_keep_their_order_and_are_claimed_once() {
        let db = Db::connect("sqlite::memory:", Durability::Fast).await.expect("opens");
        db.migrate(&crate::store::MIGRATIONS).await.expect("migrates");
        let mut tx = db.begin().await.expect("begins");
        for (kind, subject) in [("start", "o/d/1"), ("remove", "o/d"), ("start", "o/d/2"), ("start", "o/e/1")] {
            add(&mut tx, kind, subject, &CancelFlowRequest::default(), &Principal::anonymous()).await.expect("adds");
        }
        tx.commit().await.expect("commits");
        let now = Utc::now();
        assert_eq!(subjects(&db, now).await, ["start o/d/1 0", "start o/e/1 0"]);
        assert_eq!(subjects(&db, now).await, [""; 0], "they are claimed");
        removed(&db, "o/d/1").await;
        assert_eq!(subjects(&db, now).await, ["remove o/d 0"]);
        let later = now + chrono::TimeDelta::seconds(61);
        assert_eq!(subjects(&db, later).await, ["remove o/d 1", "start o/e/1 1"], "who claimed them has died");
        removed(&db, "o/d").await;
        assert_eq!(subjects(&db, later).await, ["start o/d/2 0"]);
    }

    #[test]
    fn a_flow_belongs_to_its_dataset() {
        for subject in ["o/d", "o/d/1", "o/d/12"] {
            assert_eq!(dataset_of(subject), "o/d");
        }
    }
}
