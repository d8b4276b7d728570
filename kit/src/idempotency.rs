//! A repeated request gets the first answer again and has no second effect.
//!
//! The answer is kept in the service's own database, written in the transaction of the effect. A second request that arrives
//! while the first is still open waits for it at [`claim`].

use chrono::TimeDelta;
use prost::Message;

use crate::{Clock, Context, Error, Result, Tx};

/// How long an answer is kept: longer than a signature stays valid (dataflow.md 1.3, rules 11 and 13).
const KEEP: TimeDelta = TimeDelta::minutes(15);

/// What to do with a request.
#[derive(Debug)]
pub enum Claim<M> {
    /// It is new: do it, then [`Ticket::record`] the answer in the same transaction.
    New(Ticket),
    /// It was done before: answer this.
    Done(M),
}

/// Permission to have the effect.
#[derive(Debug)]
pub struct Ticket(Option<(String, String)>);

/// Asks whether this request was done before. Without an idempotency key every request is new.
pub async fn claim<M: Message + Default>(tx: &mut Tx, clock: &Clock, context: &Context, method: &str) -> Result<Claim<M>> {
    let Some(key) = context.idempotency_key.clone() else { return Ok(Claim::New(Ticket(None))) };
    let scope = format!("{}:{method}", context.principal.user);
    let now = clock.now();
    let claimed = tx
        .query(
            "INSERT INTO idempotency (scope, key, answer, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (scope, key) DO UPDATE SET answer = excluded.answer, expires_at = excluded.expires_at
             WHERE idempotency.expires_at < $5",
        )
        .bind(scope.clone())
        .bind(key.clone())
        .bind(Vec::<u8>::new())
        .bind(now + KEEP)
        .bind(now)
        .run()
        .await?;
    if claimed == 1 {
        return Ok(Claim::New(Ticket(Some((scope, key)))));
    }
    let (answer,): (Vec<u8>,) =
        tx.query("SELECT answer FROM idempotency WHERE scope = $1 AND key = $2").bind(scope).bind(key).one().await?;
    tx.settled().await?; // the first answer may still wait for its sync
    M::decode(answer.as_slice()).map(Claim::Done).map_err(Error::internal)
}

impl Ticket {
    /// Keeps the answer for repetitions of this request.
    pub async fn record<M: Message>(self, tx: &mut Tx, answer: &M) -> Result<()> {
        let Some((scope, key)) = self.0 else { return Ok(()) };
        tx.query("UPDATE idempotency SET answer = $3 WHERE scope = $1 AND key = $2")
            .bind(scope)
            .bind(key)
            .bind(answer.encode_to_vec())
            .run()
            .await?;
        Ok(())
    }
}

/// Removes answers that are past their time.
pub async fn sweep(tx: &mut Tx, clock: &Clock) -> Result<u64> {
    Ok(tx.query("DELETE FROM idempotency WHERE expires_at < $1").bind(clock.now()).run().await?)
}
