//! What the Spec Store is told. Numbers are given under a lock that is held to the end of the transaction, so that whoever reads after a
//! number misses none below it.

use chrono::{DateTime, Utc};
use madang_kit::{Db, Error, Result, Tx, time};
use madang_proto::pipeline::v1::{FlowEvent, FlowEventKind};
use prost::Message;

/// An event of a pipeline.
pub(crate) fn of(flow: &str, pipeline: &str, kind: FlowEventKind, now: DateTime<Utc>) -> FlowEvent {
    FlowEvent {
        flow_id: flow.to_owned(),
        pipeline_id: pipeline.to_owned(),
        kind: kind.into(),
        at: Some(time::wire(now)),
        ..FlowEvent::default()
    }
}

/// Adds an event; ring the bell of events after the commit.
pub(crate) async fn add(tx: &mut Tx, event: FlowEvent) -> Result<()> {
    let (number,): (i64,) = tx.query("UPDATE flow_counter SET value = value + 1 WHERE name = 'event' RETURNING value").one().await?;
    let text = "INSERT INTO flow_event (number, flow_id, message) VALUES ($1, $2, $3)";
    tx.query(text).bind(number).bind(event.flow_id.clone()).bind(event.encode_to_vec()).run().await?;
    Ok(())
}

/// Events after a number, oldest first.
pub(crate) async fn after(db: &Db, number: i64, limit: i64) -> Result<Vec<FlowEvent>> {
    let text = "SELECT number, message FROM flow_event WHERE number > $1 ORDER BY number LIMIT $2";
    let rows: Vec<(i64, Vec<u8>)> = db.query(text).bind(number).bind(limit).all().await?;
    let read = |(number, message): (i64, Vec<u8>)| {
        let event = FlowEvent::decode(message.as_slice()).map_err(Error::internal)?;
        Ok(FlowEvent { number: number.cast_unsigned(), ..event })
    };
    rows.into_iter().map(read).collect()
}

/// Forgets events up to a number.
pub(crate) async fn forget(db: &Db, number: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.query("DELETE FROM flow_event WHERE number <= $1").bind(number).run().await?;
    Ok(tx.commit().await?)
}
