//! Timers: things that are due at a moment, each moment taken by exactly one process.
//!
//! A timer is a row with the time of its next moment. Whoever finds it due takes the moment by moving the timer on in the same
//! transaction as what the moment sets off: of two that try, one finds the time changed. There is no leader, and nothing to repair
//! after a crash: either all of it was committed or nothing.

use chrono::{DateTime, Utc};

use crate::{Db, Result, Tx};

/// A timer that is due.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Due {
    /// Whose it is: an id of the service's own.
    pub owner: String,
    /// The moment.
    pub due_at: DateTime<Utc>,
}

/// Sets a timer, or moves it.
pub async fn set(tx: &mut Tx, owner: &str, due_at: DateTime<Utc>) -> Result<()> {
    tx.query("INSERT INTO timer (owner, due_at) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET due_at = excluded.due_at")
        .bind(owner.to_owned())
        .bind(due_at)
        .run()
        .await?;
    Ok(())
}

/// Removes a timer.
pub async fn clear(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.query("DELETE FROM timer WHERE owner = $1").bind(owner.to_owned()).run().await?;
    Ok(())
}

/// When a timer is due next.
pub async fn next_of(db: &Db, owner: &str) -> Result<Option<DateTime<Utc>>> {
    let row: Option<(DateTime<Utc>,)> = db.query("SELECT due_at FROM timer WHERE owner = $1").bind(owner.to_owned()).opt().await?;
    Ok(row.map(|(due_at,)| due_at))
}

/// When any timer is due next.
pub async fn next(db: &Db) -> Result<Option<DateTime<Utc>>> {
    let row: Option<(DateTime<Utc>,)> = db.query("SELECT due_at FROM timer ORDER BY due_at LIMIT 1").opt().await?;
    Ok(row.map(|(due_at,)| due_at))
}

/// Timers that are due, the longest waiting first.
pub async fn due(db: &Db, now: DateTime<Utc>, limit: i64) -> Result<Vec<Due>> {
    Ok(db.query("SELECT owner, due_at FROM timer WHERE due_at <= $1 ORDER BY due_at LIMIT $2").bind(now).bind(limit).all().await?)
}

/// Takes a moment: moves the timer on to the next one, or removes it. False if another process was quicker, or the timer was changed.
pub async fn take(tx: &mut Tx, due: &Due, next: Option<DateTime<Utc>>) -> Result<bool> {
    let taken = match next {
        Some(next) => {
            let text = "UPDATE timer SET due_at = $3 WHERE owner = $1 AND due_at = $2";
            tx.query(text).bind(due.owner.clone()).bind(due.due_at).bind(next).run().await?
        }
        None => tx.query("DELETE FROM timer WHERE owner = $1 AND due_at = $2").bind(due.owner.clone()).bind(due.due_at).run().await?,
    };
    Ok(taken == 1)
}
